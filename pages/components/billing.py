"""How is usage that waits for its invoice shown? What is due with its money and a button, Drafts to make again, what to credit, and what is held back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages.components import address, billing_steps, plain, tables
from w365core.reports import wording
from w365core.reports.tables import Table
from w365core.reports.usage_invoices import Due, ToRemake, UsageInvoices

SHOWN_AT_FIRST = 6
_WIDTHS = (3.0, 4.6, 2.1, 1.6)


def head(report: UsageInvoices) -> None:
    """The title; what can be done with everything that is due stands beside it on the right."""
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with row.container(gap=None, width="content"):
        st.title("Usage invoices", anchor=False)
        st.caption("What our customers used and have not been billed for, cycle by cycle, and every invoice that was made of it.")
    if report.due:
        drafts = [draft for one in report.due for draft in one.drafts]
        with row.container(horizontal=True, width="content"):
            st.button(
                f"Bill all {len(drafts):,}",
                key="bill_all",
                help="Everything that is ready and has its invoice date by the end of this month.",
                icon=":material/request_quote:",
                type="primary",
                on_click=billing_steps.ask_bill,
                args=(report.due,),
            )


def due(report: UsageInvoices) -> None:
    """The contracts that can be billed, the biggest money first."""
    st.subheader("Ready to bill", anchor=False)
    if not report.due:
        with st.container(border=True):
            st.badge("Nothing is due", icon=":material/check_circle:", color="green" if not report.held.rows else "gray")
            st.text(
                "Every cycle that is over and has billable usage has its invoice."
                + (" What is held back stands below." if report.held.rows else "")
            )
    else:
        _some_or_all(report.due, _due_row, report.due_table, key="due")
    for sentence in report.waits:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Waits for an earlier cycle", icon=":material/hourglass_top:", color="orange")
            st.text(sentence)


def to_remake(found: Sequence[ToRemake]) -> None:
    """Drafts that would come out otherwise today; nothing where there is none."""
    if not found:
        return
    st.subheader("Drafts to make again", anchor=False)
    st.caption("They would come out otherwise today. Making one again keeps its number and date.")
    with st.container(border=True, gap="small"):
        for one in found:
            _remake_row(one)


def to_credit(owed: Table) -> None:
    """What is Billed or Paid and would be otherwise with the markups of today; nothing is done about it here."""
    if not owed.rows:
        return
    st.subheader("To credit or charge", anchor=False)
    st.caption(
        "The customer has these invoices, and the markup of a subscription on them was changed after its usage came in. Nothing changes by itself."
    )
    tables.show(owed, key="owed")
    tables.downloads(owed, key="owed")


def held_back(held: Table) -> None:
    """What is due and cannot be billed, with the cause and what to do."""
    if not held.rows:
        return
    st.subheader("Held back", anchor=False)
    _some_or_all(held.rows, _held_row, held, key="held")


def _some_or_all(rows: Sequence[Any], draw: Callable[[Any], None], table: Table, *, key: str) -> None:
    """The first few in a frame, all of them where that is asked for, and the table to take along."""
    with st.container(border=True, gap="small"):
        for row in rows if st.session_state.get(f"{key}_all", False) else rows[:SHOWN_AT_FIRST]:
            draw(row)
    left, right = st.columns((7, 3), vertical_alignment="center")
    with left:
        if len(rows) > SHOWN_AT_FIRST:
            st.toggle(f"Show all {len(rows):,}", key=f"{key}_all")
    with right:
        tables.downloads(table, key=key)


def _held_row(row: Mapping[str, Any]) -> None:
    name, what, figures = st.columns((3.2, 6, 2.1), gap="small", vertical_alignment="center")
    with name.container(gap=None):
        st.markdown(f"**{plain.label(row['customer'])}**")
        st.caption(f"{plain.label(row['contract_id'] or 'no contract')} · due on {wording.day(row['invoice_date'])}")
    with what.container(gap=None):
        st.badge(row["cause"], icon=":material/front_hand:", color="orange")
        st.text(row["sentence"])
    with figures.container(gap=None, horizontal_alignment="right"):
        priced = row["selling"] is not None
        st.markdown(f"**{wording.rounded(row['selling'] if priced else row['cost'], row['currency'])}**", text_alignment="right")
        usage = wording.counted(row["summaries"], "usage summary", "usage summaries")
        st.caption(f"{usage}, {'as it sells' if priced else 'at cost'}", text_alignment="right")
        if row["without_markup"]:
            key = f"markup_{row['contract_id']}_{row['currency']}"
            if st.button("Set the markup", key=key, icon=":material/percent:"):
                st.switch_page("usage/markup.py", query_params={"subscriptions": row["without_markup"]})


def _due_row(one: Due) -> None:
    name, what, figures, act = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
    with name.container(gap=None):
        st.markdown(f"**{plain.label(one.customer)}**")
        st.caption(f"{plain.label(one.contract_id)} · {', '.join(plain.label(draft.invoice_number) for draft in one.drafts)}")
    with what.container(gap=None):
        st.text(one.sentence)
        st.caption(f"Invoice date {', '.join(wording.day(draft.invoice_date) for draft in one.drafts)}")
        for note in one.notes:
            st.caption(f":orange[:material/info: {plain.label(note)}]")
    figures.markdown(f"**{wording.amount(one.total, one.currency)}**", text_alignment="right")
    act.button("Bill", key=f"bill_{one.contract_id}", on_click=billing_steps.ask_bill, args=((one,),), width="stretch")


def _remake_row(one: ToRemake) -> None:
    name, what, figures, act = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
    with name.container(gap=None):
        st.button(
            f"**{plain.label(one.invoice_number)}**",
            key=f"open_remake_{one.invoice_number}",
            type="tertiary",
            on_click=address.open_usage_invoice,
            args=(one.invoice_number,),
        )
        st.caption(plain.label(one.customer))
    what.text(one.sentence)
    with figures.container(gap=None, horizontal_alignment="right"):
        after = one.after_markups if one.after_markups is not None else one.after
        st.markdown(f"**{wording.amount(after, one.currency)}**" if after is not None else "**nothing**", text_alignment="right")
        st.caption(f"is {wording.amount(one.before, one.currency)} now", text_alignment="right")
    act.button("Make again", key=f"remake_{one.invoice_number}", on_click=billing_steps.ask_remake, args=(one,), width="stretch")
