"""What is everything computed on? Columns of whole numbers in numpy, all rows at once; texts stay in Arrow until they are compared or printed.

A number of more digits than the machine's integers hold is one of Python's, in the same columns: slower, and as exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from w365core import arrays

NOWHERE = -1  # a place that is none
NEVER, FOREVER = -(1 << 61), 1 << 61  # a day or a moment that is unknown: before all others, or after them
DAY = 86_400_000_000  # of a moment, in microseconds
_HELD = 1 << 63
Chosen = np.ndarray | slice
Same = TypeVar("Same", bound="Columns")


@dataclass(frozen=True)
class Columns:
    """Columns of the same rows, of which some can be chosen by their places or by a mask."""

    def __getitem__(self: Same, chosen: Chosen) -> Same:
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


@dataclass(frozen=True)
class Maybe(Columns):
    """Numbers, some of which are unknown: what stands in their place means nothing."""

    values: np.ndarray
    known: np.ndarray

    def equals(self, other: Maybe) -> np.ndarray:
        """Where both are known and the same."""
        return self.known & other.known & (self.values == other.values)

    def differs(self, other: Maybe) -> np.ndarray:
        """Where both are known and not the same."""
        return self.known & other.known & (self.values != other.values)

    def where(self, mask: np.ndarray) -> Maybe:
        """The same, unknown outside the mask."""
        return Maybe(self.values, self.known & mask)

    def filled(self, number: int) -> np.ndarray:
        """With this number for what is unknown."""
        return np.where(self.known, self.values, number)

    def __sub__(self, other: Maybe) -> Maybe:
        return Maybe(self.values - other.values, self.known & other.known)


def or_else(cells: np.ndarray, places: np.ndarray, otherwise: Any) -> np.ndarray:
    """The cells at these places; something else at NOWHERE."""
    return np.append(cells, np.array([otherwise], dtype=cells.dtype))[places]


def with_room(numbers: np.ndarray) -> np.ndarray:
    """The numbers, so that any of them can be summed: Python's, where the machine's would not hold the sum."""
    most = max(int(numbers.max(initial=0)), -int(numbers.min(initial=0)))
    return numbers if most * len(numbers) < _HELD else numbers.astype(object)


def either(mask: np.ndarray, these: Maybe, others: Maybe) -> Maybe:
    """The first where the mask holds, else the others."""
    return Maybe(np.where(mask, these.values, others.values), np.where(mask, these.known, others.known))


def unknown(count: int) -> Maybe:
    """So many numbers, none of them known."""
    return Maybe(np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool))


def looked_up(numbers: Maybe, places: np.ndarray) -> Maybe:
    """The numbers at these places; unknown at NOWHERE."""
    return Maybe(numbers.values[places], numbers.known[places] & (places != NOWHERE)) if len(numbers) else unknown(len(places))


def certain(values: np.ndarray) -> Maybe:
    """Numbers that are all known."""
    return Maybe(values, np.ones(len(values), dtype=bool))


def maybe(numbers: pl.Series) -> Maybe:
    """Whole numbers of polars; the widest become Python's."""
    known = are_known(numbers)
    if numbers.null_count():
        numbers = numbers.zip_with(pl.Series(known), pl.Series([0], dtype=numbers.dtype))
    return Maybe(numbers.to_numpy() if numbers.dtype == pl.Int64 else np.array(numbers.to_list(), dtype=object), known)


def series(values: np.ndarray, kind: pl.DataType) -> pl.Series:
    """Whole numbers as polars has them, of a kind that holds them."""
    return pl.Series(values.tolist(), dtype=kind) if values.dtype == object else pl.Series(values).cast(kind)


def are_known(cells: pl.Series) -> np.ndarray:
    """Which of them are not null."""
    return cells.is_not_null().to_numpy() if cells.null_count() else np.ones(len(cells), dtype=bool)


def are_true(found: pl.Series) -> np.ndarray:
    """Which are true; a null is not."""
    return (found.zip_with(found.is_not_null(), pl.Series([False])) if found.null_count() else found).to_numpy()


