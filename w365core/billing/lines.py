"""What stands on a usage invoice? One line per usage summary, and a top-up of its own where a subscription used less than it has committed to.

A summary is the finest thing that is sold, rounded once; so a line says exactly what its usage sells for, and the sum needs no proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from w365core import money
from w365core.billing.cycles import Cycle
from w365core.usage_invoice import Contract, Line, Potential, Subscribed, Usage

_MOST_PLACES = 10  # of a unit price that people can read


def lines_of(contract: Contract, cycle: Cycle, own: Sequence[Usage], late: Sequence[Usage], *, currency: str) -> tuple[Line, ...]:
    """The cycle's own usage, each subscription's top-up behind it, and at the end what comes late, the oldest first."""
    made: list[Line] = []
    for subscription_id in sorted({usage.subscription_id or "" for usage in own}):
        mine = sorted((usage for usage in own if (usage.subscription_id or "") == subscription_id), key=_place)
        made += [_line(contract, usage, late=False) for usage in mine]
        made += _top_up(contract.subscriptions.get(subscription_id), cycle, mine, currency)
    made += [
        _line(contract, usage, late=True)
        for usage in sorted(late, key=lambda usage: (usage.day, usage.subscription_id or "", *_place(usage)))
    ]
    return tuple(_numbered(made))


def is_worth_an_invoice(lines: Iterable[Line]) -> bool:
    """Whether any subscription has something to pay or to get back: usage that sums to nothing is no reason for an invoice."""
    sums: dict[str | None, Decimal] = {}
    for line in lines:
        sums[line.subscription_id] = money.EXACT.add(sums.get(line.subscription_id, money.ZERO), line.amount)
    return any(sums.values())


def not_compared(contract: Contract, lines: Iterable[Line], *, currency: str) -> list[Subscribed]:
    """Subscriptions on the invoice whose commitment is agreed in another currency than it is made in, so that nothing tops it up."""
    own = {line.subscription_id for line in lines if line.usage is not None and not line.late}
    found = (one for key, one in sorted(contract.subscriptions.items()) if key in own)
    return [one for one in found if one.minimum_commitment and (one.currency or currency) != currency]


def potentials(contract: Contract, cycle: Cycle, usage: Iterable[Usage], *, currency: str | None) -> tuple[Potential, ...]:
    """Commitments of subscriptions that ran in the cycle and have no usage in it at all."""
    used = {one.subscription_id for one in usage}
    idle = (one for key, one in sorted(contract.subscriptions.items()) if key not in used and _ran(one, cycle) and one.minimum_commitment)
    return tuple(
        Potential(one.subscription_id, cycle.start, cycle.last_day, committed(one, cycle, code), code)
        for one in idle
        if (code := one.currency or currency) is not None
    )


def committed(subscription: Subscribed, cycle: Cycle, currency: str) -> Decimal:
    """The commitment of the whole cycle: it is agreed per month."""
    return money.in_currency(money.EXACT.multiply(subscription.minimum_commitment or money.ZERO, Decimal(cycle.months)), currency)


def _top_up(subscription: Subscribed | None, cycle: Cycle, used: Sequence[Usage], currency: str) -> list[Line]:
    """The rest of the commitment; none where it is agreed in another currency, since the two cannot be compared."""
    if subscription is None or not subscription.minimum_commitment or (subscription.currency or currency) != currency:
        return []
    least, sold = committed(subscription, cycle, currency), money.total(usage.selling_amount or money.ZERO for usage in used)
    rest = money.EXACT.subtract(least, sold)
    if rest <= 0:
        return []
    said = f"{_called(subscription, None)}: minimum commitment of {money.plain(least)} {currency}, less {money.plain(sold)} {currency} of usage"
    return [Line(0, subscription.subscription_id, f"{said} ({cycle.start} to {cycle.last_day})", rest, money.ZERO)]


def _line(contract: Contract, usage: Usage, *, late: bool) -> Line:
    subscription = contract.subscriptions.get(usage.subscription_id or "")
    when = f"late: charged {usage.window}" if late else usage.window
    amount = usage.selling_amount if usage.selling_amount is not None else money.ZERO
    return Line(
        0, usage.subscription_id, f"{_called(subscription, usage)} ({when})", amount, usage.cost, quantity=usage.quantity,
        unit_price=_unit_price(amount, usage.quantity, usage.currency), usage=usage, late=late,
    )  # fmt: skip


def _called(subscription: Subscribed | None, usage: Usage | None) -> str:
    """What the customer knows it by: our product, else as a write-in the subscription's own name; and what the provider calls what was used."""
    name = (subscription.product or subscription.name or subscription.subscription_id) if subscription else None
    printed = " ".join((usage.product or "").split()) if usage else None
    if printed and (name is None or printed.casefold() != name.casefold()):
        return f"{name}, {printed}" if name else printed
    return name or "Usage"


def _unit_price(amount: Decimal, quantity: Decimal, currency: str) -> Decimal | None:
    """The price of one where it comes out even; None where it would have to be rounded."""
    if not quantity:
        return None
    price = money.half_up(money.EXACT.divide(amount, quantity), places=_MOST_PLACES)
    return money.trimmed(price, least=money.minor_units(currency)) if money.EXACT.multiply(price, quantity) == amount else None


def _ran(subscription: Subscribed, cycle: Cycle) -> bool:
    starts_late = subscription.start_date is not None and subscription.start_date >= cycle.end
    ended_before = subscription.end_date is not None and subscription.end_date < cycle.start
    return (subscription.status or "Active") == "Active" and not starts_late and not ended_before


def _place(usage: Usage) -> tuple:
    return (str(usage.charge_start or ""), str(usage.charge_end or ""), usage.product or "", usage.provider_invoice_id, usage.usage_id)


def _numbered(lines: Sequence[Line]) -> list[Line]:
    return [replace(line, number=number) for number, line in enumerate(lines, 1)]
