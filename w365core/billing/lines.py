"""What stands on a usage invoice? One line per usage summary, and one of its own for what a minimum commitment adds or gives back.

A summary is the finest thing that is sold, rounded once; so a line says exactly what its usage sells for, and the sum needs no proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from w365core import money
from w365core.billing import cycles
from w365core.billing.commitments import Settled, settled
from w365core.billing.cycles import Cycle, Terms
from w365core.usage_invoice import Commitment, Contract, Line, Subscribed, Usage

_MOST_PLACES = 10  # of a unit price that people can read
_BEFORE_THE_CONTRACT = -1


@dataclass(frozen=True)
class Contents:
    """What an invoice holds: its lines, and the minimum commitments that it settles, also those that add nothing."""

    lines: tuple[Line, ...]
    commitments: tuple[Commitment, ...] = ()


def lines_of(contract: Contract, terms: Terms, own: Sequence[Usage], late: Sequence[Usage], *, currency: str) -> Contents:
    """The cycle's own usage, and at the end what comes late, the oldest cycle first; behind each subscription's usage of a cycle what its commitment adds."""
    made: list[Line] = []
    commitments: list[Commitment] = []
    groups: dict[tuple[bool, int, str], list[Usage]] = {}
    for is_late, usage in [*((False, one) for one in own), *((True, one) for one in late)]:
        groups.setdefault((is_late, _cycle_number(terms, usage), usage.subscription_id or ""), []).append(usage)
    for (is_late, number, subscription_id), mine in sorted(groups.items()):
        made += [_line(contract, usage, late=is_late) for usage in sorted(mine, key=_place)]
        if number == _BEFORE_THE_CONTRACT:
            continue
        of, subscription = cycles.cycle(terms, number), contract.subscriptions.get(subscription_id)
        found = settled(contract, terms, subscription, of, mine, currency=currency, late=is_late)
        if found is not None:
            commitments.append(found.commitment)
            made += [_top_up(subscription, of, found)] if found.commitment.top_up else []
    return Contents(tuple(_numbered(made)), tuple(commitments))


def is_worth_an_invoice(lines: Iterable[Line]) -> bool:
    """Whether any subscription has something to pay or to get back: usage that sums to nothing is no reason for an invoice."""
    sums: dict[str | None, Decimal] = {}
    for line in lines:
        sums[line.subscription_id] = money.EXACT.add(sums.get(line.subscription_id, money.ZERO), line.amount)
    return any(sums.values())


def _top_up(subscription: Subscribed | None, cycle: Cycle, found: Settled) -> Line:
    """The line of a commitment, which says how it comes to its amount."""
    one, named, when = found.commitment, _called(subscription, None), f"({cycle.start} to {cycle.last_day})"
    least, used, before = (f"{money.plain(amount)} {one.currency}" for amount in (one.committed, found.used, found.before))
    if not found.before:
        said = f"minimum commitment of {least}, less {used} of usage {when}"
    else:
        charged = "further top-up" if one.committed else "charged again, since no commitment is agreed any more,"
        what = "top-up given back" if one.top_up < 0 else charged
        said = f"{what} {when}: minimum commitment of {least}, usage of {used}, topped up by {before} before"
    return Line(0, one.subscription_id, f"{named}: {said}", one.top_up, money.ZERO)


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


def _cycle_number(terms: Terms, usage: Usage) -> int:
    """Of the cycle that it was used in."""
    return _BEFORE_THE_CONTRACT if cycles.is_before(terms, usage.day) else cycles.cycle_of(terms, usage.day).number


def _place(usage: Usage) -> tuple:
    return (str(usage.charge_start or ""), str(usage.charge_end or ""), usage.product or "", usage.provider_invoice_id, usage.usage_id)


def _numbered(lines: Sequence[Line]) -> list[Line]:
    return [replace(line, number=number) for number, line in enumerate(lines, 1)]
