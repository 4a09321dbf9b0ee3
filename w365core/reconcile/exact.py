"""How are exact numbers, which travel as text, compared and summed? As whole numbers of a power of ten that the data decides; never as floats.

Quantities of one call share one scale, so that a sum or an equality is one of integers. What has more digits than the widest integer holds is
worked out on Python's decimals: slower, and to the same digit. Arithmetic on prices looks at each distinct combination of its inputs once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any

import polars as pl

from w365core import money
from w365core.reconcile import places

INT64_DIGITS, INT128_DIGITS = 18, 38
_PLAIN = r"^-?[0-9]+(?:\.[0-9]+)?$"
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


def readable(numbers: pl.Series) -> pl.Series:
    """Numbers in plain notation; blank is null. Few texts are written otherwise, and only then is each distinct one read."""
    return numbers if numbers.str.contains(_PLAIN).all() else canonical(numbers)  # nulls do not count


def canonical(numbers: pl.Series) -> pl.Series:
    """Every number in its one plain text, without zeros at the end; blank is null. Each distinct text is read once."""
    printed, place = places.distinct(numbers)
    known = [plain(number(text)) if text and text.strip() else None for text in printed]
    return places.at(pl.Series(numbers.name, known, dtype=pl.String), place)


def digits(numbers: pl.Series) -> tuple[int, int]:
    """The most digits before and behind the point."""
    if not len(numbers):
        return 1, 0
    size, point = numbers.str.len_bytes(), numbers.str.find(".", literal=True)
    whole = pl.select(pl.coalesce(point, size).max()).item()
    return int(whole or 1), int((size - point - 1).max() or 0)


def scaled(*columns: pl.Series) -> tuple[int, list[pl.Series]] | None:
    """The scale that holds every one of these numbers, and the numbers as integers of it; None where no integer has so many digits.

    There is room for the sum of all of them in any of them.
    """
    room = len(str(sum(len(column) for column in columns))) + 1
    if not any("." in (column.first() or "") for column in columns if len(column)):
        whole = [column.cast(pl.Int64, strict=False) for column in columns]
        if all(_is_short(number, column, room) for number, column in zip(whole, columns, strict=True)):
            return 0, whole
    for written in (readable, canonical):  # zeros at the end are digits too, but costly to take away
        columns = [written(column) for column in columns]
        found = [digits(column) for column in columns]
        behind = max((places for _, places in found), default=0)
        needed = max((before for before, _ in found), default=1) + behind + room
        if needed <= INT64_DIGITS or (needed <= INT128_DIGITS and written is canonical):
            kind = pl.Int64 if needed <= INT64_DIGITS else pl.Int128
            return behind, [at_scale(column, behind).cast(kind) for column in columns]
    return None


def _is_short(whole: pl.Series, printed: pl.Series, room: int) -> bool:
    """Whether every text is a whole number, of so few digits that there is room for the sum of all."""
    most = 10 ** (INT64_DIGITS - room)
    return whole.null_count() == printed.null_count() and bool(whole.is_between(-most, most).all())


def at_scale(numbers: pl.Series, places: int) -> pl.Series:
    """Numbers of at most so many places, and of at most 38 digits, as integers of that scale."""
    if places:
        return numbers.cast(pl.Decimal(INT128_DIGITS, places)).to_physical()
    return numbers.cast(pl.Int64 if digits(numbers)[0] <= INT64_DIGITS else pl.Int128)


def text(whole: pl.Expr, scale: int) -> pl.Expr:
    """Integers of a scale as plain text, without zeros at the end."""
    if not scale:
        return whole.cast(pl.String)
    size, share = whole.abs(), 10**scale
    before = (size // share).cast(pl.String)
    if share <= _MOST_WRITTEN:
        behind = pl.lit(_written(scale)).gather((size % share).cast(pl.Int64))
    else:
        digits = (size % share).cast(pl.String).str.zfill(scale).str.strip_chars_end("0")
        behind = pl.when(digits == "").then(pl.lit("")).otherwise("." + digits)
    return pl.when(whole < 0).then(pl.lit("-")).otherwise(pl.lit("")) + before + behind


@cache
def _written(scale: int) -> pl.Series:
    """What follows the point of every number of this scale: nothing, ".01", ".1" …"""
    return pl.Series([f".{number:0{scale}}".rstrip("0").rstrip(".") for number in range(10**scale)])


def texts(whole: pl.Series, scale: int) -> pl.Series:
    """The same of a column: where the numbers lie close together, as quantities do, each is written once."""
    least, most = whole.min(), whole.max()
    if whole.dtype != pl.Int64 or least is None or most - least >= len(whole):
        return whole.to_frame("whole").select(text(pl.col("whole"), scale)).to_series()
    every = pl.int_range(least, most + 1, dtype=pl.Int64, eager=True).to_frame("whole").select(text(pl.col("whole"), scale)).to_series()
    return places.at(every, (whole - least).cast(pl.Int64))


def each_combination(frame: pl.DataFrame, columns: Sequence[str], answer: Callable[..., Any], *, name: str, kind: pl.DataType) -> pl.Series:
    """What `answer` says of the values in these columns, row by row; of many, each distinct combination is asked once."""
    if frame.is_empty():
        return pl.Series(name, [], dtype=kind)
    if len(frame) <= _FEW:
        return pl.Series(name, [answer(*values) for values in frame.select(columns).iter_rows()], dtype=kind)
    distinct, place = places.combinations(frame, columns)
    return pl.Series(name, [answer(*values) for values in distinct.iter_rows()], dtype=kind).gather(place)


def sums(frame: pl.DataFrame, *, by: str, of: str) -> pl.DataFrame:
    """`by`, and the exact sum of a column of texts as text; null where all are."""
    texts = frame.get_column(of)
    found = scaled(texts)
    if found is not None:
        scale, (whole,) = found
        grouped = frame.select(by).with_columns(whole.alias(of)).group_by(by)
        summed = grouped.agg(pl.when(pl.col(of).count() > 0).then(pl.col(of).sum()).alias(of))
        return summed.with_columns(text(pl.col(of), scale).alias(of))
    totals: dict[Any, Decimal] = {}
    for key, printed in zip(frame.get_column(by).to_list(), texts.to_list(), strict=True):
        if printed:
            totals[key] = money.EXACT.add(totals.get(key, money.ZERO), number(printed))
    known = pl.DataFrame({by: list(totals), of: [plain(total) for total in totals.values()]}, {by: frame.schema[by], of: pl.String})
    return frame.select(by).unique().join(known, on=by, how="left")
