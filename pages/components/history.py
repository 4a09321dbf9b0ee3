"""What has happened to an invoice? The latest events as a list with signs, then every one as a table, and what was received for it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components import cached, plain, tables
from w365core.reports import invoice_detail, invoice_files, timeline, wording
from w365core.reports.provider_invoice import Invoice
from w365core.reports.timeline import Event, Tone

_MOST = 12
_WIDTHS = (1.5, 2.2, 5.5, 0.8)
_LOOKS = {
    Tone.GOOD: (":material/check_circle:", "green"),
    Tone.BAD: (":material/error:", "red"),
    Tone.WARNING: (":material/warning:", "orange"),
    Tone.PLAIN: (":material/circle:", "gray"),
    Tone.PERSON: (":material/person:", "violet"),
    Tone.AHEAD: (":material/schedule:", "blue"),
}


def draw(invoice: Invoice) -> None:
    with cached.reading() as opened:
        events = timeline.load(opened, invoice, now=cached.now(opened))
        table = invoice_detail.history(opened, invoice)
        received = invoice_files.received_files(opened, invoice)
    _events(events)
    if table.rows:
        st.caption("Every attempt, and every entry of the audit log.")
        tables.show(table, key="history")
        tables.downloads(table, key="history")
    st.caption("What was received for this invoice, kept byte for byte.")
    if received.rows:
        tables.show(received, key="received")
        tables.downloads(received, key="received")
    else:
        with st.container(border=True):
            st.text("Nothing was received for this invoice alone.")


def _events(events: Sequence[Event]) -> None:
    with st.container(border=True, gap="small"):
        for event in events[:_MOST]:
            when, what, said, who = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
            when.caption(wording.moment(event.at) if event.tone is not Tone.AHEAD else wording.day(event.at))
            icon, color = _LOOKS[event.tone]
            what.badge(event.title, icon=icon, color=color)
            said.text(event.said or "–")
            who.caption(plain.label(event.who), text_alignment="right")
        if len(events) > _MOST:
            st.caption(f"{len(events) - _MOST:,} earlier ones stand in the table below.")
