"""Do the license change logs hold together, and how is one mended that does not? A door for pages and the command line.

A mending log is a record made here: it makes the changes of a subscription come to what the subscription says, and `export-records` hands it on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Engine

from w365core import money
from w365core.errors import CallRefused
from w365core.jobs.permitting import acts
from w365core.reports import wording
from w365core.store import change_log_checks as store
from w365core.store.change_log_checks import Mending
from w365core.store.engine import guarded
from w365core.store.ledger import Who

__all__ = ["Mended", "Mending", "check", "mend"]
_LONGEST = 500


@dataclass(frozen=True)
class Mended:
    """The log that was added, or would be."""

    log: Mending
    dry_run: bool

    @property
    def sentence(self) -> str:
        log = self.log
        price = "no selling price" if log.selling_price is None else f"{wording.amount(log.selling_price, log.currency or '')} each"
        day = f"{log.effective_date} ({log.because})" if log.because else f"{log.effective_date}"
        what = f"{log.event} of {money.trimmed(log.quantity):+,f} for {log.subscription_id}, effective {day}, {log.status_reason}, {' '.join(price.split())}"
        return f"Would add {what}." if self.dry_run else f"Added {log.change_log_id}: {what}. `export-records` hands it on."


def check(connection: Connection, *, today: date) -> dict[str, list[dict[str, Any]]]:
    """The four checks."""
    return store.check(connection, today=today)


@acts("mend change logs")
def mend(
    engine: Engine,
    subscription_id: str,
    *,
    reason: str | None,
    actor: str,
    now: datetime,
    effective_date: date | None = None,
    archived: bool = False,
    dry_run: bool = False,
) -> Mended:
    """Adds the log that mends the subscription's mismatch, or says which with `dry_run`. `archived`: it is never to be billed. CallRefused without a reason,
    or where there is nothing to mend."""
    said = " ".join((reason or "").split())
    if not said and not dry_run:
        raise CallRefused("A mending log stays in the books: say why with --reason TEXT.")
    if len(said) > _LONGEST or not said.isprintable():
        raise CallRefused(f"The reason is plain text of at most {_LONGEST} characters.")
    with guarded(), engine.begin() as connection:
        ours = store.hold(connection, subscription_id.strip())
        if ours is None:
            raise CallRefused(f"There is no subscription {subscription_id} of ours; `change-logs check` lists those that do not add up.")
        log = store.mending(connection, ours, today=now.date())
        if log is None:
            raise CallRefused(f"The change logs of {ours} come to what it says already; there is nothing to mend.")
        if effective_date is not None and effective_date != log.effective_date:
            log = replace(log, effective_date=effective_date, because="")
        log = replace(log, status_reason="Archived" if archived else log.status_reason)
        if not dry_run:
            log = replace(log, change_log_id=store.add(connection, log, reason=said, who=Who(actor, now)))
    return Mended(log, dry_run)
