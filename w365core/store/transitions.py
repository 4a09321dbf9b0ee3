"""What a person does to an invoice once it is in: activate, deactivate, delete. Which step is allowed from where stands in `lifecycle`; the guards
that need to look are here.
"""

from __future__ import annotations

from sqlalchemy import Connection, Row, delete as sql_delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from w365core import lifecycle
from w365core.errors import CallRefused, UsageInvoiced
from w365core.model import InvoiceState, Seen, StatusReason
from w365core.store import audit, billed, changes, reconciliations, stage
from w365core.store.ledger import Who
from w365core.store.tables import (
    audit_log,
    deleted_invoice,
    import_run,
    import_source,
    invoice_attachment,
    missing_reference,
    provider_invoice,
    usage_summary,
)

_MOST_NAMED = 5
_INSTEAD = {
    StatusReason.ERROR: "it is in Error; mend what its message says and sync it again",
    StatusReason.DEACTIVATED: "it is deactivated; sync it again to have it back",
    StatusReason.ACTIVE: "it is Active already",
}


def activate(connection: Connection, *, provider_invoice_id: int, who: Who, seen: Seen | None = None) -> Row:
    """Makes the usage of a complete manual invoice billable; returns the invoice as it was."""
    before = _guarded(connection, provider_invoice_id, "activate", seen)
    _become(connection, before, "activate", InvoiceState.ACTIVE, StatusReason.ACTIVE, "", who)
    return before


def deactivate(connection: Connection, *, provider_invoice_id: int, who: Who, seen: Seen | None = None, reason: str | None = None) -> None:
    """Takes the invoice out of billing, so that it can be synced anew; its lines stay until then. `reason` is the person's own word, for the log."""
    before = _guarded(connection, provider_invoice_id, "deactivate", seen)
    _refuse_invoiced(connection, before, "deactivated")
    said = "Deactivated; sync it to import it again."
    _become(connection, before, "deactivate", InvoiceState.INACTIVE, StatusReason.DEACTIVATED, said, who, reason=reason)


def delete(connection: Connection, *, provider_invoice_id: int, who: Who, seen: Seen | None = None, reason: str | None = None) -> None:
    """Removes the invoice and all its children; the provider's is untouched, what landed and the audit log stay. When it was first seen stays known:
    its days of retries go on from then."""
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
    changes.forget(connection, provider_invoice_id=provider_invoice_id)
    reconciliations.forget(connection, provider=before.provider, invoice_number=before.invoice_number)
    _remember_first_sight(connection, before, who)
    _sealed(connection, before, "delete", None, who, reason=reason)


def _remember_first_sight(connection: Connection, invoice: Row, who: Who) -> None:
    """Kept for good: `ledger.begin` gives it to the invoice when it comes again, and so to the next deletion."""
    named = {"provider": invoice.provider.lower(), "invoice_number": invoice.invoice_number.lower()}
    made = insert(deleted_invoice).values(**named, first_seen_at=invoice.first_seen_at, deleted_at=who.now)
    earlier = func.least(deleted_invoice.c.first_seen_at, made.excluded.first_seen_at)
    connection.execute(made.on_conflict_do_update(index_elements=list(named), set_={"first_seen_at": earlier, "deleted_at": who.now}))


def _guarded(connection: Connection, provider_invoice_id: int, action: str, seen: Seen | None) -> Row:
    """The invoice, locked. CallRefused where it is gone, has changed since it was seen, is being imported, or the table has no such step."""
    invoice = connection.execute(
        select(provider_invoice).where(provider_invoice.c.provider_invoice_id == provider_invoice_id).with_for_update()
    ).first()
    if invoice is None:
        raise CallRefused(_gone(connection, provider_invoice_id, action))
    if seen is not None and seen != Seen(invoice.status_reason, invoice.version, invoice.import_run_id):
        raise CallRefused(
            f"Invoice {invoice.invoice_number} has changed since you looked at it{_last_said(connection, _target(invoice))}. It is "
            f"{invoice.state}/{invoice.status_reason} now; nothing was done. Look at it again, then decide."
        )
    running = connection.execute(
        select(import_run.c.import_run_id).where(import_run.c.provider_invoice_id == provider_invoice_id, import_run.c.status == "running")
    ).first()
    if running:
        raise CallRefused(
            f"Invoice {invoice.invoice_number} cannot be {_done(action)} while it is being imported; wait until that has ended."
        )
    if not lifecycle.allows(action, invoice.status_reason):
        reason = _INSTEAD.get(StatusReason(invoice.status_reason), f"it is {invoice.state}/{invoice.status_reason}")
        raise CallRefused(f"Invoice {invoice.invoice_number} cannot be {_done(action)}: {reason}.{_last_did(connection, invoice)}")
    return invoice


def _gone(connection: Connection, provider_invoice_id: int, action: str) -> str:
    """An invoice that was deleted meanwhile is known by what the log says of its import."""
    named = select(audit_log.c.target).where(
        audit_log.c.target_kind == "provider invoice", audit_log.c.after["provider_invoice_id"].as_integer() == provider_invoice_id
    )
    target = connection.execute(named.limit(1)).scalar()
    by = _last_said(connection, target) if target else ": somebody else has deleted it"
    return f"That invoice is not here any more, so it cannot be {_done(action)}{by}."


def _last_did(connection: Connection, invoice: Row) -> str:
    said = _last_said(connection, _target(invoice))
    return f" Last{said}." if said else ""


def _last_said(connection: Connection, target: str) -> str:
    said = audit.last_said(connection, target_kind="provider invoice", target=target)
    return f": {said}" if said else ""


def _refuse_invoiced(connection: Connection, invoice: Row, done: str) -> None:
    """R5: children that a customer invoice refers to hold the provider invoice fast."""
    found = billed.children(connection, invoice.provider_invoice_id)
    if not found:
        return
    numbers, named = billed.invoices_of(found), ", ".join(child.said for child in found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED:,} more" if len(found) > _MOST_NAMED else ""
    many = f"{len(numbers):,} customer invoice{'' if len(numbers) == 1 else 's'}"
    raise UsageInvoiced(
        f"Invoice {invoice.invoice_number} cannot be {done}: its usage is billed on {many}: {named}{more}. Delete or credit those customer invoices first: "
        f"`children --invoice {invoice.invoice_number}` lists them all, `unlink --invoice {invoice.invoice_number} --reason TEXT` takes the usage off them.",
        billed.as_dicts(found),
    )


def _become(
    connection: Connection,
    before: Row,
    action: str,
    state: InvoiceState,
    status_reason: StatusReason,
    message: str,
    who: Who,
    *,
    reason: str | None = None,
) -> None:
    after = {"state": state, "status_reason": status_reason}
    connection.execute(
        update(provider_invoice)
        .where(provider_invoice.c.provider_invoice_id == before.provider_invoice_id)
        .values(message=message, **after)
    )
    _sealed(connection, before, action, after, who, reason=reason)


def _sealed(connection: Connection, before: Row, action: str, after: dict | None, who: Who, *, reason: str | None = None) -> None:
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=f"{action} provider invoice",
        target_kind="provider invoice",
        target=_target(before),
        reason=(reason or "").strip() or None,
        before={
            "state": before.state,
            "status_reason": before.status_reason,
            "header_total": before.header_total,
            "version": before.version,
        },
        after=after,
    )


def _target(invoice: Row) -> str:
    return f"{invoice.provider} {invoice.invoice_number}"


def _done(action: str) -> str:
    return {"activate": "activated", "deactivate": "deactivated", "delete": "deleted"}[action]
