"""How is the audit log shown? Filters that live in the URL, a page of entries at a time, one of them opened, and a button that verifies all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st

from pages.components import cached, empty, plain, problems, tables
from w365core.reports import audit_log, wording
from w365core.reports.audit_log import Wanted
from w365core.reports.invoice_detail import Page

# The widget's key is the name in the URL; the names of the sidebar's filters are taken.
_KEYS = {"actors": "by", "actions": "did", "kinds": "to"}
_LABELS = {"actors": ("Who", "Everybody"), "actions": ("Did", "Everything"), "kinds": ("To what", "All kinds")}
_VERIFIED = "audit_verified"


def verification() -> None:
    """The button, and what it found last in this session."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        found = st.session_state.get(_VERIFIED)
        if found is None:
            st.badge("Not verified yet", icon=":material/link:", color="gray")
            st.text("Verifying goes through every entry and names the first that does not fit.")
        elif found.broken is None:
            st.badge("Holds", icon=":material/verified:", color="green")
            st.text(audit_log.said(found))
        else:
            st.badge("Broken", icon=":material/link_off:", color="red")
            st.text(audit_log.said(found))
        st.space("stretch")
        st.button(
            "Verify the log",
            key="audit_verify",
            icon=":material/fact_check:",
            type="primary" if found is None else "secondary",
            on_click=_verify,
        )
    if found is not None and found.broken is None and found.rows:
        st.caption(
            f"Noted outside of this database, {found.rows}:{found.hash} shows later whether the log was cut off or sealed anew: "
            "`python -m w365core audit verify --known NUMBER:HASH`."
        )


def entries() -> None:
    """The entries that the filters leave, the newest first."""
    with cached.reading() as opened:
        choices = audit_log.choices(opened)
    if not choices["actors"]:
        return empty.nothing("Nobody has done anything yet. Every change that a person makes stands here, with what it was before.")
    wanted = _filters(choices)

    def fetch(before: int | None) -> Page:
        with cached.reading() as opened:
            found = audit_log.load(opened, wanted, before=before)
        st.caption(f"{wording.counted(found.total, 'entry', 'entries')}, the newest first. Click a row to see the whole of it.")
        return Page(found.table, found.next)

    def rows() -> Sequence[Mapping[str, Any]]:
        with cached.reading() as opened:
            return list(audit_log.every(opened, wanted))

    page, chosen = tables.pages(fetch, tables.Everything(rows), key="audit", about=f"{wanted}", selects=True, what="audit log")
    if chosen:
        _opened(chosen)
    if not page.table.rows:
        empty.nothing("No entry is like that: take a filter away.")
    return None


@problems.callback
def _verify() -> None:
    with cached.reading(seconds=0) as opened:
        st.session_state[_VERIFIED] = audit_log.verify(opened)


def _filters(choices: Mapping[str, Sequence[str]]) -> Wanted:
    columns = st.columns((2, 2.4, 2, 2.2, 1.3, 1.3), gap="small")
    chosen = {
        name: tuple(
            column.multiselect(
                _LABELS[name][0],
                choices[name],
                key=key,
                bind="query-params",
                persist_state="session",
                placeholder=_LABELS[name][1],
                format_func=plain.label,
            )
        )
        for column, (name, key) in zip(columns, _KEYS.items(), strict=False)
    }
    target = columns[3].text_input(
        "Which, or why", key="about", bind="query-params", placeholder="Any", help="A part of the name or of the reason"
    )
    since = columns[4].date_input("From", value=None, key="since", bind="query-params")
    until = columns[5].date_input("To", value=None, key="until", bind="query-params")
    return Wanted(**chosen, target=target or "", since=_day(since), until=_day(until))


def _day(value: Any) -> date | None:
    return value if isinstance(value, date) else None


def _opened(entry: Mapping[str, Any]) -> None:
    """One entry, value by value."""
    with st.container(border=True, gap="small"):
        st.subheader(f"Entry {entry['audit_id']:,}: {plain.label(entry['action'])}", anchor=False)
        st.text(f"{entry['actor']}, {wording.moment(entry['at'])} UTC, {entry['target_kind']} {entry['target']}")
        if entry["reason"]:
            st.text(f"Why: {entry['reason']}")
        if entry["values"]:
            tables.show(audit_log.values_table(entry), key=f"audit_values_{entry['audit_id']}")
        st.caption(f"Sealed as {entry['hash']}")
