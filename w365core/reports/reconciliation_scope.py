"""Which invoices is a reconciliation about? One, or all of a month; what there is to choose from, and which of them has no run yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from w365core.model import StatusReason
from w365core.reports import verdict_words, wording
from w365core.store import reconciled

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Scope:
    """`known` are all invoices that can be chosen, `chosen` those that are, the newest first. `month` is theirs, None where there is none."""

    known: tuple[Row, ...]
    chosen: tuple[Row, ...]
    month: str | None
    is_one: bool  # an invoice was chosen, or the month has but one

    @property
    def reconciled(self) -> tuple[Row, ...]:
        return tuple(one for one in self.chosen if one["reconciliation_id"] is not None and one["status_reason"] != StatusReason.ERROR)

    @property
    def waiting(self) -> tuple[Row, ...]:
        """Chosen ones without a run, which could have one."""
        return tuple(one for one in self.chosen if one["reconciliation_id"] is None and one["status_reason"] != StatusReason.ERROR)

    @property
    def runs(self) -> tuple[int, ...]:
        return tuple(one["reconciliation_id"] for one in self.reconciled)

    @property
    def currencies(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one["currency"] for one in self.chosen))

    @property
    def invoice(self) -> Row | None:
        """The one invoice, where it is one."""
        return self.chosen[0] if self.is_one and self.chosen else None

    @property
    def months(self) -> dict[str, str]:
        """2026-11 -> Nov 2026, the newest first."""
        return {month_of(one): wording.month(month_of(one)) for one in self.known}

    @property
    def of_month(self) -> dict[int, str]:
        """The invoices of the chosen month by id, as a choice reads them."""
        return {one["provider_invoice_id"]: _choice(one) for one in self.known if month_of(one) == self.month}

    def of_run(self, run: int) -> Row | None:
        return next((one for one in self.chosen if one["reconciliation_id"] == run), None)

    def provider_of(self, run: int) -> str:
        """What people call the provider of a run's invoice."""
        found = self.of_run(run)
        return "The provider" if found is None else verdict_words.provider_called(found["provider"], found["provider_type"])

    @property
    def failed(self) -> tuple[Row, ...]:
        """Chosen ones in Error: nothing of them is kept before they are imported."""
        return tuple(one for one in self.chosen if one["status_reason"] == StatusReason.ERROR)


def load(connection: Connection, *, invoice_id: int | None, month: str | None) -> Scope:
    """The chosen invoices; without a choice those of the newest month that has a run, else of the newest."""
    return build(reconciled.invoices(connection), invoice_id=invoice_id, month=month)


def build(known: Sequence[Row], *, invoice_id: int | None, month: str | None) -> Scope:
    """`known` as the store gives them, the newest first."""
    one = [row for row in known if row["provider_invoice_id"] == invoice_id]
    if one:
        return Scope(tuple(known), tuple(one), month_of(one[0]), True)
    months = [month_of(row) for row in known]
    if month not in months:
        run = [month_of(row) for row in known if row["reconciliation_id"] is not None]
        month = run[0] if run else months[0] if months else None
    chosen = tuple(row for row in known if month_of(row) == month)
    return Scope(tuple(known), chosen, month, len(chosen) == 1)


def month_of(row: Row) -> str:
    return f"{row['invoice_date']:%Y-%m}"


def period(scope: Scope) -> tuple[Any, Any]:
    """The days that the chosen invoices are about: their billing period, else the calendar month before the invoice date; nulls without invoices."""
    starts, ends = [], []
    for one in scope.chosen:
        last = one["invoice_date"].replace(day=1) - timedelta(days=1)
        starts.append(one["period_start"] or last.replace(day=1))
        ends.append(one["period_end"] or last)
    return (min(starts), max(ends)) if starts else (None, None)


def _choice(one: Row) -> str:
    signed = ", signed off" if one["signed_at"] else "" if one["reconciliation_id"] is not None else ", not reconciled yet"
    return f"{one['invoice_number']} · {one['provider']} · {wording.amount(one['header_total'], one['currency'])}{signed}"


def sign_offs(connection: Connection, one: Row) -> list[str]:
    """Every sign-off of an invoice as a sentence, the latest first."""
    found = []
    for row in reconciled.sign_offs(connection, provider=one["provider"], invoice_number=one["invoice_number"]):
        said = f"Signed off by {row['actor']} on {wording.zoned(row['at'])}{': ' + row['note'] if row['note'] else ''}."
        if row["reopened_at"]:
            said += f" Opened again by {row['reopened_by']} on {wording.zoned(row['reopened_at'])}: {row['reopened_because'] or 'no reason given'}."
        found.append(said)
    return found


def change_logs(connection: Connection) -> int:
    """How many license change logs there are at all."""
    return reconciled.count_change_logs(connection)
