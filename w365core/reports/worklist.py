"""What is wrong with an invoice, what is to be done next, and with which command?"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from w365core import money
from w365core.difference import TO_BE_AWAITED, TO_BE_FETCHED_AGAIN
from w365core.model import Failure, StatusReason
from w365core.reports import countdown, wording
from w365core.reports.provider_invoice import CHANGED, Invoice


@dataclass(frozen=True)
class Attention:
    """One invoice of the worklist: what is wrong in a sentence, what to do next, and the command for it where there is one.

    `timing` says how long it will still be tried, or how long it has waited, `short` the same in a few words; `badge` warns, where that is about to be too long or is.
    """

    invoice: Invoice
    difference: Decimal
    sentence: str
    next_step: str
    command: str | None
    timing: str
    short: str
    badge: str


def attention(subject: Invoice, *, now: datetime) -> Attention:
    """What is wrong with an invoice and what to do next."""
    sentence, step, command = _wrong(subject)
    left = countdown.of(subject, now=now)
    timing, short, badge = (left.sentence, left.short, left.badge) if left else (*_waited(subject, now), "")
    return Attention(subject, unexplained(subject), sentence, step, command, timing, short, badge)


def _waited(subject: Invoice, now: datetime) -> tuple[str, str]:
    """How long a complete one has waited for a person, whole and short."""
    if subject.status != StatusReason.POPULATING or subject.imported_at is None:
        return "", ""
    since = wording.age(subject.imported_at, now=now)
    if since == "just now":
        return "Complete just now; not billable until it is activated.", "complete just now"
    return f"Has waited {since} to be activated; not billable before.", f"has waited {since}"


def _wrong(subject: Invoice) -> tuple[str, str, str | None]:
    """The sentence, the next step and its command."""
    if subject.standing == CHANGED:
        return _changed(subject), "See line by line what is otherwise and whom it concerns, then take the new version.", _take(subject)
    if _unnamed(subject):
        named = f"python -m w365core provider map-columns {shlex.quote(subject.provider)} --invoice {shlex.quote(subject.number)}"
        return (
            subject.message.partition(". ")[0] + ".",
            "Open it and say which column is which; later files with the same headers know it.",
            named,
        )
    if subject.status == StatusReason.ERROR:
        return subject.message, *_after_failure(subject)
    if subject.status == StatusReason.POPULATING and subject.imported_at is None:
        return subject.message, "Wait for the import to end; if nothing runs any more, sync it again.", _sync(subject)
    if subject.status == StatusReason.POPULATING:
        return subject.message, "Look through its lines, then activate it.", _command(subject, "activate")
    return subject.message or _unsaid(subject), "Its lines are imported; look at the note before you bill them.", None


def _unsaid(subject: Invoice) -> str:
    """What makes an Active invoice doubtful where its import said nothing."""
    if subject.header_total is None:
        return "The provider gave no total, so its lines were held against nothing."
    if subject.lines_total is None:
        return "Its lines were never added up, so nobody knows whether they come to its total."
    return f"Its total is {wording.amount(subject.header_total, subject.currency)}: nothing was charged, or the provider has not published its lines yet."


def _unnamed(subject: Invoice) -> bool:
    """Whether its file is of a layout that nobody has named."""
    return subject.failure == Failure.INVALID_DATA and "map-columns" in subject.message


def unexplained(subject: Invoice) -> Decimal:
    """Header against lines; for a failed checksum the larger of that and of reconciled against daily-rated usage."""
    usage = money.ZERO
    if subject.failure == Failure.CHECKSUM_FAILED and subject.daily_rated_total is not None and subject.usage_total is not None:
        usage = money.EXACT.subtract(subject.usage_total, subject.daily_rated_total)
    return max(subject.difference or money.ZERO, usage, key=abs)


def _after_failure(subject: Invoice) -> tuple[str, str | None]:
    if subject.failure == Failure.UNRESOLVED_REFERENCES:
        return "See what is missing and the suggested fix, add that, then sync it again.", _sync(subject)
    if subject.waits_for_provider:
        return "Wait for the provider to publish the usage; the daily job tries again.", _sync(subject)
    if subject.failure == Failure.CHECKSUM_FAILED:
        override = money.override_for(unexplained(subject))
        if TO_BE_FETCHED_AGAIN & set(subject.proven_codes):
            return "Its cause is proven: sync it again, so that its lines are fetched anew; an override would keep what is wrong.", _sync(
                subject
            )
        if TO_BE_AWAITED & set(subject.proven_codes):
            return "Its cause is proven: the daily usage is not complete; the daily job tries again.", _sync(subject)
        if subject.proven_cause:
            return "Its cause is proven: see its lines on the invoice's page, and accept the difference there.", _sync(subject, override)
        return "Look for the difference in its lines; accept it with an override only once you know what it is.", _sync(subject, override)
    if subject.failure == Failure.INVALID_DATA:
        return "The provider's lines cannot be read: send the sentence to the provider's support, then sync again.", _sync(subject)
    return "Sync it again; if the provider still refuses, follow the sentence.", _sync(subject)


def _sync(subject: Invoice, override: Decimal | None = None) -> str:
    return _command(subject, "sync") + (f" --override-tolerance {override}" if override is not None else "")


def _take(subject: Invoice) -> str:
    return _command(subject, "take-new-version")


def _command(subject: Invoice, verb: str) -> str:
    provider = f"--provider {shlex.quote(subject.provider)} " if verb in ("sync", "take-new-version") else ""
    return f"python -m w365core {verb} {provider}--invoice {shlex.quote(subject.number)}"


def _changed(subject: Invoice) -> str:
    if subject.header_total_now is None:
        return "The provider has changed the lines of this invoice since it was imported; its total is the same."
    return (
        f"The provider has changed this invoice since it was imported: its total is {wording.amount(subject.header_total_now, subject.currency)} now, "
        f"it was {wording.amount(subject.header_total, subject.currency)}."
    )
