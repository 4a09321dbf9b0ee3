"""What does a new run change in what people decided? A difference that the provider has paid back is closed, and a sign-off ends where rows are open again.

A credit comes on a later invoice than the difference that it is for, so that its run closes rows of earlier invoices too. What somebody opens again stays
open until there is another run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.errors import AlreadyRunning
from w365core.jobs.context import Context
from w365core.reconciliation import ReviewState
from w365core.store import across_months, reconciliation_reviews as reviews, reconciliations as runs
from w365core.store.ledger import Who
from w365core.store.reconciliation_reviews import Chosen

CREDIT = "the provider's credit"  # who accepts what it has paid back


def after_run(context: Context, *, provider: str, invoice_number: str, run_id: int) -> None:
    """Settles the invoice of a new run, while its caller holds it alone, and the earlier ones that its credits are for; one that is being reconciled right
    now settles itself."""
    with context.engine.connect() as connection:
        earlier = across_months.credited(connection, run_id)
    _settle(context, provider, invoice_number, None)
    for number, lines in earlier.items():
        try:
            with runs.alone(context.engine, provider=provider, invoice_number=number):
                _settle(context, provider, number, lines)
        except AlreadyRunning:
            continue


def _settle(context: Context, provider: str, invoice_number: str, lines: Sequence[str] | None) -> None:
    """Closes what is paid back, of these rows or of all; opens what a credit had closed that is there no longer; then looks at the sign-off."""
    named = {"provider": provider, "invoice_number": invoice_number}
    who = Who(CREDIT, context.now)
    with context.engine.begin() as connection:
        run = runs.latest(connection, **named)
        if run is None:
            return
        candidates = across_months.repayable(connection, run.reconciliation_id) if lines is None else lines
        closed = reviews.decided_by(connection, run.reconciliation_id, CREDIT)
        history = (
            across_months.of_run(connection, run.reconciliation_id, lines=sorted({*candidates, *closed})) if candidates or closed else {}
        )
        paid = {line: _reason(said, run.currency) for line, said in history.items() if said["is_closed"]}
        still = (
            {row["line_id"] for row in reviews.chosen(connection, run.reconciliation_id, Chosen(paid, states=[ReviewState.OPEN]))}
            if paid
            else set()
        )
        for line in sorted(still):
            reviews.decide(connection, run.reconciliation_id, [line], state=ReviewState.ACCEPTED, reason=paid[line], who=who)
        again = [line for line in closed if line not in paid]
        gone = "The credit that had paid it back is not there any more."
        reviews.decide(connection, run.reconciliation_id, again, state=ReviewState.OPEN, reason=gone, who=who)
        _seal(connection, named, run.reconciliation_id, "accept reconciliation lines", sorted(still), who)
        _seal(connection, named, run.reconciliation_id, "reopen reconciliation lines", again, who)
        left = reviews.open_of(connection, run.reconciliation_id).rows
        if left:
            rows = "1 row is" if left == 1 else f"{left:,} rows are"
            reviews.end_sign_off(connection, **named, reason=f"Reconciled with other inputs, {rows} open", who=context.who)


def _reason(said: Mapping[str, Any], currency: str) -> str:
    amount = money.half_up(said["repaid"], places=money.minor_units(currency))
    return f"Paid back by the provider on {', '.join(said['repaid_by'])}: {amount:,f} {currency}."


def _seal(connection: Connection, named: Mapping[str, str], run_id: int, action: str, lines: Collection[str], who: Who) -> None:
    if lines:
        after = {"reconciliation_id": run_id, "rows": len(lines), "line_ids": list(lines)}
        reviews.sealed(connection, **named, action=action, reason="by the provider's credit", after=after, who=who)
