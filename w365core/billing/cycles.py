"""Which cycles does a contract have, which of them waits for an invoice, and on which day is each one invoiced?

Cycles follow from the start of the contract and its frequency, as half-open periods: a monthly contract from 31 January has [31 Jan, 28 Feb),
[28 Feb, 31 Mar) … Usage is billed in arrears, whatever the policy: in the cycle that its charge window ends in; what is from before the contract goes
with its first cycle, as late.

A contract's next invoice date is that of its oldest cycle without an invoice. Each invoice made here is a step of it, from one date to the next; so
deleting one of several puts it back to where that step began, and making that one again leads along the later steps to where it stood.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

MONTHS = {"Monthly": 1, "Quarterly": 3, "Annual": 12}
_LONG_AGO = date(2000, 1, 1)  # where a contract does not say when it started, its cycles follow the calendar
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Terms:
    """What a contract says of its cycles. A blank frequency is monthly, a blank start the calendar's."""

    contract_id: str
    frequency: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    next_invoice_date: date | None = None

    @property
    def months(self) -> int:
        return MONTHS[self.frequency or "Monthly"]


@dataclass(frozen=True, order=True)
class Cycle:
    """A half-open period of a contract; `number` counts from its start."""

    number: int
    start: date
    end: date
    months: int

    @property
    def last_day(self) -> date:
        """As invoices print it: the end, inclusive."""
        return self.end - _DAY


@dataclass(frozen=True)
class Step:
    """How an invoice that was made here has moved its contract's next invoice date on."""

    before: date
    after: date

    @staticmethod
    def of(before: date | None, after: date | None) -> Step | None:
        """None where the invoice has moved nothing."""
        return None if before is None or after is None or before == after else Step(before, after)


@dataclass(frozen=True)
class Invoiced:
    """A usage invoice that stands for a cycle; `step` where it was made here and has moved the contract's date."""

    invoice_number: str
    cycle_start: date
    invoice_date: date | None
    status: str
    step: Step | None = None


def cycle(terms: Terms, number: int) -> Cycle:
    """The cycle of that number: 0 is the first."""
    return Cycle(number, _after(terms, number), _after(terms, number + 1), terms.months)


