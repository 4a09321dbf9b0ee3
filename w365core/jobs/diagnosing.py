"""Why are there no usage invoices this month? The door of the page and of the command: one row for each usage contract, subscription and cycle.

records    our subscriptions and contracts, for whoever asks two of the questions below
diagnose   the rows of a month, what is blocked with the most money first
invoiced_late   contracts whose next invoice date is a cycle behind
lateness   when providers' invoices arrive, and which contracts are invoiced too early for that
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.diagnosis import lateness as late, missing_usage
from w365core.diagnosis.missing_usage import NON_BLOCKING, Diagnosis, Outcome
from w365core.diagnosis.missing_usage_facts import by_currency
from w365core.diagnosis.missing_usage_words import Checked
from w365core.errors import CallRefused
from w365core.jobs import invoicing, usage_cycles, usage_evidence
from w365core.jobs.invoicing import Period
from w365core.jobs.usage_cycles import Records
from w365core.jobs.usage_evidence import Case

Row = Mapping[str, Any]
FINDINGS = (Outcome.BLOCKED, Outcome.LATE)
_ORDER = (Outcome.BLOCKED, Outcome.LATE, Outcome.READY, Outcome.NOT_DUE_YET, Outcome.BILLED, Outcome.ZERO)


def records(connection: Connection) -> Records:
    """As they are now."""
    return usage_cycles.records(connection)


def diagnose(
    connection: Connection,
    *,
    period: date,
    today: date,
    subscription_id: str | None = None,
    contract_id: str | None = None,
    known: Records | None = None,
) -> list[Row]:
    """The rows whose invoice date lies in the month of `period` (its first day). CallRefused for an id that our records do not have."""
    known = known or records(connection)
    chosen = _chosen(known.subscriptions, subscription_id, contract_id)
    is_asked = subscription_id is not None or contract_id is not None
    cases = usage_evidence.of_month(connection, known, first_day=period, today=today, chosen=chosen, is_asked=is_asked)
    rows = [_row(case, diagnosis) for case, diagnosis in _in_their_order(connection, known, cases, period=period, today=today)]
    return sorted(
        rows,
        key=lambda row: (
            _ORDER.index(row["outcome"]),
            -_weight(row, known.rates),
            row["contract_id"] or "",
            row["subscription_id"],
            row["cycle_start"],
        ),
    )


def _in_their_order(
    connection: Connection, known: Records, cases: Sequence[Case], *, period: date, today: date
) -> list[tuple[Case, Diagnosis]]:
    """Each case diagnosed; one that could be billed now knows of an earlier cycle that has to be billed before it, and one without an invoice of late
    usage that a run would put on it."""
    found = [(case, missing_usage.diagnosed(case.evidence)) for case in cases]
    if not any(diagnosis.outcome is Outcome.READY or case.evidence.invoice is None for case, diagnosis in found):
        return found
    foretold = invoicing.foretold(connection, known.contracts.values(), Period.month(f"{period:%Y-%m}"), today=today)
    said = []
    for case, diagnosis in found:
        run, e = foretold.get(case.subscription["known_contract_id"] or ""), case.evidence
        if run is not None:
            mine = (e.cycle_start, e.subscription.subscription_id)
            late = by_currency((currency, amount) for start, of, currency, amount in run.late if (start, of) == mine)
            day = run.comes_before(e.cycle_start) if diagnosis.outcome is Outcome.READY else None
            if day or late:
                case = replace(case, evidence=replace(e, billed_before_it=day, late_with_it=tuple(late.items())))
                diagnosis = missing_usage.diagnosed(case.evidence)
        said.append((case, diagnosis))
    return said


def invoiced_late(
    connection: Connection, *, subscription_id: str | None = None, contract_id: str | None = None, known: Records | None = None
) -> list[Row]:
    """The contracts whose next invoice date lies a cycle or more behind their usage, as it is for good once two cycles were billed in one month: with the
    cycle, the date, the day to move it to, and a sentence."""
    known = known or records(connection)
    chosen = _chosen(known.subscriptions, subscription_id, contract_id)
    return [
        {
            "contract_id": row["known_contract_id"],
            "customer": row["customer"],
            "provider": row["provider"],
            "cycle_start": cycle.start,
            "cycle_end": cycle.last_day,
            "invoice_date": row["next_invoice_date"],
            "move_to": day,
            "sentence": f"Contract {row['known_contract_id']}: its next invoice date is {row['next_invoice_date']}, so usage of {cycle.start} to "
            f"{cycle.last_day} is billed in {row['next_invoice_date']:%Y-%m}, a cycle late, and so is all that follows; `contract set-invoice-date --contract "
            f"{row['known_contract_id']} --date {day}` moves it.",
        }
        for row, cycle, day in usage_cycles.late_by_a_cycle(known, chosen)
    ]


def lateness(connection: Connection, *, period: date, rows: Sequence[Row], known: Records | None = None) -> dict[str, Any]:
    """`arrivals` of the twelve months before, `usual` by provider, and `early`: the contracts of these rows that are invoiced before nine of ten of
    their provider's invoices are here, with the day to move to; `behind`: those of any month that are invoiced a cycle late."""
    arrivals = usage_evidence.arrivals(connection, first_day=period)
    usual = late.usual(arrivals)
    early = {}
    for row in rows:
        provider = usual.get(row["provider"])
        end = row["cycle_end"] + timedelta(days=1)
        day = late.day_of_invoice(row["invoice_date"], cycle_end=end)
        if provider and row["contract_id"] and row["is_dated"] and day < provider.nine_of_ten:
            early[row["contract_id"]] = {
                **{name: row[name] for name in ("contract_id", "customer", "provider")},
                "invoice_date": row["invoice_date"],
                "day": day,
                "arrives_on_day": provider.nine_of_ten,
                "move_to_day": provider.advised,
                "move_to": (row["next_invoice_date"] or row["invoice_date"]) + timedelta(days=provider.advised - day),
            }
    return {
        "arrivals": [
            {
                "provider": a.provider,
                "number": a.number,
                "currency": a.currency,
                "last_day": a.last_day,
                "arrived_on": a.arrived_on,
                "day": a.day,
            }
            for a in arrivals
        ],
        "usual": [
            {
                "provider": u.provider,
                "documents": u.documents,
                "median": u.median,
                "nine_of_ten": u.nine_of_ten,
                "latest": u.latest,
                "advised": u.advised,
            }
            for u in usual.values()
        ],
        "early": sorted(early.values(), key=lambda one: one["contract_id"]),
        "behind": invoiced_late(connection, known=known),
    }


