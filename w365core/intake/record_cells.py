"""Which value does a cell of our record files print? Typed by its column's declaration, or what was expected instead.

cell_of(column, position)   how the cells of one present column are read
Unexpected                  the cell is no value of its column; str() says what was expected
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from w365core import money
from w365core.frames import Column, Kind

Value = Decimal | date | bool | int | str | None

LONGEST_ID = 400  # Postgres refuses index entries beyond a third of a page
MOST_REMEMBERED = 20_000  # distinct texts of a column whose values are kept, not read again


class Unexpected(Exception):
    """A cell that is no value of its column; says what was expected. It never leaves the reading of a file."""


@dataclass(frozen=True)
class Cell:
    """How one present column is read. `remembered` maps texts met before to their values."""

    column: Column
    position: int
    read: Callable[[str], Value]
    remembered: dict[str, Value] = field(default_factory=dict)

    def value(self, text: str) -> Value:
        text = text.strip()
        if text in self.remembered:
            return self.remembered[text]
        if not text:
            if self.column.key or self.column.required:
                raise Unexpected("a value; this column must not be blank")
            return None
        value = self.read(text)
        if not self.column.key and len(self.remembered) < MOST_REMEMBERED:
            self.remembered[text] = value
        return value


def cell_of(column: Column, position: int) -> Cell:
    return Cell(column, position, _reader_of(column))


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _reader_of(column: Column) -> Callable[[str], Value]:
    if column.name == "rate_to_base":
        return _rate
    if column.name in ("markup_pct", "minimum_commitment"):
        return _at_least_nothing
    if column.name in ("currency", "code"):
        return _currency
    if column.choices:
        return _one_of(column.choices)
    return {Kind.TEXT: str, Kind.ID: _id, Kind.NUMBER: _number, Kind.WHOLE: _whole, Kind.DAY: _day, Kind.FLAG: _flag}[column.kind]


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    as_declared = {choice.casefold(): choice for choice in choices}

    def read(text: str) -> str:
        found = as_declared.get(text.casefold())
        if found is None:
            raise Unexpected(f"one of {', '.join(choices)}")
        return found

    return read


def _id(text: str) -> str:
    """The id as written; a GUID lower-cased, because its letter case says nothing."""
    if _GUID.fullmatch(text):
        return text.lower()
    if len(text) > LONGEST_ID or not text.isprintable():
        raise Unexpected(f"an id of at most {LONGEST_ID} visible characters")
    return text


def _number(text: str) -> Decimal:
    # No exponent: in a record file it is a spreadsheet's damage (1.23E+15), with digits already lost.
    number = None if "e" in text.lower() else money.readable(text)
    if number is None:
        raise Unexpected("a decimal number with a dot and without thousands separators, such as 1234.5")
    return number


def _rate(text: str) -> Decimal:
    number = _number(text)
    if number <= 0:
        raise Unexpected("a rate above zero")
    return number


def _at_least_nothing(text: str) -> Decimal:
    number = _number(text)
    if number < 0:
        raise Unexpected("a number of at least 0")
    return number


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise Unexpected("a whole number")
    return int(text)


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Unexpected("a date as YYYY-MM-DD")


def _flag(text: str) -> bool:
    found = _FLAGS.get(text.lower())
    if found is None:
        raise Unexpected("true or false (or yes/no, 1/0)")
    return found


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise Unexpected("a currency code of three letters, such as EUR")
    return text.upper()
