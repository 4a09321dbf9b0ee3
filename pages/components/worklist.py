"""What has to be done, the biggest money first: one row per invoice, with its sentence and its next step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from pages.components import address, plain, standings
from w365core.reports import wording
from w365core.reports.worklist import Attention

SHOWN_AT_FIRST = 6
_WIDTHS = (2.3, 6.2, 1.5)


def draw(attention: Sequence[Attention], *, now: datetime) -> None:
    """The list; long ones begin with the biggest and open up on demand."""
    if not attention:
        with st.container(border=True):
            st.badge("Nothing needs attention", icon=":material/check_circle:", color="green")
            st.text("Every chosen invoice is imported, adds up to its header and resolves to our records.")
        return
    everything = st.session_state.get("worklist_all", False)
    with st.container(border=True, gap="small"):
        for item in attention if everything else attention[:SHOWN_AT_FIRST]:
            _row(item, now)
    if len(attention) > SHOWN_AT_FIRST:
        st.toggle(f"Show all {len(attention):,}", key="worklist_all")


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
        st.caption(f"{plain.label(invoice.provider)} · {wording.day(invoice.date)}")
    with said.container(gap=None):
        st.text(item.sentence)
        st.caption(f":material/arrow_forward: {item.next_step}")
    with figures.container(gap=None, horizontal_alignment="right"):
        st.markdown(f"**{wording.amount(invoice.money, invoice.currency)}**", text_alignment="right")
        st.caption(_small_print(item, now), text_alignment="right")


def _small_print(item: Attention, now: datetime) -> str:
    since = wording.age(item.invoice.first_seen_at, now=now)
    seen = since if since == "just now" else f"{since} ago"
    differs = f"difference {wording.rounded(item.difference, item.invoice.currency)}  \n" if item.difference else ""
    return f"{differs}first seen {seen}"
