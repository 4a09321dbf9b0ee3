"""How do people read an amount, a day, an age? Grouped, never a float, and exact to the last digit unless somebody asks for fewer places."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from w365core import money

ABSENT = "—"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_zone = ZoneInfo("UTC")  # of the installation, of which a process knows one only


def digits(number: Decimal | None, currency: str | None = None, *, most: int | None = None) -> str:
    """12345.678 -> 12,345.678. With a currency at least its minor unit: 12345.6 EUR -> 12,345.60. Absent is a dash, not zero.

    `most` places at most, half up; what would be a zero then says on which side of it it is: 0.0000004 at six places -> <0.000001.
    """
    if number is None:
        return ABSENT
    coin = money.minor_units(currency) if currency else 0
    if most is not None and number:
        number, exact = money.half_up(number, places=max(most, coin)), number
        if not number:
            least = Decimal(1).scaleb(-max(most, coin))
            return f"<{least:f}" if exact > 0 else f">-{least:f}"
    needed = max(-number.normalize(money.EXACT).as_tuple().exponent, 0)
    shown = money.half_up(number, places=max(needed, coin))  # adds zeros, takes nothing away
    return f"{abs(shown) if shown == 0 else shown:,f}"


def amount(number: Decimal | None, currency: str) -> str:
    """12,345.60 EUR, to the last digit."""
    return ABSENT if number is None else f"{digits(number, currency)} {currency}"


def sums(amounts: Iterable[tuple[Decimal, str]]) -> str:
    """1,200.00 EUR and 300.00 USD: each currency's own sum, never added."""
    found: dict[str, Decimal] = {}
    for number, currency in amounts:
        found[currency] = money.EXACT.add(found.get(currency, money.ZERO), number)
    return " and ".join(amount(total, currency) for currency, total in found.items())


def rounded(number: Decimal | None, currency: str) -> str:
    """12,345.60 EUR at the currency's minor unit, for headlines; the exact figure stands in the tables."""
    return ABSENT if number is None else f"{money.in_currency(number, currency):,f} {currency}"


def day(moment: date | datetime | None) -> str:
    """12 Nov 2026."""
    return ABSENT if moment is None else f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def month(text: str) -> str:
    """2026-11 -> Nov 2026."""
    year, number = text.split("-")
    return f"{_MONTHS[int(number) - 1]} {year}"


def show_times_in(name: str) -> None:
    """From now on moments are shown in this time zone, in the whole process; one that is not known here is UTC. The store keeps UTC, files too."""
    global _zone
    if name != _zone.key:
        try:
            _zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            _zone = ZoneInfo("UTC")


def zone() -> str:
    """The time zone that moments are shown in."""
    return _zone.key


def moment(at: datetime | None) -> str:
    """2026-11-12 06:30, in the time zone of `show_times_in`."""
    return ABSENT if at is None else _local(at).strftime("%Y-%m-%d %H:%M")


def zoned(at: datetime | None) -> str:
    """2026-11-12 06:30 UTC: the same with its zone, for sentences."""
    return ABSENT if at is None else f"{moment(at)} {_local(at).tzname()}"


def _local(at: datetime) -> datetime:
    return at.astimezone(_zone) if at.tzinfo else at


def age(since: datetime | None, *, now: datetime) -> str:
    """How long ago in one unit: just now, 5 minutes, 3 hours, 2 days, 7 weeks, 4 months."""
    if since is None:
        return ABSENT
    seconds = int((now - since).total_seconds())
    if seconds < 60:
        return "just now"
    for size, unit, below in ((60, "minute", 3600), (3600, "hour", 86400), (86400, "day", 86400 * 21), (86400 * 7, "week", 86400 * 91)):
        if seconds < below:
            return counted(seconds // size, unit)
    return counted(seconds // (86400 * 30), "month")


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """1 invoice, 1,234 invoices."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def ordinal(number: int) -> str:
    """first, third, tenth; 11th, 22nd."""
    if 1 <= number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
