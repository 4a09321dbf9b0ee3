"""What is to be said of a run beside its drafts? Sentences on what is left as it is, what comes late, and what could be made again, with the way to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from w365core import money
from w365core.billing import cycles
from w365core.billing.commitments import not_compared
from w365core.billing.cycles import Cycle, Invoiced, Terms
from w365core.usage_invoice import DRAFT, Contract, Draft, Line, Usage

_MOST_PASSED = 3


def not_over(contract: Contract, cycle: Cycle) -> str:
    return f"{_said(contract)}: cycle {_span(cycle)} is not over; it is billed from {cycle.end} on."


def passed_over(contract: Contract, passed: Sequence[Cycle]) -> list[str]:
    """The last of the cycles without usage before the one that is billed."""
    said = "has no billable usage so far; it gets an invoice of its own once it has."
    return [f"{_said(contract)}: cycle {_span(one)} {said}" for one in passed[-_MOST_PASSED:]]


def not_topped_up(contract: Contract, lines: Iterable[Line], *, currency: str) -> list[str]:
    return [
        f"{_said(contract)}: the minimum commitment of {one.subscription_id}, {money.plain(one.minimum_commitment)} {one.currency} a month, is not topped "
        f"up, because the invoice is in {currency} and currencies are never added: agree it in {currency} in subscriptions.csv."
        for one in not_compared(contract, lines, currency=currency)
    ]


def late_from_now_on(contract: Contract, terms: Terms, invoices: Sequence[Invoiced]) -> list[str]:
    """A date moves on one cycle with each invoice, so whoever catches up has it a cycle ahead for good: it is said, with what mends it."""
    found = cycles.late_by_a_cycle(terms, invoices, first_usage=contract.first_usage)
    if found is None:
        return []
    cycle, day = found
    return [
        f"{_said(contract)}: its next invoice date is {terms.next_invoice_date} now, so usage of {_span(cycle)} is billed in "
        f"{terms.next_invoice_date:%Y-%m}, a cycle late, and so is all that follows; `contract set-invoice-date --contract {contract.contract_id} --date {day}` moves it."
    ]


def late_on(contract: Contract, terms: Terms, draft: Draft) -> Iterator[str]:
    """Where late usage is alone on a draft, and which Drafts of earlier cycles stand without theirs."""
    late = [line for line in draft.lines if line.late]
    if late and len(late) == len(draft.usage):
        yield (
            f"{_said(contract)}: {draft.invoice_number} holds late usage alone, since none of {draft.cycle_start} to {draft.cycle_end} is here. What comes of that "
            f"is late in turn, or is taken while {draft.invoice_number} is a Draft: `{_again(contract, draft.invoice_date)}`."
        )
    for one in contract.invoices:
        number = cycles.cycle_of(terms, one.day).number
        mine = [line.amount for line in late if line.usage is not None and cycles.cycle_of(terms, line.usage.day).number == number]
        if one.status == DRAFT and mine and one.invoice_date is not None:
            yield (
                f"{_said(contract)}: {money.plain(money.total(mine))} {draft.currency} on {draft.invoice_number} is of the cycle of {one.invoice_number}, which is still a "
                f"Draft. To have it there: `unbill --invoice-number {draft.invoice_number}`, then `{_again(contract, one.invoice_date)}`, and bill again."
            )


def to_regenerate(contract: Contract, terms: Terms, billable: Iterable[Usage], first: date, last: date) -> tuple[str, ...]:
    """Drafts of the period to whose cycle usage has come since."""
    waiting: dict[int, list[Usage]] = {}
    for usage in billable:
        waiting.setdefault(cycles.cycle_of(terms, usage.day).number, []).append(usage)
    said = []
    for one in contract.invoices:
        came = waiting.get(cycles.cycle_of(terms, one.day).number, [])
        if one.status == DRAFT and came and one.invoice_date is not None and first <= one.invoice_date <= last:
            amount = money.total(usage.selling_amount or money.ZERO for usage in came)
            way = f"`{_again(contract, one.invoice_date)}` takes it"
            if not one.made_here:
                way = f"delete it (`unbill --invoice-number {one.invoice_number}`) and bill its cycle again"
            said.append(
                f"{one.invoice_number} is a Draft, and {money.plain(amount)} {came[0].currency} of usage has come to its cycle since: {way}; else the next invoice does."
            )
    return tuple(said)


def _again(contract: Contract, dated: date) -> str:
    return f"bill --period {dated:%Y-%m} --contract {contract.contract_id} --regenerate"


def _said(contract: Contract) -> str:
    return f"Contract {contract.contract_id}"


def _span(cycle: Cycle) -> str:
    return f"{cycle.start} to {cycle.last_day}"
