"""What is a change of seats worth in the cycle it falls in? Its price for the cycle, prorated by the contract's unit, rounded once to the coin.

Days: the days from the change to the cycle's end, the day of the change charged, over the cycle's days. Months: the started months.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa

from w365core.frames import folded
from w365core.reconcile import columns, exact, places
from w365core.reconcile.calendar_months import months_later, named_months, whole_months
from w365core.reconcile.columns import NOWHERE

_DAY = timedelta(days=1)


@lru_cache(1 << 14)
def cycle_of(day: date, *, anchor: date, months: int) -> tuple[date, date]:
    """The half-open cycle that holds a day, of those that follow from the anchor, before it too."""
    number = ((day.year - anchor.year) * 12 + day.month - anchor.month) // months
    start = months_later(anchor, number * months)
    if start > day:
        number, start = number - 1, months_later(anchor, (number - 1) * months)
    return start, months_later(anchor, (number + 1) * months)


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
        begun = (first.year - anchor.year) * 12 + first.month - anchor.month
        return months - max(n for n in range(months) if months_later(anchor, begun + n) <= effective), 1
    return months * (after - effective).days, (after - first).days


def shares(days: Sequence[pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """What each change is charged for: so many monthly prices, NOWHERE where that is not known, out of so many. `days` are the columns that `share` takes."""
    first, place = places.combinations(days)
    found = [share(*cells) for cells in exact.rows_of([columns.at(column, first) for column in days])]
    known = [(NOWHERE, 1) if numerator is None else (numerator, denominator) for numerator, denominator in found]
    numerator, denominator = np.array(known, dtype=np.int64).reshape(-1, 2).T
    return numerator[place], denominator[place]
