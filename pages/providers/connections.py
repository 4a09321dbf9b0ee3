"""Providers: who is connected, how fresh is what they told, and which customers does nobody know yet?"""

from __future__ import annotations

import streamlit as st

from pages.components import cached, connections, empty, sync, tables


def page() -> None:
    _head()
    sync.progress()
    report = cached.connections()
    if not report.providers.rows:
        return empty.no_providers()
    tables.show(report.providers, key="providers")
    connections.gaps(report.gaps)
    st.subheader("Customers that nobody has mapped", anchor=False)
    connections.waiting(report.waiting)


def _head() -> None:
    """The title; what can be done with all providers stands beside it on the right."""
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with row.container(gap=None, width="content"):
        st.title("Providers", anchor=False)
        st.caption("Where invoices come from, what each connection can bring, and whose its customers are.")
    with row.container(horizontal=True, width="content", gap="small"):
        sync.test_button()
        sync.accounts_button()


page()
