"""Why is there no usage invoice? One contract, usage subscription and cycle through all checks, and what comes of it: one outcome.

Every check is made, in the order of the interface; the first blocking cause is the headline. Four causes never block: what they tell is no obstacle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from w365core import money
from w365core.diagnosis import (
    missing_usage_documents as documents,
    missing_usage_invoices as invoices,
    missing_usage_rows as rows_of,
    words,
)
from w365core.diagnosis.missing_usage_facts import Evidence, by_currency
from w365core.diagnosis.missing_usage_words import Check, Checked
from w365core.model import StatusReason


class Outcome(StrEnum):
    NOT_DUE_YET = "not_due_yet"
    BLOCKED = "blocked"
    LATE = "late_bills_next_cycle"
    BILLED = "billed"
    ZERO = "zero_by_nature"
    READY = "ready"


CHECKS: Mapping[str, Check] = {
    "provider_has_no_usage": invoices.provider_has_no_usage,
    "not_published": invoices.not_published,
    "not_pulled": invoices.not_pulled,
    "populating": invoices.populating,
    "unresolved_references": invoices.unresolved_references,
    "checksum_failed": invoices.checksum_failed,
    "zero_invoice": invoices.zero_invoice,
    "deactivated": invoices.deactivated,
    "no_usage_rows": rows_of.no_usage_rows,
    "archived_or_invoiced": rows_of.archived_or_invoiced,
    "unconfirmed": rows_of.unconfirmed,
    "markup_missing": rows_of.markup_missing,
    "markup_changed_after_import": rows_of.markup_changed_after_import,
    "arrived_after_invoice_date": rows_of.arrived_after_invoice_date,
    "invoice_total_zero": rows_of.invoice_total_zero,
    "contract_not_billable": rows_of.contract_not_billable,
}
NON_BLOCKING = frozenset({"archived_or_invoiced", "markup_changed_after_import", "arrived_after_invoice_date", "invoice_total_zero"})
_LATE = "arrived_after_invoice_date"
_AWAITED = ("provider_has_no_usage", "not_published", "not_pulled")  # before the invoice date there is time for these
_OF_THE_PROVIDER = (*_AWAITED, "populating", "unresolved_references", "checksum_failed", "zero_invoice", "deactivated")


@dataclass(frozen=True)
class Diagnosis:
    """What was found. `checks` are all sixteen, in order; `headline` is the first blocking cause, None where none blocks.

    `amount_at_risk` is the unbilled selling amount in `currency`; `cost_at_risk` what else is unbilled and has no selling amount yet, at cost: a blank
    markup, lines that an invoice in Error holds up; None where there is none.
    """

    outcome: Outcome
    headline: str | None
    checks: Mapping[str, Checked]
    amount_at_risk: Decimal
    cost_at_risk: Decimal | None
    currency: str | None

    @property
    def causes(self) -> dict[str, Checked]:
        """The checks whose cause applies, in order."""
        return {code: checked for code, checked in self.checks.items() if checked.applies}


def diagnosed(evidence: Evidence) -> Diagnosis:
    """The checks and the outcome of one row."""
    checks = {code: check(evidence) for code, check in CHECKS.items()}
    blocking = [code for code, checked in checks.items() if checked.applies and code not in NON_BLOCKING]
    late = checks[_LATE]
    if blocking and late.applies:  # nothing is generated before that is mended
        checks[_LATE] = replace(late, fix=rows_of.move(evidence) or "First what blocks it, then bill it.")
    currency = _currency(evidence)
    return Diagnosis(
        outcome=_outcome(evidence, blocking),
        headline=blocking[0] if blocking else None,
        checks=checks,
        amount_at_risk=_amount_at_risk(evidence, currency),
        cost_at_risk=_cost_at_risk(evidence, currency),
        currency=currency,
    )


def sentence(e: Evidence, diagnosis: Diagnosis) -> str:
    """What there is to say of it in one sentence or two: the headline's evidence, or what comes of it."""
    checks = diagnosis.checks
    if diagnosis.outcome is Outcome.BILLED:
        return f"Billed: {checks['archived_or_invoiced'].evidence}"
    if diagnosis.outcome is Outcome.ZERO and not checks["no_usage_rows"].applies:
        archived = any(not (rows.is_open or rows.is_invoiced) for rows in e.rows)
        return checks["archived_or_invoiced"].evidence if archived else "There is nothing to bill: its usage sums to 0."
    if diagnosis.headline is not None:
        return f"{checks[_telling(e, diagnosis)].evidence}{rows_of.late_with_it(e)}"
    open_rows = by_currency((rows.currency, rows.selling) for rows in e.open_rows)
    waits = " and ".join(words.amount(value, code) for code, value in open_rows.items())
    late = checks[_LATE]
    why = f" {late.evidence}" if late.applies else ""
    if diagnosis.outcome is Outcome.LATE:
        return f"{waits} is not on invoice {e.invoice.number if e.invoice else ''}, which is out; the next cycle bills it.{why}"
    when = "can be billed now" if e.today >= e.invoice_date else f"is ready for the invoice date {e.invoice_date.isoformat()}"
    if e.billed_before_it is not None and e.today >= e.invoice_date:
        when = "can be billed once an earlier cycle of its contract is, which is open"
    draft = f" Draft {e.invoice.number} stands for the cycle without it." if e.invoice else ""
    return f"{waits or 'Its minimum commitment'}{rows_of.topped_up(e)} {when}.{rows_of.before_the_start(e)}{invoices.left_out(e)}{why}{draft}{rows_of.late_with_it(e)}"


