"""What will a step do to which money, before anybody takes it, and what did it do? One or two sentences each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core.model import StatusReason
from w365core.reports import countdown, wording
from w365core.reports.provider_invoice import BILLED, Invoice
from w365core.store import listings, stakes


@dataclass(frozen=True)
class Stake:
    """What hangs on an invoice: its usage summaries with what they cost and sell for, and how it would come back once it is deleted."""

    summaries: int
    invoiced: int
    without_markup: int
    cost: Decimal | None
    selling: Decimal | None
    returns: str


def load(connection: Connection, subject: Invoice, *, now: datetime) -> Stake:
    """What hangs on it now."""
    listed = listings.listed_as(connection, provider_name=subject.provider, invoice_number=subject.number)
    was_listed = listings.listed_last(connection, subject.provider) is not None
    returns = _returns(subject, is_listed=listed is not None or not was_listed, now=now)
    return build(stakes.usage_in_sum(connection, subject.id), returns=returns)


def build(summed: Mapping[str, Any], *, returns: str) -> Stake:
    """`summed` as `stakes.usage_in_sum` has it."""
    return Stake(**summed, returns=returns)


def before(action: str, subject: Invoice, stake: Stake) -> str:
    """What the step will do: activate, deactivate or delete."""
    if action == "activate":
        then = f" Its {wording.counted(subject.license_lines, 'license line')} will be reconciled then." if subject.license_lines else ""
        return _activates(subject, stake, "Makes") + then
    if action == "deactivate":
        return f"{_takes_out(subject, stake, 'Takes')}; its lines stay until it is synced again."
    return f"{_removes(subject, stake)} {stake.returns}"


def after(action: str, subject: Invoice, stake: Stake, *, job: int | None = None) -> str:
    """What it did; `job` is the reconciliation that it has queued."""
    name = f"Invoice {subject.number} of {subject.provider}"
    if action == "activate":
        lines = wording.counted(subject.license_lines, "license line")
        then = f" Reconciling its {lines} is queued as job {job}; the page Reconciliation has the outcome." if job else ""
        return f"{name} is Active. {_activates(subject, stake, 'Made')}{then}"
    if action == "deactivate":
        again = "Check its files again or upload others" if subject.source == "file" else "Sync it again"
        return f"{name} is Deactivated. {_takes_out(subject, stake, 'Took')}. {again} to have it back."
    return f"{name} is deleted here, with {_lines(subject)}; the provider's own is untouched. {stake.returns}"


# --- the sentences -----------------------------------------------------------------------------------------------------------------------


def _activates(subject: Invoice, stake: Stake, makes: str) -> str:
    total = wording.amount(subject.money, subject.currency)
    if not stake.summaries:
        return f"{makes} it Active with {total}; it has no usage to bill."
    usage = wording.counted(stake.summaries, "usage summary", "usage summaries")
    sells = f", sold for {wording.amount(stake.selling, subject.currency)}" if stake.selling is not None else ""
    lacking = f" {stake.without_markup:,} of them lack a markup and wait for one." if stake.without_markup else ""
    return (
        f"{makes} {usage} billable: {wording.amount(stake.cost, subject.currency)} of cost{sells}. The invoice comes to {total}.{lacking}"
    )


def _takes_out(subject: Invoice, stake: Stake, takes: str) -> str:
    total = wording.amount(subject.money, subject.currency)
    usage = f" and {wording.counted(stake.summaries, 'usage summary', 'usage summaries')}" if stake.summaries else ""
    if subject.status in BILLED:
        return f"{takes} {total}{usage} out of billing"
    return f"{takes} {total}{usage} off the list of what waits to be activated"


def _removes(subject: Invoice, stake: Stake) -> str:
    total, lines = wording.amount(subject.money, subject.currency), _lines(subject)
    if subject.status in BILLED:
        usage = f" and {wording.counted(stake.summaries, 'usage summary', 'usage summaries')}" if stake.summaries else ""
        return f"Takes {total}{usage} out of billing and removes the invoice with {lines} here; the provider's own is untouched."
    held = "a preview that was never imported" if subject.status == StatusReason.ERROR else "not billed"
    return f"Removes the invoice with {lines} here, {total}, {held}; the provider's own is untouched."


def _lines(subject: Invoice) -> str:
    return wording.counted(subject.license_lines + subject.usage_lines, "line")


def _returns(subject: Invoice, *, is_listed: bool, now: datetime) -> str:
    if subject.source == "file":
        return "It comes back only where its files are imported again."
    if not is_listed:
        return f"{subject.provider} does not list it any more, so it cannot be fetched again."
    left = countdown.from_first_sight(subject.first_seen_at, now=now)
    if left.is_over:
        return "The daily job leaves it alone then; a sync by hand brings it back."
    return f"While {subject.provider} lists it, the daily job brings it back until {wording.day(left.ends_on)}."
