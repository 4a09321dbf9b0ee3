"""Which charts do people look at? Money by month and by customer, drawn from exact text: no amount passes through a float of ours.

Colours are ours and work on light and dark; what is held up is hatched as well, so that no meaning hangs on colour alone.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from decimal import Decimal

import plotly.graph_objects as go

from w365core import money
from w365core.reports import wording
from w365core.reports.invoice_detail import Customer
from w365core.reports.invoice_status import Month

BILLED, HELD_UP, USAGE = "#3b82c4", "#d9534f", "#e0a13a"
_HATCHED = {"fillmode": "overlay", "fgcolor": "rgba(255,255,255,.7)", "size": 6, "solidity": 0.25}
_LONGEST_NAME = 34


def by_month(months: Sequence[Month]) -> go.Figure:
    """Headers by month of the invoice date in one currency: billed, and held up on top of it."""
    names = [month.month for month in months]
    figure = go.Figure()
    for label, color, pattern, amounts in (
        ("Billed", BILLED, "", [month.billed for month in months]),
        ("Held up", HELD_UP, "/", [month.held_up for month in months]),
    ):
        shown = [wording.rounded(amount, month.currency) for amount, month in zip(amounts, months, strict=True)]
        figure.add_bar(
            x=names,
            y=_texts(amounts),
            name=label,
            customdata=[[wording.month(month.month), amount] for month, amount in zip(months, shown, strict=True)],
            marker={"color": color, "pattern": {"shape": pattern, **_HATCHED}},
            hovertemplate="%{customdata[0]}<br>" + label + " %{customdata[1]}<extra></extra>",
        )
    axis = {"type": "category", "tickvals": names, "ticktext": _month_labels(names), "tickangle": 0}
    figure.update_layout(barmode="relative", yaxis={"type": "linear", "tickformat": ",.2~s"}, xaxis=axis, **_layout(230))
    return figure


def by_customer(customers: Sequence[Customer], *, currency: str) -> go.Figure:
    """License and usage before tax of the biggest customers, the biggest on top; the label is the total with tax."""
    names = _names(customers)
    figure = go.Figure()
    for label, color, pattern, amounts in (
        ("License", BILLED, "", [customer.license for customer in customers]),
        ("Usage", USAGE, "/", [customer.usage for customer in customers]),
    ):
        figure.add_bar(
            y=names,
            x=_texts(amounts),
            name=label,
            orientation="h",
            customdata=[wording.rounded(amount, currency) for amount in amounts],
            marker={"color": color, "pattern": {"shape": pattern, **_HATCHED}},
            hovertemplate="%{y}<br>" + label + " %{customdata}<extra></extra>",
        )
    figure.update_layout(
        barmode="relative",
        xaxis={"type": "linear", "tickformat": ",.2~s"},
        yaxis={"type": "category", "autorange": "reversed", "ticklabelstandoff": 6},
        **_layout(90 + 26 * max(len(customers), 2)),
    )
    return figure


def _month_labels(months: Sequence[str]) -> list[str]:
    """Nov, Dec, Jan … with the year below the first one and every January."""
    said = [wording.month(month).split(" ") for month in months]
    return [f"{name}<br>{year}" if place == 0 or name == "Jan" else name for place, (name, year) in enumerate(said)]


def _names(customers: Sequence[Customer]) -> list[str]:
    """Names as a chart may print them: its markup is defused, and two customers of one name stay two bars."""
    names: list[str] = []
    for customer in customers:
        short = customer.name if len(customer.name) <= _LONGEST_NAME else f"{customer.name[: _LONGEST_NAME - 1]}…"
        name = html.escape(short, quote=False)
        names.append(name + "\u200b" * sum(other.rstrip("\u200b") == name for other in names))
    return names


def _texts(amounts: Sequence[Decimal]) -> list[str]:
    """Exact text; the browser alone turns it into the length of a bar."""
    return [money.plain(amount) for amount in amounts]


def _layout(height: int) -> dict:
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "bargap": 0.35,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "dragmode": False,
    }
