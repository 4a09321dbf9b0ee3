"""How is a chart drawn? As the report made it, in the theme's own fonts, without a toolbar; what has not changed is not drawn again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages.components import cached, filters, problems, standings
from w365core.reports import differences, figures, wording
from w365core.reports.differences import Bar
from w365core.reports.invoice_detail import Customer, Part
from w365core.reports.invoice_status import Month
from w365core.reports.status_map import StatusMap, month_name
from w365core.reports.tolerances import Differed

_CONFIG = {"displayModeBar": False, "scrollZoom": False}


def drawn(draw: Callable[..., Any], *shown: Any, key: str, alt: str, **options: Any) -> None:
    """What a report's `draw` makes of these values; `alt` is the chart for somebody who hears it."""
    st.plotly_chart(cached.figure(draw, *shown, **options), config=_CONFIG, key=key, alt=alt)


def by_status(standing_map: StatusMap) -> None:
    """Provider by month; a click on a cell shows its invoices."""
    with st.container(border=True, gap="xxsmall"):
        earlier = (
            f" The {wording.counted(standing_map.earlier, 'month')} before these are in the list below." if standing_map.earlier else ""
        )
        st.caption(f"Where the invoices stand, the worst of each month. Click a cell to see its invoices.{earlier}")
        clicks = st.session_state.setdefault("status_map_clicks", 0)
        key = f"status_map_{clicks}"  # another chart after each click, else the cell stays chosen and no second click on it counts
        st.plotly_chart(
            cached.figure(figures.by_status, standing_map, label=standings.label, color=standings.pale, ink=standings.ink()),
            config=_CONFIG,
            key=key,
            on_select=problems.callback(lambda: choose_cell(st.session_state[key])),
            selection_mode="points",
            alt="; ".join(f"{cell.provider} {month_name(cell.month)}: {cell.told}" for cell in standing_map.cells),
        )


def choose_cell(event: Mapping[str, Any]) -> None:
    """Called by a click on the map: the filters become the cell's provider and month."""
    points = event["selection"]["points"]
    if not points:
        return
    provider, month = points[0]["customdata"]
    st.session_state["status_map_clicks"] += 1
    filters.narrow(provider=(provider,), month=(month,) if month else ())


def by_part(parts: Sequence[Part], *, currency: str) -> None:
    """The identity, drawn."""
    with st.container(border=True, height="stretch"):
        st.caption(f"What the header is made of, {currency}")
        drawn(figures.by_part, parts, key="by_part", alt=" ".join(f"{p.sign} {p.label} {p.value}" for p in parts))


def by_difference(bars: Sequence[Bar], *, currency: str, of_usage: bool) -> None:
    """The biggest of a difference, on top."""
    told = differences.said(bars, currency)
    drawn(figures.by_difference, bars, currency=currency, of_usage=of_usage, key="by_difference", alt=told)


def by_month_differed(months: Sequence[Differed], *, currency: str) -> None:
    """What the documents of each month differed by, and what became of it."""
    told = "; ".join(
        f"{wording.month(m.month)}: overridden {wording.digits(m.overridden, currency)}, held up {wording.digits(m.held_up, currency)}"
        for m in months
    )
    drawn(figures.by_month_differed, months, currency=currency, key="by_month_differed", alt=told)


def by_month(months: Sequence[Month]) -> None:
    """One chart per currency, side by side: currencies share no axis."""
    currencies = list(dict.fromkeys(month.currency for month in months))
    for column, currency in zip(st.columns(max(len(currencies), 1)), currencies, strict=False):
        with column.container(border=True):
            st.caption(f"Invoiced to us by month, {currency}")
            mine = [month for month in months if month.currency == currency]
            drawn(figures.by_month, mine, key=f"by_month_{currency}", alt=_told(mine))


def by_customer(customers: Sequence[Customer], *, currency: str) -> None:
    with st.container(border=True, height="stretch"):
        st.caption(f"Biggest customers before tax, {currency}")
        told = f"The {len(customers)} biggest customers of this invoice"
        drawn(figures.by_customer, customers, currency=currency, key="by_customer", alt=told)


def _told(months: Sequence[Month]) -> str:
    """The chart for somebody who hears it."""
    return "; ".join(
        f"{wording.month(m.month)}: billed {wording.digits(m.billed, m.currency)}, held up {wording.digits(m.held_up, m.currency)}"
        for m in months
    )
