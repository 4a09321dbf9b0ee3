"""What has to be done, the biggest money first: one row per invoice, with its sentence and its next step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from pages.components import address, plain, standings
from w365core.reports import wording
from w365core.reports.provider_invoice import BILLED, Invoice
from w365core.reports.worklist import Attention

SHOWN_AT_FIRST = 6
_WIDTHS = (2.3, 5.8, 1.9)


def draw(attention: Sequence[Attention], *, chosen: Sequence[Invoice], now: datetime) -> None:
    """The list; long ones begin with the biggest and open up on demand. `chosen` are all invoices that it was made of."""
    if not attention:
        return _nothing(chosen)
    everything = st.session_state.get("worklist_all", False)
    with st.container(border=True, gap="small"):
        for item in attention if everything else attention[:SHOWN_AT_FIRST]:
            _row(item, now)
    if len(attention) > SHOWN_AT_FIRST:
        st.toggle(f"Show all {len(attention):,}", key="worklist_all")


def _nothing(chosen: Sequence[Invoice]) -> None:
    """Green only for what was checked."""
    checked = sum(invoice.status in BILLED for invoice in chosen)
    away = len(chosen) - checked
    left_out = f" {wording.counted(away, 'invoice')} {'is' if away == 1 else 'are'} deactivated and counted nowhere." if away else ""
    with st.container(border=True):
        if checked:
            st.badge("Nothing needs attention", icon=":material/check_circle:", color="green")
            adds_up = (
                "is imported, adds up to its header and resolves" if checked == 1 else "are imported, add up to their headers and resolve"
            )
            st.text(f"{wording.counted(checked, 'Active invoice')} {adds_up} to our records.{left_out}")
        else:
            st.badge("Nothing to do", icon=":material/block:", color="gray")
            st.text(left_out.strip())


def _row(item: Attention, now: datetime) -> None:
    invoice = item.invoice
    name, said, figures = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
    with name.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.button(
                f"**{plain.label(invoice.number)}**",
                key=f"open_{invoice.id}",
                type="tertiary",
                help="Open this invoice",
                on_click=address.open_invoice,
                args=(invoice.id,),
            )
            standings.badge(invoice.standing)
        if item.badge:
            st.badge(item.badge, icon=":material/schedule:", color="orange")
        st.caption(f"{plain.label(invoice.provider)} · {wording.day(invoice.date)}")
    with said.container(gap=None):
        st.text(item.sentence)
        st.caption(f":material/arrow_forward: {item.next_step}")
    with figures.container(gap=None, horizontal_alignment="right"):
        st.markdown(f"**{wording.amount(invoice.money, invoice.currency)}**", text_alignment="right")
        st.caption(_small_print(item, now), text_alignment="right")


def _small_print(item: Attention, now: datetime) -> str:
    since = wording.age(item.invoice.first_seen_at, now=now)
    seen = f"first seen {since if since == 'just now' else f'{since} ago'}"
    differs = f"difference {wording.rounded(item.difference, item.invoice.currency)}" if item.difference else ""
    return "  \n".join(said for said in (differs, item.short or seen) if said)
