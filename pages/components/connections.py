"""How are a provider's rights, its gaps and its customers without an account shown? A sentence each, and a table whose row says how to map it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.components import tables
from w365core.reports import connections
from w365core.reports.connections import Gap
from w365core.reports.tables import Table

_LOOKS = {
    "works": (":material/check_circle:", "green"),
    "missing": (":material/error:", "red"),
    "not possible": (":material/remove_circle:", "gray"),
    "not reachable": (":material/cloud_off:", "red"),
}


def check(proved: Mapping[str, Any]) -> None:
    """One right of a connection, as a test found it; for the provider's support its code and request id."""
    icon, color = _LOOKS[proved["verdict"]]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(proved["verdict"].capitalize(), icon=icon, color=color)
        st.text(proved["capability"], width="content")
        if proved["verdict"] != "works" and proved["status"]:
            st.caption(" · ".join(str(part) for part in (proved["status"], proved["code"], proved["request_id"]) if part), width="content")
    if proved["said"]:
        st.text(proved["said"])


def gaps(found: Sequence[Gap]) -> None:
    """What the providers did not tell, one after the other."""
    for gap in found:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(gap.what, icon=":material/warning:", color="orange")
            st.text(f"{gap.provider}: {gap.sentence}")


def waiting(proposed: Table) -> None:
    """The table; a click on a row shows the command that maps it."""
    if not proposed.rows:
        with st.container(border=True):
            st.badge("Nobody is unmapped", icon=":material/check_circle:", color="green")
            st.text("Every customer that the providers have told of has an account, or no account sync has run yet.")
        return
    st.caption("Nothing is mapped by itself. Click a row for the command that does it; what waits on it comes in with the next sync.")
    chosen = tables.show(proposed, key="proposed", selects=True)
    if chosen:
        st.code(connections.mapping_command(chosen), language="bash")
    tables.downloads(proposed, key="proposed")
