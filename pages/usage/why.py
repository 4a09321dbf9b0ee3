"""Why is there no usage invoice? What holds the usage of a month up, how much money that is, and what starts the fix."""

from __future__ import annotations

import streamlit as st

from pages.components import done, empty, sync, tables, tiles, why


def page() -> None:
    _head()
    done.draw()
    sync.progress()
    report = why.report()
    if not report.rows and not any(report.counts.values()):
        return empty.nothing(
            "No usage subscription has a cycle whose invoice date lies in this month. Usage subscriptions and their contracts come with `load`; "
            "the invoice date of a cycle is the contract's next_invoice_date (set on the page Settings), else the day after the cycle."
        )
    tiles.draw(report.tiles)
    st.subheader("What to do, the biggest money first", anchor=False)
    why.knots(report)
    st.subheader("Contracts", anchor=False)
    why.contracts(report)
    tables.downloads(report.table, key="why")
    st.subheader("The month", anchor=False)
    why.calendar(report)
    st.subheader("When the providers' invoices arrive", anchor=False)
    why.lateness(report)


def _head() -> None:
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with row.container(gap=None, width="content"):
        st.title("Why is there no usage invoice?", anchor=False)
        st.caption("Every usage contract of a month: billed, ready, late, or what holds it up, with the evidence and the way out.")
    with row.container(horizontal=True, width="content", gap="small"):
        sync.button()


page()
sync.dialog()
