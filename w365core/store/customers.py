"""Which customers can be asked for, and which invoices have lines of them?

A customer is an account of ours, or one that an invoice refers to and our records lack: that one goes by the provider's own id. Lines count
whether they are published or a failed import's preview.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text

from w365core.store import stage
from w365core.store.tables import account, license_line, missing_reference, provider_invoice, usage_summary


def all_customers(connection: Connection) -> list[Mapping[str, Any]]:
    """By name: `customer_id`, `name` and whether it `is_ours`."""
    ours = connection.execute(select(account.c.account_id.label("customer_id"), account.c.name)).mappings()
    missing = connection.execute(
        select(missing_reference.c.key.label("customer_id"), func.max(missing_reference.c.name).label("name"))
        .where(missing_reference.c.kind == "customer")
        .group_by(missing_reference.c.key)
    ).mappings()
    known = {row["customer_id"]: {**row, "is_ours": True} for row in ours}
    lacking = {row["customer_id"]: {**row, "is_ours": False} for row in missing}
    return sorted((lacking | known).values(), key=lambda row: ((row["name"] or row["customer_id"]).casefold(), row["customer_id"]))


def invoices_of(connection: Connection, customers: Sequence[str]) -> set[int]:
    """The ids of the invoices that have a line of any of these customers."""
    wanted = list(customers)
    published = select(license_line.c.provider_invoice_id).where(license_line.c.account_id.in_(wanted))
    used = select(usage_summary.c.provider_invoice_id).where(usage_summary.c.account_id.in_(wanted))
    lacking = select(missing_reference.c.provider_invoice_id).where(
        missing_reference.c.kind == "customer", missing_reference.c.key.in_(wanted)
    )
    found = set(connection.execute(published.union(used, lacking)).scalars())
    return found | {invoice_id for invoice_id, run_id in _staged(connection) if _has_staged_line(connection, run_id, wanted)}


def _staged(connection: Connection) -> list[tuple[int, int]]:
    """(invoice, run) of every preview."""
    query = select(provider_invoice.c.provider_invoice_id, provider_invoice.c.import_run_id).where(
        provider_invoice.c.status_reason == "Error", provider_invoice.c.import_run_id.in_(stage.all_runs(connection))
    )
    return [(row.provider_invoice_id, row.import_run_id) for row in connection.execute(query)]


def _has_staged_line(connection: Connection, run_id: int, customers: list[str]) -> bool:
    """The reconciliation file names every customer; only where it is empty is the usage file read, which can be a hundred times as long."""
    license, usage = (stage.table_of(which, run_id) for which in (stage.LICENSE, stage.USAGE))
    statement = (
        f"select exists (select from {license} where account_id = any(:customers)) "
        f"or (not exists (select from {license}) and exists (select from {usage} where account_id = any(:customers)))"
    )
    return bool(connection.execute(text(statement), {"customers": customers}).scalar_one())
