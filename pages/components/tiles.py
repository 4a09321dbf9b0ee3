"""How does a headline figure look? A figure, what it counts, and a way to the invoices it is made of."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components import filters
from w365core.reports.invoice_status import Tile


def draw(tiles: Sequence[Tile]) -> None:
    """Up to five tiles a row; nothing is added up across currencies."""
    with st.grid(columns=min(len(tiles), 5), min_column_width=170, gap="small"):
        for place, tile in enumerate(tiles):
            with st.container(border=True, gap="xxsmall", height="stretch"):
                st.metric(tile.label, tile.value)
                if tile.statuses:
                    st.button(
                        f":red[{tile.note}]" if tile.is_alarming else tile.note,
                        key=f"tile_{place}",
                        type="tertiary",
                        icon=":material/error:" if tile.is_alarming else ":material/filter_alt:",
                        help="Show exactly these invoices",
                        on_click=filters.choose,
                        kwargs={"statuses": tile.statuses, "months": (tile.month,) if tile.month else (), "currencies": (tile.currency,)},
                    )
                else:
                    st.caption(tile.note)
