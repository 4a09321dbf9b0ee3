"""Which files belong to an invoice? What is attached to it, made when it is taken, and what was received for it.

errors.csv holds what blocks the import, warnings.csv what is billed as a write-in; both are the missing references as they are now, each with what
would supply it in columns of their own. differences.csv holds what does not add up, biggest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from w365core import difference
from w365core.errors import CallRefused
from w365core.frames import Kind
from w365core.reports import differences, export, wording
from w365core.reports.fixes import ATTACHED_COLUMNS, attached_row
from w365core.reports.line_columns import MISSING_COLUMNS
from w365core.reports.provider_invoice import Invoice
from w365core.reports.tables import Column, Table, moment
from w365core.store import differences as store_differences, queries, received

ERRORS, WARNINGS, DIFFERENCES = "errors.csv", "warnings.csv", "differences.csv"
_PURPOSES = {"reconciliation": "Invoice lines", "daily_rated": "Daily usage", "plain": "Lines by hand"}
_SHORT = 12  # characters of a fingerprint that people compare by eye
_COLUMNS = (*(column for column in MISSING_COLUMNS if column.name != "blocking"), *ATTACHED_COLUMNS)

RECEIVED_COLUMNS = (
    moment("received_at", "Received (UTC)", width=130),
    Column("what", "What", width=105),
    Column("how", "How", width=75),
    Column("name", "Name", width=330),
    Column("size", "Bytes", Kind.WHOLE, width=85),
    Column("read", "Read for its lines", Kind.FLAG, width=125, help="Whether the lines shown here were read from it"),
    Column("short", "Fingerprint", Kind.ID, width=120, help="The first 12 characters of its SHA-256"),
    Column("fingerprint", "SHA-256", Kind.ID, shown=False),
)


@dataclass(frozen=True)
class Attached:
    """A file to take; `note` says how much is in it."""

    name: str
    note: str


def attached(connection: Connection, invoice: Invoice) -> tuple[Attached, ...]:
    """The files of the missing references where there are any, then what is stored; a stored file of the same name takes the place of ours."""
    stored = {row["name"]: Attached(row["name"], f"{row['size']:,} bytes") for row in received.attached(connection, invoice.id)}
    blocking = [row["blocking"] for row in queries.missing_references(connection, provider_invoice_id=invoice.id)]
    made = {
        name: Attached(name, wording.counted(rows, "row"))
        for name, rows in ((ERRORS, sum(blocking)), (WARNINGS, len(blocking) - sum(blocking)))
        if rows
    }
    if invoice.is_explained:
        made[DIFFERENCES] = Attached(DIFFERENCES, "what does not add up, biggest first")
    return tuple((made | stored).values())


def content(connection: Connection, invoice: Invoice, name: str, *, missing: Sequence[Mapping[str, Any]] | None = None) -> bytes:
    """One attached file; `missing` are the missing references with their fixes, where the caller has them. CallRefused where the file has gone since
    it was offered."""
    stored = received.content(connection, invoice.id, name)
    if stored is not None:
        return stored
    if name == DIFFERENCES and invoice.is_explained:
        return _differences(connection, invoice)
    if name not in (ERRORS, WARNINGS):
        raise CallRefused(f"{name} is not attached to {invoice.number} any more; open the invoice again to see what is.")
    rows = queries.missing_references(connection, provider_invoice_id=invoice.id) if missing is None else missing
    return export.csv_bytes(_COLUMNS, (attached_row(row) for row in rows if row["blocking"] == (name == ERRORS)))


def _differences(connection: Connection, invoice: Invoice) -> bytes:
    row = queries.provider_invoice_by_id(connection, invoice.id)
    found, lines = difference.from_dict(row["explanation"]), store_differences.lines_of(connection, invoice.id)
    return differences.csv_of(connection, lines, found, currency=invoice.currency)


def received_files(connection: Connection, invoice: Invoice) -> Table:
    """Every answer with lines and every file by hand, latest first."""
    rows = [
        {
            **row,
            "what": _PURPOSES.get(row["purpose"], row["purpose"].replace("_", " ")),
            "how": "by hand" if row["method"] == "FILE" else "synced",
            "name": row["url"],
            "short": row["fingerprint"][:_SHORT],
        }
        for row in received.received(connection, invoice.id)
    ]
    return Table(f"{invoice.number} received files", RECEIVED_COLUMNS, rows)
