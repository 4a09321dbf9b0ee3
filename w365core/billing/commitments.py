"""What does a minimum commitment add to an invoice? The larger of commitment and usage is billed, whatever number of invoices a cycle's usage comes on.

    settled(…)      what one invoice has to settle for a subscription and cycle, beside what others have
    agreed          the commitment of a whole cycle
    potentials      commitments of a cycle in which nothing was used
    not_compared    commitments that are agreed in another currency

A top-up is what is due beside all usage of the cycle that is billed, less what earlier invoices have topped up. So usage that comes late to a cycle
that was topped up takes its own part of that back, on the invoice that bills it; and a subscription's first usage of a cycle, however late, brings
its top-up with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from w365core import money
from w365core.billing import cycles
from w365core.billing.cycles import Cycle, Terms
from w365core.usage_invoice import Commitment, Contract, Line, Potential, Subscribed, Usage


@dataclass(frozen=True)
class Settled:
    """A commitment as this invoice settles it: `used` is all usage of the cycle on any invoice, `before` what other invoices have topped up."""

    commitment: Commitment
    used: Decimal
    before: Decimal


def settled(
    contract: Contract, terms: Terms, subscription: Subscribed | None, cycle: Cycle, billed: Sequence[Usage], *, currency: str, late: bool
) -> Settled | None:
    """What an invoice that bills this usage of the cycle settles; None where no commitment counts. `late`: the cycle has its invoice already, so what was
    agreed then counts; where that invoice was made elsewhere, its commitment was settled there."""
    if subscription is None:
        return None
    mine = subscription.subscription_id
    others = [one for one in contract.settled if one.subscription_id == mine and one.cycle_start == cycle.start]
    sold = [one for one in contract.sold if one.subscription_id == mine and is_of(terms, one.day, cycle)]
    if any(one.currency != currency for one in (*others, *sold)):
        return None
    least = (
        _agreed_then(contract, terms, subscription, cycle, others, bool(sold), currency) if late else agreed(subscription, cycle, currency)
    )
    if least is None and not others:
        return None
    used = money.total([*(one.amount for one in sold), *(one.selling_amount or money.ZERO for one in billed)])
    due = max(money.EXACT.subtract(least or money.ZERO, used), money.ZERO)
    before = money.total(one.top_up for one in others)
    return Settled(Commitment(mine, cycle.start, currency, least or money.ZERO, money.EXACT.subtract(due, before)), used, before)


def agreed(subscription: Subscribed, cycle: Cycle, currency: str) -> Decimal | None:
    """The commitment of the whole cycle, since it is agreed per month; None where there is none, or one in another currency: the two cannot be compared."""
    if not subscription.minimum_commitment or (subscription.currency or currency) != currency:
        return None
    return money.in_currency(money.EXACT.multiply(subscription.minimum_commitment, Decimal(cycle.months)), currency)


def is_of(terms: Terms, day: date, cycle: Cycle) -> bool:
    """Whether usage charged up to that day counts toward the cycle's commitment: what is from before the contract counts toward none."""
    return not cycles.is_before(terms, day) and cycles.cycle_of(terms, day).number == cycle.number


def not_compared(contract: Contract, lines: Iterable[Line], *, currency: str) -> list[Subscribed]:
    """Subscriptions on the invoice whose commitment is agreed in another currency than it is made in, so that nothing tops it up."""
    own = {line.subscription_id for line in lines if line.usage is not None and not line.late}
    found = (one for key, one in sorted(contract.subscriptions.items()) if key in own)
    return [one for one in found if one.minimum_commitment and (one.currency or currency) != currency]


def potentials(contract: Contract, cycle: Cycle, usage: Iterable[Usage], *, currency: str | None) -> tuple[Potential, ...]:
    """Commitments of subscriptions that ran in the cycle and have no usage in it at all."""
    used = {one.subscription_id for one in usage}
    idle = (one for key, one in sorted(contract.subscriptions.items()) if key not in used and _ran(one, cycle))
    return tuple(
        Potential(one.subscription_id, cycle.start, cycle.last_day, amount, code)
        for one in idle
        if (code := one.currency or currency) is not None and (amount := agreed(one, cycle, code)) is not None
    )


def _agreed_then(
    contract: Contract, terms: Terms, subscription: Subscribed, cycle: Cycle, others: Sequence[Commitment], has_sold: bool, currency: str
) -> Decimal | None:
    """What its own invoice has settled it by, else a later one; where none has and nothing of it was billed so far, what is agreed today."""
    own = [one for one in contract.invoices if is_of(terms, one.day, cycle)]
    if others:
        numbers = {one.invoice_number for one in own}
        return max(others, key=lambda one: (one.invoice_number in numbers, one.invoice_number)).committed
    if has_sold or not own or not all(one.made_here for one in own):
        return None
    return agreed(subscription, cycle, currency)


def _ran(subscription: Subscribed, cycle: Cycle) -> bool:
    starts_late = subscription.start_date is not None and subscription.start_date >= cycle.end
    ended_before = subscription.end_date is not None and subscription.end_date < cycle.start
    return (subscription.status or "Active") == "Active" and not starts_late and not ended_before
