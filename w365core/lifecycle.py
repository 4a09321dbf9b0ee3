"""How does a provider invoice live? Every state it can be in and every step from one to another, who takes it and what guards it: the one table.

The store refuses what the table does not allow, the page draws it, and a test walks it. A reason None is an invoice that is not here: not yet, or
no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from w365core.model import InvoiceState, StatusReason

RETRY_DAYS = 15  # a failed invoice is tried again by itself this long after it was first seen, that day included
LATE_DAYS = 3  # so many days before the end it is said that the time runs out
COMPARED_MONTHS = 3  # Active invoices of so many months are compared with what the provider says today

_STATES = {
    StatusReason.POPULATING: InvoiceState.ACTIVE,
    StatusReason.ACTIVE: InvoiceState.ACTIVE,
    StatusReason.ERROR: InvoiceState.INACTIVE,
    StatusReason.DEACTIVATED: InvoiceState.INACTIVE,
}


@dataclass(frozen=True)
class Step:
    """One way from some status reasons to another. `by` is who takes it, `guard` what has to hold, in the words that the page draws."""

    action: str
    before: tuple[StatusReason | None, ...]
    after: StatusReason | None
    by: str
    guard: str


_POPULATING, _ACTIVE, _ERROR, _DEACTIVATED = StatusReason.POPULATING, StatusReason.ACTIVE, StatusReason.ERROR, StatusReason.DEACTIVATED

STEPS = (
    Step("import", (None,), _POPULATING, "daily job or person", "listed in the provider's latest month, named by a person, or handed in as files"),
    Step("import", (_ERROR,), _POPULATING, "daily job or person", f"the daily job inside {RETRY_DAYS} days of first sight, a person at any time"),
    Step("import", (_DEACTIVATED,), _POPULATING, "person", "a person asks for it"),
    Step("import", (_POPULATING,), _POPULATING, "person", "no other import of it is running"),
    Step("publish", (_POPULATING,), _ACTIVE, "import", "every reference resolves and the sums agree within the tolerance"),
    Step("await activation", (_POPULATING,), _POPULATING, "import", "the same, of a manual provider: a person has to look first"),
    Step("fail", (_POPULATING,), _ERROR, "import", "something is missing or does not add up; nothing of it is kept but a preview"),
    Step("activate", (_POPULATING,), _ACTIVE, "person", "its import is complete"),
    Step("notice change", (_ACTIVE,), _ACTIVE, "daily job", f"the provider says otherwise now, within {COMPARED_MONTHS} months; the stored one stays"),
    Step("deactivate", (_ACTIVE, _POPULATING), _DEACTIVATED, "person", "none of its usage is invoiced"),
    Step("delete", (_ACTIVE, _POPULATING, _ERROR, _DEACTIVATED), None, "person", "none of its usage is invoiced, and no import of it is running"),
)  # fmt: skip


def allows(action: str, reason: str | None) -> bool:
    """Whether the table has that step from there; "Active Usage" counts as Active."""
    return any(step.action == action and _known(reason) in step.before for step in STEPS)


def actions_from(reason: str | None) -> tuple[Step, ...]:
    """The steps that a person may take from there, in the table's order."""
    return tuple(step for step in STEPS if "person" in step.by and _known(reason) in step.before)


def state_of(reason: StatusReason) -> InvoiceState:
    """The state that goes with a status reason."""
    return _STATES[reason]


def last_retry(first_seen_at: datetime) -> date:
    """The last day (UTC) on which a failed or deleted invoice is fetched by itself."""
    return (first_seen_at.astimezone(UTC) + timedelta(days=RETRY_DAYS)).date()


def window_closed(first_seen_at: datetime, now: datetime) -> bool:
    """Whether the daily job leaves a failed or deleted invoice to a person by now."""
    return now.astimezone(UTC).date() > last_retry(first_seen_at)


def compared_since(today: date) -> date:
    """The invoice date from which on Active invoices are compared with the provider's: the same day three months ago, or the last one of that month."""
    months = today.year * 12 + today.month - 1 - COMPARED_MONTHS
    last_of_month = (date(months // 12 + (months % 12 == 11), (months + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(months // 12, months % 12 + 1, min(today.day, last_of_month))


def _known(reason: str | None) -> StatusReason | None:
    return None if reason is None else StatusReason.ACTIVE if reason == "Active Usage" else StatusReason(reason)
