"""What is the evidence of each usage contract whose invoice date lies in a month? Cycles and invoice dates by the rules of billing, the rest from the store.

`of_month` asks each question once for all contracts, and puts the answers together row by row: contract, usage subscription, cycle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import lifecycle, money
from w365core.billing import cycles
from w365core.billing.cycles import Cycle, Invoiced, Terms
from w365core.diagnosis import lateness
from w365core.diagnosis.lateness import Usual
from w365core.diagnosis.missing_usage_facts import (
    Contract,
    CustomerInvoice,
    Document,
    Estimate,
    Evidence,
    Missing,
    Month,
    Rows,
    Run,
    Source,
    Subscription,
)
from w365core.model import CAPABILITIES, ProviderType, ReferenceKind, StatusReason
from w365core.store import usage_evidence as store

Row = Mapping[str, Any]
_DAY = timedelta(days=1)
MONTHS_OF_ARRIVALS = 12


@dataclass(frozen=True)
class Case:
    """One row: our record of the subscription (with its contract), the cycle, and the evidence. `is_dated`: the contract or an invoice says the invoice
    date; else it is the day after the cycle's end."""

    subscription: Row
    evidence: Evidence
    is_dated: bool = True


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


@dataclass
class Facts:
    """The answers of the store, by what they are looked up with."""

    usage: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    before: dict[str, Row] = field(default_factory=dict)
    documents: list[Row] = field(default_factory=list)
    missing: dict[int, list[Row]] = field(default_factory=lambda: defaultdict(list))
    staged: dict[int, list[Row] | None] = field(default_factory=dict)
    estimates: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    aliases: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    customers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    providers: dict[str, Row] = field(default_factory=dict)
    runs: dict[str, Row] = field(default_factory=dict)
    listed: dict[str, datetime] = field(default_factory=dict)
    late_before: dict[str, int] = field(default_factory=dict)
    usual: dict[str, Usual] = field(default_factory=dict)


def of_month(connection: Connection, *, first_day: date, today: date, chosen: Sequence[Row], is_asked: bool) -> list[Case]:
    """The cases of these subscriptions whose invoice date lies in the month of `first_day`. `is_asked`: somebody named them, so nothing is left out
    that has neither usage nor a reason to have any."""
    spans = _spans(connection, chosen, first_day)
    if not spans:
        return []
    since = min(span.cycle.start for _, span in spans)
    since = min([since, *(day for row, span in spans if span.cycle.number == 0 and (day := row["first_usage"]))])
    facts = _facts(connection, since=since, until=max(span.cycle.end for _, span in spans), first_day=first_day)
    cases = [Case(row, _evidence(row, span, facts, today), span.is_dated) for row, span in spans]
    return [case for case in cases if is_asked or _is_expected(case)]


def _is_expected(case: Case) -> bool:
    """Whether there is usage, or the subscription and its contract stood in the cycle at all."""
    e, s = case.evidence, case.evidence.subscription
    if e.rows or e.estimates or any(document.mine for month in e.months for document in month.documents):
        return True
    ended = [day for day in (s.end_date, e.contract.end_date if e.contract else None) if day is not None]
    begun = [day for day in (s.start_date, e.contract.start_date if e.contract else None) if day is not None]
    return all(day >= e.cycle_start for day in ended) and all(day < e.cycle_end for day in begun)


# --- cycles ------------------------------------------------------------------------------------------------------------------------------


def _spans(connection: Connection, chosen: Sequence[Row], first_day: date) -> list[tuple[Row, Span]]:
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


