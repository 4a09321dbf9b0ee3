"""Which invoices wait for something that our records lack, what do their staged lines refer to, and whose billing waits with them?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select, text

from w365core.model import Failure, StatusReason
from w365core.store import stage
from w365core.store.tables import audit_log, import_source, missing_reference, provider_invoice

_UNRESOLVED = or_(
    provider_invoice.c.failures.contains([Failure.UNRESOLVED_REFERENCES.value]), provider_invoice.c.failure == Failure.UNRESOLVED_REFERENCES
)


def unresolved(connection: Connection, *, among: Collection[int] | None = None) -> list[Mapping[str, Any]]:
    """The invoices in Error whose last attempt lacked a reference, by provider and number: all of them, or those among these ids."""
    query = select(*provider_invoice.columns).where(provider_invoice.c.status_reason == StatusReason.ERROR, _UNRESOLVED)
    if among is not None:
        query = query.where(provider_invoice.c.provider_invoice_id.in_(list(among)))
    ordered = query.order_by(provider_invoice.c.provider, provider_invoice.c.invoice_number)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def lacked(connection: Connection, invoices: Collection[int]) -> dict[int, dict[tuple[str, str], str]]:
    """Invoice -> (kind, key in lower case) of what blocked its last attempt -> the best name it was given."""
    query = select(missing_reference).where(missing_reference.c.provider_invoice_id.in_(list(invoices)), missing_reference.c.blocking)
    found: dict[int, dict[tuple[str, str], str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.provider_invoice_id, {})[row.kind, row.key.lower()] = row.name or row.key
    return found


def referred(connection: Connection, *, run_id: int) -> list[tuple[str, str | None, str | None, str | None, str]]:
    """What the staged lines of a run refer to, each combination once: (table, customer, subscription, entitlement, currency); of the
    reconciliation file's lines the table is their kind."""
    license, usage = (stage.table_of(which, run_id) for which in (stage.LICENSE, stage.USAGE))
    statement = text(
        f"select distinct kind, provider_customer_id, provider_subscription_id, null, currency from {license} union all "
        f"select distinct 'daily', provider_customer_id, provider_subscription_id, entitlement_id, billing_currency from {usage}"
    )
    return [tuple(row) for row in connection.execute(statement)]


def sources(connection: Connection, *, run_id: int) -> Sequence[Any]:
    """What a run read, in order."""
    return connection.execute(select(import_source).where(import_source.c.import_run_id == run_id).order_by(import_source.c.ordinal)).all()


def order_of(connection: Connection, *, provider: str, invoice_number: str, run_id: int) -> str | None:
    """The fingerprint of the order by which that run failed; None where the log names none."""
    query = (
        select(audit_log.c.after["order"].as_string())
        .where(
            audit_log.c.target_kind == "provider invoice",
            audit_log.c.target == f"{provider} {invoice_number}",
            audit_log.c.after["import_run_id"].as_integer() == run_id,
        )
        .order_by(audit_log.c.audit_id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def customers_of(connection: Connection, invoice: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Whose lines stand on an invoice in Error: `key` (our account, else the provider's id), `name`, `total` with tax, `currency`.

    The reconciliation file names every customer; only where it is empty is the usage file read.
    """
    run_id = invoice["import_run_id"]
    if run_id is None or not stage.exists(connection, run_id=run_id):
        return []
    license, usage = (stage.table_of(which, run_id) for which in (stage.LICENSE, stage.USAGE))
    for table, total, currency in ((license, "total", "currency"), (usage, "billing_pre_tax_total", "billing_currency")):
        statement = text(
            f"select coalesce(line.account_id, lower(btrim(line.provider_customer_id)), '') as key, line.account_id, "
            f"coalesce(max(account.name), max(line.customer_name), max(line.account_id), max(line.provider_customer_id), '(not given)') as name, "
            f"sum(line.{total}) as total, line.{currency} as currency from {table} line left join account using (account_id) "
            f"group by 1, 2, line.{currency} order by 1, 2, line.{currency}"
        )
        rows = [dict(row) for row in connection.execute(statement).mappings()]
        if rows:
            return rows
    return []
