"""How does a headline figure look? A figure, what it is made of, and a way to those invoices."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components import filters
from w365core.reports.headlines import Note, Tile


def draw(tiles: Sequence[Tile]) -> None:
    """Up to five tiles a row; nothing is added up across currencies."""
    if not tiles:
        return
    with st.grid(columns=min(len(tiles), 5), min_column_width=170, gap="small"):
        for place, tile in enumerate(tiles):
            with st.container(border=True, gap=None, height="stretch"):
                st.metric(tile.label, tile.value)
                for line, note in enumerate(tile.notes):
                    _note(note, currency=tile.currency, key=f"tile_{place}_{line}")


def _note(note: Note, *, currency: str, key: str) -> None:
    if not note.statuses:
        st.caption(f":orange[:material/schedule: {note.text}]" if note.is_alarming else note.text)
        return
    month = {"month": (note.month,)} if note.month else {}
    st.button(
        f":red[{note.text}]" if note.is_alarming else note.text,
        key=key,
        type="tertiary",
        icon=":material/error:" if note.is_alarming else ":material/filter_alt:",
        help="Show exactly these invoices",
        on_click=filters.narrow,
        kwargs={"status": note.statuses, "currency": (currency,), **month},
    )