def _of_contract(row: Row, invoices: Sequence[Row], first_usage: date | None, first_day: date) -> list[Span]:
    """The cycles of a contract whose invoice date lies in the month. A contract that has ended still has usage to be told of, so its cycles go on; of one
    that has not begun by then it is the calendar month before."""
    terms = Terms(row["known_contract_id"], row["frequency"], row["contract_start"], None, row["next_invoice_date"])
    if terms.start_date is not None and terms.start_date >= _next_month(first_day):
        return [_calendar(first_day)]
    invoiced = [Invoiced(one["invoice_number"], one["cycle_start"], one["invoice_date"], one["status"]) for one in invoices]
    oldest = cycles.oldest_open(terms, invoiced, first_usage=first_usage)
    if terms.next_invoice_date is not None and terms.next_invoice_date < oldest.end:
        terms = replace(terms, next_invoice_date=None)  # nobody has moved it on: usage is invoiced in arrears, never inside its cycle
    last = _next_month(first_day) - _DAY
    dated = [cycles.cycle_of(terms, one.cycle_start) for one in invoiced if one.invoice_date and first_day <= one.invoice_date <= last]
    candidates = {oldest, *dated, cycles.cycle_of(terms, first_day - _DAY), cycles.cycle_of(terms, last - _DAY)}
    spans = []
    for one in sorted(candidates):
        day = cycles.invoice_date(terms, one, invoiced, oldest=oldest)
        if first_day <= day <= last:
            mine = [invoice for invoice in invoices if cycles.cycle_of(terms, invoice["cycle_start"]) == one]
            invoice = max(mine, key=lambda invoice: (invoice["status"] == "Draft", invoice["invoice_number"]), default=None)
            is_dated = any(invoice["invoice_date"] for invoice in mine) or (one == oldest and terms.next_invoice_date is not None)
            spans.append(Span(one, day, terms, invoice, is_dated))
    return spans


def _calendar(first_day: date) -> Span:
    start = (first_day - _DAY).replace(day=1)
    return Span(Cycle(0, start, first_day, 1), first_day)


def _next_month(first_day: date) -> date:
    return (first_day + timedelta(days=31)).replace(day=1)


# --- evidence ----------------------------------------------------------------------------------------------------------------------------


def _facts(connection: Connection, *, since: date, until: date, first_day: date) -> Facts:
    """Every question once."""
    days = {"since": since, "until": until}
    facts = Facts()
    for row in store.usage(connection, **days):
        facts.usage[row["subscription_id"]].append(row)
    facts.before = {row["subscription_id"]: row for row in store.before(connection, since=since)}
    facts.documents = store.documents(connection, **days)
    failed = [row for row in facts.documents if row["status_reason"] == StatusReason.ERROR]
    for row in store.missing(connection, [row["provider_invoice_id"] for row in failed]):
        facts.missing[row["provider_invoice_id"]].append(row)
    facts.staged = {
        row["provider_invoice_id"]: store.staged(connection, run_id=row["import_run_id"]) for row in failed if row["import_run_id"]
    }
    for row in store.estimates(connection, **days):
        facts.estimates[row["subscription_id"]].append(row)
    for row in store.other_ids(connection):
        facts.aliases[row["subscription_id"]].append(row)
    for row in store.customer_ids(connection):
        facts.customers[row["account_id"]].add(row["customer_id"])
    facts.providers = {row["name"].lower(): row for row in store.providers(connection)}
    facts.runs = {row["provider"].lower(): row for row in store.last_runs(connection)}
    facts.listed = {row["provider"].lower(): row["at"] for row in store.listed_last(connection) if row["at"]}
    a_year = _months_before(since, MONTHS_OF_ARRIVALS)
    facts.late_before = store.late_before(connection, since=a_year, until=since)
    facts.usual = lateness.usual(arrivals(connection, first_day=first_day))
    return facts


def arrivals(connection: Connection, *, first_day: date) -> list[lateness.Arrival]:
    """The synced invoices with usage of the twelve months before that month."""
    found = store.arrivals(connection, since=_months_before(first_day, MONTHS_OF_ARRIVALS), until=first_day)
    return [
        lateness.Arrival(row["provider"], row["invoice_number"], row["currency"], row["last_day"], _day(row["arrived_at"])) for row in found
    ]


def _evidence(row: Row, span: Span, facts: Facts, today: date) -> Evidence:
    mine = facts.usage[row["subscription_id"]]
    rows = [one for one in mine if span.holds(one["day"])]
    source = _source(row, facts)
    subscription = _subscription(row, facts)
    documents = list(_documents(subscription, source, span, rows, facts))
    usual = facts.usual.get(source.provider or "")
    before = facts.before.get(row["subscription_id"])
    currency = (before and before["currency"]) or row["currency"] or row["contract_currency"]
    return Evidence(
        today=today,
        cycle_start=span.cycle.start,
        cycle_end=span.cycle.end,
        invoice_date=span.invoice_date,
        subscription=_with_customers(subscription, facts),
        source=source,
        contract=_contract(row),
        currency=currency.upper() if currency else None,
        months=_months(span, documents),
        rows=tuple(_rows(one) for one in rows),
        invoice=_customer_invoice(span.invoice),
        estimates=tuple(
            Estimate(one["cost"], one["currency"], _day(one["estimated_at"]))
            for one in facts.estimates[row["subscription_id"]]
            if span.holds(one["day"])
        ),
        late_before=facts.late_before.get(row["known_contract_id"], 0),
        recommended_day=_advised(row, span, usual),
    )


