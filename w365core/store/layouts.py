"""How has a person said that a provider's files are read? Remembered by the fingerprint of their headers, each change in the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from w365core.dates import DateOrder
from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables import column_mapping, landed_answer

AS_RECEIVED = "detailed file"  # the purpose of a file of lines as the provider gave it, before its columns are named


@dataclass(frozen=True)
class Told:
    """What was said of a layout: header -> column of the plain file ("" for none), None where nobody has said anything; and the order of its dates."""

    mapping: dict[str, str] | None = None
    date_order: DateOrder | None = None


@dataclass(frozen=True)
class LandedFile:
    """A file of an invoice's lines, as received."""

    name: str
    fingerprint: str


def remembered(connection: Connection, *, provider: str, fingerprint: str) -> Told:
    """As last said."""
    query = select(column_mapping.c.mapping, column_mapping.c.date_order)
    found = connection.execute(query.where(column_mapping.c.provider == provider, column_mapping.c.headers == fingerprint)).one_or_none()
    return Told(found.mapping, found.date_order and DateOrder(found.date_order)) if found else Told()


def remember(connection: Connection, *, provider: str, fingerprint: str, told: Told, who: Who) -> None:
    """Keeps what was said, and who said it."""
    before = remembered(connection, provider=provider, fingerprint=fingerprint)
    values = {"mapping": told.mapping, "date_order": told.date_order, "said_by": who.actor, "said_at": who.now}
    statement = insert(column_mapping).values(provider=provider, headers=fingerprint, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["provider", "headers"], set_=values))
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action="map columns",
        target_kind="provider",
        target=provider,
        before=_shown(before) if before.mapping is not None else None,
        after=_shown(told) | {"headers": fingerprint[:16]},
    )


def _shown(told: Told) -> dict[str, Any]:
    return {"columns": told.mapping} | ({"date_order": str(told.date_order)} if told.date_order else {})


def files_received(connection: Connection, *, provider: str, invoice_number: str) -> list[LandedFile]:
    """The files of the invoice as received, the newest first, each content once."""
    query = (
        select(landed_answer.c.url, landed_answer.c.fingerprint)
        .where(
            landed_answer.c.provider == provider,
            func.lower(landed_answer.c.invoice_number) == invoice_number.lower(),
            landed_answer.c.purpose == AS_RECEIVED,
        )
        .order_by(landed_answer.c.landed_answer_id.desc())
    )
    newest: dict[str, LandedFile] = {}
    for name, fingerprint in connection.execute(query):
        newest.setdefault(fingerprint, LandedFile(name, fingerprint))
    return list(newest.values())
