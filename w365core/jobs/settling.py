"""What have past customer invoices billed already? Settled once by those who load their past, before they bill; the demo does it as its last step."""

from __future__ import annotations

from dataclasses import replace

from w365core.jobs.context import Context
from w365core.store import orders, past_billing
from w365core.store.engine import guarded
from w365core.store.past_billing import Settled


def settle(context: Context, *, dry_run: bool = False) -> Settled:
    """Marks usage that a Billed or Paid invoice says to the cent; with `dry_run` it is taken back, and nothing lands. A second time there is nothing.
    What was nearly settled is told with it."""

    def keep(marks: bytes) -> str:
        if dry_run:
            return "dry run"
        told = {"purpose": past_billing.PURPOSE, "name": "past usage", "provider": "all providers", "invoice_number": None}
        return orders.keep(context.engine, context.landing, marks, **told, sync_run_id=None, at=context.now)

    with guarded(), context.engine.connect() as connection, connection.begin() as transaction:
        settled = past_billing.settle(connection, who=context.who, keep=keep)
        settled = replace(settled, near=past_billing.near_misses(connection))
        if dry_run:
            transaction.rollback()
    return replace(settled, amounts=dict(sorted(settled.amounts.items())))
