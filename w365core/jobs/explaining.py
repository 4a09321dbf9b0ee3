"""What is the difference of an invoice made of? The facts of its lines from the store, and the explanations that `diagnosis` finds in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.diagnosis import tax
from w365core.diagnosis.explaining import explained
from w365core.difference import UNPUBLISHED, Explanation, Facts, Gap
from w365core.errors import CallRefused
from w365core.intake import checksum
from w365core.intake.checksum import Claim, Decision
from w365core.jobs.rating import Whole
from w365core.store import differences, providers as store_providers, references, stage
from w365core.store.differences import Lines
from w365core.store.ledger import Attempt

_ABOUT = {Gap.HEADER: "Header against lines, tax included", Gap.USAGE: "Reconciliation against daily-rated usage, before tax"}


@dataclass(frozen=True)
class Explained:
    """An invoice, the lines that were looked at, and what its difference is made of."""

    invoice: Any  # its row
    lines: Lines
    explanation: Explanation


def of_attempt(connection: Connection, attempt: Attempt, claim: Claim, decision: Decision, whole: Whole) -> Explanation | None:
    """The same for an attempt, from its stage, whether or not an override lets it pass; None where all agrees, or lines cannot be read."""
    if whole.problems:
        return None
    daily_missing = decision.daily_rated_total is None and not (claim.daily_usage_published or claim.reconciliation_usage_accepted)
    header_gap, usage_gap = checksum.gaps(
        claim,
        difference=decision.difference,
        usage_total=decision.usage_total,
        daily_total=decision.daily_rated_total,
        daily_lines=decision.usage_lines,
        daily_missing=daily_missing,
    )
    if header_gap is None and usage_gap is None:
        return None
    lines = Lines(attempt.provider_invoice_id, attempt.import_run_id)
    with connection.begin():
        stage.analyse(connection, run_id=attempt.import_run_id)
        return explain(connection, lines, currency=claim.currency, header_gap=header_gap, usage_gap=usage_gap, daily_missing=daily_missing)


def with_cause(message: str, explanation: Explanation | None) -> str:
    """A decision's message and what is proven of a difference, one thing once; of usage that is not published the message says it already."""
    proven = {one.code: one.sentence for one in reversed(explanation.proven) if one.code != UNPUBLISHED} if explanation else {}
    return " ".join(filter(None, [message, f"Proven cause: {' '.join(reversed(proven.values()))}" if proven else ""]))


def explain(
    connection: Connection,
    lines: Lines,
    *,
    currency: str,
    header_gap: Decimal | None,
    usage_gap: Decimal | None,
    daily_missing: bool = False,
) -> Explanation | None:
    """The explanations of these gaps, in the caller's transaction; None where there is none. `daily_missing`: the daily lines that are there are the
    reconciliation file's own, since no daily-rated file is published."""
    if header_gap is None and usage_gap is None:
        return None
    facts = facts_of(connection, lines, currency=currency, header_gap=header_gap, usage_gap=usage_gap)
    return explained(replace(facts, daily=()) if daily_missing else facts)


def facts_of(connection: Connection, lines: Lines, *, currency: str, header_gap: Decimal | None, usage_gap: Decimal | None) -> Facts:
    """All that is asked of the store, one grouping per file. An invoice of daily-rated lines alone is checked by those."""
    billed = differences.reconciled(connection, lines, currency=currency)
    daily = differences.daily_rated(connection, lines, currency=currency) if usage_gap is not None or not billed else ()
    first_day, expected = differences.window(connection, lines) if daily else (None, 0)
    of_header = header_gap is not None
    facts = Facts(
        currency=currency.upper(),
        header_gap=header_gap,
        usage_gap=usage_gap,
        lines=billed or daily,
        daily=daily if billed else (),
        repeats=differences.repeats(connection, lines, currency=currency),
        documents=differences.documents(connection, lines.provider_invoice_id) if of_header else (),
        first_day=first_day,
        expected_days=expected,
    )
    rates = tax.rates_to_round(facts)
    return replace(facts, taxed_per_line=differences.taxed_per_line(connection, lines, currency=currency, rates=rates)) if rates else facts


def explained_again(connection: Connection, invoice: Any) -> Explained:
    """The same for an invoice of the store, from its lines as they are now. CallRefused where it has no lines to look at."""
    if invoice.lines_total is None:
        raise CallRefused(
            f"Invoice {invoice.invoice_number} has no lines that could be looked at: {invoice.message or 'it was never read'}"
        )
    lines = differences.lines_of(connection, invoice.provider_invoice_id)
    provider = store_providers.named(connection, invoice.provider)
    rate = references.currencies(connection).get(invoice.currency.upper())
    claim = Claim(invoice.currency, invoice.header_total, provider.tolerance, rate)
    daily_missing = "not published" in (invoice.message or "")
    header_gap, usage_gap = checksum.gaps(
        claim,
        difference=invoice.difference,
        usage_total=invoice.usage_total,
        daily_total=invoice.daily_rated_total,
        daily_lines=invoice.usage_lines,
        daily_missing=daily_missing,
    )
    gaps = {"header_gap": header_gap, "usage_gap": usage_gap, "daily_missing": daily_missing}
    found = explain(connection, lines, currency=invoice.currency, **gaps)
    return Explained(invoice, lines, found or Explanation(None, None))


def told(explained: Explained) -> dict[str, Any]:
    """As `explain-difference` prints it."""
    found, invoice = explained.explanation, explained.invoice
    return {
        "invoice": invoice.invoice_number,
        "provider": invoice.provider,
        "currency": invoice.currency,
        "gaps": [{"gap": str(gap), "about": _ABOUT[gap], "difference": amount} for gap, amount in found.gaps],
        "override": max((money.override_for(amount) for _, amount in found.gaps), default=None),
        "proven_cause": found.cause,
        "hypotheses": [
            {
                "gap": str(one.gap),
                "code": one.code,
                "sentence": one.sentence,
                "amount": one.amount,
                "rest": one.rest,
                "explains": str(one.fit),
                "proven": one.proven,
                "lines": one.lines,
                "document": one.document,
            }
            for one in found.hypotheses
        ],
    }
