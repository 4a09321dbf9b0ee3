"""May this person do that? Asked at every door, of the database, at the moment of the action: a role that was taken away holds at the next click.

from_form     says from which form whoever acts here asks, so that a double click is one action
acts          marks a function that changes something: the action's name, or what makes a name of its arguments
for_people    says that whoever acts here has signed in, so that nobody acts without a name
refuse_stranger, refuse_download     whether somebody may look at all, or have a file

A door is handed `actor`: a `Person` who has signed in is looked up, and the function behind is given their name for the log. A plain text is the person
at the machine, who runs commands or works alone on it; where pages are for people who have signed in, nobody acts as a plain text.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from sqlalchemy import Engine

from w365core import access, settings as w365settings
from w365core.access import AccessRefused, Person, Role
from w365core.jobs import once
from w365core.jobs.context import clock
from w365core.store import people
from w365core.store.engine import guarded

Door = TypeVar("Door", bound=Callable[..., Any])
Named = str | Callable[..., str]

_FOR_PEOPLE: ContextVar[bool] = ContextVar("for people", default=False)  # of a page's run, which has a context of its own
_FORM: ContextVar[str | None] = ContextVar("form", default=None)  # of a page's run too
_LET_IN: ContextVar[bool] = ContextVar("let in", default=False)  # a door behind a door


def acts(action: Named, *, changes: bool | Callable[..., bool] = True) -> Callable[[Door], Door]:
    """Marks a door, which takes the engine first and `actor` by name. `action` is its name, or what makes one of the arguments. Whoever asks with a `key`
    is sure that it is done once, however often they ask: DoneAlready the second time. `form` is such a key for whatever is asked from one form; a page's run
    has said its own (`from_form`), and what is asked there has that key. What `changes` nothing is for the same people, and may be asked again, as may a
    `dry_run`."""

    def mark(door: Door) -> Door:
        @functools.wraps(door)
        def guarded_door(*given: Any, **named: Any) -> Any:
            if _LET_IN.get():
                return door(*given, **named)
            key, form = named.pop("key", None), named.pop("form", _FORM.get())
            engine = given[0] if given else named["engine"]
            wanted = action if isinstance(action, str) else action(*given, **named)
            if "actor" in named or _FOR_PEOPLE.get():
                named["actor"] = let_in(engine, named.get("actor"), wanted)
            token = _LET_IN.set(True)
            try:
                is_look = named.get("dry_run") or not (changes if isinstance(changes, bool) else changes(*given, **named))
                if is_look or key is None and form is None:
                    return door(*given, **named)
                who, when = named.get("actor") or "unknown", named.get("now") or clock(w365settings.read(), engine)
                asked = once.fingerprint(given[1:], named)
                key = f"{form} {wanted} {asked}" if key is None else key
                return once.only(engine, key, actor=who, action=wanted, asked=asked, now=when, do=lambda: door(*given, **named))
            finally:
                _LET_IN.reset(token)

        guarded_door.action = action
        return guarded_door

    return mark


def let_in(engine: Engine, actor: str | Person | None, action: str) -> str | None:
    """What the log calls whoever does this. AccessRefused where they may not."""
    if not isinstance(actor, Person):
        if _FOR_PEOPLE.get():
            raise AccessRefused(
                f"{access.ACTIONS[action].doing.capitalize()} is for people who have signed in; nothing was done. Sign in first."
            )
        return actor
    access.refuse_action(action, _role(engine, actor))
    return actor.name


def for_people() -> None:
    """From here on, in this run of a page, nobody acts who has not signed in."""
    _FOR_PEOPLE.set(True)


def from_form(form: str | None) -> None:
    """From here on, in this run of a page, whatever is asked is asked from this form; None: by nobody at a form."""
    _FORM.set(form)


def refuse_stranger(engine: Engine, person: Person) -> Role:
    """AccessRefused where somebody has no role (any more)."""
    role = _role(engine, person)
    if role is None:
        raise AccessRefused("You have no role here (any more), so nothing is shown. Ask an admin for one.")
    return role


def refuse_download(engine: Engine, what: str, person: Person) -> None:
    """AccessRefused where this file is not for them."""
    access.refuse_download(what, _role(engine, person))


def _role(engine: Engine, person: Person) -> Role | None:
    with guarded(), engine.connect() as connection:
        return people.role_of(connection, person.subject)
