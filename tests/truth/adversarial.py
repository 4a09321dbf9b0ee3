"""Lines and logs that no provider and no person would write: every mix of charge types, signs, ties, zero amounts and nulls, in few values, so that they collide."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

Row = dict[str, object]

CHARGES = (
    *(
        "new",
        "renew",
        "cycleCharge",
        "cycleCharge",
        "CycleCharge",
        "addQuantity",
        "addQuantity",
        "addQuantity",
        "removeQuantity",
        "removeQuantity",
    ),
    *("cancelImmediate", "convert", "customerCredit", "somethingNew", None),
)
START = date(2026, 3, 1)
WINDOWS = (
    (START, date(2026, 3, 31)),
    (START, date(2026, 5, 31)),
    (date(2026, 3, 9), date(2026, 3, 31)),
    (START, date(2027, 2, 28)),
    (START, None),
    (None, None),
)
MOMENTS = (None, datetime(2026, 3, 4, 9), datetime(2026, 3, 4, 9, 0, 1), datetime(2026, 3, 6), datetime(2026, 2, 27, 23))
TERMS = (None, "One-Year commitment for monthly billing", "One-Year commitment for yearly billing", "1 Year Subscription")


def subscriptions(seed: int, count: int, currency: str) -> tuple[list[Row], list[Row], list[Row]]:
    """Lines, subscriptions and change logs of so many subscriptions, and of customers without one."""
    chance = random.Random(f"adversarial {seed} {currency}")
    lines, ours, logs = [], [], []
    for number in range(count):
        name = f"{'0' * chance.randrange(2)}X{seed}-{number}"
        known = chance.random() < 0.95
        if known:
            ours.append(_subscription(chance, name, currency))
            ours[-1]["expected"] = ours[-1]["status"] == "Active" and bool(ours[-1]["quantity"]) and chance.random() < 0.5
            logs += _logs(chance, name, ours[-1])
        charges = chance.choice(
            [CHARGES, ("addQuantity", "removeQuantity"), ("addQuantity", "removeQuantity", "cancelImmediate"), ("cycleCharge",)]
        )
        windows = chance.sample(WINDOWS, chance.choice([1, 1, 2]))
        for _ in range(chance.choice([0, 1, 1, 2, 3, 4, 6])):
            lines.append(_line(chance, name if known else None, chance.choice(charges), chance.choice(windows), currency))
    for rows in (lines, ours, logs):
        chance.shuffle(rows)
    return [{**line, "line_number": number} for number, line in enumerate(lines, 1)], ours, logs


def _line(chance: random.Random, name: str | None, charge: str | None, window: tuple[date | None, date | None], currency: str) -> Row:
    seats = chance.choice([0, 1, 1, 2, Decimal("2.0"), 3, Decimal("2.5")])
    price = Decimal(chance.choice(["0", "10", "10", "30", "7.123456789"]))
    return {
        "subscription_id": name,
        "account_id": "A-1",
        "provider_customer_id": chance.choice(["C-1", "c-1", "C-2"]),
        "customer_name": "Contoso",
        "provider_subscription_id": chance.choice(["P-1", "p-1", "P-2"]),
        "product_id": "P",
        "product_name": "Product",
        "charge_type": charge,
        "order_date": chance.choice(MOMENTS[:1] + MOMENTS[1:3] * 2 + MOMENTS[3:]),
        "charge_start": window[0],
        "charge_end": window[1],
        "unit_price": chance.choice([None, price]),
        "quantity": chance.choice([Decimal(seats)] * 8 + [None]),
        "billable_quantity": chance.choice([None, Decimal(seats)]),
        "effective_unit_price": chance.choice([None, price, price]),
        "exchange_rate": chance.choice([None, Decimal(1), Decimal("0.923456789")]),
        "subtotal": Decimal(chance.choice(["0", "10", "-10", "10.01", "-0.01", "12345678901234567.89"])),
        "currency": currency,
        "term_and_billing_cycle": chance.choice(TERMS),
        "billing_frequency": chance.choice([None, None, "Monthly", "Annual", "NA"]),
    }


def _subscription(chance: random.Random, name: str, currency: str) -> Row:
    return {
        "subscription_id": name,
        "account_id": "A-1",
        "provider_subscription_id": "P-1",
        "product_id": "P",
        "name": "Product",
        "status": chance.choice(["Active", "Active", "Active", "Suspended"]),
        "quantity": chance.choice([None, *map(Decimal, (0, 1, 2, 2, 3, 3, 5))]),
        "cost_price": chance.choice([None, Decimal(10), Decimal("9.995"), Decimal("9.99")]),
        "selling_price": chance.choice([None, *map(Decimal, ("10", "12", "9.99", "120"))]),
        "currency": chance.choice([currency] * 5 + ["GBP", None]),
        "unit": chance.choice([None, "Monthly", "Annual"]),
        "prorate_unit": chance.choice([None, "Days", "Months"]),
        "frequency": chance.choice([None, "Monthly", "Quarterly", "Annual"]),
        "contract_start": chance.choice([None, date(2025, 1, 31)]),
        "expected": False,
        "provider_quantity_now": chance.choice([None, Decimal(2)]),
    }


def _logs(chance: random.Random, name: str, subscription: Row) -> list[Row]:
    """Small changes around the charge start. Half of the histories come to what is on record, so that the views are tried."""
    deltas = [Decimal(chance.choice([-2, -1, 0, 1, 1, 2])) for _ in range(chance.choice([0, 1, 2, 3, 5]))]
    now = Decimal(0) if subscription["status"] == "Suspended" else subscription["quantity"]
    if deltas and now is not None and chance.random() < 0.7:
        deltas.append(now - sum(deltas))
    days = [None, *(START + timedelta(days=by) for by in (-9, -3, -2, -1, 0, 0, 1, 2, 3, 5, 9))]
    return [
        {
            "change_log_id": f"{name}/{number}",
            "subscription_id": name,
            "event": chance.choice(["Create", "Update", "Update", "Activate", "Deactivate", None]),
            "quantity": delta if chance.random() < 0.95 else None,
            "effective_date": chance.choice(days),
            "provisioned_on": chance.choice([None, *days]),
            "provisioning_status": chance.choice(
                ["Provisioned", "Provisioned", "Not Applicable", "Awaiting Provisioning", "Failed Provisioning", None]
            ),
            "status_reason": chance.choice(["Active", "Active", "Archived", None]),
            "source": None,
            "initiated_by": None,
            "selling_price": chance.choice([None, None, *map(Decimal, ("9.99", "0", "7.123456789"))]),
            "currency": chance.choice([None, None, "EUR", "jpy", "GBP"]),
            "invoice_number": chance.choice([None, "INV-1"]),
        }
        for number, delta in enumerate(deltas)
    ]
