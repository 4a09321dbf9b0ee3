"""How is one usage invoice shown? What it comes to and of what, its lines down to the provider's invoice, and what can be done with it."""

from __future__ import annotations

import streamlit as st

from pages.components import address, billing_steps, empty, plain, standings, tables, tiles
from w365core.reports import wording
from w365core.reports.usage_invoice_detail import Opened


def draw(found: Opened) -> None:
    """The whole of it."""
    row = found.row
    st.button("All usage invoices", key="back", icon=":material/arrow_back:", type="tertiary", on_click=address.close_usage_invoice)
    head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with head.container(gap=None, width="content"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.title(plain.label(found.number), anchor=False, width="content")
            standings.badge(row["status"])
        st.caption(
            f"{plain.label(row['customer'] or row['account_id'] or 'no account')} · contract {plain.label(row['contract_id'] or 'none')} · "
            f"{wording.day(row['cycle_start'])} to {wording.day(row['cycle_end'])} · invoice date {wording.day(row['invoice_date'])}"
        )
    with head.container(horizontal=True, width="content", gap="small"):
        _actions(found)
    tiles.draw(found.tiles)
    _sums(found)
    st.subheader("Lines", anchor=False)
    selected = tables.show(found.lines, key=f"lines_{found.number}", selects=True)
    tables.downloads(found.lines, key="usage_invoice_lines")
    if selected:
        _behind(selected)
    _usage(found)


def not_there(number: str) -> None:
    """The URL names an invoice that is not there."""
    st.button("All usage invoices", key="back", icon=":material/arrow_back:", type="tertiary", on_click=address.close_usage_invoice)
    empty.nothing(f"There is no usage invoice {number}; it may have been deleted since the link was made.")


def _actions(found: Opened) -> None:
    status = found.row["status"]
    if status == "Draft":
        st.button(
            "Mark Billed",
            key="mark_billed",
            icon=":material/send:",
            type="primary",
            on_click=billing_steps.ask_mark,
            args=(found, "Billed"),
        )
        st.button("Make again", key="make_again", icon=":material/refresh:", on_click=billing_steps.ask_remake_opened, args=(found,))
        st.button("Delete draft", key="delete_draft", icon=":material/delete:", on_click=billing_steps.ask_delete, args=(found,))
    elif status == "Billed":
        st.button(
            "Mark Paid", key="mark_paid", icon=":material/paid:", type="primary", on_click=billing_steps.ask_mark, args=(found, "Paid")
        )


def _sums(found: Opened) -> None:
    """Only of what was made here is it known that it has to come together."""
    if not found.row["made_here"]:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        if found.reconciles:
            st.badge("Reconciles", icon=":material/check_circle:", color="green")
        else:
            st.badge("Does not reconcile", icon=":material/error:", color="red")
        st.text(found.sums)
        if not found.reconciles:
            st.caption("Usage was taken off this invoice. Make the Draft again; of a Billed one credit the difference.")


def _behind(line: dict) -> None:
    """The usage behind the line that was clicked, and the provider invoice that it came from."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        if line["usage_id"] is None:
            st.text("This line has no usage of its own: a top-up to a minimum commitment, or a line of our records.")
            return
        st.text(f"Line {line['line_number']}: usage {line['usage_id']}, charged {line['charge_start']} to {line['charge_end']}.")
        st.page_link(
            "invoices/status.py",
            label=f"Open it on provider invoice {plain.label(line['provider_invoice'])}",
            icon=":material/receipt_long:",
            query_params={"invoice": str(line["provider_invoice_id"]), "usage": line["usage_id"], "tab": "Usage lines"},
        )


def _usage(found: Opened) -> None:
    """Provider invoices that its usage came from, each a link; and the usage itself where the lines do not name it."""
    came = {row["provider_invoice_id"]: row["provider_invoice"] for row in found.linked.rows}
    if not came:
        return
    st.subheader("From these provider invoices", anchor=False)
    with st.container(horizontal=True, gap="small"):
        for invoice_id, number in came.items():
            st.page_link(
                "invoices/status.py",
                label=plain.label(number),
                icon=":material/receipt_long:",
                query_params={"invoice": str(invoice_id), "tab": "Usage summaries"},
            )
    with st.expander(
        f"Its usage: {wording.counted(len(found.linked.rows), 'summary', 'summaries')}",
        icon=":material/list:",
        expanded=not found.row["made_here"],
    ):
        tables.show(found.linked, key="linked")
        tables.downloads(found.linked, key="linked")
