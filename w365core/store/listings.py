"""What does a provider list today? Its documents as it named them last, with what there is of each of them here.

A listing replaces the one before it whole; only when each document was first listed is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from w365core.model import InvoiceHeader
from w365core.store.tables import deleted_invoice, listed_invoice, provider, provider_invoice, sync_run

COMMANDS = ("sync", "sync invoice", "list invoices")  # of sync_run: those that ask a provider what it lists
_SAID = ("document_type", "invoice_type", "amends_of", "invoice_date", "currency", "total")
_HERE = (
    *("provider_invoice_id", "status_reason", "failure", "message", "source", "header_total", "lines_total", "changed_at_provider"),
    *("first_seen_at", "imported_at"),
)


def keep(engine: Engine, provider_name: str, headers: Sequence[InvoiceHeader], *, at: datetime) -> None:
    """Replaces what the provider listed before, in a transaction of its own."""
    with engine.begin() as connection:
        replace(connection, provider_name, headers, at=at)


def replace(connection: Connection, provider_name: str, headers: Sequence[InvoiceHeader], *, at: datetime) -> None:
    """Replaces what the provider listed before. One listing at a time: the provider's row is held until the transaction ends."""
    connection.execute(select(provider.c.name).where(provider.c.name == provider_name).with_for_update())
    by_number = {header.number: header for header in headers}
    mine = listed_invoice.c.provider == provider_name
    connection.execute(delete(listed_invoice).where(mine, listed_invoice.c.invoice_number.not_in(list(by_number))))
    if not by_number:
        return
    rows = [
        {"provider": provider_name, "invoice_number": header.number, "first_listed_at": at, "listed_at": at}
        | {name: getattr(header, name) for name in _SAID}
        for header in by_number.values()
    ]
    new = insert(listed_invoice)
    changed = {name: new.excluded[name] for name in (*_SAID, "listed_at")}
    connection.execute(new.on_conflict_do_update(index_elements=["provider", "invoice_number"], set_=changed), rows)


def of_provider(connection: Connection, provider_name: str) -> list[Mapping[str, Any]]:
    """What it listed last, the newest first: the document as listed, and beside it the columns of the invoice here, null where there is none."""
    deleted = and_(
        deleted_invoice.c.provider == func.lower(listed_invoice.c.provider),
        deleted_invoice.c.invoice_number == func.lower(listed_invoice.c.invoice_number),
    )
    query = (
        select(
            *listed_invoice.columns,
            *(provider_invoice.c[name] for name in _HERE),
            deleted_invoice.c.deleted_at,
            deleted_invoice.c.first_seen_at.label("deleted_first_seen_at"),
        )
        .outerjoin(provider_invoice, _same())
        .outerjoin(deleted_invoice, deleted)
        .where(listed_invoice.c.provider == provider_name)
        .order_by(listed_invoice.c.invoice_date.desc(), listed_invoice.c.invoice_number)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def listed_as(connection: Connection, *, provider_name: str, invoice_number: str) -> Mapping[str, Any] | None:
    """When this document was first and last listed; None where the provider does not list it."""
    query = select(listed_invoice.c.first_listed_at, listed_invoice.c.listed_at).where(
        listed_invoice.c.provider == provider_name, func.lower(listed_invoice.c.invoice_number) == invoice_number.lower()
    )
    found = connection.execute(query.limit(1)).mappings().first()
    return dict(found) if found else None


def listed_last(connection: Connection, provider_name: str) -> datetime | None:
    """When the provider listed its documents last, also where it listed none; None where nobody has asked it yet."""
    listed = connection.execute(select(func.max(listed_invoice.c.listed_at)).where(listed_invoice.c.provider == provider_name)).scalar()
    if listed is not None:
        return listed
    asked = select(func.max(sync_run.c.started_at)).where(
        sync_run.c.provider == provider_name, sync_run.c.command.in_(COMMANDS), sync_run.c.status == "done"
    )
    return connection.execute(asked).scalar()


def _same():
    return and_(
        provider_invoice.c.provider == listed_invoice.c.provider,
        func.lower(provider_invoice.c.invoice_number) == func.lower(listed_invoice.c.invoice_number),
    )
