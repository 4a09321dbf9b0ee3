"""The only place that rounds: minor units of a currency, half-up, exact sums; and the numbers that texts and cells print.

Amounts are `Decimal` everywhere. Sums run under a context wide enough that nothing is lost (`EXACT`): the default context of
28 digits silently rounds the sum of a large invoice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, localcontext
from functools import lru_cache

EXACT = Context(prec=76, rounding=ROUND_HALF_UP)
ZERO = Decimal(0)
HUNDRED = Decimal(100)

# Amounts beyond these bounds are not money but a damaged file: 22 integer digits, 30 decimal places.
MOST_INTEGER_DIGITS = 22
MOST_PLACES = 30

# Python's Decimal would also take 1_000, full-width digits, "Infinity" and "NaN".
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")

# As spreadsheets print it. Thousands may be grouped by spaces (plain, no-break, narrow, thin) and apostrophes; a minus may be U+2212.
_SPACING = " \u00a0\u202f\u2009'\u2019"
_CURRENCY, _MINUS = "[$\u00a2-\u00a5\u20a0-\u20cf]?", "[-\u2212]?"
_PRINTED = re.compile(
    rf"(\()?\s*([-+\u2212]?)\s*({_CURRENCY})\s*([-+\u2212]?)\s*([0-9.,]|[0-9.,][0-9.,{_SPACING}]*[0-9.,])([eE][+-]?[0-9]{{1,3}})?"
    rf"\s*({_CURRENCY})\s*({_MINUS})\s*(\))?"
)
_GROUPS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+")

# ISO 4217: currencies whose minor unit is not the hundredth.
_MINOR_UNITS = {
    **dict.fromkeys(
        ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}


@lru_cache
def minor_units(currency: str) -> int:
    """Decimal places of the currency's smallest coin: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _MINOR_UNITS.get(currency.upper(), 2)


def half_up(amount: Decimal, *, places: int) -> Decimal:
    """Rounds once, half away from zero: 0.125 -> 0.13 and -0.125 -> -0.13 at two places. There is no -0.00."""
    rounded = amount.quantize(_unit(places), rounding=ROUND_HALF_UP, context=EXACT)
    return rounded if rounded else EXACT.plus(rounded)


@lru_cache
def _unit(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def cut(limit: Decimal, *, places: int) -> Decimal:
    """A limit as it can be said in so many places: cut, never raised, so that what equals the figure still keeps to the limit."""
    return limit.quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN, context=EXACT)


def in_currency(amount: Decimal, currency: str) -> Decimal:
    """The amount at the currency's minor unit, half up."""
    return half_up(amount, places=minor_units(currency))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum, whatever the number of digits."""
    with localcontext(EXACT):
        return sum(amounts, ZERO)


def selling_amount(cost: Decimal, markup_pct: Decimal, currency: str) -> Decimal:
    """Cost plus markup, rounded once: cost x (1 + markup / 100)."""
    return half_up(EXACT.multiply(cost, _factor(markup_pct)), places=minor_units(currency))


@lru_cache
def _factor(markup_pct: Decimal) -> Decimal:
    return EXACT.add(Decimal(1), EXACT.divide(markup_pct, HUNDRED))


def override_for(difference: Decimal) -> Decimal:
    """The whole number that would let this difference pass: -1329.7525 -> 1330; an integer is not bumped."""
    return difference.copy_abs().to_integral_value(rounding=ROUND_CEILING)  # abs() would round to 28 digits


def readable(text: str) -> Decimal | None:
    """The decimal that a text prints (digits, a point, at most an exponent), or None where it is no number of a size that money can have."""
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if is_plausible(number) else None


@dataclass(frozen=True)
class Printed:
    """A number taken apart as it stands in a cell: `body` are its digits and marks; what surrounds them only says the sign."""

    negative: bool
    body: str
    exponent: str

    @property
    def is_spaced(self) -> bool:
        """Whether spaces or apostrophes group its thousands, so that no point or comma does."""
        return any(character in _SPACING for character in self.body)


def printed(text: str) -> Printed | None:
    """The number in a cell: a currency sign before or after it, a minus before, behind or as parentheses. None where it is no number."""
    match = _PRINTED.fullmatch(text.strip())
    if match is None:
        return None
    opened, front, sign, second, body, exponent, sign_behind, behind, closed = match.groups(default="")
    minuses = [mark for mark in (front, second, behind, opened) if mark]
    if bool(opened) != bool(closed) or len(minuses) > 1 or (sign and sign_behind):
        return None
    return Printed(bool(minuses) and minuses[0] != "+", body, exponent)


def spreadsheet_number(text: str, *, decimal_comma: bool) -> Decimal | None:
    """The decimal that a cell prints, in a file whose decimal mark is known; None where it is none, or its thousands are no groups of three."""
    found = printed(text)
    if found is None:
        return None
    point, grouping = (",", ".") if decimal_comma else (".", ",")
    whole, _, fraction = found.body.partition(point)
    if fraction and not fraction.isdigit():
        return None
    if whole and not whole.isdigit():
        groups = re.split(f"[{re.escape(grouping)}{_SPACING}]", whole)
        marks = {character for character in whole if not character.isdigit()}
        if len(marks) > 1 or found.exponent or not _GROUPS.fullmatch(",".join(groups)):
            return None
        whole = "".join(groups)
    return readable(f"{'-' if found.negative else ''}{whole}.{fraction}{found.exponent}")


def is_plausible(number: Decimal) -> bool:
    """Finite, at most 22 integer digits and 30 decimal places."""
    if not number.is_finite():
        return False
    return number.adjusted() < MOST_INTEGER_DIGITS and -number.as_tuple().exponent <= MOST_PLACES


def trimmed(number: Decimal, *, least: int = 0) -> Decimal:
    """The same number without the zeros that only its scale prints, but with at least so many places: 26.000 -> 26, 0.5 -> 0.50 at two."""
    short = number.normalize(EXACT)
    return short if short.as_tuple().exponent <= -least else number.quantize(_unit(least), context=EXACT)


def plain(number: Decimal | None) -> str | None:
    """The number in plain notation, as JSON and CSV carry it: 1E-7 -> 0.0000001; trailing zeros stay."""
    return None if number is None else format(number, "f")
