"""How is the day set on which a contract is invoiced next? A door for pages and for the command line.

Only the day moves: cycles follow from the contract's start and frequency. `bill` moves it on with each invoice, `unbill` back.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import Engine

from w365core.errors import CallRefused
from w365core.jobs.permitting import acts
from w365core.store import contracts as store, supplying
from w365core.store.engine import guarded
from w365core.store.ledger import Who

__all__ = ["UNSEEN", "set_invoice_date"]

FURTHEST = timedelta(days=800)  # an annual contract's day after the next one
UNSEEN = date.min  # nobody looked at the day before
_LONGEST = 500


@acts("set invoice date")
def set_invoice_date(
    engine: Engine,
    contract_id: str,
    day: date,
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
    seen: date | None = UNSEEN,
) -> tuple[str, date | None, bool]:
    """Returns the contract's id, the day it had before, and whether that changed anything. CallRefused where the day makes no sense, or where somebody
    has changed it since it was `seen`."""
    said = " ".join((reason or "").split())
    if len(said) > _LONGEST or not said.isprintable():
        raise CallRefused(f"The reason is plain text of at most {_LONGEST} characters.")
    with guarded(), engine.begin() as connection:
        supplying.one_by_one(connection)  # before any row's lock: a load takes them in this order
        contract = store.locked(connection, contract_id)
        if contract is None:
            raise CallRefused(f"There is no contract {contract_id.strip()[:60]!r}; `contract list` shows them.")
        before = contract["next_invoice_date"]
        if seen != UNSEEN and before != seen:
            now_is = before.isoformat() if before else "blank"
            by = store.dated_by(connection, contract["contract_id"], before)
            raise CallRefused(
                f"The invoice date of {contract['contract_id']} was changed to {now_is}{f' by {by}' if by else ''} meanwhile; look at it again."
            )
        if contract["start_date"] is not None and day < contract["start_date"]:
            raise CallRefused(f"{contract['contract_id']} starts on {contract['start_date']}; it cannot be invoiced on {day}.")
        if abs(day - now.date()) > FURTHEST:
            raise CallRefused(f"{day} is more than two years from today, {now.date()}; see that the year is right.")
        if before == day:
            return contract["contract_id"], before, False
        store.save_invoice_date(connection, contract["contract_id"], before=before, after=day, reason=said or None, who=Who(actor, now))
        return contract["contract_id"], before, True
