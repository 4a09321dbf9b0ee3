"""How is a row of usage printed for a spreadsheet, and does a cell that came back from one still say the same value?

A cell has one canonical text, which is also what the file prints, so that an unedited row is recognised by one hash. A spreadsheet shows the same
value in other words: dates in its own order, numbers with other marks, zeros taken away, and digits rounded to what a cell shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from typing import NamedTuple

from w365core import dates, money
from w365core.correction import COLUMNS
from w365core.dates import DateOrder

DAYS = ("charge_start", "charge_end")
NUMBERS = ("quantity", "cost", "markup_pct", "selling_amount")
_KIND = tuple("day" if name in DAYS else "number" if name in NUMBERS else "text" for name in COLUMNS)
_HASH, _CURRENCY = COLUMNS.index("row_hash"), COLUMNS.index("currency")
_ROW_HASH = re.compile(r"([1-9][0-9]{0,9})-([0-9a-f]{20})")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(.*)", re.ASCII | re.DOTALL)
_ORDERS = (DateOrder.MONTH_FIRST, DateOrder.DAY_FIRST)
SEPARATOR = "\x1f"
_REMEMBERED = 1 << 16  # cells say the same again and again

# What a spreadsheet shows of a number in a cell of its general format, and so all that it writes into a CSV.
_SHOWN_CHARACTERS = 10  # digits of a number with a point
_SHOWN_PLACES = 9  # of a number below one
_SHOWN_SCIENTIFIC = 6
_SURELY_ROUNDED = 9  # so many digits are no figure that a person types


class Stored(NamedTuple):
    """A usage summary as it is stored; quantity and cost are those in force."""

    usage_id: str
    invoice: str
    account: str | None
    subscription: str | None
    product: str | None
    charge_start: date | None
    charge_end: date | None
    quantity: Decimal
    cost: Decimal
    currency: str
    markup_pct: Decimal | None
    selling_amount: Decimal | None
    status: str
    version: int
    provider_invoice_id: int
    confirmed: bool
    customer_invoice: str | None
    account_name: str | None


class Reading(NamedTuple):
    """How a spreadsheet prints: the decimal mark and the order of a date."""

    decimal_comma: bool
    order: DateOrder


def cells(stored: Stored, *, version: int | None = None) -> tuple[str, ...]:
    """The row as it is exported, its hash included. `version` is another one than the stored."""
    usage_id, invoice, account, subscription, product_name, start, end, quantity, cost, currency, markup, selling, status, own_version = (
        stored[:14]
    )
    printed = [
        usage_id if usage_id.isalnum() else text(usage_id), "", text(invoice), text(account), text(subscription), text(product_name), _day(start), _day(end), number(quantity),
        number(cost, 2), text(currency), number(markup), number(selling, money.minor_units(currency)), status,
    ]  # fmt: skip
    printed[_HASH] = row_hash(printed, own_version if version is None else version)
    return tuple(printed)


def row_hash(printed: Sequence[str], version: int | str) -> str:
    """The hash of a row of canonical texts; the version stands in front, so that it can be told without the database."""
    return hash_of(f"{printed[0]}{SEPARATOR}{version}{SEPARATOR}{SEPARATOR.join(printed[2:])}", version)


def hash_of(covered: str, version: int | str) -> str:
    """The same of what it covers: the usage id, the version, and all cells behind the hash."""
    return f"{version}-{blake2b(covered.encode(), digest_size=10).hexdigest()}"


def version_of(cell: str) -> int | None:
    """The version that a row_hash names; None where it is no such hash."""
    match = _ROW_HASH.fullmatch(cell)
    return int(match[1]) if match else None


@lru_cache(_REMEMBERED)
def text(value: str | None) -> str:
    """Canonical text: without the apostrophe that guards against formulas, and without blanks that nobody sees."""
    if not value:
        return ""
    return value if value.isalnum() else " ".join(value.split()).lstrip("'").lstrip()


@lru_cache(_REMEMBERED)
def _day(value: date | None) -> str:
    return "" if value is None else value.isoformat()


def number(value: Decimal | None, least: int = 0) -> str:
    """Canonical number: plain notation, with no zeros at the end beyond `least` places."""
    if value is None:
        return ""
    printed = str(value)
    _, point, places = printed.partition(".")
    if len(places) >= least and (printed[-1] != "0" or (not point and value)) and "E" not in printed:
        return printed
    whole, _, places = format(value if value else value.copy_abs(), "f").partition(".")  # there is no -0
    places = places[:least].ljust(least, "0") + places[least:].rstrip("0")
    return f"{whole}.{places}" if places else whole


# --- cells that came back ------------------------------------------------------------------------------------------------------------------


def is_unedited(came: Sequence[str], readings: Sequence[Reading]) -> bool:
    """Whether the cells still hash to the row's own hash, read in any of these ways."""
    version = version_of(came[_HASH])
    if version is None:
        return False
    wanted = came[_HASH]
    if row_hash(came, version) == wanted:
        return True
    return any((printed := _canonical(came, reading)) and row_hash(printed, version) == wanted for reading in readings)


