"""What did an import depend on? Its order: one landed document from which, with the landed files, the same rows can be made again.

An order lands before the transaction that carries it out, and counts only where the audit log names it by its fingerprint: a process that dies in
between leaves an order that nothing names. What the store knows of an attempt stands in `begun`; what its job decided, and why, in `job`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, insert, select

from w365core.errors import ConfigurationMissing
from w365core.store.landing import Landing
from w365core.store.tables import import_run, import_source, landed_answer, provider_invoice

PURPOSE = "import order"
FORM = 1  # of the document; another form is another number, and both are read

# What `ledger.begin` writes of an invoice: its header and how it stands while the attempt runs.
_BEGUN = (
    "provider_invoice_id", "provider", "invoice_number", "document_type", "amends_of", "invoice_type", "invoice_date", "period_start",
    "period_end", "currency", "header_total", "source", "override_tolerance", "override_reason", "state", "status_reason", "failure", "message", "attempts",
    "first_seen_at", "last_attempt_at", "import_run_id",
)  # fmt: skip
_RUN = ("import_run_id", "sync_run_id", "provider_invoice_id", "fingerprint", "status", "previous", "started_at")
_SOURCE = ("import_run_id", "ordinal", "feed", "name", "fingerprint", "form")


class Ending(StrEnum):
    """How an attempt ends. One that was overtaken died, and another began before anybody noticed."""

    PUBLISHED = "published"
    FAILED = "failed"
    ABANDONED = "abandoned"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True)
class Begun:
    """The rows that an attempt had written before it was decided, as text. `invoice` is None where another attempt has taken it over."""

    provider: str
    invoice_number: str
    invoice: dict[str, Any] | None
    run: dict[str, Any]
    sources: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    """What is to be done with an attempt, by whom and when. `message` is the invoice's, as it was said then."""

    begun: Begun
    ending: Ending
    actor: str
    at: datetime
    message: str
    failure: str | None = None
    populating: bool = False
    job: dict[str, Any] | None = None  # None where no line was ever rated
    form: int = FORM


def begun(connection: Connection, *, provider: str, invoice_number: str, import_run_id: int) -> Begun:
    """What the attempt has written so far, in the caller's transaction."""
    run = connection.execute(select(*(import_run.c[name] for name in _RUN)).where(import_run.c.import_run_id == import_run_id)).one()
    invoice = connection.execute(
        select(*(provider_invoice.c[name] for name in _BEGUN)).where(
            provider_invoice.c.provider_invoice_id == run.provider_invoice_id, provider_invoice.c.import_run_id == import_run_id
        )
    ).first()
    sources = connection.execute(
        select(*(import_source.c[name] for name in _SOURCE))
        .where(import_source.c.import_run_id == import_run_id)
        .order_by(import_source.c.ordinal)
    )
    stands = None if invoice is None else as_text(invoice._mapping)
    return Begun(provider, invoice_number, stands, as_text(run._mapping), [as_text(row._mapping) for row in sources])


def land(engine: Engine, landing: Landing, order: Order) -> str:
    """Lands the order, committed at once; returns the fingerprint that the audit log has to name."""
    content = msgspec.json.encode(order, order="deterministic")
    begun = order.begun
    return keep(
        engine, landing, content, purpose=PURPOSE, name=f"import run {begun.run['import_run_id']}", provider=begun.provider,
        invoice_number=begun.invoice_number, sync_run_id=begun.run["sync_run_id"], at=order.at,
    )  # fmt: skip


def keep(
    engine: Engine,
    landing: Landing,
    content: bytes,
    *,
    purpose: str,
    name: str,
    provider: str,
    invoice_number: str | None,
    sync_run_id: int | None,
    at: datetime,
    quickly: bool = False,
) -> str:
    """Lands a document of ours like an answer of the provider: its bytes first, then its row. `quickly` compresses less, for larger ones."""
    fingerprint = landing.adopt_content(content, quickly=quickly)
    row = {"provider": provider, "invoice_number": invoice_number, "sync_run_id": sync_run_id, "purpose": purpose, "url": name}
    with engine.begin() as connection:
        connection.execute(insert(landed_answer).values(**row, method="ORDER", fingerprint=fingerprint, size=len(content), received_at=at))
    return fingerprint


def read(landing: Landing, fingerprint: str) -> Order:
    """The order of that fingerprint. ConfigurationMissing where it is not in the landing, or not whole."""
    return msgspec.json.decode(content(landing, fingerprint), type=Order)


def content(landing: Landing, fingerprint: str) -> bytes:
    """The bytes of a landed document, proved by their fingerprint."""
    try:
        found = landing.read_answer(fingerprint)
    except (OSError, EOFError, ValueError):
        found = b""
    if hashlib.sha256(found).hexdigest() != fingerprint:
        raise ConfigurationMissing(
            f"{landing.path(fingerprint).with_suffix('.gz')} is missing or damaged; the ledger depends on it. Restore the landing folder from a backup."
        )
    return found


def as_text(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON can hold them, and as Postgres reads them back."""
    plain = (bool, int, dict, list)
    return {name: value if value is None or isinstance(value, plain) else str(value) for name, value in values.items()}
