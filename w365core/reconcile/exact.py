"""How are exact numbers, which travel as text, compared and summed? As whole numbers of a power of ten that the data decides; never as floats.

Quantities of one call share one scale, so that a sum or an equality is one of integers. What has more digits than the widest integer holds is
worked out on Python's decimals: slower, and to the same digit. Arithmetic on prices looks at each distinct combination of its inputs once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from w365core import arrays, money
from w365core.reconcile import columns, places
from w365core.reconcile.columns import NOWHERE, Chosen, Maybe
from w365core.reconcile.groups import Groups

INT64_DIGITS, INT128_DIGITS = 18, 38
# Beyond 16 digits or 12 places: sums of a hundred million numbers of less fit into the widest integer.
TOO_LONG = r"[0-9]{17}|\.[0-9]{13}"
_REMEMBERED = 1 << 16
_FEW = 100  # rows, of which to tell equal ones apart costs more than to ask of each
_MOST_WRITTEN = 10_000  # what can follow the point of four places


@lru_cache(_REMEMBERED)
def number(text: str) -> Decimal:
    """The number that a text of the store prints. A text that is none is a broken promise of the caller."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    assert found.is_finite(), f"{text!r} is no number; numbers come here checked"
    return found


@lru_cache(_REMEMBERED)
def plain(found: Decimal) -> str:
    """Plain notation without the zeros that only a scale prints: 26.00 -> 26, 1E-7 -> 0.0000001."""
    return format(money.trimmed(found) if found else money.ZERO, "f")


def readable(numbers: pa.Array) -> pa.Array:
    """Numbers in plain notation; blank is null. Few texts are written otherwise, and only then is each distinct one read."""
    return numbers if _are_plain(numbers) else canonical(numbers)


def _are_plain(numbers: pa.Array) -> bool:
    """Whether numbers are written without an exponent or a plus, and none is blank: told by all their letters at once."""
    letters = np.frombuffer(numbers.buffers()[2] or b"", np.uint8)
    return (
        ord("-") <= letters.min(initial=ord("9"))
        and letters.max(initial=0) <= ord("9")
        and (pc.min(pc.binary_length(numbers)).as_py() != 0)
    )


def canonical(numbers: pa.Array) -> pa.Array:
    """Every number in its one plain text, without zeros at the end; blank is null. Each distinct text is read once."""
    if len(numbers) <= _FEW:
        return columns.texts(map(_canonical, numbers.to_pylist()))
    printed, place = places.distinct(numbers)
    return columns.at(columns.texts(map(_canonical, printed)), place)


def _canonical(text: str | None) -> str | None:
    return plain(number(text)) if text and text.strip() else None


def digits(numbers: pa.Array) -> tuple[int, int]:
    """The most digits before and behind the point."""
    size, point = columns.whole(pc.binary_length(numbers), null=0), columns.whole(pc.find_substring(numbers, "."), null=NOWHERE)
    before = np.where(point == NOWHERE, size, point)
    return int(before.max(initial=0)) or 1, int(np.where(point == NOWHERE, 0, size - point - 1).max(initial=0))


def scaled(*sides: pa.Array) -> tuple[int, list[Maybe]] | None:
    """The scale that holds every one of these numbers, and the numbers as integers of it; None where no integer has so many digits.

    There is room for the sum of all of them in any of them.
    """
    room = len(str(sum(map(len, sides)))) + 1
    whole = [_whole(side) for side in sides] if not any("." in (side[0].as_py() or "") for side in sides if len(side)) else [None]
    if all(found is not None and _are_short(found, room) for found in whole):
        return 0, whole
    for written in (readable, canonical):  # zeros at the end are digits too, but costly to take away
        sides = [written(side) for side in sides]
        found = [digits(side) for side in sides]
        behind = max((places for _, places in found), default=0)
        needed = max((before for before, _ in found), default=1) + behind + room
        if needed <= INT64_DIGITS or (needed <= INT128_DIGITS and written is canonical):
            kind = pl.Int64 if needed <= INT64_DIGITS else pl.Int128
            return behind, [columns.maybe(at_scale(side, behind, kind)) for side in sides]
    return None


def _whole(numbers: pa.Array) -> Maybe | None:
    """Whole numbers, if every text is one, and is written as one."""
    if not _are_plain(numbers):
        return None
    try:
        found = numbers.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return Maybe(columns.whole(found, null=0), columns.valid(found))