def _advised(row: Row, span: Span, usual: Usual | None) -> int | None:
    """The day to invoice on, where the contract is invoiced before most of its provider's invoices are here."""
    if span.terms is None or not (span.is_dated or row["next_invoice_date"] is None):
        return None
    day = lateness.day_of_invoice(span.invoice_date, cycle_end=span.cycle.end)
    arrives = usual.nine_of_ten if usual else lateness.USAGE_DAY
    return None if day >= arrives else usual.advised if usual else lateness.EARLIEST_ADVISED


def _subscription(row: Row, facts: Facts) -> Subscription:
    own = [row["provider_subscription_id"].strip().lower()] if row["provider_subscription_id"] else []
    customers = {row["customer_at_provider"]} if row["customer_at_provider"] else set()
    before = facts.before.get(row["subscription_id"])
    same = ("subscription_id", "customer", "currency", "markup_pct", "minimum_commitment", "start_date", "end_date", "status")
    return Subscription(
        **{name: row[name] for name in same},
        provider_ids=frozenset([*own, *(one["provider_id"] for one in facts.aliases[row["subscription_id"]])]),
        customer_ids=frozenset(customers | facts.customers[row["account_id"]]),
        last_usage=before["day"] if before else None,
        at_provider="gone" if row["gone_at"] else row["at_provider"],
    )


def _with_customers(subscription: Subscription, facts: Facts) -> Subscription:
    """The same, with what the lines of failed imports call its customer: also one that is not mapped yet."""
    called = {
        one["customer_id"] for lines in facts.staged.values() for one in lines or () if _is_of(one, subscription) and one["customer_id"]
    }
    return replace(subscription, customer_ids=subscription.customer_ids | called)


def _source(row: Row, facts: Facts) -> Source:
    """The provider of our record; where that brings no usage, the one that the usage has come from, as with old ids under a manual provider."""
    before = facts.before.get(row["subscription_id"])
    names = [row["provider"], *(one["provider"] for one in facts.aliases[row["subscription_id"]]), *(before["providers"] if before else ())]
    named = next((name for name in names if name and _gives_usage(name, facts)), row["provider"])
    known = facts.providers.get((named or "").lower())
    if known is None:
        return Source(named)
    run = facts.runs.get(known["name"].lower())
    return Source(
        provider=known["name"],
        kind=known["type"],
        gives_usage=_gives_usage(known["name"], facts),
        listed_on=_day(facts.listed.get(known["name"].lower())),
        currencies=frozenset(known["currencies"] or ()),
        run=Run(run["command"], run["status"], _day(run["started_at"]), run["message"]) if run else None,
    )


def _gives_usage(name: str, facts: Facts) -> bool:
    known = facts.providers.get(name.lower())
    return known is not None and CAPABILITIES[ProviderType(known["type"])].usage


def _contract(row: Row) -> Contract | None:
    if row["known_contract_id"] is None:
        return Contract(row["contract_id"], is_known=False) if row["contract_id"] else None
    return Contract(
        row["known_contract_id"],
        status=row["contract_status"],
        start_date=row["contract_start"],
        end_date=row["contract_end"],
        currency=row["contract_currency"],
        account_id=row["contract_account_id"],
        credit_hold=row["credit_hold"],
    )


def _customer_invoice(row: Row | None) -> CustomerInvoice | None:
    if row is None:
        return None
    return CustomerInvoice(
        row["invoice_number"], row["status"] or "Draft", row["invoice_date"], row["total"], row["currency"], row["carries_usage"]
    )


def _rows(row: Row) -> Rows:
    same = (
        *("document", "currency", "count", "cost", "selling", "status", "confirmed", "unrated", "unrated_cost"),
        *("invoice_number", "invoice_date", "invoice_status", "drifted", "drifted_cost"),
    )
    return Rows(**{name: row[name] for name in same}, arrived_on=_day(row["arrived_at"]), markups=tuple(row["markups"] or ()))


# --- documents ---------------------------------------------------------------------------------------------------------------------------