def every_reading(first: Reading) -> tuple[Reading, ...]:
    """All ways to print, the file's own first."""
    others = (Reading(comma, order) for comma, order in product((first.decimal_comma, not first.decimal_comma), _ORDERS))
    return (first, *(one for one in others if one != first))


def _canonical(came: Sequence[str], reading: Reading) -> list[str] | None:
    """The cells as they were exported, if the spreadsheet prints so; None where one cannot be read so."""
    printed = [text(cell) if kind == "text" else cell for cell, kind in zip(came, _KIND, strict=True)]
    for place, (name, kind) in enumerate(zip(COLUMNS, _KIND, strict=True)):
        if kind == "text" or not (cell := came[place].strip()):
            printed[place] = printed[place].strip()
            continue
        if kind == "day":
            day = day_of(cell, reading.order)
            if day is None:
                return None
            printed[place] = day.isoformat()
        else:
            value = _read(cell, decimal_comma=reading.decimal_comma)
            if value is None:
                return None
            printed[place] = number(value, least=_least(name, came))
    return printed


def _least(name: str, came: Sequence[str]) -> int:
    return 2 if name == "cost" else money.minor_units(text(came[_CURRENCY])) if name == "selling_amount" else 0


def day_of(cell: str, order: DateOrder) -> date | None:
    """The day in a cell; None where it is none."""
    if match := _YEAR_FIRST.fullmatch(cell.strip()):
        cell = f"{match[1]}-{match[2]}-{match[3]}{match[4]}"
    try:
        return dates.day_of(cell, order)
    except ValueError:
        return None


@lru_cache(_REMEMBERED)
def number_of(cell: str, *, decimal_comma: bool) -> Decimal | None:
    """The number in a cell, by the file's decimal mark where the other would be possible too; None where it is none."""
    value = _read(cell, decimal_comma=decimal_comma)
    return value if value is not None else _read(cell, decimal_comma=not decimal_comma)


def _read(cell: str, *, decimal_comma: bool) -> Decimal | None:
    cell = cell.strip().removeprefix("'")
    plain = money.readable(cell) if not decimal_comma else None
    return plain if plain is not None else money.spreadsheet_number(cell, decimal_comma=decimal_comma)


@lru_cache(_REMEMBERED)
def says_mark(cell: str) -> bool | None:
    """Whether the cell's decimal mark can only be a comma (True) or only a point (False); None where it says nothing."""
    if cell.isdigit() or not cell:
        return None
    point, comma = (_read(cell, decimal_comma=mark) for mark in (False, True))
    return None if (point is None) == (comma is None) else point is None


@lru_cache(_REMEMBERED)
def same_text(stored: str, cell: str) -> bool:
    """Whether the cell is that text; of an id in digits a spreadsheet may have made a number."""
    found = text(cell)
    if found == stored:
        return True
    if not stored.isdigit():
        return False
    value = money.readable(found)
    return value is not None and (value == Decimal(stored) or _is_shown(Decimal(stored), value, found))


@lru_cache(_REMEMBERED)
def same_day(stored: str, cell: str) -> bool:
    """Whether the cell is that day in either order."""
    if not stored or not cell.strip():
        return stored == cell.strip()
    return any((day := day_of(cell, order)) is not None and day.isoformat() == stored for order in _ORDERS)


@lru_cache(_REMEMBERED)
def same_number(stored: str, cell: str) -> bool:
    """Whether the cell is that number in either notation, or what a spreadsheet shows of it."""
    if not stored or not cell.strip():
        return stored == cell.strip()
    was = Decimal(stored)
    for comma in (False, True):
        value = _read(cell, decimal_comma=comma)
        if value is not None and (value == was or _is_shown(was, value, cell)):
            return True
    return False


def _is_shown(was: Decimal, value: Decimal, cell: str) -> bool:
    """Whether `value` is no more than `was` rounded to what a cell shows: a saved CSV has nothing else. Narrow, or an edit would be overlooked."""
    if not was or not value or (was < 0) != (value < 0):
        return False
    digits = len(was.normalize(money.EXACT).as_tuple().digits)
    if "e" in cell.lower():
        return digits > _SHOWN_SCIENTIFIC and value == _rounded(was, was.adjusted() - _SHOWN_SCIENTIFIC + 1)
    places = _SHOWN_PLACES if was.adjusted() < 0 else max(0, _SHOWN_CHARACTERS - was.adjusted() - 1)
    shown = value.as_tuple()
    if value == _rounded(was, -places) and -int(shown.exponent) <= places:  # with more places than that the cell is no such cell
        return True
    return digits > _SHOWN_CHARACTERS and len(shown.digits) >= _SURELY_ROUNDED and value == _rounded(was, int(shown.exponent))


def _rounded(was: Decimal, exponent: int) -> Decimal:
    """Rounded to that power of ten; what is not as exact as that stays."""
    return was if was.as_tuple().exponent >= exponent else was.quantize(Decimal(1).scaleb(exponent), ROUND_HALF_UP, money.EXACT)
