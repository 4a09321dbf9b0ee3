"""Missing references: what do our records lack, how much money and whose billing waits on it, and what supplies it?"""

from __future__ import annotations

import streamlit as st

from pages.components import address, cached, empty, filters, references, references_fix, sync, tables, tiles


def page() -> None:
    _head()
    sync.progress()
    references_fix.what_was_done()
    filters.say_unknown()
    invoice = address.inbox_invoice()
    above = st.container()  # drawn once it is known which kind is asked for
    report = cached.missing_references(filters.chosen(), kind=references.kind(), invoice=invoice)
    with above:
        if invoice is not None:
            references.only_one_invoice(report)
        references.supplied(report.supplied)
        tiles.draw(report.tiles)
    if not report.kinds:
        if filters.any_chosen() and not cached.invoice_status(filters.chosen()).invoices:
            return empty.no_match()
        return empty.nothing_missing(filtered=filters.any_chosen() or invoice is not None, waiting=bool(report.supplied))
    references.inbox(report.things)
    st.subheader("As a table", anchor=False)
    tables.show(report.table, key="missing_table")
    references.downloads(report)


def _head() -> None:
    """The title; what can be done with all invoices stands beside it on the right."""
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with row.container(gap=None, width="content"):
        st.title("Missing references", anchor=False)
        st.caption(
            "What the providers' lines refer to and our records lack. One missing thing keeps a whole invoice out, and everybody's billing on it."
        )
    with row.container(horizontal=True, width="content", gap="small"):
        sync.accounts_button()


page()
