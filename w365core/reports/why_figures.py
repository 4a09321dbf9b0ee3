"""How do a month's usage contracts look on a calendar, and the arrivals of a year on one line? Drawn for light and dark."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from datetime import date, timedelta

import plotly.graph_objects as go

from w365core.reports import wording
from w365core.reports.figures import BILLED, HELD_UP, TOTAL, USAGE
from w365core.reports.tables import Table
from w365core.reports.why_no_usage_invoice import Marked
from w365core.reports.why_rows import OUTCOMES

_ROW, _MOST_LABEL = 22, 40
_COLORS = (BILLED, USAGE, "#8b6fc9", "#3a9d6e")
_LAYOUT = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "dragmode": False}


def calendar(marked: Sequence[Marked], *, today: date, color: Callable[[str], str]) -> go.Figure:
    """One line per contract over the days of the month: when its usage was expected and came, and when it is or was invoiced."""
    names = [html.escape(_shortened(one.label), quote=False) for one in marked]
    figure = go.Figure()
    figure.add_scatter(
        x=[one.expected_on for one in marked], y=names, mode="markers", name="Usage expected by",
        marker={"symbol": "line-ns-open", "size": 11, "color": TOTAL, "line": {"width": 2}},
        hovertemplate="%{y}<br>usage expected by %{x|%d %b}<extra></extra>",
    )  # fmt: skip
    for is_late, label, at_color in ((False, "Usage arrived", BILLED), (True, "Usage arrived too late", HELD_UP)):
        of = [
            (name, one)
            for name, one in zip(names, marked, strict=True)
            if one.arrived_on and (one.arrived_on > one.invoice_date) is is_late
        ]
        if of:
            figure.add_scatter(
                x=[one.arrived_on for _, one in of], y=[name for name, _ in of], mode="markers", name=label,
                marker={"symbol": "diamond" if is_late else "triangle-down", "size": 11, "color": at_color},
                hovertemplate="%{y}<br>usage arrived %{x|%d %b}<extra></extra>",
            )  # fmt: skip
    for is_billed, label, symbol in ((False, "Invoice date", "square-open"), (True, "Invoiced", "square")):
        of = [(name, one) for name, one in zip(names, marked, strict=True) if one.is_billed is is_billed]
        if of:
            figure.add_scatter(
                x=[one.invoice_date for _, one in of], y=[name for name, _ in of], mode="markers", name=label,
                marker={"symbol": symbol, "size": 11, "color": [color(one.outcome) for _, one in of], "line": {"width": 2, "color": [color(one.outcome) for _, one in of]}},
                customdata=[OUTCOMES[one.outcome] for _, one in of],
                hovertemplate="%{y}<br>" + label.lower() + " %{x|%d %b}: %{customdata}<extra></extra>",
            )  # fmt: skip
    first, last = _bounds(marked, today)
    if first <= today <= last:
        figure.add_vline(x=today.isoformat(), line={"color": TOTAL, "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=today.isoformat(), y=1, yref="paper", text="today", showarrow=False, yanchor="bottom", font={"size": 11, "color": TOTAL}
        )
    figure.update_layout(
        height=90 + _ROW * len(dict.fromkeys(names)),
        margin={"l": 8, "r": 8, "t": 44, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "top", "yref": "container"},
        xaxis={"type": "date", "range": [first.isoformat(), last.isoformat()], "dtick": 86400000 * 2, "tickformat": "%d", "side": "bottom", "ticklabelmode": "instant"},
        yaxis={"type": "category", "autorange": "reversed", "ticklabelstandoff": 6, "categoryarray": list(dict.fromkeys(names))},
        **_LAYOUT,
    )  # fmt: skip
    return figure


def arrivals(table: Table) -> go.Figure:
    """The day on which each invoice came in, month by month, one colour per provider, with the days on which it is expected."""
    rows = [row for row in table.rows if row["day"] is not None]
    figure = go.Figure()
    providers = sorted({row["provider"] for row in rows})
    for place, provider in enumerate(providers):
        mine = [row for row in rows if row["provider"] == provider]
        figure.add_scatter(
            x=[f"{row['last_day']:%Y-%m}" for row in mine],
            y=[row["day"] for row in mine],
            mode="markers",
            name=html.escape(provider, quote=False),
            marker={"size": 11, "color": _COLORS[place % len(_COLORS)], "symbol": ["circle" if row["day"] <= 11 else "diamond" for row in mine], "opacity": 0.85},
            customdata=[[row["number"], row["currency"], wording.day(row["arrived_on"])] for row in mine],
            hovertemplate="%{customdata[0]} %{customdata[1]}<br>arrived %{customdata[2]}, day %{y}<extra></extra>",
        )  # fmt: skip
    for at in (8, 11):
        figure.add_hline(y=at, line={"color": TOTAL, "width": 1, "dash": "dash"})
    months = sorted({f"{row['last_day']:%Y-%m}" for row in rows})
    most = max([14, *(row["day"] + 2 for row in rows)])
    figure.update_layout(
        height=250, margin={"l": 8, "r": 8, "t": 28, "b": 8}, showlegend=len(providers) > 1,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        xaxis={"type": "category", "categoryarray": months, "tickvals": months, "ticktext": [wording.month(month) for month in months], "tickangle": 0},
        yaxis={"range": [0, most], "tickvals": [0, 8, 11, *range(15, most, 5)], "ticktext": ["0", "invoice expected: 8", "daily usage: 11", *range(15, most, 5)]},
        **_LAYOUT,
    )  # fmt: skip
    return figure


def _bounds(marked: Sequence[Marked], today: date) -> tuple[date, date]:
    days = [day for one in marked for day in (one.expected_on, one.arrived_on, one.invoice_date) if day]
    first, last = min(days, default=today), max(days, default=today)
    return first - timedelta(days=1), last + timedelta(days=2)


def _shortened(label: str) -> str:
    return label if len(label) <= _MOST_LABEL else f"{label[: _MOST_LABEL - 1]}…"
