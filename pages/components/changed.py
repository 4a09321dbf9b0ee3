"""What did the provider change after the import, whom does that concern, and how is the new version taken? Drawn for a Changed invoice."""

from __future__ import annotations

import streamlit as st

from pages.components import cached, children, problems, signed_in, tables
from w365core.errors import W365Error
from w365core.jobs import queue
from w365core.model import Seen
from w365core.reports import changes, wording
from w365core.reports.changes import Change
from w365core.reports.invoice_detail import InvoiceDetail
from w365core.reports.provider_invoice import CHANGED, Invoice

SHOWN_LINES = 200
_COLORS = {"Added": "green", "Removed": "red", "Changed": "violet", "Daily usage": "gray"}


def draw(detail: InvoiceDetail) -> None:
    """Nothing where the provider has not changed it."""
    invoice = detail.invoice
    if invoice.standing != CHANGED:
        return
    with st.container(border=True), problems.boundary():
        with cached.reading() as opened:
            change = changes.load(opened, invoice.id)
        st.subheader("What the provider changed", anchor=False)
        if change is None:
            st.text("Its lines have not been compared yet; the next daily run does it.")
        elif not change.compared:
            st.text(f"{change.headline} Its lines could not be compared: {change.message}")
        else:
            _compared(change)
        _take(invoice)
    children.panel(detail)


def _compared(change: Change) -> None:
    st.text(change.billing)
    same = f"{change.headline} " if change.header_total_before == change.header_total_now else ""
    st.caption(f"{same}Noticed {wording.zoned(change.noticed_at)}. What is stored here stays until somebody takes the new version.")
    _figures(change)
    lines, customers = st.tabs(["Line by line", "What it means for customers"], key="changed_tab")
    with lines:
        _lines(change)
    with customers:
        _customers(change)


def _figures(change: Change) -> None:
    """Before and now, and what makes the difference."""
    totals = [("Imported", change.header_total_before), ("Provider says now", change.header_total_now)]
    columns = iter(st.columns(len(totals) + len(change.tiles), gap="small"))
    for label, total in totals:
        with next(columns).container(gap=None):
            st.metric(label, wording.digits(total, change.currency))
            st.caption(f"{change.currency}, with tax")
    for tile in change.tiles:
        with next(columns).container(gap=None):
            st.metric(tile.label, _signed(tile.amount, change.currency))
            note = " before tax, in the sums already" if tile.label == "Daily usage" else ""
            st.caption(f":{_COLORS[tile.label]}[{wording.counted(tile.lines, 'line')}]{note}")


def _signed(amount, currency: str) -> str:
    return f"{'+' if amount > 0 else ''}{wording.digits(amount, currency)}"


def _lines(change: Change) -> None:
    if not change.lines.rows:
        st.text("No line is otherwise: the total alone has changed.")
        return
    tables.show(change.lines.first(SHOWN_LINES), key="changed_lines")
    shown = min(len(change.lines.rows), SHOWN_LINES)
    said, leaving = st.columns(2, vertical_alignment="center")
    with said:
        more = len(change.lines.rows) - shown + change.lines_left_out
        if more:
            kept = f" the {wording.counted(len(change.lines.rows), 'line')} that are kept" if change.lines_left_out else " all of them"
            st.caption(f"The {shown:,} biggest, {more:,} more; the files hold{kept}.")
    with leaving:
        tables.downloads(change.lines, key="changed_lines")


def _customers(change: Change) -> None:
    billed = [one for one in change.consequences if one.billed is not None]
    if billed:
        st.caption(
            "Usage that is on a customer invoice already, and what it would come to: charge or credit the difference and leave all as it is, or take the "
            "usage off the customer invoices, take the new version and bill it anew."
        )
    else:
        st.caption("None of its usage is on a customer invoice. Seats are billed from the contracts, not from this invoice.")
    if change.customers.rows:
        tables.show(change.customers, key="changed_customers")
        tables.downloads(change.customers, key="changed_customers")


# --- taking it ---------------------------------------------------------------------------------------------------------------------------


def _take(invoice: Invoice) -> None:
    """Before: what it will do, or what keeps it from being done. After: the queued job, which the page shows on top."""
    plan = queue.plan(cached.engine(), kind=queue.TAKE_NEW, provider=invoice.provider, invoice=invoice.number)
    seen = Seen(invoice.status, invoice.version, invoice.import_run_id)
    with st.container(border=True, gap="small"):
        st.markdown("**Take the new version**")
        st.text(plan.sentence)
        why, act = st.columns((5, 2), vertical_alignment="bottom", gap="small")
        with why:
            st.text_input("Reason", key="taking_reason", placeholder="Why it is taken; it stays in the history", disabled=plan.refused)
        with act:
            st.button(
                "Take the new version",
                key="taking_now",
                type="primary",
                icon=":material/published_with_changes:",
                disabled=plan.refused,
                on_click=_ask,
                args=(invoice.provider, invoice.number, seen),  # of the run that drew the button: what the person saw
                width="stretch",
            )
        if said := st.session_state.pop("taking_said", None):
            st.badge("Not queued", icon=":material/error:", color="red")
            st.text(said)


@problems.callback
def _ask(provider: str, number: str, seen: Seen) -> None:
    try:
        reason = st.session_state.get("taking_reason")
        told = {"kind": queue.TAKE_NEW, "provider": provider, "invoice": number, "reason": reason, "seen": seen}
        st.session_state["sync_job"] = queue.ask(cached.engine(), **told, actor=signed_in.person())
    except W365Error as error:
        st.session_state["taking_said"] = str(error)
