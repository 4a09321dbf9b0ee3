"""What does a person decide of an invoice on a page, that takes no job? The steps of `lifecycle`, each refused where it has changed since it was seen,
and the taking off of its usage from customer invoices. What follows on a step and takes long is queued.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine

from w365core.errors import AlreadyRunning, CallRefused
from w365core.jobs import queue
from w365core.jobs.permitting import acts
from w365core.model import Seen
from w365core.store import billed, transitions
from w365core.store.billed import Child
from w365core.store.engine import guarded
from w365core.store.ledger import Who


@acts("activate invoice")
def activate(engine: Engine, *, provider_invoice_id: int, seen: Seen, actor: str, now: datetime) -> int | None:
    """Makes the usage of a complete manual invoice billable, and queues the reconciliation of its license lines; returns that job's number, None where
    it has no such lines or the queue takes no such job. CallRefused as the guards say."""
    with guarded(), engine.begin() as connection:
        invoice = transitions.activate(connection, provider_invoice_id=provider_invoice_id, who=Who(actor, now), seen=seen)
    if not invoice.license_lines:
        return None
    try:
        return queue.ask(engine, kind=queue.RECONCILE, provider=invoice.provider, invoice=invoice.invoice_number, actor=actor)
    except (AlreadyRunning, CallRefused):  # the step is done all the same, and must not be said to be refused
        return None


@acts("deactivate invoice")
def deactivate(engine: Engine, *, provider_invoice_id: int, seen: Seen, actor: str, now: datetime, reason: str | None = None) -> None:
    """Takes the invoice out of billing, so that it can be synced anew. CallRefused while any of its usage is invoiced."""
    with guarded(), engine.begin() as connection:
        transitions.deactivate(connection, provider_invoice_id=provider_invoice_id, who=Who(actor, now), seen=seen, reason=reason)


@acts("delete invoice")
def delete(engine: Engine, *, provider_invoice_id: int, seen: Seen, actor: str, now: datetime, reason: str | None = None) -> None:
    """Removes the invoice and its lines here. CallRefused while any of its usage is invoiced."""
    with guarded(), engine.begin() as connection:
        transitions.delete(connection, provider_invoice_id=provider_invoice_id, who=Who(actor, now), seen=seen, reason=reason)


@acts("unlink usage")
def unlink(
    engine: Engine, *, provider_invoice_id: int, customer_invoices: Sequence[str], reason: str, actor: str, now: datetime
) -> list[Child]:
    """Takes the usage of the invoice off these customer invoices, so that it is billable again; returns what was taken off. CallRefused without a
    reason, or where one of them carries none of it (any more)."""
    if not customer_invoices:
        raise CallRefused("Choose at least one customer invoice.")
    with guarded(), engine.begin() as connection:
        told = {"customer_invoices": customer_invoices, "reason": reason, "who": Who(actor, now)}
        return billed.unlink(connection, provider_invoice_id=provider_invoice_id, **told)
