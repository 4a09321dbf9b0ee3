"""Which charts do people look at? Money by month and by customer, drawn from exact text: no amount passes through a float of ours.

Colours are ours and work on light and dark; what is held up is hatched as well, so that no meaning hangs on colour alone.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from decimal import Decimal

import plotly.graph_objects as go

from w365core import money
from w365core.reports import wording
from w365core.reports.differences import Bar
from w365core.reports.invoice_detail import Customer, Part
from w365core.reports.invoice_status import Month
from w365core.reports.status_map import Cell, StatusMap, month_name
from w365core.reports.tolerances import Differed

BILLED, HELD_UP, USAGE, TOTAL, OVERRIDDEN = "#3b82c4", "#d9534f", "#e0a13a", "#7b8794", "#8b6fc9"
_UNTOUCHED = {"marker": {"opacity": 1}}  # a click leads on; it greys out nothing
_CELL_HEIGHT = 0.92
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
    names = _names([customer.name for customer in customers])
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


def by_status(standings: StatusMap, *, label: Callable[[str], str], color: Callable[[str], str], ink: str) -> go.Figure:
    """Provider by month, each cell in the colour of its worst standing with the word on it in `ink`; a point's customdata is [provider, month]."""
    cells, rows = standings.cells, {provider: row for row, provider in enumerate(standings.providers)}
    chosen, hover = [[cell.provider, cell.month] for cell in cells], [_hover(cell) for cell in cells]
    figure = go.Figure()
    figure.add_bar(
        x=[cell.month for cell in cells],
        y=[_CELL_HEIGHT] * len(cells),
        base=[rows[cell.provider] for cell in cells],
        marker={"color": [color(cell.worst) for cell in cells], "line": {"width": 0}, "cornerradius": 4},
        **{"customdata": chosen, "hovertext": hover, "hovertemplate": "%{hovertext}<extra></extra>"},
        **{"selected": _UNTOUCHED, "unselected": _UNTOUCHED},
    )
    figure.add_scatter(  # not the bars' own text: that is cut off where a word is wider than its bar
        x=[cell.month for cell in cells],
        y=[rows[cell.provider] + _CELL_HEIGHT / 2 for cell in cells],
        mode="text",
        text=[f"{label(cell.worst)}<br>{_share(cell)}" for cell in cells],
        textfont={"size": 11, "color": ink},
        **{"customdata": chosen, "hovertext": hover, "hovertemplate": "%{hovertext}<extra></extra>"},
    )
    names = [html.escape(_shortened(provider), quote=False) for provider in standings.providers]
    ticks = [row + _CELL_HEIGHT / 2 for row in rows.values()]
    figure.update_layout(
        xaxis={"type": "category", "categoryarray": standings.months, "tickvals": standings.months, "side": "top", "tickangle": 0}
        | {"ticktext": _month_labels(standings.months), "showgrid": False},
        yaxis={"range": [len(rows), 0], "tickvals": ticks, "ticktext": names, "showgrid": False, "zeroline": False, "ticklabelstandoff": 6},
        **_layout(50 + 44 * len(rows)) | {"showlegend": False, "bargap": 0.05, "margin": {"l": 8, "r": 8, "t": 40, "b": 4}},
    )
    return figure


def by_part(parts: Sequence[Part]) -> go.Figure:
    """The identity as a waterfall: every part on top of the one before, and the header as what they come to. Parts of zero are left out."""
    shown = [part for part in parts if part.amount or part.sign == "="]
    figure = go.Figure()
    figure.add_waterfall(
        x=[part.label for part in shown],
        y=_texts([part.amount for part in shown]),
        measure=["total" if part.sign == "=" else "relative" for part in shown],
        text=[part.value for part in shown],
        textposition="outside",
        cliponaxis=False,
        connector={"line": {"color": TOTAL, "width": 1, "dash": "dot"}},
        increasing={"marker": {"color": BILLED}},
        decreasing={"marker": {"color": HELD_UP}},
        totals={"marker": {"color": TOTAL}},
        hovertemplate="%{x} %{text}<extra></extra>",
    )
    figure.update_layout(
        xaxis={"type": "category", "tickangle": 0}, yaxis={"type": "linear", "tickformat": ",.2~s"}, **_layout(230) | {"showlegend": False}
    )
    return figure


