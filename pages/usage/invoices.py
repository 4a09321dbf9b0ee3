"""Usage invoices: which usage is to be billed now, which Drafts are to be made again, and what is held back?"""

from __future__ import annotations

import streamlit as st

from pages.components import address, billing, billing_filters, billing_steps, cached, done, empty, tables, tiles, usage_invoice


def page() -> None:
    head = st.container()
    done.draw()
    wanted = billing_filters.chosen()
    report = cached.usage_invoices(wanted)
    if not report.choices["customers"]:
        return empty.nothing(
            "Nothing to bill yet: usage comes with the providers' invoices, and contracts with our records. Load both; what is due stands here then."
        )
    billing_filters.draw(report.choices)
    if (linked := billing_filters.chosen()) != wanted:
        report = cached.usage_invoices(linked)
    with head:
        billing.head(report)
    for row in report.tiles:
        tiles.draw(row)
    billing.due(report)
    billing.to_remake(report.remake)
    billing.to_credit(report.owed)
    billing.held_back(report.held)
    st.subheader("All usage invoices", anchor=False)
    if not report.invoices.rows:
        return empty.nothing("No usage invoice matches. What is due is billed above; past ones come with invoices.csv.")
    selected = tables.show(report.invoices, key="usage_invoices", selects=True)
    tables.downloads(report.invoices, key="usage_invoices")
    if selected:
        address.open_usage_invoice(selected["invoice_number"])
        st.rerun()


def opened(number: str) -> None:
    found = cached.usage_invoice(number)
    done.draw()
    if found is None:
        return usage_invoice.not_there(number)
    st.set_page_config(page_title=f"{number} · w365core")
    usage_invoice.draw(found)


wanted_number = address.usage_invoice()
if wanted_number is None:
    page()
else:
    opened(wanted_number)
billing_steps.dialog()