def joined(*parts: Any) -> Any:
    """The rows of all parts, one part after the other: arrays, or the same Columns."""
    if isinstance(parts[0], Columns):
        return type(parts[0])(*(joined(*(getattr(part, field.name) for part in parts)) for field in fields(parts[0])))
    return np.concatenate(parts)


def put(whole: Any, places: np.ndarray, found: Any) -> Any:
    """The columns with what was found at these places: an array, or the same Columns."""
    if isinstance(whole, Columns):
        return type(whole)(*(put(getattr(whole, field.name), places, getattr(found, field.name)) for field in fields(whole)))
    kept = whole.astype(np.result_type(whole, found)) if whole.dtype != found.dtype else whole.copy()
    kept[places] = found
    return kept


def first_true(cases: Sequence[tuple[np.ndarray, int]], otherwise: int | np.ndarray) -> np.ndarray:
    """For each row the number of the first case that holds of it."""
    found = np.full(len(cases[0][0]), otherwise, dtype=np.int8) if isinstance(otherwise, int) else otherwise.astype(np.int8)
    for holds, number in reversed(cases):
        found[holds] = number
    return found


# --- out of Arrow and into it ----------------------------------------------------------------------------------------------------------------


def in_one_piece(cells: pa.ChunkedArray) -> pa.Array:
    """A column of a table; to put together what is in one piece already would copy it."""
    return cells.chunk(0) if cells.num_chunks == 1 else cells.combine_chunks()


def whole(cells: pa.Array, *, null: int) -> np.ndarray:
    """Whole numbers, days (since 1970) or moments as they stand in memory, with this number for a null."""
    kind = np.dtype(f"i{cells.type.bit_width // 8}")
    found = arrays.in_memory(cells, kind).astype(np.int64)
    return np.where(valid(cells), found, null) if cells.null_count else found


def flags(cells: pa.Array) -> np.ndarray:
    """Which cells are true; a null is not."""
    return _bits(cells, 1) & valid(cells)


def valid(cells: pa.Array) -> np.ndarray:
    """Which cells are not null."""
    if cells.null_count == len(cells):
        return np.zeros(len(cells), dtype=bool)
    return _bits(cells, 0) if cells.null_count else np.ones(len(cells), dtype=bool)


def _bits(cells: pa.Array, number: int) -> np.ndarray:
    packed = np.frombuffer(cells.buffers()[number] or b"", np.uint8)
    return np.unpackbits(packed, count=cells.offset + len(cells), bitorder="little")[cells.offset :].view(bool)


def text(cells: pa.Array) -> pl.Series:
    """Texts as polars reads them."""
    return pl.Series(pl.from_arrow(cells))


def arrow(cells: pl.Series) -> pa.Array:
    """Texts of polars as Arrow keeps them."""
    return cells.to_arrow(compat_level=pl.CompatLevel.newest()).cast(pa.string())


def numbers(values: np.ndarray, known: np.ndarray | None = None, *, kind: pa.DataType | None = None) -> pa.Array:
    """Whole numbers, days or moments; null where they are not known."""
    kind = kind or pa.int64()
    validity = None if known is None else arrays.validity(known)
    cells = np.ascontiguousarray(values, f"i{kind.bit_width // 8}")
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(cells)])


def truths(values: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    """Flags; null where they are not known."""
    validity = None if known is None else arrays.validity(known)
    return pa.Array.from_buffers(pa.bool_(), len(values), [validity, pa.py_buffer(np.packbits(values, bitorder="little"))])


def index(places: np.ndarray) -> pa.Array:
    """Places as Arrow takes by them, null at NOWHERE."""
    return arrays.indices(places, is_null=places == NOWHERE)


def at(cells: pa.Array, places: np.ndarray | pa.Array) -> pa.Array:
    """The cells at these places, or at those of an `index`, each as often as it is named; null at NOWHERE."""
    if not len(cells):
        return pa.nulls(len(places), cells.type)
    return cells.take(index(places) if isinstance(places, np.ndarray) else places)


def texts(cells: Iterable[str | None]) -> pa.Array:
    """Texts of Python."""
    return arrays.text_array(list(cells))


def named(names: Sequence[str | None], numbers: np.ndarray | pa.Array) -> pa.Array:
    """The name of each number; null at NOWHERE."""
    return at(arrays.text_array(names), numbers)
