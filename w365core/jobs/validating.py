"""What becomes of invoices that lacked references, now that our records have changed? Each is read again from what landed, without its provider.

The same kernel, the same decision, the same order and audit as any import, so that a rebuild replays it. The override of the failed attempt holds:
the lines and the header are those that it was given for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from w365core.errors import CallRefused
from w365core.jobs import importing, releasing
from w365core.jobs.context import Context
from w365core.jobs.runs import recorded, sweep
from w365core.jobs.syncing import SyncResult
from w365core.store import ledger, providers as store_providers, waiting


def validate(context: Context, invoices: Collection[int] | None) -> SyncResult:
    """Validates those of these invoices (ids; None: all) that are in Error for want of references; `warnings` says why one was left alone."""
    sweep(context)
    with context.engine.connect() as connection:
        found = waiting.unresolved(connection, among=invoices)
    result = SyncResult()
    for place, row in enumerate(found, 1):
        context.report(f"{row['invoice_number']}: validating, {place} of {len(found)}")
        _one(context, row, result)
    gone = [] if invoices is None else sorted(set(invoices) - {row["provider_invoice_id"] for row in found})
    if gone and not found:
        result.warnings.append("Nothing waits any more: what was asked for has come in, or was deleted, meanwhile.")
    return result


def validate_invoice(context: Context, *, provider_name: str | None, invoice_number: str) -> SyncResult:
    """The same for one by its number. CallRefused where it does not wait on references, or cannot be read from what landed."""
    found = ledger.named(context.engine, provider_name=provider_name, invoice_number=invoice_number)
    result = validate(context, [found.provider_invoice_id])
    if not result.outcomes:
        reason = result.warnings[0] if result.skipped else f"it is {found.state}/{found.status_reason} and does not wait on references"
        raise CallRefused(f"Invoice {found.invoice_number} is not validated again: {reason.rstrip('.')}.")
    return result


def _one(context: Context, row: Mapping[str, Any], result: SyncResult) -> None:
    number = row["invoice_number"]
    with context.engine.connect() as connection:
        claim = releasing.judged_by(connection, context.landing, row)
        provider = store_providers.named(connection, row["provider"])
    if isinstance(claim, str):
        _left(context, result, number, f"{number} cannot be validated again from what landed: {claim}.")
        return
    try:
        with recorded(context, provider.name, "validate") as run_id:
            outcome = importing.validate_again(
                context, provider, number, override=row["override_tolerance"], sync_run_id=run_id, judged_by=claim
            )
    except CallRefused as refusal:  # somebody else imports it right now, or just has
        _left(context, result, number, str(refusal))
        return
    result.outcomes.append(outcome)


def _left(context: Context, result: SyncResult, number: str, said: str) -> None:
    context.report(said)
    result.skipped.append(number)
    result.warnings.append(said)
