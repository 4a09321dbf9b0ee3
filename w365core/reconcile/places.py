"""Which row of another table belongs to each of these? It is found by its place, a number, so that texts are compared once and gathered at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

_BITS = 63  # of a whole number that is not negative
_FEW = 1 << 31  # what a number can be multiplied by another so small
Cells = TypeVar("Cells", pl.DataFrame, pl.Series)


def combinations(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, pl.Series]:
    """The distinct combinations of the values in these columns, in the order in which they come, and for each row the place of its own among them."""
    number, count = np.zeros(len(frame), dtype=np.int64), 1
    for column in columns:
        if _is_constant(frame.get_column(column)):
            continue
        code, of_column = _numbered(frame.get_column(column))
        if count > _FEW:
            number, count = _numbered(pl.Series(number))
        number, count = number * of_column + code, count * of_column
    number, count = _numbered(pl.Series(number))
    first = np.empty(count, dtype=np.int64)
    first[number[::-1]] = np.arange(len(number))[::-1]
    return pl.DataFrame([frame.get_column(column)[pl.Series(first)] for column in columns]), pl.Series("place", number)


def _is_constant(cells: pl.Series) -> bool:
    """Whether all cells are the same, as those of a rate or a billing cycle often are: to compare is cheaper than to number."""
    if cells.null_count() or not len(cells):
        return cells.null_count() == len(cells)
    return bool((cells == cells.first()).all())


def distinct(cells: pl.Series) -> tuple[list, pl.Series]:
    """The distinct values of cells, a null last, and for each cell the place of its own among them."""
    values, place = _encoded(cells)
    return values.to_pylist() + [None] * (cells.null_count() > 0), place.cast(pl.get_index_type())


def _encoded(cells: pl.Series) -> tuple[pa.Array, pl.Series]:
    """The distinct values of cells but null, and for each cell the place of its own among them, a null behind them all."""
    found = pc.dictionary_encode(cells.to_arrow(compat_level=pl.CompatLevel.newest()))
    place = pl.Series(pl.from_arrow(found.indices))  # Arrow's own way to fill nulls loads pandas
    return found.dictionary, place.fill_null(len(found.dictionary)) if place.null_count() else place


def _numbered(cells: pl.Series) -> tuple[np.ndarray, int]:
    """A number for each cell, the same for equal ones; and how many there can be."""
    values, place = _encoded(cells)
    return place.to_numpy().astype(np.int64), len(values) + (cells.null_count() > 0)


def in_order(numbers: pl.Series, *, most: int) -> tuple[pl.Series, pl.Series]:
    """The numbers, none negative or above `most`, sorted, and the place where each one stood. Number and place are sorted as one where an integer holds both: that
    takes half the time of sorting places."""
    bits = max(1, len(numbers)).bit_length()
    if most.bit_length() + bits > _BITS:
        order = numbers.arg_sort()
        return numbers[order], order
    both = np.sort(numbers.to_numpy() << bits | np.arange(len(numbers)))  # several times as fast as any other sort at hand
    return pl.Series(both >> bits), pl.Series(both & (1 << bits) - 1)


def after(sorted_numbers: pl.Series, numbers: pl.Series) -> pl.Series:
    """How many of the sorted ones are at most each of these."""
    return pl.Series(np.searchsorted(sorted_numbers.to_numpy(), numbers.to_numpy(), side="right"))


def named(numbers: pl.Series, *, count: int) -> list[int]:
    """Which of so many numbers are there, in their order."""
    return np.flatnonzero(np.bincount(numbers.drop_nulls().to_numpy(), minlength=count)).tolist()


def starts(named: pl.Series, *, count: int) -> pl.Series:
    """Where the rows of each of `count` begin once they are sorted by what they name, and where the last one's end."""
    return pl.Series(np.bincount(named.drop_nulls().to_numpy() + 1, minlength=count + 1).cumsum())


def within(starts: pl.Series, groups: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The places of all rows of these groups, group by group, where `starts` says where each one's begin; and for each row the place of its group among these."""
    begin, end = starts[groups].to_numpy(), starts[groups + 1].to_numpy()
    of_group = np.repeat(np.arange(len(groups)), end - begin)
    passed = np.cumsum(end - begin) - (end - begin)
    return pl.Series(np.arange(len(of_group)) + (begin - passed)[of_group]), pl.Series(of_group)


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
