"""When do a provider's invoices usually arrive, which contracts are invoiced too early for that, and to which day should they be moved?

Days are counted from the end of what is billed: the usage of October that arrives on 9 November arrives on day 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

INVOICE_DAY, USAGE_DAY = 8, 11  # by which a provider's invoice, and its daily usage, are there as a rule
EARLIEST_ADVISED, LATEST_ADVISED = 12, 15
MOST_LATE = 28  # a day that each month has


@dataclass(frozen=True)
class Arrival:
    """One document. `arrived_on` None: it has not come in yet."""

    provider: str
    number: str
    currency: str
    last_day: date  # of what it bills
    arrived_on: date | None

    @property
    def day(self) -> int | None:
        return None if self.arrived_on is None else (self.arrived_on - self.last_day).days


@dataclass(frozen=True)
class Usual:
    """How the documents of one provider arrive: the middle day, the day by which nine of ten are here, and the last."""

    provider: str
    documents: int
    median: int
    nine_of_ten: int
    latest: int

    @property
    def advised(self) -> int:
        """The day of the month to invoice on: the day after nine of ten are here, the 12th at the earliest."""
        return min(max(EARLIEST_ADVISED, self.nine_of_ten + 1), MOST_LATE)


def expected(last_day: date) -> tuple[date, date]:
    """By when a provider's invoice and its daily usage are expected."""
    return last_day + timedelta(days=INVOICE_DAY), last_day + timedelta(days=USAGE_DAY)


def usual(arrivals: Iterable[Arrival]) -> dict[str, Usual]:
    """By provider, over the documents that have arrived."""
    days: dict[str, list[int]] = {}
    for arrival in arrivals:
        if arrival.day is not None:
            days.setdefault(arrival.provider, []).append(arrival.day)
    return {provider: _usual(provider, sorted(found)) for provider, found in days.items()}


def day_of_invoice(invoice_date: date, *, cycle_end: date) -> int:
    """On which day after the cycle a contract is invoiced: on day 1 where it is the day after its end."""
    return (invoice_date - cycle_end).days + 1


def _usual(provider: str, days: Sequence[int]) -> Usual:
    return Usual(provider, len(days), days[(len(days) - 1) // 2], days[-(-9 * len(days) // 10) - 1], days[-1])
