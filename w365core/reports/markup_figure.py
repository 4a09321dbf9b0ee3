"""How is the money that a correction moves drawn? As a waterfall from before to after, customer by customer."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from w365core import money
from w365core.reports.figures import BILLED, HELD_UP, TOTAL
from w365core.reports.markup import Step

_LONGEST_NAME = 22


def by_customer_moved(steps: Sequence[Step]) -> go.Figure:
    """Of one currency. Amounts are exact text; the axis begins where the bars do, so that small moves of a large sum are seen."""
    names: list[str] = []
    for step in steps:  # two customers of one name stay two bars; a name is text, not markup
        name = html.escape(step.label if len(step.label) <= _LONGEST_NAME else f"{step.label[: _LONGEST_NAME - 1]}…", quote=False)
        names.append(name + "\u200b" * sum(other.rstrip("\u200b") == name for other in names))
    figure = go.Figure()
    figure.add_waterfall(
        x=names,
        y=[money.plain(step.amount) for step in steps],
        measure=[
            "absolute" if step.is_total and place == 0 else "total" if step.is_total else "relative" for place, step in enumerate(steps)
        ],
        text=[step.said for step in steps],
        textposition="outside",
        cliponaxis=False,
        connector={"line": {"color": TOTAL, "width": 1, "dash": "dot"}},
        increasing={"marker": {"color": BILLED}},
        decreasing={"marker": {"color": HELD_UP}},
        totals={"marker": {"color": TOTAL}},
        hovertemplate="%{x} %{text}<extra></extra>",
    )
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        showlegend=False,
        bargap=0.35,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        dragmode=False,
        xaxis={"type": "category"},
        yaxis={"type": "linear", "tickformat": ",.2~f", "range": _range(steps)},
    )
    return figure


def _range(steps: Sequence[Step]) -> list[str] | None:
    """The part of the axis that the steps move on, where that is small against the totals."""
    level, levels = money.ZERO, []
    for step in steps:
        level = step.amount if step.is_total else money.EXACT.add(level, step.amount)
        levels.append(level)
    low, high = min(levels), max(levels)
    spread = money.EXACT.subtract(high, low)
    if low <= 0 or not spread or spread * 4 > low:
        return None
    return [money.plain(low - spread), money.plain(high + spread)]