def by_difference(bars: Sequence[Bar], *, currency: str, of_usage: bool) -> go.Figure:
    """Biggest on top. Of usage the difference of the two files alone; else the lines before tax and their tax on top of it."""
    figure = go.Figure()
    traces = [("Difference", HELD_UP, "", [bar.amount for bar in bars])]
    if not of_usage:
        traces = [("Before tax", BILLED, "", [bar.amount for bar in bars]), ("Tax", USAGE, "/", [bar.tax for bar in bars])]
    for label, color, pattern, amounts in traces:
        said = [[wording.amount(amount, currency), wording.counted(bar.lines, "line")] for amount, bar in zip(amounts, bars, strict=True)]
        figure.add_bar(
            y=_names([bar.label for bar in bars]),
            x=_texts(amounts),
            name=label,
            orientation="h",
            customdata=said,
            marker={"color": color, "pattern": {"shape": pattern, **_HATCHED}},
            hovertemplate="%{y}<br>" + label + " %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )
    figure.update_layout(
        barmode="relative",
        xaxis={"type": "linear", "tickformat": ",.2~s"},
        yaxis={"type": "category", "autorange": "reversed", "ticklabelstandoff": 6},
        **_layout(80 + 26 * max(len(bars), 2)) | {"showlegend": not of_usage},
    )
    return figure


def by_month_differed(months: Sequence[Differed], *, currency: str) -> go.Figure:
    """What the documents of a month differed by, whatever the sign, by what became of it."""
    names = [month.month for month in months]
    figure = go.Figure()
    for label, color, pattern, amounts in (
        ("Within the tolerance", TOTAL, "", [month.passed for month in months]),
        ("Overridden", OVERRIDDEN, "x", [month.overridden for month in months]),
        ("Held up", HELD_UP, "/", [month.held_up for month in months]),
    ):
        shown = [[wording.month(month.month), wording.amount(amount, currency)] for month, amount in zip(months, amounts, strict=True)]
        figure.add_bar(
            x=names,
            y=_texts(amounts),
            name=label,
            customdata=shown,
            marker={"color": color, "pattern": {"shape": pattern, **_HATCHED}},
            hovertemplate="%{customdata[0]}<br>" + label + " %{customdata[1]}<extra></extra>",
        )
    axis = {"type": "category", "tickvals": names, "ticktext": _month_labels(names), "tickangle": 0}
    figure.update_layout(barmode="stack", yaxis={"type": "linear", "tickformat": ",.2~s"}, xaxis=axis, **_layout(230))
    return figure


def _hover(cell: Cell) -> str:
    return f"{html.escape(cell.provider, quote=False)} · {month_name(cell.month)}<br>{cell.told}"


def _share(cell: Cell) -> str:
    return f"{cell.of_these} of {cell.invoices}" if cell.of_these < cell.invoices else wording.counted(cell.invoices, "invoice")


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _month_labels(months: Sequence[str]) -> list[str]:
    """Nov, Dec, Jan … with the year below the first one and every January; "no date" stays whole."""
    said = [month_name(month).split(" ") for month in months]
    return [f"{name}<br>{year}" if place == 0 or name in ("Jan", "no") else name for place, (name, year) in enumerate(said)]


def _names(labels: Sequence[str]) -> list[str]:
    """Names as a chart may print them: its markup is defused, and two customers of one name stay two bars."""
    names: list[str] = []
    for label in labels:
        name = html.escape(_shortened(label), quote=False)
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
