"""How is a chart drawn? As the report made it, in the theme's own fonts, without a toolbar."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from w365core.reports import figures, wording
from w365core.reports.invoice_detail import Customer
from w365core.reports.invoice_status import Month

_CONFIG = {"displayModeBar": False, "scrollZoom": False}


def by_month(months: Sequence[Month]) -> None:
    """One chart per currency, side by side: currencies share no axis."""
    currencies = list(dict.fromkeys(month.currency for month in months))
    for column, currency in zip(st.columns(max(len(currencies), 1)), currencies, strict=False):
        with column.container(border=True):
            st.caption(f"Invoiced to us by month, {currency}")
            mine = [month for month in months if month.currency == currency]
            st.plotly_chart(figures.by_month(mine), config=_CONFIG, key=f"by_month_{currency}", alt=_told(mine))


def by_customer(customers: Sequence[Customer], *, currency: str) -> None:
    with st.container(border=True, height="stretch"):
        st.caption(f"Biggest customers before tax, {currency}")
        figure = figures.by_customer(customers, currency=currency)
        st.plotly_chart(figure, config=_CONFIG, key="by_customer", alt=f"The {len(customers)} biggest customers of this invoice")


def _told(months: Sequence[Month]) -> str:
    """The chart for somebody who hears it."""
    return "; ".join(f"{wording.month(m.month)}: billed {wording.digits(m.billed, m.currency)}, held up {wording.digits(m.held_up, m.currency)}" for m in months)
