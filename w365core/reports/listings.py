"""What does a provider list, what is there of it here, and what would a sync do with each? The Sync dialog's table, and that of `list-invoices`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core.dates import month_of
from w365core.frames import Kind
from w365core.lifecycle import COMPARED_MONTHS
from w365core.model import StatusReason
from w365core.reports import countdown, wording
from w365core.reports.provider_invoice import BILLED, CHANGED, standing
from w365core.reports.tables import Column, Table, amount, day
from w365core.store import listings

ABSENT, DELETED = "Not here", "Deleted"


@dataclass(frozen=True)
class Listed:
    """A document as the provider lists it. `here` is its standing with us; `sync` is what a person's sync would do, `daily` what the daily job does."""

    number: str
    date: date
    type: str
    currency: str
    total: Decimal | None
    here: str
    sync: str
    daily: str
    refused: bool
    invoice_id: int | None


@dataclass(frozen=True)
class Listing:
    """What a provider listed last; `at` is None where nobody has asked it yet."""

    provider: str
    at: datetime | None
    rows: tuple[Listed, ...]
    table: Table


COLUMNS = (
    Column("standing", "Here", width=112),
    Column("number", "Number", Kind.ID, width=128),
    day("date", "Date", width=88),
    Column("type", "Type", width=90),
    amount("total", "Total", width=104),
    Column("currency", "Currency", width=70),
    Column("sync", "A sync", width=190),
    Column("daily", "The daily job", width=220),
)


def load(connection: Connection, provider_name: str, *, now: datetime) -> Listing:
    """The provider's documents, the newest first."""
    rows = listings.of_provider(connection, provider_name)
    return build(provider_name, rows, at=listings.listed_last(connection, provider_name), now=now)


def listed_last(connection: Connection, provider_name: str, *, now: datetime) -> str:
    """When it was asked last, as a sentence."""
    at = listings.listed_last(connection, provider_name)
    if at is None:
        return f"Nobody has asked {provider_name} yet what it lists."
    since = wording.age(at, now=now)
    return f"As {provider_name} listed them {since if since == 'just now' else f'{since} ago'}, the newest first."


def build(provider_name: str, rows: Sequence[Mapping[str, Any]], *, at: datetime | None, now: datetime) -> Listing:
    """`rows` as `store.listings` gives them."""
    latest = max((month_of(row["invoice_date"]) for row in rows), default=None)
    listed = tuple(_listed(row, latest=latest, now=now) for row in rows)
    cells = [{**vars(one), "standing": one.here} for one in listed]
    return Listing(provider_name, at, listed, Table(f"{provider_name} listed invoices", COLUMNS, cells))


def _listed(row: Mapping[str, Any], *, latest: Any, now: datetime) -> Listed:
    here = _here(row)
    kind = row["document_type"] if row["document_type"] != "invoice" else row["invoice_type"] or "invoice"
    is_latest = month_of(row["invoice_date"]) == latest
    return Listed(
        number=row["invoice_number"],
        date=row["invoice_date"],
        type=kind.replace("_", " "),
        currency=row["currency"],
        total=row["total"],
        here=here,
        sync=_sync(row, here),
        daily=_daily(row, is_latest=is_latest, now=now),
        refused=row["status_reason"] in BILLED,
        invoice_id=row["provider_invoice_id"],
    )


def _here(row: Mapping[str, Any]) -> str:
    """The standing here. A total that is otherwise than the one imported is a change, whether or not the daily job has noticed it."""
    if row["provider_invoice_id"] is None:
        return DELETED if row["deleted_at"] else ABSENT
    return CHANGED if row["status_reason"] in BILLED and _differs(row) else standing(row)


def _differs(row: Mapping[str, Any]) -> bool:
    return row["source"] == "synced" and row["total"] is not None and row["total"] != row["header_total"]


def _sync(row: Mapping[str, Any], here: str) -> str:
    reason = row["status_reason"]
    if reason is None:
        return "imports it"
    if reason in BILLED:
        return "refused: deactivate it first"
    if row["source"] == "file":
        return "checks its files again"
    return {StatusReason.ERROR: "tries it again", StatusReason.DEACTIVATED: "imports it again"}.get(
        reason, "is importing it, or tries again"
    )


def _daily(row: Mapping[str, Any], *, is_latest: bool, now: datetime) -> str:
    reason = row["status_reason"]
    if reason is None and row["deleted_at"]:
        left = countdown.from_first_sight(row["deleted_first_seen_at"], now=now)
        return "leaves it: its days are over" if left.is_over else f"brings it back until {wording.day(left.ends_on)}"
    if reason is None:
        return "imports it" if is_latest else "leaves it: not its latest month"
    if reason == StatusReason.ERROR and row["source"] == "synced":
        left = countdown.from_first_sight(row["first_seen_at"], now=now)
        return "leaves it: its days are over" if left.is_over else f"tries until {wording.day(left.ends_on)}"
    if reason in BILLED and row["source"] == "synced" and _is_compared(row["invoice_date"], now.date()):
        return "compares it"
    return "leaves it"


def _is_compared(invoiced: date, today: date) -> bool:
    return (today.year - invoiced.year) * 12 + today.month - invoiced.month < COMPARED_MONTHS
