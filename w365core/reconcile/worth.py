"""What is a change of seats worth in the cycle it falls in? Its price for the cycle, prorated by the contract's unit, rounded once to the coin.

Days: the days from the change to the cycle's end, the day of the change charged, over the cycle's days. Months: the started months.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from w365core import money
from w365core.frames import folded
from w365core.reconcile import exact, prices
from w365core.reconcile.calendar_months import months_later, named_months, whole_months

_DAY = timedelta(days=1)


@lru_cache(1 << 14)
def cycle_of(day: date, *, anchor: date, months: int) -> tuple[date, date]:
    """The half-open cycle that holds a day, of those that follow from the anchor, before it too."""
    number = ((day.year - anchor.year) * 12 + day.month - anchor.month) // months
    start = months_later(anchor, number * months)
    if start > day:
        number, start = number - 1, months_later(anchor, (number - 1) * months)
    end = months_later(anchor, (number + 1) * months)
    return (end, months_later(anchor, (number + 2) * months)) if end <= day else (start, end)


def anchored(contract_start: date | None, frequency: str | None, start: date | None, end: date | None) -> tuple[date, int] | None:
    """Where cycles begin and how many months they have: of the contract, else of the charge window; a window of no whole months is part of a month."""
    if contract_start is not None and (months := named_months(frequency or "Monthly")):
        return contract_start, months
    if start is None or end is None or end < start:
        return None
    months = whole_months(start, end)
    return (start, months) if months else (months_later(end + _DAY, -1), 1)


@lru_cache(1 << 10)
def _by_months(prorate_unit: str | None) -> bool:
    return folded(prorate_unit or "") == "months"


def worth(
    quantity: str | None,
    effective: date | None,
    price: str | None,
    unit: str | None,
    currency: str | None,
    prorate_unit: str | None,
    frequency: str | None,
    contract_start: date | None,
    start: date | None,
    end: date | None,
) -> str | None:
    """The signed worth of a change in its currency; null where its quantity, day, price or currency is unknown."""
    cycles = anchored(contract_start, frequency, start, end)
    monthly = prices.monthly(price, unit)
    if not quantity or effective is None or monthly is None or not currency or cycles is None:
        return None
    anchor, months = cycles
    first, after = cycle_of(effective, anchor=anchor, months=months)
    each_month = money.EXACT.multiply(exact.number(quantity), monthly)
    if _by_months(prorate_unit):
        passed = max(n for n in range(months) if months_later(first, n) <= effective)
        share = money.EXACT.multiply(each_month, Decimal(months - passed))
    else:
        charged = Decimal(months * (after - effective).days)
        share = money.EXACT.divide(money.EXACT.multiply(each_month, charged), Decimal((after - first).days))
    return exact.plain(money.in_currency(share, currency))