def next_step(e: Evidence, diagnosis: Diagnosis) -> str:
    """What mends it, or what comes next; blank where there is nothing to do."""
    checks = diagnosis.checks
    if diagnosis.outcome in (Outcome.BILLED, Outcome.ZERO):
        return ""
    if diagnosis.headline is not None:
        return checks[_telling(e, diagnosis)].fix
    late = checks[_LATE]
    return late.fix if late.applies else rows_of.regenerate(e)


def _telling(e: Evidence, diagnosis: Diagnosis) -> str:
    """The headline; but before the invoice date not what there is time for, where something else is wrong as well."""
    blocking = [code for code in diagnosis.causes if code not in NON_BLOCKING]
    mended_by_hand = (code for code in blocking if code not in (*_AWAITED, "unconfirmed"))
    is_early = diagnosis.outcome is Outcome.BLOCKED and e.today < e.invoice_date
    return next(mended_by_hand, blocking[0]) if is_early else blocking[0]


def _outcome(e: Evidence, blocking: list[str]) -> Outcome:
    if not any(code in _OF_THE_PROVIDER for code in blocking):
        if e.live_rows and all(rows.is_invoiced for rows in e.live_rows) and not any(not rows.confirmed for rows in e.rows):
            return Outcome.BILLED
        if "unconfirmed" not in blocking and _is_zero(e):
            return Outcome.ZERO
    if blocking:
        return Outcome.NOT_DUE_YET if e.today < e.invoice_date and _is_only_awaited(blocking) else Outcome.BLOCKED
    return Outcome.LATE if e.invoice is not None and e.invoice.is_out else Outcome.READY


def _is_only_awaited(blocking: list[str]) -> bool:
    """Whether nothing is wrong but that the invoice is still to come; an estimate without one is what waiting for it looks like."""
    return blocking[0] in _AWAITED and all(code in (*_AWAITED, "unconfirmed") for code in blocking)


def _is_zero(e: Evidence) -> bool:
    """Whether there is nothing to bill, though the provider's invoice is Active and checked: no usage, none but archived usage, or a sum of nothing."""
    live = e.live_rows
    if not live:
        return True
    costs = by_currency((rows.currency, rows.cost) for rows in live)
    sold = by_currency((rows.currency, rows.selling) for rows in live)
    return not any(costs.values()) and not any(sold.values()) and not e.subscription.minimum_commitment


def _currency(e: Evidence) -> str | None:
    """The contract's, else what its usage is in; where none of its open usage is in the contract's, that of the most of it."""
    contract = e.contract.currency if e.contract else None
    found = by_currency((rows.currency, rows.cost) for rows in e.open_rows)
    if found and (contract is None or contract.upper() not in {code.upper() for code in found}):
        return next(iter(found))
    return contract or e.currency


def _amount_at_risk(e: Evidence, currency: str | None) -> Decimal:
    return money.total(rows.selling for rows in e.open_rows if _same(rows.currency, currency))


def _cost_at_risk(e: Evidence, currency: str | None) -> Decimal | None:
    unrated = [rows.unrated_cost for rows in e.open_rows if rows.unrated and _same(rows.currency, currency)]
    held = [
        document.held_cost
        for document in documents.deciding(e)
        if document.status == StatusReason.ERROR and document.held_cost is not None and _same(document.currency, currency)
    ]
    return money.total([*unrated, *held]) if unrated or held else None


def _same(code: str, currency: str | None) -> bool:
    return currency is not None and code.upper() == currency.upper()
