"""Which charts show a reconciliation? The way from what was charged to what is unexplained, both seat histories of a row, and how costs drift."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import plotly.graph_objects as go

from w365core import money
from w365core.reports import wording
from w365core.reports.reconciliation import Flow
from w365core.reports.reconciliation_evidence import History, Step

OURS, THEIRS, GOOD, BAD, TOTAL = "#3b82c4", "#e0a13a", "#4f9d69", "#d9534f", "#7b8794"
_SHADE = "rgba(123,135,148,.16)"
_LAYOUT = {
    "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
    "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "dragmode": False,
}


def flow(of: Flow) -> go.Figure:
    """From the lines that were charged, verdict by verdict, down to what is unexplained; on top what was charged."""
    said = [wording.rounded(amount if is_total else amount.copy_negate(), of.currency) for _, amount, is_total in of.steps]
    figure = go.Figure()
    figure.add_waterfall(
        orientation="h",
        y=[f"{label}  <b>{shown}</b>" for (label, _, _), shown in zip(of.steps, said, strict=True)],
        x=[money.plain(amount) for _, amount, _ in of.steps],
        measure=["absolute" if place == 0 else "total" if is_total else "relative" for place, (_, _, is_total) in enumerate(of.steps)],
        connector={"line": {"color": TOTAL, "width": 1, "dash": "dot"}},
        increasing={"marker": {"color": BAD}},
        decreasing={"marker": {"color": GOOD}},
        totals={"marker": {"color": TOTAL}},
        hovertemplate="%{y}<extra></extra>",
    )
    figure.update_layout(
        yaxis={"type": "category", "autorange": "reversed", "ticklabelstandoff": 8},
        xaxis={"type": "linear", "tickformat": ",.2~s"},
        height=60 + 32 * len(of.steps),
        bargap=0.3,
        **_LAYOUT | {"showlegend": False, "margin": {"l": 8, "r": 16, "t": 8, "b": 8}},
    )
    return figure


def seats(of: History, *, provider: str) -> go.Figure:
    """Our seats and the provider's as steps; the charge window is shaded, and a line marks the day that the provider counted on."""
    figure = go.Figure()
    for name, color, dash, steps in (
        ("Ours, by our change logs", OURS, "solid", of.ours),
        (f"{provider}, as charged", THEIRS, "dot", of.theirs),
    ):
        shown = _clipped(steps, of)
        figure.add_scatter(
            x=[step.day.isoformat() for step in shown],
            y=[None if step.seats is None else money.plain(step.seats) for step in shown],
            name=html.escape(name, quote=False),
            mode="lines+markers",
            line={"shape": "hv", "color": color, "width": 3, "dash": dash},
            marker={"size": 7, "color": color},
            customdata=[[wording.day(step.day), wording.digits(step.seats), html.escape(step.why, quote=False)] for step in shown],
            hovertemplate="%{customdata[0]}: %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        )
    if of.window:
        first, last = of.window[0], of.window[1] + timedelta(days=1)
        figure.add_vrect(
            x0=first.isoformat(), x1=last.isoformat(), fillcolor=_SHADE, line_width=0, layer="below",
            annotation={"text": "charge window", "font": {"size": 11}}, annotation_position="top left",
        )  # fmt: skip
    if of.snapshot:
        figure.add_vline(x=of.snapshot.isoformat(), line={"color": TOTAL, "width": 1, "dash": "dash"})
    figure.update_layout(
        xaxis={"type": "date", "range": [(of.begins - timedelta(days=4)).isoformat(), of.ends.isoformat()], "showgrid": False},
        yaxis={"type": "linear", "rangemode": "tozero", "tickformat": ",~s"},
        height=260,
        **_LAYOUT | {"margin": {"l": 8, "r": 8, "t": 36, "b": 8}},
    )
    return figure


def drift(series: Mapping[str, Sequence[tuple[str, Decimal]]], *, currency: str) -> go.Figure:
    """What a seat has cost a month, by invoice month, a line for each product."""
    figure = go.Figure()
    for name, points in series.items():
        figure.add_scatter(
            x=[month for month, _ in points],
            y=[money.plain(cost) for _, cost in points],
            name=html.escape(name if len(name) <= 40 else f"{name[:39]}…", quote=False),
            mode="lines+markers",
            line={"width": 2.5, "shape": "hv"},
            customdata=[[wording.month(month), wording.amount(cost, currency)] for month, cost in points],
            hovertemplate="%{fullData.name}<br>%{customdata[0]}: %{customdata[1]}<extra></extra>",
        )
    months = sorted({month for points in series.values() for month, _ in points})
    figure.update_layout(
        xaxis={"type": "category", "categoryarray": months, "tickvals": months, "ticktext": [wording.month(month) for month in months]},
        yaxis={"type": "linear", "tickformat": ",.2f"},
        height=280,
        **_LAYOUT,
    )
    return figure


def margins(rows: Sequence[Mapping[str, Any]], *, currency: str) -> go.Figure:
    """The margin of each, the smallest on top: what is lost is red and hatched."""
    names = [html.escape(row["name"][:34], quote=False) + "\u200b" * place for place, row in enumerate(rows)]
    amounts = [row["margin"] for row in rows]
    figure = go.Figure()
    figure.add_bar(
        y=names,
        x=[money.plain(amount) for amount in amounts],
        orientation="h",
        marker={
            "color": [BAD if amount < 0 else TOTAL if amount == 0 else GOOD for amount in amounts],
            "pattern": {
                "shape": ["/" if amount < 0 else "" for amount in amounts],
                "fillmode": "overlay",
                "fgcolor": "rgba(255,255,255,.7)",
            },
        },
        customdata=[wording.rounded(amount, currency) for amount in amounts],
        hovertemplate="%{y}<br>Margin %{customdata}<extra></extra>",
    )
    figure.update_layout(
        xaxis={"type": "linear", "tickformat": ",.2~s"},
        yaxis={"type": "category", "autorange": "reversed", "ticklabelstandoff": 6},
        height=60 + 26 * max(len(rows), 2),
        bargap=0.35,
        **_LAYOUT | {"showlegend": False},
    )
    return figure


def _clipped(steps: Sequence[Step], of: History) -> list[Step]:
    """The steps inside what is drawn: the one in force at its begin is carried there, the last one to its end."""
    inside = [step for step in steps if step.day >= of.begins]
    earlier = [step for step in steps if step.day < of.begins]
    if earlier and earlier[-1].seats is not None:
        inside.insert(0, Step(of.begins, earlier[-1].seats, earlier[-1].why))
    if inside and inside[-1].seats is not None:
        inside.append(Step(_last(inside[-1].day, of.ends), inside[-1].seats, inside[-1].why))
    return inside


def _last(day: date, ends: date) -> date:
    return max(day, ends)