@lru_cache(maxsize=1 << 16)  # a contract's invoices of many years are asked for theirs again and again
def cycle_of(terms: Terms, day: date) -> Cycle:
    """The cycle that a day lies in. A day before the contract counts to its first cycle, a day after its end to its last."""
    if terms.end_date is not None:
        day = min(day, terms.end_date)
    start = terms.start_date or _LONG_AGO
    number = max(((day.year - start.year) * 12 + day.month - start.month) // terms.months, 0)
    found = cycle(terms, number)
    return cycle(terms, number - 1) if day < found.start and number > 0 else found


def is_before(terms: Terms, day: date) -> bool:
    """Whether that day is from before the contract."""
    return terms.start_date is not None and day < terms.start_date


def cycles_from(terms: Terms, first: Cycle, *, until: date) -> Iterator[Cycle]:
    """That cycle and those after it that begin before `until` and inside the contract."""
    number = first.number
    while (one := cycle(terms, number)).start < until and (terms.end_date is None or one.start <= terms.end_date):
        yield one
        number += 1


def oldest_open(terms: Terms, invoices: Sequence[Invoiced], *, first_usage: date | None) -> Cycle:
    """The oldest cycle that waits for its invoice: the one after the last that has one. Before the first invoice it is the cycle of the oldest usage
    (`first_usage`, the last day of its charge window); without any usage the last one that is over by the next invoice date, else the first.

    Where the next invoice date was put back to before steps that still stand, it is the cycle that has lost its invoice, not the one behind them.
    """
    last = _after_the_last(terms, invoices, first_usage=first_usage)
    lost = _put_back_to(terms, invoices)
    if lost is None or not 0 <= lost < last.number or any(cycle_of(terms, one.cycle_start).number == lost for one in invoices):
        return last
    return cycle(terms, lost)


def _put_back_to(terms: Terms, invoices: Sequence[Invoiced]) -> int | None:
    """The number of the cycle that the next invoice date is of, where it lies before steps that stand: as many cycles before the nearest of these steps'
    ends as the date is."""
    day = terms.next_invoice_date
    ahead = [(one.step, one.cycle_start) for one in invoices if one.step is not None and day is not None and one.step.before > day]
    if day is None or not ahead:
        return None
    step, cycle_start = min(ahead, key=lambda one: one[0].before)
    months = (step.after.year - day.year) * 12 + step.after.month - day.month
    return cycle_of(terms, cycle_start).number + 1 - months // terms.months


def _after_the_last(terms: Terms, invoices: Sequence[Invoiced], *, first_usage: date | None) -> Cycle:
    if invoices:
        return cycle(terms, max(cycle_of(terms, one.cycle_start).number for one in invoices) + 1)
    if first_usage is not None:
        return cycle_of(terms, first_usage)
    if terms.next_invoice_date is None:
        return cycle(terms, 0)
    return _over_by(terms, terms.next_invoice_date)


def invoice_date(terms: Terms, of: Cycle, invoices: Sequence[Invoiced], *, oldest: Cycle) -> date:
    """The day the cycle is invoiced: its invoice's own date, the contract's next invoice date for the oldest open cycle, else the day after its end.
    A next invoice date inside that cycle has not been moved on: usage is invoiced in arrears."""
    for one in invoices:
        if cycle_of(terms, one.cycle_start) == of and one.invoice_date is not None:
            return one.invoice_date
    return terms.next_invoice_date if of == oldest and stands_for(terms, of) else of.end


def stands_for(terms: Terms, of: Cycle) -> bool:
    """Whether the contract's next invoice date can be that of the cycle: it is not before its end."""
    return terms.next_invoice_date is not None and terms.next_invoice_date >= of.end


def month_after(day: date) -> date:
    """The first of the month after."""
    return _months_later(day.replace(day=1), 1)


# --- the next invoice date, step by step --------------------------------------------------------------------------------------------------


def moved_on(terms: Terms, day: date, *, cycles: int = 1, steps: Iterable[Step] = ()) -> date:
    """A next invoice date so many cycles later, on the same day of the month where there is one: also where `steps` have led from 31 January to a day
    that February has."""
    came_from = {step.after: step.before for step in steps}
    kept, origin = day.day, day
    while (earlier := came_from.get(origin)) is not None and earlier < origin:
        kept, origin = max(kept, earlier.day), earlier
    return _months_later(day, terms.months * cycles, kept=kept)


def landed(day: date, steps: Iterable[Step]) -> date:
    """Where the next invoice date ends from that day on, along the steps of invoices that stand already."""
    onward = {step.before: step.after for step in steps if step.before < step.after}
    while day in onward:
        day = onward[day]
    return day


def taken_back(day: date | None, step: Step | None, others: Iterable[Step]) -> date | None:
    """The next invoice date once the invoice of that step is deleted, `others` being the steps that stay. It stays where it is if it is no end of
    these steps: then somebody has set another date since, or it was put back to before them already."""
    return step.before if step is not None and day == landed(step.after, others) else day


def late_by_a_cycle(terms: Terms, invoices: Sequence[Invoiced], *, first_usage: date | None) -> tuple[Cycle, date] | None:
    """Where the next invoice date lies a whole cycle or more after the end of the cycle that it is of: that cycle, and the same date so many cycles
    earlier that it is invoiced before the next one is over. None where it does not."""
    oldest = oldest_open(terms, invoices, first_usage=first_usage)
    day, following = terms.next_invoice_date, cycle(terms, oldest.number + 1)
    if day is None or day < following.end or (terms.end_date is not None and oldest.start > terms.end_date):
        return None
    steps, back = [one.step for one in invoices if one.step], 0
    while (found := moved_on(terms, day, cycles=back, steps=steps)) >= following.end:
        back -= 1
    return oldest, max(found, oldest.end)


def _over_by(terms: Terms, day: date) -> Cycle:
    found = cycle_of(terms, day)
    over = found.end <= day or found.number == 0
    return found if over else cycle(terms, found.number - 1)


def _after(terms: Terms, cycles: int) -> date:
    return _months_later(terms.start_date or _LONG_AGO, cycles * terms.months)


def _months_later(day: date, months: int, *, kept: int | None = None) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(kept or day.day, calendar.monthrange(year, month + 1)[1]))
