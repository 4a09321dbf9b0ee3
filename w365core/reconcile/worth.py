"""What is a change of seats worth in the cycle it falls in? Its price for the cycle, prorated by the contract's unit, rounded once to the coin.

Days: the days from the change to the cycle's end, the day of the change charged, over the cycle's days. Months: the started months.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import polars as pl

from w365core import money
from w365core.frames import folded
from w365core.reconcile import places, products
from w365core.reconcile.calendar_months import months_later, named_months, whole_months

_DAY = timedelta(days=1)
_DAYS = ("effective_date", "prorate_unit", "frequency", "contract_start", "charge_start", "charge_end")


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


def share(
    effective: date | None,
    prorate_unit: str | None,
    frequency: str | None,
    contract_start: date | None,
    start: date | None,
    end: date | None,
) -> tuple[int | None, int | None]:
    """What a change of that day is charged for, as a fraction: so many monthly prices out of so many; nulls where its day or its cycle is unknown."""
    cycles = anchored(contract_start, frequency, start, end)
    if effective is None or cycles is None:
        return None, None
    anchor, months = cycles
    first, after = cycle_of(effective, anchor=anchor, months=months)
    if _by_months(prorate_unit):
        return months - max(n for n in range(months) if months_later(first, n) <= effective), 1
    return months * (after - effective).days, (after - first).days


def worths(changes: pl.DataFrame) -> pl.Series:
    """The signed worth of each change in its currency, as text: its `quantity` at its `monthly` price for its share of the cycle; null where its quantity,
    day, price or currency is unknown. `charge_start` and `charge_end` are of the window it explains."""
    days, place = places.combinations(changes, _DAYS)
    shares = pl.DataFrame([share(*cells) for cells in days.iter_rows()], {"numerator": pl.Int64, "denominator": pl.Int64}, orient="row")
    factors = changes.select("quantity", pl.col("monthly").alias("price")).hstack(places.at(shares, place))
    currency = changes.get_column("worth_currency")
    found = pl.repeat(None, len(changes), dtype=pl.String, eager=True).alias("worth")
    for code in currency.unique().to_list():
        if code:
            found = found.scatter(
                (currency == code).arg_true(), products.rounded(factors.filter(currency == code), coin=money.minor_units(code))
            )
    return found
