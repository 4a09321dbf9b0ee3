"""Known differences, put into an estate on purpose: each is one subscription of its own, with what must be found of it.

A plant knows what was done and says what follows from it, seat by seat; nothing here looks at how a verdict is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from tests.truth import invoiced
from tests.truth.estates import Estate, Must, explained, settled
from tests.truth.histories import estate
from tests.truth.invoiced import Offer

DAY = timedelta(days=1)


def planted(seed: int) -> tuple[Estate, set[str]]:
    """The estate of the seed with every plant in it, and the rows that were planted."""
    made = estate(seed)
    natural = set(made.must)
    for plant in PLANTS:
        plant(made)
    return made, set(made.must) - natural


def _billed(made: Estate, *, ours: int, theirs: int, logs: int | None = None, **other: object) -> Offer:
    """A subscription with a long settled history of `logs` seats, `ours` on record and `theirs` charged."""
    offer = made.offer()
    if logs is not None:
        settled(made, offer, logs)
    made.subscribe(offer, ours, **other)
    made.lines.append(invoiced.cycle(made.chance, offer, theirs))
    return offer


def _worth(seats: int, offer: Offer) -> Decimal:
    return invoiced.coined(abs(seats) * offer.unit_cost, offer.currency)


def _selling(made: Estate) -> Decimal:
    last = made.subscriptions[-1]
    return last["selling_price"] / (12 if last["unit"] == "Annual" else 1)


def charged_twice(made: Estate) -> None:
    seats = made.chance.randrange(1, 9)
    offer = _billed(made, ours=seats, theirs=seats, logs=seats)
    made.lines.append(dict(made.lines[-1]))
    made.judge(
        offer,
        Must(
            "unexplained",
            residual=Decimal(seats),
            money=_worth(seats, offer),
            findings=("charged_twice",),
            traps=("double charge", "repeated lines"),
        ),
    )


def seats_that_we_have_not(made: Estate) -> None:
    more = made.chance.choice([-2, 1, 3])
    offer = _billed(made, ours=9, theirs=9 + more, logs=9)
    made.judge(offer, Must("unexplained", residual=Decimal(more), money=_worth(more, offer), traps=("provider only",)))


def three_against_two(made: Estate) -> None:
    """A pair twice, and its re-bill once more."""
    chance = made.chance
    offer = _billed(made, ours=8, theirs=5, logs=5)
    at = invoiced.moment(chance, offer.start + DAY * 6)
    made.log(offer, 3, at.date(), at.date())
    credit, rebill = invoiced.change(chance, offer, 5, 8, at)
    made.lines += [dict(one) for one in (credit, credit, rebill, rebill, rebill)]
    residual = 5 - 2 * 5 + 3 * 8 - 8
    made.judge(
        offer, Must("unexplained", residual=Decimal(residual), money=_worth(residual, offer), traps=("three against two", "repeated lines"))
    )


def credit_missing(made: Estate) -> None:
    """The new quantity was charged, and the old one was not given back."""
    chance = made.chance
    offer = _billed(made, ours=8, theirs=5, logs=5)
    at = invoiced.moment(chance, offer.start + DAY * 6)
    made.log(offer, 3, at.date(), at.date())
    made.lines.append(invoiced.change(chance, offer, 5, 8, at)[1])
    made.judge(offer, Must("unexplained", residual=Decimal(5), money=_worth(5, offer), traps=("credit missing",)))


def partly(made: Estate) -> None:
    """A change after the picture explains some of it."""
    offer = _billed(made, ours=7, theirs=14, logs=10)
    log = made.log(offer, -3, offer.start + DAY * 12, offer.start + DAY * 12)
    must = Must(
        "partly_explained", outside=frozenset({log["change_log_id"]}), residual=Decimal(4), money=_worth(4, offer), traps=("partly",)
    )
    made.judge(offer, must)


def log_missing(made: Estate) -> None:
    """Our quantity was changed and no log was written; the provider was never told."""
    offer = _billed(made, ours=12, theirs=9, logs=9)
    must = Must("change_log_mismatch", residual=Decimal(3), settles=False, money=_worth(3, offer), traps=("log missing",))
    made.judge(offer, must)


def log_missing_that_settles(made: Estate) -> None:
    """A log of long ago is missing, and a later change hides it: with the residual the picture is the provider's."""
    offer = _billed(made, ours=15, theirs=11, logs=8)
    made.log(offer, 4, offer.start + DAY * 12, offer.start + DAY * 12)
    must = Must("change_log_mismatch", residual=Decimal(3), settles=True, money=_worth(3, offer), traps=("log missing",))
    made.judge(offer, must)


