"""How are people and their roles shown and set? Who waits first, everybody in a table, and what each role may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.components import asking, cached, done, empty, plain, problems, signed_in, tables
from w365core.access import Role
from w365core.jobs import peopling
from w365core.reports import people as report, wording

_NONE = "no role"


def waiting() -> None:
    """Who has signed in and has no role: what needs doing."""
    for row in _people().waiting:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Waits for a role", icon=":material/hourglass_top:", color="orange")
            st.text(f"{row['name']}, first seen {wording.zoned(row['first_seen_at'])}")
            st.space("stretch")
            for role in (Role.VIEWER, Role.ANALYST):
                st.button(f"Make {role}", key=f"make_{role}_{row['subject']}", on_click=_give, args=(row["subject"], role, None))


def everybody() -> None:
    """The table; a click on a row opens the form of that person."""
    people = _people()
    if not people.table.rows:
        if signed_in.is_configured():
            return empty.nothing("Nobody has signed in yet. Whoever does stands here, and waits for a role.")
        return empty.nothing(
            "This installation is for one person at this machine, who may do everything; nobody signs in. To share it, set up sign-in: "
            "docs/security.md says how. Whoever signs in then stands here, and waits for a role."
        )
    st.subheader("Everybody", anchor=False)
    st.caption("Click a row to change a role.")
    chosen = tables.show(people.table, key=f"people_{st.session_state.get('people_shown', 0)}", selects=True)
    tables.downloads(people.table, key="people")
    if chosen:
        _form(chosen)
    return None


def what_roles_may() -> None:
    """The rules, as they are in the code."""
    st.subheader("What each role may do", anchor=False)
    st.caption("Each may also do what those above it may. It is asked of the database at every action, whatever the page shows.")
    with st.container(border=True, gap="small"):
        for role, may in report.roles():
            left, right = st.columns((1, 9), gap="small")
            left.badge(role, color="blue")
            right.text(may)


def _people() -> report.People:
    with cached.reading() as opened:
        return report.build(peopling.all_of_them(opened))


def _form(row: Mapping[str, Any]) -> None:
    with st.container(border=True), problems.boundary():
        st.subheader(plain.label(row["name"]), anchor=False)
        st.text(row["subject"])
        seen = asking.seen(f"role {row['subject']}", row["role"])
        options = [_NONE, *Role]
        role = st.segmented_control("Role", options, default=row["role"] or _NONE, key=f"role_{row['subject']}", required=True)
        st.text(_effect(row, role))
        if st.button("Save", key="people_save", type="primary", icon=":material/save:", disabled=role == (row["role"] or _NONE)):
            _give(row["subject"], role, seen)
            st.rerun()


def _effect(row: Mapping[str, Any], role: str | None) -> str:
    if role == (row["role"] or _NONE):
        return f"{row['name']} has {row['role'] or _NONE} now."
    if role in (None, _NONE):
        return f"{row['name']} may see and do nothing any more, from the next click on. What they did stays in the log."
    return f"{row['name']} becomes {role}, from the next click on."


@problems.callback
def _give(subject: str, role: str | None, seen: str | None) -> None:
    told: dict[str, Any] = {"actor": signed_in.person(), "now": cached.installation().now, "seen": seen}
    with problems.boundary():
        if role in (None, _NONE):
            name, _ = peopling.remove(cached.engine(), subject, **told)
            done.say(f"{name} has no role any more.")
        else:
            name, given, _ = peopling.give(cached.engine(), subject, role, **told)
            done.say(f"{name} is {given}.")
        st.session_state["people_shown"] = st.session_state.get("people_shown", 0) + 1