def _months(span: Span, documents: Iterable[Document]) -> tuple[Month, ...]:
    """The months that end in the cycle, each with the documents that bill it; one that bills none of them stands with the last."""
    ends = list(_month_ends(span.cycle))
    by_month: dict[date, list[Document]] = {end: [] for end in ends}
    for last_day, document in documents:
        found = next((end for end in ends if (end.year, end.month) == (last_day.year, last_day.month)), ends[-1])
        by_month[found].append(document)
    return tuple(Month(end, *lateness.expected(end), tuple(by_month[end])) for end in ends)


def _month_ends(cycle: Cycle) -> Iterator[date]:
    end = _next_month(cycle.start.replace(day=1)) - _DAY
    while end < cycle.end:
        yield end
        end = _next_month(end + _DAY) - _DAY


def _documents(
    subscription: Subscription, source: Source, span: Span, rows: Sequence[Row], facts: Facts
) -> Iterator[tuple[date, Document]]:
    """The documents of the source that bill the cycle, and any other one that holds its usage, each with the last day that it bills."""
    holding = {one["provider_invoice_id"] for one in rows}
    months = {(end.year, end.month) for end in _month_ends(span.cycle)}
    for row in facts.documents:
        lines = [
            one
            for one in facts.staged.get(row["provider_invoice_id"]) or ()
            if _is_of(one, subscription) and span.holds(one["day"] or row["last_day"])
        ]
        is_mine = _is_mine(row, row["provider_invoice_id"] in holding, lines, facts)
        of_source = row["provider"].lower() == (source.provider or "").lower() and (row["last_day"].year, row["last_day"].month) in months
        if of_source or is_mine:
            yield row["last_day"], _document(row, is_mine, lines, facts)


def _is_of(line: Row, subscription: Subscription) -> bool:
    """Whether a staged line is the subscription's: resolved to it, or of an id that is its by now."""
    if line["subscription_id"] is not None:
        return line["subscription_id"] == subscription.subscription_id
    return line["provider_id"] in subscription.provider_ids


def _is_mine(row: Row, has_rows: bool, staged_lines: Sequence[Row], facts: Facts) -> bool | None:
    if has_rows or staged_lines:
        return True
    if row["status_reason"] == StatusReason.ERROR:
        return None if facts.staged.get(row["provider_invoice_id"]) is None else False
    return None if row["status_reason"] is None or row["imported_at"] is None else False


def _document(row: Row, is_mine: bool | None, staged_lines: Sequence[Row], facts: Facts) -> Document:
    held = [one["cost"] for one in staged_lines if one["currency"] == row["currency"].upper()]
    same = ("invoice_date", "message", "difference", "tolerance", "proven_cause", "source", "currency", "provider")
    return Document(
        **{name: row[name] for name in same},
        number=row["invoice_number"],
        status=row["status_reason"],
        invoice_id=row["provider_invoice_id"],
        failures=tuple(row["failures"] or ([row["failure"]] if row["failure"] else ()))
        if row["status_reason"] == StatusReason.ERROR
        else (),
        total=row["header_total"],
        usage=row["usage_lines"],
        lines=row["usage_lines"] + row["license_lines"],
        listed_on=_day(row["first_listed_at"]),
        seen_on=_day(row["first_seen_at"]),
        attempted_on=_day(row["last_attempt_at"]),
        arrived_on=_day(row["imported_at"]),
        deleted_on=_day(row["deleted_at"]),
        retried_until=lifecycle.last_retry(row["first_seen_at"]) if row["first_seen_at"] and row["source"] == "synced" else None,
        mine=is_mine,
        held_cost=money.total(held) if held else None,
        missing=tuple(_missing(row["provider_invoice_id"], facts)),
    )


def _missing(invoice_id: int | None, facts: Facts) -> Iterator[Missing]:
    """What blocks the document, each subscription with the customer that its staged lines print."""
    customers = {one["provider_id"]: one["customer_id"] for one in facts.staged.get(invoice_id) or () if one["subscription_id"] is None}
    for row in facts.missing.get(invoice_id, ()):
        kind, key = ReferenceKind(row["kind"]), row["key"].strip().lower()
        whose = customers.get(key) if kind is ReferenceKind.SUBSCRIPTION else None
        yield Missing(kind, row["key"], row["name"], Decimal(row["amount"]), row["currency"], whose, row["suggestion"])


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(UTC).date()


def _months_before(day: date, months: int) -> date:
    first = day.replace(day=1)
    for _ in range(months):
        first = (first - _DAY).replace(day=1)
    return first
