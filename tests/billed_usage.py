"""Who has billed that usage? Customer invoices that carry the usage of a provider invoice, as they stand once usage was billed.

bill        puts usage of an invoice on a customer invoice;  held_by: the customer invoices that hold it, from the store
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, Engine, insert, select, update

from w365core.store import billed, ledger
from w365core.store.tables import customer_invoice, customer_invoice_line, usage_summary


def bill(
    engine: Engine, number: str, *, on: str, status: str = "Billed", account_id: str = "A-1", usage_ids: Sequence[str] | None = None
) -> None:
    """All usage of the provider invoice that is not invoiced yet, or these usage summaries of it."""
    invoice_id = ledger.named(engine, provider_name=None, invoice_number=number).provider_invoice_id
    with engine.begin() as connection:
        if connection.execute(select(customer_invoice).where(customer_invoice.c.invoice_number == on)).first() is None:
            dated = {"invoice_date": date(2026, 11, 12), "cycle_start": date(2026, 10, 1), "cycle_end": date(2026, 10, 31)}
            made = insert(customer_invoice).values(invoice_number=on, account_id=account_id, currency="EUR", status=status, **dated)
            connection.execute(made)
        mine = [usage_summary.c.provider_invoice_id == invoice_id, usage_summary.c.status == "Not invoiced"]
        if usage_ids is not None:
            mine.append(usage_summary.c.usage_id.in_(usage_ids))
        marked = update(usage_summary).where(*mine).values(status="Invoiced", invoice_number=on, version=usage_summary.c.version + 1)
        assert connection.execute(marked).rowcount > 0


def billed_before(connection: Connection, *, on: str, subscription_id: str, amount: str) -> None:
    """A past customer invoice with one line, as our records tell of it: what a settlement goes by."""
    dated = {"invoice_date": date(2026, 11, 12), "cycle_start": date(2026, 10, 1), "cycle_end": date(2026, 10, 31)}
    connection.execute(insert(customer_invoice).values(invoice_number=on, account_id="A-1", currency="EUR", status="Billed", **dated))
    line = {"invoice_number": on, "line_number": 1, "subscription_id": subscription_id, "amount": amount}
    connection.execute(insert(customer_invoice_line).values(**line))


def held_by(engine: Engine, number: str) -> list[str]:
    invoice_id = ledger.named(engine, provider_name=None, invoice_number=number).provider_invoice_id
    with engine.connect() as connection:
        return billed.invoices_of(billed.children(connection, invoice_id))
