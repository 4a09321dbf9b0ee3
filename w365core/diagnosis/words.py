"""How does an explanation say amounts, rates, counts and days?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from w365core import money


def amount(number: Decimal, currency: str) -> str:
    """1,329.75 EUR; at least the minor unit, at most six places."""
    said = money.trimmed(number, least=money.minor_units(currency))
    if -said.as_tuple().exponent > 6:
        said = money.trimmed(money.half_up(said, places=6), least=money.minor_units(currency))
    return f"{said:,} {currency}".rstrip()


def rate(percent: Decimal) -> str:
    """19 %, 5.5 %."""
    return f"{money.plain(money.trimmed(percent))} %"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """1 line, 1,234 lines."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def ordinal(number: int) -> str:
    """12th, 1st, 22nd."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def days(mask: int, first_day: date | None) -> str:
    """The days of the bits: 2026-10-28 to 2026-10-31, or each, up to four."""
    places = [place for place in range(mask.bit_length()) if mask >> place & 1]
    if first_day is None or not places:
        return counted(len(places), "day")
    shown = [(first_day + timedelta(days=place)).isoformat() for place in places]
    if len(places) > 2 and places[-1] - places[0] == len(places) - 1:
        return f"{shown[0]} to {shown[-1]}"
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")
