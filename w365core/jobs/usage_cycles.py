"""Which cycles of a contract have their invoice date in a month? By the rules of billing, also for contracts that have ended or not begun."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from w365core.billing import cycles
from w365core.billing.cycles import Cycle, Invoiced, Step, Terms
from w365core.store import usage_evidence as store

Row = Mapping[str, Any]
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """A cycle of a contract with its invoice date; `terms` None: a calendar month, where no contract says otherwise."""

    cycle: Cycle
    invoice_date: date
    terms: Terms | None = None
    invoice: Row | None = None
    is_dated: bool = False

    def holds(self, day: date) -> bool:
        """Whether usage that is charged up to that day belongs to it."""
        if self.terms is None:
            return self.cycle.start <= day < self.cycle.end
        return cycles.cycle_of(self.terms, day) == self.cycle


def spans_of(connection: Connection, chosen: Sequence[Row], first_day: date) -> list[tuple[Row, Span]]:
    """Each subscription with each of its cycles that is invoiced in the month."""
    invoices: dict[str, list[Row]] = defaultdict(list)
    for row in store.customer_invoices(connection):
        invoices[row["contract_id"]].append(row)
    first_usage = store.first_usage(connection)
    found: list[tuple[Row, Span]] = []
    by_contract: dict[str, list[Span]] = {}
    for row in chosen:
        contract_id = row["known_contract_id"]
        if contract_id is None:
            spans = [_calendar(first_day)]
        else:
            if contract_id not in by_contract:
                by_contract[contract_id] = _of_contract(row, invoices[contract_id], first_usage.get(contract_id), first_day)
            spans = by_contract[contract_id]
        found += [({**row, "first_usage": first_usage.get(contract_id)}, span) for span in spans]
    return found


def late_by_a_cycle(connection: Connection, chosen: Sequence[Row]) -> list[tuple[Row, Cycle, date]]:
    """The contracts of these subscriptions whose next invoice date lies a cycle or more after the end of the cycle that it is of, with that cycle and
    the day to move it to. Only those that are being invoiced: before the first invoice the date is for whoever loads the past to decide."""
    invoices: dict[str, list[Row]] = defaultdict(list)
    for row in store.customer_invoices(connection):
        invoices[row["contract_id"]].append(row)
    contracts = {row["known_contract_id"]: row for row in chosen if row["known_contract_id"] in invoices}
    first_usage = store.first_usage(connection)
    found = []
    for contract_id, row in contracts.items():
        terms = Terms(contract_id, row["frequency"], row["contract_start"], row["contract_end"], row["next_invoice_date"])
        late = cycles.late_by_a_cycle(terms, _invoiced(invoices[contract_id]), first_usage=first_usage.get(contract_id))
        if late is not None:
            found.append((row, *late))
    return sorted(found, key=lambda one: one[0]["known_contract_id"])


def _of_contract(row: Row, invoices: Sequence[Row], first_usage: date | None, first_day: date) -> list[Span]:
    """The cycles of a contract whose invoice date lies in the month. A contract that has ended still has usage to be told of, so its cycles go on; of one
    that has not begun by then it is the calendar month before."""
    terms = Terms(row["known_contract_id"], row["frequency"], row["contract_start"], None, row["next_invoice_date"])
    if terms.start_date is not None and terms.start_date >= first_day:
        return [_calendar(first_day)]
    invoiced = _invoiced(invoices)
    oldest = cycles.oldest_open(terms, invoiced, first_usage=first_usage)
    last = next_month(first_day) - _DAY
    dated = [cycles.cycle_of(terms, one.cycle_start) for one in invoiced if one.invoice_date and first_day <= one.invoice_date <= last]
    candidates = {oldest, *dated, cycles.cycle_of(terms, first_day - _DAY), cycles.cycle_of(terms, last - _DAY)}
    spans = []
    for one in sorted(candidates):
        day = cycles.invoice_date(terms, one, invoiced, oldest=oldest)
        if first_day <= day <= last:
            mine = [invoice for invoice in invoices if cycles.cycle_of(terms, invoice["cycle_start"]) == one]
            invoice = max(mine, key=lambda invoice: (invoice["status"] == "Draft", invoice["invoice_number"]), default=None)
            is_dated = any(invoice["invoice_date"] for invoice in mine) or (one == oldest and cycles.stands_for(terms, one))
            spans.append(Span(one, day, terms, invoice, is_dated))
    return spans


def _invoiced(invoices: Sequence[Row]) -> list[Invoiced]:
    return [
        Invoiced(
            one["invoice_number"],
            one["cycle_start"],
            one["invoice_date"],
            one["status"],
            Step.of(one["next_invoice_date_before"], one["next_invoice_date_after"]),
        )
        for one in invoices
    ]


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
