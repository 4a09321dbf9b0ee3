"""How does a person say what the columns of a file are? A choice for each header, the first lines as they would be read, and whether all hold together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.components import cached, plain, problems, signed_in
from w365core.jobs import naming, queue
from w365core.jobs.naming import Shown
from w365core.reports.provider_invoice import Invoice

NOTHING = "–"
_ACROSS = 3


def wanted(invoice: Invoice) -> bool:
    """Whether this invoice waits for its columns to be named."""
    return "provider map-columns" in invoice.message


def draw(invoice: Invoice) -> None:
    """The headers, what they are, and a button that remembers it."""
    with st.container(border=True), problems.boundary():
        st.subheader("Name its columns", anchor=False)
        st.caption(
            "What is said here is kept for every later file with the same headers. Needed are customer, subscription, subtotal and currency."
        )
        engine, of = cached.engine(), {"provider": invoice.provider, "invoice": invoice.number}
        first = naming.looked_at(engine, **of, said={})
        said = _choices(first, key=f"naming_{invoice.id}")
        twice = sorted({column for column in said.values() if column and list(said.values()).count(column) > 1})
        if twice:
            st.text(f"Two headers cannot both be {' and '.join(twice)}.")
            return
        found = naming.looked_at(engine, **of, said=said)
        _preview(found)
        _checks(found)
        if st.button(
            "Remember and sync again", key="naming_remember", type="primary", icon=":material/save:", disabled=not found.importable
        ):
            naming.remember(engine, **of, said=said, actor=signed_in.person())
            st.session_state["sync_job"] = queue.ask(engine, kind=queue.INVOICE, **of, actor=signed_in.person())
            st.toast("Remembered; the invoice is queued to be synced again.")
            st.rerun()


def _choices(shown: Shown, *, key: str) -> dict[str, str]:
    """Header -> column, "" for none."""
    options, said = [NOTHING, *naming.CHOICES], {}
    columns = st.columns(_ACROSS, gap="small")
    for position, header in enumerate(shown.layout.headers):
        known = shown.layout.columns.get(header, NOTHING)
        with columns[position % _ACROSS]:
            chosen = st.selectbox(plain.label(header), options, index=options.index(known), key=f"{key}_{position}")
        said[header] = "" if chosen == NOTHING else chosen
    return said


def _preview(shown: Shown) -> None:
    if shown.preview:
        st.caption("The first lines, as they would be read" if shown.layout.complete else "The first lines, as they are printed")
        rows = [{name: _text(value) for name, value in row.items()} for row in shown.preview]
        st.dataframe(_without_blank_columns(rows), hide_index=True)


def _without_blank_columns(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    filled = [name for name in rows[0] if any(row[name] for row in rows)]
    return [{name: row[name] for name in filled} for row in rows]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _checks(shown: Shown) -> None:
    if not shown.layout.complete:
        st.text(f"Not readable yet: {shown.layout.lacking}.")
    for check in shown.checks:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            color: Mapping[bool, str] = {True: "green", False: "red" if check.hard else "orange"}
            st.badge(check.what, icon=":material/check:" if check.passed else ":material/visibility:", color=color[check.passed])
            st.text(check.said)
    if shown.layout.currency:
        st.caption(f"All amounts are {shown.layout.currency}, as the headers say.")