def _chosen(found: Sequence[Row], subscription_id: str | None, contract_id: str | None) -> list[Row]:
    """The subscriptions that were named, compared without regard to case, or all."""
    if subscription_id is not None:
        found = [row for row in found if row["subscription_id"].lower() == subscription_id.strip().lower()]
        if not found:
            raise CallRefused(
                f"Our records have no usage subscription {subscription_id}; `load` brings them, and ids are ours, not the provider's."
            )
    if contract_id is not None:
        found = [row for row in found if (row["contract_id"] or "").lower() == contract_id.strip().lower()]
        if not found:
            named = f" with subscription {subscription_id}" if subscription_id else ""
            raise CallRefused(f"Our records have no contract {contract_id}{named} that a usage subscription is billed under.")
    return list(found)


def _row(case: Case, diagnosis: Diagnosis) -> Row:
    e, s = case.evidence, case.subscription
    return {
        "contract_id": s["contract_id"],
        "subscription_id": s["subscription_id"],
        "outcome": diagnosis.outcome,
        "headline": diagnosis.headline,
        "causes": [_cause(code, checked) for code, checked in diagnosis.causes.items()],
        "amount_at_risk": diagnosis.amount_at_risk,
        "cost_at_risk": diagnosis.cost_at_risk,
        "currency": diagnosis.currency,
        "sentence": missing_usage.sentence(e, diagnosis),
        "fix": missing_usage.next_step(e, diagnosis),
        "cycle_start": e.cycle_start,
        "cycle_end": e.cycle_end - timedelta(days=1),
        "invoice_date": e.invoice_date,
        "is_dated": case.is_dated,
        "next_invoice_date": s["next_invoice_date"],
        "invoice_number": _number(case),
        "invoice_status": e.invoice.status if e.invoice else None,
        "account_id": s["contract_account_id"] or s["account_id"],
        "customer": s["customer"],
        "provider": e.source.provider,
        "arrived_on": max((rows.arrived_on for rows in e.live_rows), default=None),
        "expected_on": e.months[-1].usage_expected_on if e.months else None,
        "billed_amount": _billed(case, diagnosis.currency),
        "checks": [
            {
                **_cause(code, checked),
                "applies": checked.applies,
                "blocks": code not in NON_BLOCKING,
                "document": checked.document,
                "invoice_id": checked.invoice_id,
            }
            for code, checked in diagnosis.checks.items()
        ],
    }


def _cause(code: str, checked: Checked) -> dict[str, Any]:
    said = {"code": code, "evidence": checked.evidence, "fix": checked.fix}
    return said if checked.whose is None else {**said, "whose": checked.whose}


def _number(case: Case) -> str | None:
    """The invoice that carries its usage, else the one that stands for the cycle."""
    on = [rows.invoice_number for rows in case.evidence.rows if rows.is_invoiced]
    return on[0] if on else case.evidence.invoice.number if case.evidence.invoice else None


def _billed(case: Case, currency: str | None) -> Decimal:
    return money.total(rows.selling for rows in case.evidence.rows if rows.is_invoiced and rows.currency == currency)


def _weight(row: Row, rates: Mapping[str, Decimal]) -> Decimal:
    """Its money for an order, in base; a currency without a rate is measured as if it were base."""
    at_risk = money.EXACT.add(row["amount_at_risk"].copy_abs(), (row["cost_at_risk"] or money.ZERO).copy_abs())
    return money.EXACT.multiply(at_risk, rates.get((row["currency"] or "").upper(), Decimal(1)))
