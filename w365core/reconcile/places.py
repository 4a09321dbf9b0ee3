"""Which row of another table belongs to each of these? It is found by its place, a number, so that texts are compared once and gathered at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core.reconcile import columns
from w365core.reconcile.columns import NOWHERE

SPAN, ORIGIN = 1 << 22, 1 << 20  # days of a number that a day is part of: from the year 1 to beyond 9999
_BITS = 63  # of a whole number that is not negative
_FEW = 1 << 31  # what a number can be multiplied by another so small


def combinations(cells: Sequence[pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each distinct combination of these columns' values, and for each row the place of its own among them."""
    number, count = np.zeros(len(cells[0]), dtype=np.int64), 1
    for column in cells:
        if _is_constant(column):
            continue
        code, of_column = _numbered(column)
        if count > _FEW:
            number, count = _numbered(columns.numbers(number))
        number, count = (number * of_column + code, count * of_column) if count > 1 else (code, of_column)
    if count == 1:
        return np.arange(min(1, len(number))), number
    number, count = _numbered(columns.numbers(number))
    first = np.empty(count, dtype=np.int64)
    first[number[::-1]] = np.arange(len(number))[::-1]
    return first, number


def _is_constant(cells: pa.Array) -> bool:
    """Whether all cells are the same, as those of a rate or a billing cycle often are: to compare is cheaper than to number."""
    if cells.null_count or not len(cells):
        return cells.null_count == len(cells)
    return cells[0] == cells[-1] and pc.all(pc.equal(cells, cells[0])).as_py()


def distinct(cells: pa.Array) -> tuple[list, np.ndarray]:
    """The distinct values of cells, a null last, and for each cell the place of its own among them."""
    values, place = encoded(cells)
    return values.to_pylist() + [None] * (cells.null_count > 0), place


def encoded(cells: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """The distinct values of cells but null, and for each cell the place of its own among them, a null behind them all."""
    found = pc.dictionary_encode(cells)
    return found.dictionary, columns.whole(found.indices, null=len(found.dictionary))


def _numbered(cells: pa.Array) -> tuple[np.ndarray, int]:
    """A number for each cell, the same for equal ones; and how many there can be."""
    values, place = encoded(cells)
    return place, len(values) + (cells.null_count > 0)


def in_order(numbers: np.ndarray, *, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers, none negative or above `most`, sorted, and the place where each one stood. Number and place are sorted as one where an integer holds both: that
    takes half the time of sorting places."""
    bits = max(1, len(numbers)).bit_length()
    if most.bit_length() + bits > _BITS:
        order = np.argsort(numbers, kind="stable")
        return numbers[order], order
    both = np.sort(numbers << bits | np.arange(len(numbers)))  # several times as fast as any other sort at hand
    return both >> bits, both & (1 << bits) - 1


def ranked(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct numbers, the least first, and for each its place among them."""
    found, place = encoded(columns.numbers(numbers))
    known = columns.whole(found, null=NOWHERE)
    order = np.argsort(known)
    rank = np.empty(len(known), dtype=np.int64)
    rank[order] = np.arange(len(known))
    return known[order], rank[place]