def still_billed(made: Estate) -> None:
    """Suspended, by a log or without one. A window that starts after the log's day is charged after a cancellation."""
    chance, by_log = made.chance, made.chance.random() < 0.6
    offer = _billed(made, ours=6, theirs=6, logs=6 if by_log else None, suspended=True)
    back = chance.choice([0, 1, 9])
    if by_log:
        day = offer.start - DAY * back
        made.log(offer, -6, day, chance.choice([None, day + DAY * 40]), event="Deactivate")
    findings = ("billed_after_cancellation",) if by_log and back else ()
    made.judge(offer, Must("suspended_but_billed", money=made.lines[-1]["subtotal"], findings=findings, traps=("suspended",)))


def nobody_s(made: Estate) -> None:
    """No subscription of ours: two lines of one window, one of them a credit of something else."""
    chance, offer = made.chance, made.offer(known=False)
    made.lines += [invoiced.cycle(chance, offer, 6), invoiced.line(chance, offer, "customerCredit", 1, -1)]
    money = abs(made.lines[-1]["subtotal"] + made.lines[-2]["subtotal"])
    made.judge(offer, Must("no_subscription", price="price_unknown", money=money, traps=("null subscription", "GUID case")))


def not_on_it(made: Estate) -> None:
    offer = made.offer()
    made.subscribe(offer, 4, expected=True)
    must = Must("not_on_invoice", price="price_unknown", money=_worth(4, offer), traps=("missing subscription",))
    made.must[f"{offer.subscription_id}/not-on-invoice"] = must


def no_history(made: Estate) -> None:
    offer = _billed(made, ours=4, theirs=6)
    made.judge(offer, Must("not_reconcilable", money=made.lines[-1]["subtotal"], traps=("no logs",)))


def upgraded(made: Estate) -> None:
    chance = made.chance
    offer = _billed(made, ours=6, theirs=6, logs=6)
    at = invoiced.moment(chance, offer.start + DAY * 6)
    made.lines += [invoiced.line(chance, offer, "convert", 6, -1, at), invoiced.line(chance, offer, "convert", 8, 1, at)]
    money = abs(sum(line["subtotal"] for line in made.lines[-3:]))
    made.judge(offer, Must("not_reconcilable", money=money, traps=("convert",)))


def only_credit(made: Estate) -> None:
    chance, offer = made.chance, made.offer()
    settled(made, offer, 3)
    made.subscribe(offer, 3)
    made.lines.append(invoiced.line(chance, offer, chance.choice(["customerCredit", "somethingNew"]), 3, -1))
    money = made.lines[-1]["subtotal"].copy_abs()
    made.judge(offer, Must("not_reconcilable", price="price_unknown", money=money, traps=("only credit",)))


def undetermined(made: Estate) -> None:
    """There and back in one second, and ours is neither end."""
    chance, offer = made.chance, made.offer()
    settled(made, offer, 30)
    made.subscribe(offer, 30)
    at = invoiced.moment(chance, offer.start + DAY * 6)
    made.lines += invoiced.change(chance, offer, 5, 8, at) + invoiced.change(chance, offer, 8, 5, at)
    money = abs(sum(line["subtotal"] for line in made.lines[-4:]))
    made.judge(offer, Must("not_reconcilable", money=money, traps=("tie in order date",)))


