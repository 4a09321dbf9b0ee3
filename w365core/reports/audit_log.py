"""Who did what, when and why, and what was it before and after? Entries of the audit log as a table, and whether the log holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from w365core.frames import Kind
from w365core.reports import wording
from w365core.reports.tables import Column, Table, moment
from w365core.store import audit, audit_entries
from w365core.store.audit import Verified
from w365core.store.audit_entries import Wanted

__all__ = ["AuditLog", "Verified", "Wanted", "every", "load", "said", "verify"]

MOST = 50
_LONGEST = 60
_COLUMNS = (
    Column("audit_id", "No.", Kind.WHOLE, width=55),
    moment("at", "When (UTC)", width=125),
    Column("actor", "Who", width=120),
    Column("action", "Did", width=150),
    Column("target", "To what", Kind.ID, width=190),
    Column("changed", "Before → after", width=300),
    Column("reason", "Why", width=220),
    Column("target_kind", "Kind of that", shown=False),
    Column("before", "Before", shown=False),
    Column("after", "After", shown=False),
    Column("hash", "Seal", shown=False),
)

_FOR_MACHINES = (
    "order",
    "document",
    "fingerprint",
    "version",
    "import_run_id",
    "provider_invoice_id",
    "subject",
)  # not for a cell; the open entry has them
_VALUE_COLUMNS = (Column("name", "Value", width=200), Column("before", "Before", width=420), Column("after", "After", width=420))


@dataclass(frozen=True)
class AuditLog:
    """A page of entries, the newest first; `next` is where the following begins, None on the last. `total` counts all that are wanted."""

    table: Table
    next: int | None
    total: int
    entries: Sequence[Mapping[str, Any]]


def load(connection: Connection, wanted: Wanted, *, before: int | None = None, most: int = MOST) -> AuditLog:
    """As the log is now."""
    found = audit_entries.page(connection, wanted, most=most + 1, before=before)
    return build(found, total=audit_entries.count(connection, wanted), most=most)


def build(found: Sequence[Mapping[str, Any]], *, total: int, most: int) -> AuditLog:
    """Out of one entry more than are shown."""
    shown = found[:most]
    next_one = shown[-1]["audit_id"] if len(found) > most else None
    return AuditLog(Table("audit log", _COLUMNS, [_row(one) for one in shown]), next_one, total, shown)


def values_table(row: Mapping[str, Any]) -> Table:
    """Every value of one entry of the table, before and after."""
    return Table(f"entry {row['audit_id']}", _VALUE_COLUMNS, row["values"])


def every(connection: Connection, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
    """All that are wanted, as rows of the table, for a file."""
    return (_row(one) for one in audit_entries.every(connection, wanted))


def choices(connection: Connection) -> dict[str, list[str]]:
    """What can be filtered by."""
    return audit_entries.choices(connection)


def verify(connection: Connection, *, known: tuple[int, str] | None = None) -> Verified:
    """Whether every row is as it was sealed, and none is missing."""
    return audit.verify(connection, known=known)


def said(found: Verified) -> str:
    """The same in a sentence; a broken link names the row."""
    if found.broken is not None:
        return (
            f"The log is broken at entry {found.broken:,}: {found.why}. The {wording.counted(found.rows, 'entry', 'entries')} before it hold. "
            "Somebody with the database's own rights has changed it: compare with a backup."
        )
    if not found.rows:
        return "The log is empty, so there is nothing to verify."
    return f"{wording.counted(found.rows, 'entry', 'entries')} hold: none was changed, removed or put in between. The last is of {wording.zoned(found.last_at)}."


def differences(entry: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What is not the same after as before: name, before, after; blank where there was or is nothing."""
    before, after = entry["before"] or {}, entry["after"] or {}
    names = [*before, *(name for name in after if name not in before)]
    return [
        (name, text(before.get(name)), text(after.get(name))) for name in names if before.get(name) != after.get(name) or name not in after
    ]


def text(value: Any) -> str:
    """A value of the log as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return wording.moment(value)
    if isinstance(value, list):
        return ", ".join(text(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {text(one)}" for name, one in value.items())
    return str(value)


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: text(entry[name]) or None for name in ("before", "after")}
    changes = differences(entry)
    telling = [one for one in changes if one[0] not in _FOR_MACHINES] or changes
    values = [{"name": name.replace("_", " "), "before": before, "after": after} for name, before, after in changes]
    return {
        **entry,
        **told,
        "changed": "; ".join(_change(*one) for one in telling),
        "values": values,
    }


def _change(name: str, before: str, after: str) -> str:
    label = name.replace("_", " ")
    if not before:
        return f"{label}: {_short(after) or 'nothing'}"
    return f"{label}: {_short(before)} → {_short(after) or 'nothing'}"


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
