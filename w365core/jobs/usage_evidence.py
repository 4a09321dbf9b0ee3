"""What is the evidence of each usage contract whose invoice date lies in a month? Cycles and invoice dates by the rules of billing, the rest from the store.

`of_month` asks each question once for all contracts, and puts the answers together row by row: contract, usage subscription, cycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from w365core.diagnosis import lateness
from w365core.diagnosis.lateness import Usual
from w365core.diagnosis.missing_usage_facts import (
    Contract,
    CustomerInvoice,
    Estimate,
    Evidence,
    Rows,
    Run,
    Source,
    Subscription,
)
from w365core.jobs.usage_cycles import Records, Span, spans_of
from w365core.jobs.usage_documents import Facts, day_of, documents_of, is_of, months_of
from w365core.model import CAPABILITIES, ProviderType, StatusReason
from w365core.reports.supplied_references import place, supplied
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


def of_month(connection: Connection, known: Records, *, first_day: date, today: date, chosen: Sequence[Row], is_asked: bool) -> list[Case]:
    """The cases of these subscriptions whose invoice date lies in the month of `first_day`. `is_asked`: somebody named them, so nothing is left out
    that has neither usage nor a reason to have any."""
    spans = spans_of(known, chosen, first_day)
    if not spans:
        return []
    since = min(span.cycle.start for _, span in spans)
    since = min([since, *(day for row, span in spans if span.cycle.number == 0 and (day := row["first_usage"]))])
    facts = _facts(connection, since=since, until=max(span.cycle.end for _, span in spans), first_day=first_day)
    standing = {span.invoice_number for _, span in spans if span.invoice_number is not None}
    facts.invoices = {row["invoice_number"]: row for row in store.customer_invoices(connection, sorted(standing))}
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
    for row in _missing(connection, failed):
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


def _missing(connection: Connection, failed: Sequence[Row]) -> list[Row]:
    """What blocks these documents, each with whether our records have it by now."""
    of = {row["provider_invoice_id"]: {"provider": row["provider"], "invoice_currency": row["currency"]} for row in failed}
    found = [{**row, **of[row["provider_invoice_id"]]} for row in store.missing(connection, list(of))]
    by_now = supplied(connection, found)
    return [{**row, "is_supplied": place(row) in by_now} for row in found]


def arrivals(connection: Connection, *, first_day: date) -> list[lateness.Arrival]:
    """The synced invoices with usage of the twelve months before that month."""
    found = store.arrivals(connection, since=_months_before(first_day, MONTHS_OF_ARRIVALS), until=first_day)
    return [
        lateness.Arrival(row["provider"], row["invoice_number"], row["currency"], row["last_day"], day_of(row["arrived_at"]))
        for row in found
    ]


def _evidence(row: Row, span: Span, facts: Facts, today: date) -> Evidence:
    mine = facts.usage[row["subscription_id"]]
    rows = [one for one in mine if span.holds(one["day"])]
    source = _source(row, facts)
    subscription = _subscription(row, facts)
    documents = list(documents_of(subscription, source, span, rows, facts))
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
        months=months_of(span, documents),
        rows=tuple(_rows(one, begun=row["contract_start"]) for one in rows),
        invoice=_customer_invoice(facts.invoices.get(span.invoice_number)),
        estimates=tuple(
            Estimate(one["cost"], one["currency"], day_of(one["estimated_at"]))
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
        one["customer_id"] for lines in facts.staged.values() for one in lines or () if is_of(one, subscription) and one["customer_id"]
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
        listed_on=day_of(facts.listed.get(known["name"].lower())),
        currencies=frozenset(known["currencies"] or ()),
        run=Run(run["command"], run["status"], day_of(run["started_at"]), run["message"]) if run else None,
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


def _rows(row: Row, *, begun: date | None) -> Rows:
    same = (
        *("document", "currency", "count", "cost", "selling", "status", "confirmed", "unrated", "unrated_cost"),
        *("invoice_number", "invoice_date", "invoice_status", "drifted", "drifted_cost"),
    )
    return Rows(
        **{name: row[name] for name in same},
        arrived_on=day_of(row["arrived_at"]),
        day=row["day"],
        markups=tuple(row["markups"] or ()),
        is_before_contract=begun is not None and row["day"] < begun,
    )


def _months_before(day: date, months: int) -> date:
    first = day.replace(day=1)
    for _ in range(months):
        first = (first - _DAY).replace(day=1)
    return first
