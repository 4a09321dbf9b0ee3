"""How does the provider print what it charges for seats? One line at a time, by the provider's own rules of proration and rounding.

License lines are rounded down per seat, in whole yen for JPY; quantities stay positive on credits; ids and charge types come in any letter case.
"""

from __future__ import annotations

import calendar
import random
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, localcontext

Row = dict[str, object]
EXACT = Context(prec=60)
PLACES = {"EUR": 2, "USD": 2, "JPY": 0}
SPELLINGS = {
    "new": ("new", "New"),
    "renew": ("renew", "Renew"),
    "cycleCharge": ("cycleCharge", "CycleCharge", "cyclecharge"),
    "addQuantity": ("addQuantity", "AddQuantity", "addquantity"),
    "removeQuantity": ("removeQuantity", "RemoveQuantity"),
    "cancelImmediate": ("cancelImmediate", "CancelImmediate"),
    "convert": ("convert", "Convert"),
    "customerCredit": ("customerCredit", "CustomerCredit"),
    "somethingNew": ("somethingNew", "walletTopUp"),
}


def months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def coined(amount: Decimal, currency: str) -> Decimal:
    """Half up to the smallest coin."""
    return amount.quantize(Decimal(1).scaleb(-PLACES[currency]), rounding=ROUND_HALF_UP)


def rounded_down(amount: Decimal, currency: str) -> Decimal:
    """Cut to the smallest coin."""
    return amount.quantize(Decimal(1).scaleb(-PLACES[currency]), rounding=ROUND_DOWN)


@dataclass(frozen=True)
class Offer:
    """What a subscription is sold as by the provider, and the window that the invoice charges."""

    subscription_id: str | None
    provider_subscription_id: str
    customer: str
    currency: str
    unit_price: Decimal  # per seat and window, in the pricing currency
    rate: Decimal
    start: date
    months: int

    @property
    def end(self) -> date:
        return months_later(self.start, self.months) - timedelta(days=1)

    @property
    def unit_cost(self) -> Decimal:
        """Per seat and month in the billing currency, at 4 places half up."""
        with localcontext(EXACT):
            return (self.unit_price * self.rate / self.months).quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)

    def from_day(self, day: date) -> Decimal:
        """The price of what is left of the window, with as many places as the provider prints."""
        left, whole = (self.end - day).days + 1, (self.end - self.start).days + 1
        with localcontext(EXACT):
            return (self.unit_price * left / whole).quantize(Decimal("0.000000000001"), rounding=ROUND_DOWN)

    def elsewhere(self, provider_subscription_id: str) -> Offer:
        return replace(self, provider_subscription_id=provider_subscription_id)


def line(
    chance: random.Random,
    offer: Offer,
    charge_type: str,
    seats: int,
    sign: int,
    at: datetime | None = None,
    window: tuple[date, date] | None = None,
) -> Row:
    """One line: `seats` for the whole window, or from the day of `at`; the amount with its sign."""
    start, end = window or (offer.start, offer.end)
    prorated = at is not None and charge_type not in ("new", "renew", "cycleCharge")
    price = offer.from_day(max(at.date(), offer.start)) if prorated else offer.unit_price
    with localcontext(EXACT):
        subtotal = rounded_down(price * offer.rate, offer.currency) * seats * sign
    counted = chance.choice(["both", "both", "quantity", "billable"])
    annual = offer.months == 12
    return {
        "subscription_id": offer.subscription_id,
        "account_id": "A-1" if offer.subscription_id else None,
        "provider_customer_id": chance.choice([offer.customer.upper(), offer.customer]),
        "customer_name": "Contoso",
        "provider_subscription_id": chance.choice([offer.provider_subscription_id.upper(), offer.provider_subscription_id]),
        "product_id": "CFQ7TTC0LH18",
        "product_name": "Business Premium",
        "charge_type": chance.choice(SPELLINGS[charge_type]),
        "order_date": at,
        "charge_start": start,
        "charge_end": end,
        "unit_price": offer.unit_price,
        "quantity": Decimal(seats + (2 if counted == "both" else 0)) if counted != "billable" else None,
        "billable_quantity": Decimal(seats) if counted != "quantity" else None,
        "effective_unit_price": price,
        "exchange_rate": offer.rate,
        "subtotal": subtotal,
        "currency": offer.currency,
        "term_and_billing_cycle": f"One-Year commitment for {'yearly' if annual else 'monthly'} billing",
        "billing_frequency": chance.choice([None, "", "Annual" if annual else "Monthly"]) or None,
    }


def cycle(chance: random.Random, offer: Offer, seats: int) -> Row:
    """What every cycle begins with. Some files print the order date of the purchase beside it."""
    return line(chance, offer, chance.choice(["new", "renew", "cycleCharge"]), seats, 1, chance.choice([None, moment(chance, offer.start)]))


def change(chance: random.Random, offer: Offer, old: int, new: int, at: datetime, window: tuple[date, date] | None = None) -> list[Row]:
    """A change of seats is two lines: the credit of the old quantity and the re-bill of the new one."""
    kind = "addQuantity" if new > old else "removeQuantity"
    return [line(chance, offer, kind, old, -1, at, window), line(chance, offer, kind, new, 1, at, window)]


def cancellation(chance: random.Random, offer: Offer, seats: int, at: datetime) -> Row:
    return line(chance, offer, "cancelImmediate", seats, -1, at)


def moment(chance: random.Random, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, chance.randrange(24), chance.randrange(60), chance.randrange(60))
