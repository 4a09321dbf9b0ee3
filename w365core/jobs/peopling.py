"""Who may come in, and as what? A door for pages and for the command line: everybody who has signed in, and the role of each.

came           notes a sign-in; the role that the provider of identities claims for somebody holds until one is set here
give, remove   sets a role, takes it away; the next click of that person is judged by it
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import EllipsisType
from typing import Any

from sqlalchemy import Connection, Engine, Row

from w365core import settings as w365settings
from w365core.access import Person, Role
from w365core.errors import CallRefused
from w365core.jobs.context import clock
from w365core.jobs.permitting import acts
from w365core.store import people as store
from w365core.store.engine import guarded
from w365core.store.ledger import Who

__all__ = ["all_of_them", "came", "give", "is_fresh", "remove", "role_of"]


def came(engine: Engine, claims: Mapping[str, Any]) -> Person:
    """Somebody has signed in, of whom the provider of identities says this; who they are here. CallRefused where it does not say who."""
    settings = w365settings.read()
    issuer, name = claims.get("iss"), claims.get("sub")
    if not (isinstance(issuer, str) and issuer and isinstance(name, str) and name):
        raise CallRefused("The sign-in does not say who it is of (no issuer or subject), so nobody is let in.")
    email = claims.get("email") if isinstance(claims.get("email"), str) else None
    shown = next((str(claims[one]) for one in ("preferred_username", "email", "name") if claims.get(one)), name)
    told = {"subject": f"{issuer}|{name}", "name": shown, "email": email, "claimed": _claimed(claims, settings.role_claim)}
    with guarded(), engine.begin() as connection:
        called = store.came(connection, **told, now=clock(settings, engine))
    return Person(told["subject"], called)


def is_fresh(claims: Mapping[str, Any]) -> bool:
    """Whether the sign-in is not older than this installation lets one be: the browser keeps it for a month."""
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        return False
    return time.time() - issued < w365settings.read().sign_in_hours * 3600


def _claimed(claims: Mapping[str, Any], named: str) -> Role | None:
    """The highest role of ours in that claim, a text or a list of them; None where no claim is asked for, or it holds none."""
    said = claims.get(named) if named else None
    values = {str(one).strip().lower() for one in (said if isinstance(said, list | tuple) else [said])}
    return next((role for role in reversed(Role) if role in values), None)


def role_of(engine: Engine, person: Person) -> Role | None:
    """What they may do now."""
    with guarded(), engine.connect() as connection:
        return store.role_of(connection, person.subject)


def all_of_them(connection: Connection) -> Sequence[Mapping[str, Any]]:
    """Everybody who has signed in, those who wait for a role first."""
    return store.all_of_them(connection)


@acts("set role")
def give(
    engine: Engine, named: str, written: str, *, actor: str, now: datetime, seen: str | None | EllipsisType = ...
) -> tuple[str, Role, bool]:
    """Gives somebody a role; returns their name, the role, and whether that changed anything. CallRefused where nobody or more than one is meant, or where
    they have another role by now than the one that was `seen`; left out, nothing is compared."""
    role = _role(written)
    with guarded(), engine.begin() as connection:
        of = _one(connection, named)
        _refuse_other(of, seen, role)
        if of.role == Role.ADMIN and role != Role.ADMIN:
            _refuse_last(connection)
        return of.name, role, store.give(connection, of, role, who=Who(actor, now))


@acts("set role")
def remove(engine: Engine, named: str, *, actor: str, now: datetime, seen: str | None | EllipsisType = ...) -> tuple[str, bool]:
    """Takes somebody's role away; returns their name, and whether anything changed. What they did stays in the log. CallRefused as `give`."""
    with guarded(), engine.begin() as connection:
        of = _one(connection, named)
        _refuse_other(of, seen, None)
        if of.role == Role.ADMIN:
            _refuse_last(connection)
        return of.name, store.give(connection, of, None, who=Who(actor, now))


def _role(written: str) -> Role:
    try:
        return Role(written.strip().lower())
    except ValueError:
        raise CallRefused(f"There is no role {written.strip()[:40]!r}; there are {', '.join(Role)}.") from None


def _one(connection: Connection, named: str) -> Row:
    found = store.find(connection, named, locked=True)
    if not found:
        raise CallRefused(
            f"Nobody called {named.strip()[:80]!r} has signed in yet; `people list` shows who has. Let them sign in once, then give them a role."
        )
    if len(found) > 1:
        raise CallRefused(f"{len(found)} people are called {named.strip()[:80]!r}: name one by the subject that `people list` shows.")
    return found[0]


def _refuse_other(of: Row, seen: str | None | EllipsisType, wanted: str | None) -> None:
    if seen is not ... and of.role not in (seen, wanted):
        raise CallRefused(
            f"{of.set_by} has made {of.name} {of.role or 'somebody without a role'} since you looked; nothing was changed. Look again, then decide."
        )


def _refuse_last(connection: Connection) -> None:
    if store.admins(connection) == 1:
        raise CallRefused("That is the last admin: make somebody else an admin first, so that one stays.")
