"""What a person does to an invoice once it is in: activate, deactivate, delete. Which step is allowed from where stands in `lifecycle`; the guards
that need to look are here.
"""

from __future__ import annotations

from sqlalchemy import Connection, Row, delete as sql_delete, select, update

from w365core import lifecycle
from w365core.errors import CallRefused
from w365core.model import InvoiceState, Seen, StatusReason, UsageStatus
from w365core.store import audit, stage
from w365core.store.ledger import Who
from w365core.store.tables import (
    audit_log,
    import_run,
    import_source,
    invoice_attachment,
    missing_reference,
    provider_invoice,
    usage_summary,
)

_INSTEAD = {
    StatusReason.ERROR: "it is in Error; mend what its message says and sync it again",
    StatusReason.DEACTIVATED: "it is deactivated; sync it again to have it back",
    StatusReason.ACTIVE: "it is Active already",
}


def activate(connection: Connection, *, provider_invoice_id: int, who: Who, seen: Seen | None = None) -> None:
    """Makes the usage of a complete manual invoice billable."""
    before = _guarded(connection, provider_invoice_id, "activate", seen)
    _become(connection, before, "activate", InvoiceState.ACTIVE, StatusReason.ACTIVE, "", who)


def deactivate(connection: Connection, *, provider_invoice_id: int, who: Who, seen: Seen | None = None, reason: str | None = None) -> None:
    """Takes the invoice out of billing, so that it can be synced anew; its lines stay until then. `reason` is the person's own word, for the log."""
    before = _guarded(connection, provider_invoice_id, "deactivate", seen)
    _refuse_invoiced(connection, before, "deactivated")
    message = "Deactivated; sync it to import it again."
    _become(connection, before, "deactivate", InvoiceState.INACTIVE, StatusReason.DEACTIVATED, message, who, why=reason)


def delete(connection: Connection, *, provider_invoice_id: int, who: Who, seen: Seen | None = None, reason: str | None = None) -> None:
    """Removes the invoice and all its children; the provider's is untouched, what landed and the audit log stay."""
    before = _guarded(connection, provider_invoice_id, "delete", seen)
    _refuse_invoiced(connection, before, "deleted")
    stage.withdraw(connection, provider_invoice_id=provider_invoice_id)
    runs = (
        connection.execute(select(import_run.c.import_run_id).where(import_run.c.provider_invoice_id == provider_invoice_id))
        .scalars()
        .all()
    )
    for run_id in runs:
        stage.drop(connection, run_id=run_id)
    connection.execute(sql_delete(import_source).where(import_source.c.import_run_id.in_(runs)))
    for table in (import_run, usage_summary, missing_reference, invoice_attachment, provider_invoice):
        connection.execute(sql_delete(table).where(table.c.provider_invoice_id == provider_invoice_id))
    _sealed(connection, before, "delete", None, who, why=reason)


def _guarded(connection: Connection, provider_invoice_id: int, action: str, seen: Seen | None) -> Row:
    """The invoice, locked. CallRefused where it is gone, has changed since it was seen, is being imported, or the table has no such step."""
    invoice = connection.execute(
        select(provider_invoice).where(provider_invoice.c.provider_invoice_id == provider_invoice_id).with_for_update()
    ).first()
    if invoice is None:
        raise CallRefused(f"That invoice is not here any more, so it cannot be {_done(action)}: somebody else has deleted it.")
    if seen is not None and seen != Seen(invoice.status_reason, invoice.version, invoice.import_run_id):
        raise CallRefused(_changed_since(connection, invoice))
    running = connection.execute(
        select(import_run.c.import_run_id).where(import_run.c.provider_invoice_id == provider_invoice_id, import_run.c.status == "running")
    ).first()
    if running:
        raise CallRefused(
            f"Invoice {invoice.invoice_number} cannot be {_done(action)} while it is being imported; wait until that has ended."
        )
    if not lifecycle.allows(action, invoice.status_reason):
        reason = _INSTEAD.get(StatusReason(invoice.status_reason), f"it is {invoice.state}/{invoice.status_reason}")
        raise CallRefused(f"Invoice {invoice.invoice_number} cannot be {_done(action)}: {reason}.")
    return invoice


def _changed_since(connection: Connection, invoice: Row) -> str:
    last = connection.execute(
        select(audit_log.c.action, audit_log.c.actor, audit_log.c.at)
        .where(audit_log.c.target_kind == "provider invoice", audit_log.c.target == f"{invoice.provider} {invoice.invoice_number}")
        .order_by(audit_log.c.audit_id.desc())
        .limit(1)
    ).first()
    by = f": {last.action} by {last.actor}, {last.at:%Y-%m-%d %H:%M} UTC" if last else ""
    return (
        f"Invoice {invoice.invoice_number} has changed since you looked at it{by}. It is {invoice.state}/{invoice.status_reason} now; nothing was done. "
        "Look at it again, then decide."
    )


def _refuse_invoiced(connection: Connection, invoice: Row, done: str) -> None:
    """R5: children that a customer invoice refers to hold the provider invoice fast."""
    by = connection.execute(
        select(usage_summary.c.invoice_number)
        .where(usage_summary.c.provider_invoice_id == invoice.provider_invoice_id, usage_summary.c.status == UsageStatus.INVOICED)
        .distinct()
        .order_by(usage_summary.c.invoice_number)
    ).scalars()
    if numbers := list(by):
        named = ", ".join(numbers[:5]) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
        raise CallRefused(
            f"Invoice {invoice.invoice_number} cannot be {done}: its usage is billed on {named}. Delete or credit those customer invoices first."
        )


def _become(
    connection: Connection,
    before: Row,
    action: str,
    state: InvoiceState,
    reason: StatusReason,
    message: str,
    who: Who,
    *,
    why: str | None = None,
) -> None:
    after = {"state": state, "status_reason": reason}
    connection.execute(
        update(provider_invoice)
        .where(provider_invoice.c.provider_invoice_id == before.provider_invoice_id)
        .values(message=message, **after)
    )
    _sealed(connection, before, action, after, who, why=why)


def _sealed(connection: Connection, before: Row, action: str, after: dict | None, who: Who, *, why: str | None = None) -> None:
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=f"{action} provider invoice",
        target_kind="provider invoice",
        target=f"{before.provider} {before.invoice_number}",
        reason=(why or "").strip() or None,
        before={
            "state": before.state,
            "status_reason": before.status_reason,
            "header_total": before.header_total,
            "version": before.version,
        },
        after=after,
    )


def _done(action: str) -> str:
    return {"activate": "activated", "deactivate": "deactivated", "delete": "deleted"}[action]
