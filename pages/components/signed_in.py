"""Who is in front of this page? One person alone at this machine, or somebody who has signed in; nothing is shown to anybody else.

person             who acts, as the doors take it
refuse_stranger    asked whenever a page opens the database: a role that was taken away holds at the next click
enter              the frame's question, before any page is run: the role, or what is to be drawn in the page's place where a sign-in or a role is needed first
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.components import asking, plain
from w365core import access
from w365core.access import Person, Role
from w365core.jobs import peopling, permitting, queue
from w365core.reports import people
from w365core.reports.connection import Engine

_HERE = "signed_in_person"  # who the session belongs to; the role is never kept
_IN_PLACE_OF: ContextVar[str | Person | None] = ContextVar("in place of", default=None)
_NOBODY = Person("", "somebody who has not signed in")


def is_configured() -> bool:
    """Whether people sign in here."""
    return "is_logged_in" in st.user.to_dict()


def person() -> str | Person:
    """Who acts, and from which form: what is asked from it twice is done once. Where people sign in, whoever has not is let into nothing; nor is what runs
    outside of any session, in nobody's place."""
    in_place_of = _IN_PLACE_OF.get()
    if in_place_of is not None:
        return in_place_of
    if get_script_run_ctx(suppress_warning=True) is None:
        return _NOBODY
    permitting.from_form(asking.form())
    if not is_configured():
        return queue.person()
    permitting.for_people()
    claims = st.user.to_dict()
    known = st.session_state.get(_HERE) if claims.get("is_logged_in") and peopling.is_fresh(claims) else None
    return known or _NOBODY


@contextmanager
def in_place_of(who: str | Person) -> Iterator[None]:
    """What is worked out later, outside of the session that asked for it, is worked out for who asked."""
    token = _IN_PLACE_OF.set(who)
    try:
        yield
    finally:
        _IN_PLACE_OF.reset(token)


def refuse_stranger(engine: Engine) -> None:
    """AccessRefused where whoever is here has no role (any more), or was never asked for one."""
    who = person()
    if isinstance(who, Person):
        permitting.refuse_stranger(engine, who)


def refuse_download(engine: Engine, what: str) -> None:
    """AccessRefused where this file is not for them."""
    who = person()
    if isinstance(who, Person):
        permitting.refuse_download(engine, what, who)


def enter(open_engine: Callable[[], Engine]) -> Role | Callable[[], None]:
    """Their role; an admin's where one person works alone. Else what draws what is needed first: to be called once the pages are named, because a button
    that is pressed before that leads to the first page."""
    if not is_configured():
        return Role.ADMIN
    claims = st.user.to_dict()
    if not claims.get("is_logged_in"):
        return partial(_ask, "Sign in to go on", "This installation is shared: what you may see and do depends on who you are.")
    if not peopling.is_fresh(claims):
        st.session_state.pop(_HERE, None)
        return partial(_ask, "Sign in again", "Your last sign-in is too long ago.")
    engine = open_engine()
    if _HERE not in st.session_state:
        st.session_state[_HERE] = peopling.came(engine, claims)
    role = peopling.role_of(engine, st.session_state[_HERE])
    return partial(_say_no_role, st.session_state[_HERE]) if role is None else role


def refuse_route(path: str, role: Role) -> None:
    """AccessRefused where this page is not for that role."""
    access.refuse_route(path, role)


def badge(role: Role) -> None:
    """In the sidebar: who is here, as what, and the way out."""
    who = st.session_state.get(_HERE)
    if who is None:
        return
    rules = [f"- **{one}**{' (yours)' if one == role else ''}: {may}" for one, may in people.roles()]
    st.caption(f"Signed in as {plain.label(who.name)}, {role}.", help="Each role may also do what those above it may.\n" + "\n".join(rules))
    if role == Role.VIEWER:
        st.caption("You may see and take along everything; whatever changes something says which role it takes.")
    st.button("Sign out", key="sign_out", icon=":material/logout:", type="tertiary", on_click=st.logout)


def _in_the_middle() -> DeltaGenerator:
    """Where somebody looks who sees nothing else yet."""
    st.space("large")
    return st.container(horizontal=True, horizontal_alignment="center")


def _ask(title: str, why: str) -> None:
    """The page is opened where it was asked for, once they come back."""
    with _in_the_middle(), st.container(border=True, width=520):
        st.subheader(title, anchor=False)
        st.text(why)
        st.button("Sign in", key="sign_in", type="primary", icon=":material/login:", on_click=st.login)


def _say_no_role(who: Person) -> None:
    with _in_the_middle(), st.container(border=True, width=760):
        st.subheader("You have no role here yet", anchor=False)
        st.text(f"You are signed in as {who.name}. An admin can let you in on the page People, or whoever runs this installation with:")
        st.code(f"python -m w365core people set '{who.subject}' --role viewer", language="bash")
        with st.container(horizontal=True, gap="small"):
            st.button("Try again", key="retry_role", type="primary", icon=":material/refresh:")
            st.button("Sign out", key="sign_out", icon=":material/logout:", on_click=st.logout)
