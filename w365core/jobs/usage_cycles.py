"""Which cycles of a contract have their invoice date in a month? By the rules of billing, also for contracts that have ended or not begun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core.billing import cycles, planning
from w365core.billing.cycles import Cycle, Terms
from w365core.store import billing, references, usage_evidence
from w365core.usage_invoice import DRAFT, Contract

Row = Mapping[str, Any]
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """A cycle of a contract with its invoice date, and the number of the invoice that stands for it; `terms` None: a calendar month, where no contract
    says otherwise."""

    cycle: Cycle
    invoice_date: date
    terms: Terms | None = None
    invoice_number: str | None = None
    is_dated: bool = False

    def holds(self, day: date) -> bool:
        """Whether usage that is charged up to that day belongs to it."""
        if self.terms is None:
            return self.cycle.start <= day < self.cycle.end
        return cycles.cycle_of(self.terms, day) == self.cycle


@dataclass(frozen=True)
class Records:
    """Every usage subscription with its contract, the contracts as billing goes by them, and rates to base by currency."""

    subscriptions: Sequence[Row]
    contracts: Mapping[str | None, Contract]
    rates: Mapping[str, Decimal]


def records(connection: Connection) -> Records:
    """As they are now."""
    contracts = {one.contract_id: one for one in billing.contracts(connection)}
    return Records(usage_evidence.subscriptions(connection), contracts, references.currencies(connection))


def spans_of(known: Records, chosen: Sequence[Row], first_day: date) -> list[tuple[Row, Span]]:
    """Each chosen subscription with each of its cycles that is invoiced in the month."""
    found: list[tuple[Row, Span]] = []
    by_contract: dict[str, list[Span]] = {}
    for row in chosen:
        contract_id, first_usage = row["known_contract_id"], None
        if contract_id is None:
            spans = [_calendar(first_day)]
        else:
            contract = known.contracts[contract_id]
            first_usage = contract.first_usage
            if contract_id not in by_contract:
                by_contract[contract_id] = _of_contract(contract, first_day)
            spans = by_contract[contract_id]
        found += [({**row, "first_usage": first_usage}, span) for span in spans]
    return found


def late_by_a_cycle(known: Records, chosen: Sequence[Row]) -> list[tuple[Row, Cycle, date]]:
    """The contracts of the chosen subscriptions whose next invoice date lies a cycle or more after the end of the cycle that it is of, with that cycle and
    the day to move it to. Only those that are being invoiced: before the first invoice the date is for whoever loads the past to decide."""
    found = []
    for contract_id, row in {row["known_contract_id"]: row for row in chosen if row["known_contract_id"] is not None}.items():
        contract = known.contracts[contract_id]
        invoices = planning.invoices_of(contract)
        late = cycles.late_by_a_cycle(planning.terms_of(contract), invoices, first_usage=contract.first_usage) if invoices else None
        if late is not None:
            found.append((row, *late))
    return sorted(found, key=lambda one: one[0]["known_contract_id"])


def _of_contract(contract: Contract, first_day: date) -> list[Span]:
    """The cycles of a contract whose invoice date lies in the month. A contract that has ended still has usage to be told of, so its cycles go on; of one
    that has not begun by then it is the calendar month before."""
    terms = replace(planning.terms_of(contract), end_date=None)
    if terms.start_date is not None and terms.start_date >= first_day:
        return [_calendar(first_day)]
    invoiced = planning.invoices_of(contract)
    oldest = cycles.oldest_open(terms, invoiced, first_usage=contract.first_usage)
    last = next_month(first_day) - _DAY
    dated = [cycles.cycle_of(terms, one.cycle_start) for one in invoiced if one.invoice_date and first_day <= one.invoice_date <= last]
    candidates = {oldest, *dated, cycles.cycle_of(terms, first_day - _DAY), cycles.cycle_of(terms, last - _DAY)}
    spans = []
    for one in sorted(candidates):
        day = cycles.invoice_date(terms, one, invoiced, oldest=oldest)
        if first_day <= day <= last:
            mine = [invoice for invoice in invoiced if cycles.cycle_of(terms, invoice.cycle_start) == one]
            invoice = max(mine, key=lambda invoice: (invoice.status == DRAFT, invoice.invoice_number), default=None)
            is_dated = any(invoice.invoice_date for invoice in mine) or (one == oldest and cycles.stands_for(terms, one))
            spans.append(Span(one, day, terms, invoice.invoice_number if invoice else None, is_dated))
    return spans


def _calendar(first_day: date) -> Span:
    start = (first_day - _DAY).replace(day=1)
    return Span(Cycle(0, start, first_day, 1), first_day)


def next_month(first_day: date) -> date:
    return (first_day + timedelta(days=31)).replace(day=1)


def month_ends(cycle: Cycle) -> Iterator[date]:
    """The last days of the months that end in the cycle."""
    end = next_month(cycle.start.replace(day=1)) - _DAY
    while end < cycle.end:
        yield end
        end = next_month(end + _DAY) - _DAY
