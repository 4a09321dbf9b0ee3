"""What keeps an invoice from being deactivated, and how is that undone? The customer invoices that its usage is on, and the taking off, with a reason."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components import cached, problems, signed_in, tables
from w365core.errors import W365Error
from w365core.jobs import deciding
from w365core.reports import children
from w365core.reports.children import Children
from w365core.reports.invoice_detail import InvoiceDetail
from w365core.reports.provider_invoice import CHANGED

_MOST_SAID = 6


def draw(detail: InvoiceDetail) -> None:
    """Nothing where no customer invoice carries any of its usage, and of a Changed one, which has it beside its new version."""
    if detail.invoice.standing != CHANGED:
        panel(detail)


def panel(detail: InvoiceDetail) -> None:
    """What holds it; open by itself where a new version waits to be taken."""
    invoice = detail.invoice
    with problems.boundary():
        if said := st.session_state.pop("unlink_said", None):
            _said(said)
        with cached.reading() as opened:
            held = children.load(opened, invoice.id, invoice_number=invoice.number)
        if held is None:
            return
        waits = invoice.standing == CHANGED
        with st.expander(f"Held by {held.headline}", icon=":material/link:", expanded=waits, key=f"children_{invoice.id}"):
            st.caption(
                "While any of its usage is on a customer invoice, this invoice can be neither deactivated nor deleted, and no new version be taken."
            )
            tables.show(held.table, key="children")
            tables.downloads(held.table, key="children")
            _unlink(detail, held)


def _said(said: tuple[bool, str]) -> None:
    done, sentence = said
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        if done:
            st.badge("Taken off", icon=":material/link_off:", color="green")
        else:
            st.badge("Nothing was taken off", icon=":material/error:", color="red")
        st.text(sentence)


def _unlink(detail: InvoiceDetail, held: Children) -> None:
    """Which ones, why, what follows, and the button."""
    st.markdown("**Take its usage off customer invoices**")
    chosen = st.multiselect(
        "Customer invoices",
        list(held.choices),
        format_func=held.choices.__getitem__,
        key="unlink_chosen",
        placeholder="Choose those that were billed wrongly",
    )
    for sentence in _follows(held, chosen):
        st.text(sentence)
    why, act = st.columns((5, 2), vertical_alignment="bottom", gap="small")
    with why:
        reason = st.text_input("Reason", key="unlink_reason", placeholder="Needed; it stays in the history of the invoice")
    with act:
        st.button(
            f"Take off {len(chosen):,}" if chosen else "Take off",
            key="unlink_now",
            icon=":material/link_off:",
            disabled=not chosen,
            help=None if reason.strip() else "Give a reason first",
            on_click=_take_off,
            args=(detail.invoice.id, detail.invoice.number),
            width="stretch",
        )


def _follows(held: Children, chosen: Sequence[str]) -> list[str]:
    """What has to be done about each, because the usage becomes billable again."""
    if not chosen:
        return []
    rows = [row for row in held.table.rows if row["customer_invoice"] in chosen]
    said = [f"{row['customer_invoice']}: {row['consequence']}" for row in rows[:_MOST_SAID]]
    more = [f"… and {len(rows) - _MOST_SAID:,} more, as the table says."] if len(rows) > _MOST_SAID else []
    return ["The usage becomes billable again, so:", *said, *more]


@problems.callback
def _take_off(provider_invoice_id: int, number: str) -> None:
    chosen, reason = list(st.session_state.get("unlink_chosen", ())), st.session_state.get("unlink_reason", "")
    try:
        told = {"customer_invoices": chosen, "reason": reason, "actor": signed_in.person(), "now": cached.installation().now}
        taken = deciding.unlink(cached.engine(), provider_invoice_id=provider_invoice_id, **told)
        st.session_state["unlink_said"] = (True, children.after(taken, invoice_number=number))
        st.session_state["unlink_chosen"], st.session_state["unlink_reason"] = [], ""
    except W365Error as error:
        st.session_state["unlink_said"] = (False, str(error))
