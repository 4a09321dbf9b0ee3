"""What is a provider invoice to the pages? One row of the store with what people call its standing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core.model import Failure, StatusReason
from w365core.store import queries

CHANGED = "Changed"
WARNING = "Warning"
BILLED = (StatusReason.ACTIVE, "Active Usage")
HELD_UP = (StatusReason.ERROR, StatusReason.POPULATING)


@dataclass(frozen=True)
class Invoice:
    """One provider invoice as the pages show it. `standing` is its status, or what an Active one has besides: Changed, Warning."""

    id: int
    provider: str
    number: str
    type: str
    date: date | None
    period_start: date | None
    period_end: date | None
    currency: str
    status: str
    standing: str
    failure: str | None
    message: str
    source: str
    header_total: Decimal | None
    header_total_now: Decimal | None
    lines_total: Decimal | None
    difference: Decimal | None
    tolerance: Decimal | None
    license_total: Decimal | None
    usage_total: Decimal | None
    tax_total: Decimal | None
    rounding: Decimal | None
    overridden: Decimal | None
    daily_rated_total: Decimal | None
    license_lines: int
    usage_lines: int
    version: int
    attempts: int
    import_run_id: int | None
    first_seen_at: datetime
    last_attempt_at: datetime | None
    imported_at: datetime | None
    proven_cause: str | None = None
    is_explained: bool = False
    proven_codes: tuple[str, ...] = ()

    @property
    def money(self) -> Decimal | None:
        """What it is about: the header, or where the provider gave none, its lines."""
        return self.lines_total if self.header_total is None else self.header_total

    @property
    def is_held_up(self) -> bool:
        return self.status in HELD_UP

    @property
    def waits_for_provider(self) -> bool:
        """Whether its sums cannot agree yet, because the provider has not published its usage."""
        return self.failure == Failure.CHECKSUM_FAILED and "not published" in self.message


def named(connection: Connection, *, provider: str, number: str) -> Invoice | None:
    """The invoice of that number, compared without regard to case; None where it is not here."""
    row = queries.provider_invoice_named(connection, provider=provider, number=number)
    return None if row is None else invoice(row)


def invoice(row: Mapping[str, Any]) -> Invoice:
    """A row of the store as the noun of the pages."""
    renamed = {"id": "provider_invoice_id", "number": "invoice_number", "date": "invoice_date", "status": "status_reason"}
    values = {
        name: row[renamed.get(name, name)]
        for name in Invoice.__dataclass_fields__
        if name not in ("type", "standing", "is_explained", "proven_codes")
    }
    kind = row["document_type"] if row["document_type"] != "invoice" else row["invoice_type"] or "invoice"
    return Invoice(
        **values,
        type=kind.replace("_", " "),
        standing=standing(row),
        is_explained=row["explanation"] is not None,
        proven_codes=_proven(row),
    )


def _proven(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The codes of what is proven of its difference."""
    return tuple(one["code"] for one in (row["explanation"] or {}).get("hypotheses", ()) if one["proven"])


def standing(row: Mapping[str, Any]) -> str:
    """The status reason; of an Active one Changed, or Warning where it says something, comes to nothing, or was never held against its lines."""
    if row["status_reason"] not in BILLED:
        return row["status_reason"]
    if row["changed_at_provider"]:
        return CHANGED
    return WARNING if row["message"] or not row["header_total"] or row["lines_total"] is None else row["status_reason"]
