"""What was decided of an attempt, on what grounds, and how is it carried out? The same for an import and for its replay.

An import lands the order first and then carries it out; a rebuild reads the order, rates the landed files again, compares, and carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection

from w365core import difference
from w365core.difference import Explanation
from w365core.intake.checksum import Claim, Decision, decide
from w365core.intake.resolve import References
from w365core.jobs.context import Context
from w365core.jobs.rating import Whole
from w365core.model import Failure, MissingReference, StatusReason
from w365core.store import ledger, orders
from w365core.store.ledger import Attempt, Who
from w365core.store.orders import Ending, Order

_AMOUNTS = (
    "header_total", "license_total", "usage_total", "tax_total", "rounding", "overridden", "lines_total", "difference", "tolerance",
    "daily_rated_total", "license_lines", "usage_lines",
)  # fmt: skip


@dataclass(frozen=True)
class Grounds:
    """Why it was decided so: the claim, of our records those that the lines refer to, and what came of it."""

    claim: Claim
    references: References
    decision: Decision
    missing: tuple[MissingReference, ...] = ()  # with the suggestions that were made then
    explanation: Explanation | None = None  # what a difference was found to be made of then


def judged(claim: Claim, whole: Whole) -> Decision:
    """The decision on rated lines."""
    return decide(claim, whole.totals, whole.missing, whole.problems, held_up=whole.held_up, breadth=whole.breadth)


def decided(context: Context, connection: Connection, attempt: Attempt, grounds: Grounds, *, message: str, populating: bool) -> Order:
    """The order for an attempt whose lines were rated."""
    failed = grounds.decision.status is StatusReason.ERROR
    ending = Ending.FAILED if failed else Ending.PUBLISHED
    order = _order(context, connection, attempt, ending, message=message, failure=grounds.decision.failure)
    return replace(order, populating=populating, job=msgspec.to_builtins(grounds, order="deterministic"))


def undecided(context: Context, connection: Connection, attempt: Attempt, *, failure: Failure, message: str) -> Order:
    """The order for an attempt whose lines could not be had or read at all."""
    return _order(context, connection, attempt, Ending.FAILED, message=message, failure=failure)


def grounds_of(order: Order) -> Grounds | None:
    """The grounds that an order states; None where no line was rated."""
    return None if order.job is None else msgspec.convert(order.job, Grounds)


def land(context: Context, order: Order) -> str:
    """Lands the order; returns its fingerprint."""
    return orders.land(context.engine, context.landing, order)


def carry_out(
    connection: Connection, attempt: Attempt, order: Order, *, fingerprint: str, grounds: Grounds | None, whole: Whole | None
) -> None:
    """Does what the order says in the caller's transaction, and has the log name it by its fingerprint."""
    who = Who(order.actor, order.at)
    if order.ending is Ending.OVERTAKEN:
        ledger.abandon(connection, attempt, who=who, order=fingerprint)
    elif order.ending is Ending.ABANDONED:
        ledger.break_off(connection, attempt, who=who, order=fingerprint)
    elif order.ending is Ending.FAILED:
        ledger.fail(
            connection,
            attempt,
            failure=Failure(order.failure),
            message=order.message,
            outcome=_outcome(grounds, whole) if grounds else {},
            missing=grounds.missing if grounds else (),
            fingerprint=order.begun.run["fingerprint"] if grounds else None,
            who=who,
            keep_stage=grounds is not None,
            order=fingerprint,
        )
    else:
        ledger.publish(
            connection,
            attempt,
            outcome=_outcome(grounds, whole) | {"message": order.message},
            summaries=whole.summaries,
            missing=grounds.missing,
            fingerprint=order.begun.run["fingerprint"],
            who=who,
            populating=order.populating,
            order=fingerprint,
        )


def amounts(decision: Decision) -> dict:
    """What the invoice's row says of its lines."""
    return {name: getattr(decision, name) for name in _AMOUNTS} | {"failures": [str(failure) for failure in decision.failures] or None}


def _outcome(grounds: Grounds, whole: Whole) -> dict:
    """The same with what a difference is made of, and whom and which days the lines are for."""
    found = grounds.explanation
    told = (
        {"explanation": None, "proven_cause": None}
        if found is None
        else {"explanation": difference.as_dict(found), "proven_cause": found.cause}
    )
    breadth = whole.breadth
    return amounts(grounds.decision) | told | {"customers": breadth.customers, "usage_days": breadth.usage_days}


def _order(context: Context, connection: Connection, attempt: Attempt, ending: Ending, *, message: str, failure: Failure | None) -> Order:
    with connection.begin():
        begun = orders.begun(
            connection, provider=attempt.provider, invoice_number=attempt.invoice_number, import_run_id=attempt.import_run_id
        )
    return Order(begun, ending, context.actor, context.now, message, failure)
