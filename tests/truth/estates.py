"""A customer invoice's world in the making: lines as the provider prints them, our subscriptions and change logs, and what must be said of each row.

The same seed gives the same estate. Nothing here looks at how a verdict is computed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from tests.truth.invoiced import Offer, Row

CURRENCIES = ("EUR", "USD", "JPY")


@dataclass(frozen=True)
class Must:
    """What must be said of one row. What is None is not fixed by the history."""

    verdict: str
    fit: str | None = None
    outside: frozenset[str] = frozenset()
    residual: Decimal | None = None
    settles: bool | None = None
    changed_since: bool = False
    price: str | None = "price_ok"
    money: Decimal | None = None
    findings: tuple[str, ...] = ()
    traps: tuple[str, ...] = ()


@dataclass
class Estate:
    """One customer invoice's world. `planted` is what was put in on purpose, by row."""

    seed: int
    chance: random.Random = field(init=False)
    lines: list[Row] = field(default_factory=list)
    subscriptions: list[Row] = field(default_factory=list)
    change_logs: list[Row] = field(default_factory=list)
    must: dict[str, Must] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    @property
    def currency(self) -> str:
        return CURRENCIES[self.seed % 3]

    @property
    def prefix(self) -> str:
        return f"{self.seed:04}"

    def offer(
        self, *, known: bool = True, free: bool = False, months: int | None = None, rate: Decimal | None = None, name: str | None = None
    ) -> Offer:
        """Something sold at a random price and rate, charged for a window that begins on any day of the month."""
        chance = self.chance
        months = months or chance.choice([1, 1, 1, 12])
        number = len(self.must) * 8 + len(self.subscriptions)
        name = name or f"{self.prefix}{number:05}"
        return Offer(
            subscription_id=name if known else None,
            provider_subscription_id=f"{name}-abcd-ef" if known else "",
            customer=f"c{name}-abcd-ef",
            currency=self.currency,
            unit_price=Decimal(0)
            if free
            else Decimal(chance.randrange(400, 30000)) / (1 if self.currency == "JPY" else 100) * (1 if months == 1 else 10),
            rate=rate or chance.choice([Decimal(1), Decimal(chance.randrange(500_000_000, 2_000_000_000)) / 10**9]),
            start=date(2026, chance.randrange(1, 8), chance.randrange(1, 29)),
            months=months,
        )

    def subscribe(self, offer: Offer, quantity: int, *, suspended: bool = False, expected: bool = False, **other: object) -> None:
        """Our record of it, sold with a margin and at the provider's own cost; of an annual product the prices are annual."""
        cost = offer.unit_cost
        annual = offer.months == 12 and self.chance.random() < 0.5
        by = 12 if annual else 1
        row = {
            "subscription_id": offer.subscription_id,
            "account_id": "A-1",
            "provider_subscription_id": offer.provider_subscription_id,
            "product_id": "P-1",
            "name": "Business Premium",
            "status": "Suspended" if suspended else "Active",
            "quantity": Decimal(quantity),
            "cost_price": cost * by,
            "selling_price": (cost + 1 + self.chance.randrange(5)) * by,
            "currency": offer.currency,
            "unit": "Annual" if annual else "Monthly",
            "prorate_unit": self.chance.choice(["Days", "Months"]),
            "frequency": "Monthly",
            "contract_start": date(2025, 1, 1),
            "expected": expected,
            "provider_quantity_now": None,
        }
        self.subscriptions.append({**row, **other})

    def log(self, offer: Offer, delta: int, effective: date | None, provisioned: date | None = None, **other: object) -> Row:
        """Our record of one change."""
        invoice = self.chance.choice([None, f"INV-{self.chance.randrange(99)}"])
        row = {
            "change_log_id": f"L{self.prefix}-{len(self.change_logs):05}",
            "subscription_id": offer.subscription_id,
            "event": "Update",
            "quantity": Decimal(delta),
            "effective_date": effective,
            "provisioned_on": provisioned,
            "provisioning_status": self.chance.choice(["Provisioned", "Not Applicable"]),
            "status_reason": self.chance.choice(["Active", "Active", "Archived"]),
            "source": "Portal",
            "initiated_by": "Kim",
            "selling_price": None,
            "currency": offer.currency,
            "invoice_number": invoice,
        }
        self.change_logs.append({**row, **other})
        return self.change_logs[-1]

    def judge(self, offer: Offer, must: Must, *, window: tuple[date, date] | None = None) -> None:
        start, end = window or (offer.start, offer.end)
        more = [
            *(("JPY",) if offer.currency == "JPY" else ()),
            *(("annual term",) if offer.months == 12 else ()),
            *(("exchange rate",) if offer.rate != 1 else ()),
        ]
        name = offer.subscription_id or f"customer:{offer.customer}"
        self.must[f"{name}/{start}/{end}"] = Must(**{**vars(must), "traps": (*must.traps, *more)})


def said_of(log: list[Row]) -> str:
    """What an explanation by these logs is called: by the weakest of them."""
    if any(one["provisioning_status"] in ("Awaiting Provisioning", "Failed Provisioning") for one in log):
        return "provisioning_gap"
    unbilled = [one for one in log if one["invoice_number"] is None]
    if any(one["status_reason"] == "Archived" for one in unbilled):
        return "excluded"
    return "explained_not_invoiced" if unbilled else "explained_invoiced"


def explained(logs: list[Row], *, fit: str = "snapshot", **other: object) -> Must:
    return Must(said_of(logs), fit=fit, outside=frozenset(log["change_log_id"] for log in logs), **other)


def settled(made: Estate, offer: Offer, seats: int) -> Row:
    """A history of one log, long ago."""
    return made.log(offer, seats, date(2025, 3, 1), date(2025, 3, 1), event="Create")
