"""Which files belong to an invoice: received for it from its provider or by hand, and attached to it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, exists, func, select

from w365core.store.tables import import_source, invoice_attachment, landed_answer, provider_invoice

_OURS = "ORDER"  # documents of our own that lie beside what was received


def received(connection: Connection, provider_invoice_id: int, *, most: int = 500) -> list[Mapping[str, Any]]:
    """What was received, latest first: purpose, name, when, size in bytes, fingerprint, and whether the present lines were `read` from it."""
    read = exists().where(
        import_source.c.import_run_id == provider_invoice.c.import_run_id, import_source.c.fingerprint == landed_answer.c.fingerprint
    )
    names = ("landed_answer_id", "purpose", "method", "url", "http_status", "received_at", "size", "fingerprint")
    query = (
        select(*(landed_answer.c[name] for name in names), read.label("read"))
        .join(
            provider_invoice,
            (provider_invoice.c.provider == landed_answer.c.provider)
            & (provider_invoice.c.invoice_number == landed_answer.c.invoice_number),
        )
        .where(provider_invoice.c.provider_invoice_id == provider_invoice_id, landed_answer.c.method != _OURS)
        .order_by(landed_answer.c.landed_answer_id.desc())
        .limit(most)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def attached(connection: Connection, provider_invoice_id: int) -> list[Mapping[str, Any]]:
    """The attached files by name, with their size in bytes."""
    query = (
        select(invoice_attachment.c.name, func.length(invoice_attachment.c.content).label("size"))
        .where(invoice_attachment.c.provider_invoice_id == provider_invoice_id)
        .order_by(invoice_attachment.c.name)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def content(connection: Connection, provider_invoice_id: int, name: str) -> bytes | None:
    """An attached file's bytes, or None where there is none of that name."""
    query = select(invoice_attachment.c.content).where(
        invoice_attachment.c.provider_invoice_id == provider_invoice_id, invoice_attachment.c.name == name
    )
    return connection.execute(query).scalar_one_or_none()