def right_by_coincidence(made: Estate) -> None:
    """What was added later equals what the provider charges too much."""
    offer = _billed(made, ours=11, theirs=11, logs=9)
    made.log(offer, 2, offer.start + DAY * 15, offer.start + DAY * 15)
    made.judge(offer, Must("confirmed", changed_since=True, traps=("changed since",)))


def _later(made: Estate, trap: str, **said: object) -> None:
    """Three seats fewer after the picture, in whatever state."""
    offer = _billed(made, ours=6, theirs=9, logs=9)
    log = made.log(offer, -3, offer.start + DAY * 14, offer.start + DAY * 14, **said)
    money = Decimal(0) if trap == "invoiced" else invoiced.coined(3 * _selling(made), made.currency)
    made.judge(offer, explained([log], money=money, traps=(trap,)))


def later_invoiced(made: Estate) -> None:
    _later(made, "invoiced", provisioning_status="Provisioned", status_reason="Archived", invoice_number="INV-7")


def later_not_invoiced(made: Estate) -> None:
    _later(made, "not invoiced", provisioning_status="Provisioned", status_reason="Active", invoice_number=None)


def later_excluded(made: Estate) -> None:
    _later(made, "excluded", provisioning_status="Provisioned", status_reason="Archived", invoice_number=None)


def never_provisioned(made: Estate) -> None:
    _later(made, "gap", provisioning_status=made.chance.choice(["Awaiting Provisioning", "Failed Provisioning"]))


def sold_wrong(made: Estate) -> None:
    """One of each price verdict; the quantities are right."""
    cent = Decimal("0.01")
    told = {
        "below_cost": lambda cost: {"selling_price": cost - cent},
        "zero_margin": lambda cost: {"selling_price": cost},
        "cost_drift": lambda cost: {"cost_price": cost + made.chance.choice([-cent, cent])},
        "price_unknown": lambda cost: made.chance.choice([{"selling_price": None}, {"currency": "GBP"}]),
        "price_ok": lambda cost: made.chance.choice([{"cost_price": cost + cent / 2}, {"cost_price": None}]),
    }
    for price, wrong in told.items():
        offer = made.offer()
        settled(made, offer, 5)
        made.subscribe(
            offer, 5, **{"unit": "Monthly", "cost_price": offer.unit_cost, "selling_price": offer.unit_cost + 2, **wrong(offer.unit_cost)}
        )
        made.lines.append(invoiced.cycle(made.chance, offer, 5))
        made.judge(offer, Must("confirmed", price=price, money=Decimal(0), traps=(f"price {price}",)))


def amount_wrong(made: Estate) -> None:
    """A tenth more than the provider's own price and rounding give; the seats are right."""
    offer = _billed(made, ours=7, theirs=7, logs=7)
    made.lines[-1]["subtotal"] = made.lines[-1]["subtotal"] * Decimal("1.1")
    made.judge(offer, Must("confirmed", findings=("amount_off",), traps=("amount off",)))


def above_list(made: Estate) -> None:
    """The effective price is above the list price, and charged as such."""
    dear, offer = Decimal("1.25"), _billed(made, ours=7, theirs=7, logs=7)
    line = made.lines[-1]
    line["effective_unit_price"] = line["unit_price"] * dear
    line["subtotal"] = invoiced.rounded_down(line["effective_unit_price"] * line["exchange_rate"], offer.currency) * 7
    made.judge(offer, Must("confirmed", price=None, findings=("above_list",), traps=("above list",)))


PLANTS: tuple[Callable[[Estate], None], ...] = (
    *(
        charged_twice,
        seats_that_we_have_not,
        three_against_two,
        credit_missing,
        partly,
        log_missing,
        log_missing_that_settles,
        still_billed,
    ),
    *(nobody_s, not_on_it, no_history, upgraded, only_credit, undetermined, right_by_coincidence, later_invoiced, later_not_invoiced),
    *(later_excluded, never_provisioned, sold_wrong, amount_wrong, above_list),
)
