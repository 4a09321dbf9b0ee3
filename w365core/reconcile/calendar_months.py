"""How many months is a charge window, a billing frequency, a price's unit? Windows are whole months when they end a day before the same day of a month."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from functools import lru_cache

from w365core.frames import folded

_DAY = timedelta(days=1)
_MOST_MONTHS, _LAST_YEAR = 120, 9980
_MONTHS = {
    **dict.fromkeys(("month", "months", "monthly", "permonth", "1month", "p1m", "usermonth", "monthlybilling"), 1),
    **dict.fromkeys(("quarter", "quarterly", "perquarter", "3months", "p3m", "quarterlybilling"), 3),
    **dict.fromkeys(("halfyear", "halfyearly", "semiannual", "semiannually", "biannual", "6months", "p6m"), 6),
    **dict.fromkeys(
        ("annual", "annually", "year", "yearly", "peryear", "1year", "12months", "p1y", "p12m", "annualbilling", "yearlybilling"), 12
    ),
    **dict.fromkeys(("biennial", "2years", "24months", "p2y"), 24),
    **dict.fromkeys(("triennial", "triennially", "3year", "3years", "36months", "p3y", "p36m"), 36),
}
# "One-Year commitment for monthly billing": what stands before "billing" is the cycle, not the term.
_BILLING = re.compile(r"([a-z0-9-]+(?:\s+years?|\s+months?)?)\s*[-/]?\s*(?:billing|billed|payments?|plan)\b", re.IGNORECASE)
_WORDS = {"one": "1", "two": "2", "three": "3", "six": "6", "twelve": "12"}


def months_later(day: date, months: int) -> date:
    """The same day so many months on, clamped to the month's end."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@lru_cache(1 << 14)
def whole_months(start: date | None, end: date | None) -> int | None:
    """The months of a window whose end (inclusive) is its start plus n months less a day, clamped; None where it is no whole number of them.

    From 31 January both 27 February (clamped, then a day less) and the 28th (a day less, then clamped) end a month: providers print either.
    """
    if start is None or end is None or end < start or end.year > _LAST_YEAR:
        return None
    about = (end.year - start.year) * 12 + end.month - start.month
    for months in (about, about + 1):
        if 0 < months <= _MOST_MONTHS and end in (months_later(start, months) - _DAY, _day_before_then_clamped(start, months)):
            return months
    return None


def _day_before_then_clamped(start: date, months: int) -> date:
    return months_later(start - _DAY, months) if start.day > 1 else months_later(start, months) - _DAY


@lru_cache(1 << 10)
def named_months(printed: str | None) -> int | None:
    """The months that a frequency or a unit names: Monthly, Annual, "1 Year"; None where it names none."""
    words = [_WORDS.get(word, word) for word in re.split(r"[^a-z0-9]+", (printed or "").lower()) if word]
    return _MONTHS.get(folded("".join(words)))


@lru_cache(1 << 10)
def billing_months(frequency: str | None, term_and_billing_cycle: str | None) -> int | None:
    """The months between two bills: of the frequency, where that is blank or NA of the term's text; None where neither says."""
    if folded(frequency or "") not in ("", "na", "none"):
        return named_months(frequency)
    text = term_and_billing_cycle or ""
    found = _BILLING.search(text)
    return (named_months(found[1]) or named_months(found[1].split()[-1])) if found else named_months(text)


@lru_cache(1 << 10)
def months_of_price(unit: str | None) -> int:
    """The months that one price of ours is for: one, unless the product's unit says otherwise."""
    return named_months(unit) or 1
