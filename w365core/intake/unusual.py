"""Is this invoice like those before it? A header far below the month before, fewer customers or days of usage than usual: said aloud, never blocking.

Documents of one provider, currency and series are compared, and of a month the largest only: a small document beside it is no drop. Thresholds are such
that ordinary months pass in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from w365core import money

FEWER_CUSTOMERS_PERCENT = 80  # of the smallest of the months before
FEWER_CUSTOMERS_LEAST = 3
FEWER_DAYS_MOST = 1  # so many days more may be without usage than in any of the months before
LEAST_MONTHS = 2  # fewer of them are no habit


@dataclass(frozen=True)
class Earlier:
    """The largest document of an earlier month, and what its lines were. `days` are those of its billing period."""

    number: str
    month: str
    total: Decimal
    customers: int | None
    usage_days: int | None
    days: int


@dataclass(frozen=True)
class Usual:
    """What is usual for such an invoice: the months before, latest first, and how far below the latest a header may be. `month` and `days` are the
    invoice's own: `month_before` is what the drop is measured against."""

    month_before: str
    days: int
    months: tuple[Earlier, ...]
    drop_percent: Decimal


@dataclass(frozen=True)
class Breadth:
    """For how many customers an invoice has lines, and on how many days usage; None where its usage prints no days."""

    customers: int
    usage_days: int | None


def sentences(usual: Usual | None, breadth: Breadth | None, *, header_total: Decimal, currency: str) -> Iterable[str]:
    """What is unusual, with the numbers."""
    if usual is None or header_total == 0:
        return
    yield from _drop(usual, header_total, currency)
    if breadth is not None:
        yield from _customers([one for one in usual.months if one.customers is not None], breadth.customers)
        yield from _days(usual, [one for one in usual.months if one.usage_days is not None], breadth.usage_days)


def _drop(usual: Usual, header_total: Decimal, currency: str) -> Iterable[str]:
    last = next((one for one in usual.months if one.month == usual.month_before), None)
    if last is None or last.total <= 0:
        return
    missing = money.EXACT.subtract(last.total, header_total)
    percent = money.EXACT.divide(money.EXACT.multiply(missing, money.HUNDRED), last.total)
    if percent > usual.drop_percent:
        yield (
            f"The header is {money.plain(money.half_up(percent, places=0))} % below that of the month before ({last.number}, "
            f"{money.trimmed(last.total, least=money.minor_units(currency)):,} {currency}), more than {money.plain(money.trimmed(usual.drop_percent))} %: see whether "
            "everything is published."
        )


def _customers(months: Sequence[Earlier], customers: int) -> Iterable[str]:
    least = min((one.customers for one in months), default=0)
    few = customers * 100 < least * FEWER_CUSTOMERS_PERCENT and least - customers >= FEWER_CUSTOMERS_LEAST
    if len(months) >= LEAST_MONTHS and few:
        yield f"Its lines are for {customers} {_noun(customers, 'customer')}, {_before(months, [one.customers for one in months])}: see who is missing."


def _days(usual: Usual, months: Sequence[Earlier], usage_days: int | None) -> Iterable[str]:
    if usage_days is None or len(months) < LEAST_MONTHS:
        return
    lacking, usually = usual.days - usage_days, max(one.days - one.usage_days for one in months)
    if lacking > usually + FEWER_DAYS_MOST:
        said = [f"{one.usage_days} of {one.days}" for one in months]
        yield f"It has usage on {usage_days} of {usual.days} days, {_before(months, said)}: see whether days are missing."


def _before(months: Sequence[Earlier], values: Sequence[object]) -> str:
    listed = ", ".join(f"{value} in {one.month}" for one, value in zip(months, values, strict=True))
    return f"the months before had {listed}"


def _noun(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
