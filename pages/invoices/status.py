"""Invoice status: what needs doing about the provider invoices, and how much money is it about?"""

from __future__ import annotations

import streamlit as st

from pages.components import actions, address, cached, charts, done, empty, filters, imports, invoice, sync, tables, tiles, worklist


def page() -> None:
    _head()
    done.draw()
    sync.progress()
    filters.say_unknown()
    report = cached.invoice_status(filters.chosen())
    if not report.invoices:
        return empty.no_match() if filters.any_chosen() else empty.no_invoices()
    tiles.draw(report.tiles)
    st.subheader("Needs attention", anchor=False)
    worklist.draw(report.attention, chosen=report.invoices, now=cached.installation().now)
    if len(report.standings.cells) > 1:
        charts.by_status(report.standings)
    charts.by_month(report.months)
    st.subheader("All invoices", anchor=False)
    selected = tables.show(report.table, key="invoices", selects=True)
    tables.downloads(report.table, key="invoices")
    if selected:
        address.open_invoice(selected["id"])
        st.rerun()


def _head() -> None:
    """The title; what can be done with all invoices stands beside it on the right."""
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with row.container(gap=None, width="content"):
        st.title("Invoice status", anchor=False)
        st.caption("What the providers invoiced us, whether it adds up, and what holds it up.")
    with row.container(horizontal=True, width="content", gap="small"):
        imports.button()
        sync.button()


def opened(provider_invoice_id: int) -> None:
    detail = cached.invoice(provider_invoice_id)
    if detail is None:
        empty.no_such_invoice(back=address.close_invoice)
    else:
        st.set_page_config(page_title=f"{detail.invoice.number} · w365core")
        invoice.draw(detail)


def dialogs() -> None:
    """Whichever is open stands over the page."""
    sync.dialog()
    imports.dialog()
    actions.dialog()


wanted = address.invoice()
if wanted is None:
    page()
else:
    opened(wanted)
dialogs()
