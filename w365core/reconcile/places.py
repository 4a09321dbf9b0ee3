"""Which row of another table belongs to each of these? It is found by its place, a number, so that texts are compared once and gathered at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import polars as pl

Cells = TypeVar("Cells", pl.DataFrame, pl.Series)


def combinations(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, pl.Series]:
    """The distinct combinations of the values in these columns, and for each row the place of its own among them."""
    counted = frame.select(columns).with_row_index("a place")
    first = counted.select(pl.col("a place").first().over(columns)).to_series()
    is_first = first == counted.get_column("a place")
    numbers = (is_first.cum_sum().cast(pl.Int64) - 1)[first]
    return frame.select(columns).filter(is_first), numbers.alias("place")


def in_order(numbers: pl.Series, *, most: int) -> tuple[pl.Series, pl.Series]:
    """The numbers, none negative or above `most`, sorted, and the place where each one stood. Number and place are sorted as one where an integer holds both: that
    takes half the time of sorting places."""
    count = max(1, len(numbers))
    if (most + 1) * count >= 1 << 63:
        order = numbers.arg_sort()
        return numbers[order], order
    both = (numbers * count + pl.int_range(len(numbers), dtype=pl.Int64, eager=True)).sort()
    return both // count, both % count


def of(named: pl.Series, *, count: int) -> pl.Series:
    """For each of `count` rows its place in a table whose rows name it by `named`; null where none does."""
    nowhere = pl.repeat(None, count, dtype=pl.Int64, eager=True)
    return nowhere.scatter(named, pl.int_range(len(named), eager=True)) if len(named) else nowhere


def at(cells: Cells, places: pl.Series) -> Cells:
    """The rows at these places, each as often as it is named; all null where a place is."""
    if not len(cells) or places.null_count() == len(places):
        return cells.clear(len(places))
    return cells[places]


def beside(rows: pl.DataFrame, found: pl.DataFrame, *, by: str) -> pl.DataFrame:
    """The rows with what was found of some of them, which names each by its place, `by`; null for the others."""
    return rows.hstack(at(found.drop(by), of(found.get_column(by), count=len(rows))))