def _are_short(whole: Maybe, room: int) -> bool:
    """Whether they have so few digits that there is room for the sum of all."""
    most = 10 ** (INT64_DIGITS - room)
    return -most <= whole.values.min(initial=0) and whole.values.max(initial=0) <= most


def at_scale(numbers: pa.Array, places: int, kind: pl.DataType) -> pl.Series:
    """Numbers of at most so many places, and of at most 38 digits, as integers of that scale and of this kind, which holds them."""
    texts = columns.text(numbers)
    found = None if places else texts.cast(kind, strict=False)  # half as dear as decimals, which know "5." too
    if found is None or found.null_count() != numbers.null_count:
        found = texts.cast(pl.Decimal(INT128_DIGITS, places), strict=False).to_physical().cast(kind)
    assert found.null_count() == numbers.null_count, "a text is no number; numbers come here checked"
    return found


def texts(numbers: Maybe, scale: int) -> pa.Array:
    """Integers of a scale as plain text, without zeros at the end; null where they are unknown. Where they lie close together, as quantities do, each is written once."""
    values, known = numbers.values, numbers.known
    if values.dtype == object:
        cells = zip(values.tolist(), known.tolist(), strict=True)
        return columns.texts(plain(Decimal(one).scaleb(-scale, money.EXACT)) if is_known else None for one, is_known in cells)
    among = values if known.all() else values[known]
    if not len(among):
        return pa.nulls(len(values), pa.string())
    least, most = int(among.min()), int(among.max())
    if most - least >= len(among):
        return columns.at(_written(values, scale), np.where(known, np.arange(len(values)), NOWHERE))
    return columns.at(_written(np.arange(least, most + 1), scale), np.where(known, values - least, NOWHERE))


def _written(values: np.ndarray, scale: int) -> pa.Array:
    if not scale:
        return columns.numbers(values).cast(pa.string())
    size, share = np.abs(values), 10**scale
    before, behind = columns.numbers(size // share).cast(pa.string()), size % share
    sign = columns.named(["", "-"], (values < 0).astype(np.int64))
    digits = _behind_the_point(scale) if share <= _MOST_WRITTEN else None
    after = digits.take(columns.numbers(behind)) if digits is not None else columns.arrow(_digits(pl.Series(behind), scale))
    return pc.binary_join_element_wise(sign, before, after, arrays.scalar(""))


@cache
def _behind_the_point(scale: int) -> pa.Array:
    """What follows the point of every number of this scale: nothing, ".01", ".1" …"""
    return columns.arrow(_digits(pl.Series(range(10**scale)), scale))


def _digits(behind: pl.Series, scale: int) -> pl.Series:
    printed = ("." + behind.cast(pl.String).str.zfill(scale)).str.strip_chars_end("0")
    return printed.str.strip_suffix(".")


@dataclass(frozen=True)
class Scaled:
    """Numbers as integers of one scale."""

    numbers: Maybe
    scale: int

    def __getitem__(self, chosen: Chosen) -> Scaled:
        return Scaled(self.numbers[chosen], self.scale)


def scaled_as_one(printed: pa.Array) -> Scaled:
    """Any numbers, of as many digits as they print; unknown where a text is null or blank."""
    found = scaled(printed)
    if found is not None:
        return Scaled(found[1][0], found[0])
    read = [number(text) if text and text.strip() else None for text in printed.to_pylist()]
    scale = max([0, *(-one.as_tuple().exponent for one in read if one is not None)])
    values = [0 if one is None else int(one.scaleb(scale, money.EXACT)) for one in read]
    return Scaled(Maybe(np.array(values, dtype=object), np.array([one is not None for one in read], dtype=bool)), scale)


def summed(printed: pa.Array, groups: Groups) -> Scaled:
    """The exact sum of each group's; unknown where all are."""
    found = scaled_as_one(printed)
    return Scaled(Maybe(groups.sum(found.numbers.filled(0)), groups.any(found.numbers.known)), found.scale)


def each_combination(cells: Sequence[pa.Array], answer: Callable[..., Any]) -> list:
    """What `answer` says of the values in these columns, row by row; of many rows, each distinct combination is asked once."""
    if len(cells[0]) <= _FEW:
        return [answer(*values) for values in rows_of(cells)]
    first, place = places.combinations(cells)
    answers = [answer(*values) for values in rows_of([columns.at(column, first) for column in cells])]
    return [answers[number] for number in place.tolist()]


def rows_of(cells: Sequence[pa.Array]) -> Iterator[tuple]:
    """The values of each row in these columns."""
    return zip(*(columns.text(column).to_list() for column in cells), strict=True)
