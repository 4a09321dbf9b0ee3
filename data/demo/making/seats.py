"""Seat subscriptions: what was bought and changed when, and how the provider charges a month of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from making.catalogue import PRODUCTS, Product
from making.world import CUSTOMERS, MONTHS, Customer, code, down, guid, half_up, month_end, next_month, random, rate_of, times, window

_TERMS = {
    "P1Y": ("One-Year commitment for monthly billing", "Monthly"),
    "P1M": ("One-Month commitment for monthly billing", "Monthly"),
    "P1Y upfront": ("One-Year commitment for yearly billing", "Annual"),
}
_BELOW_COST_CUSTOMER = 12


@dataclass(frozen=True)
class Change:
    """Seats more or less from a day on. `charged` is how the provider charges it: a pair of lines, or the next cycle line alone.

    `known` tells whether the provider has it; `log` is what became of our change log: billed, open, excluded, unpriced or absent.
    """

    day: date
    seats: int
    charged: str = "pair"
    known: bool = True
    log: str = "billed"
    provisioning: str = "Provisioned"


@dataclass(frozen=True)
class Seat:
    """One seat subscription. `recorded` is our quantity where somebody typed another than the logs give."""

    number: int
    customer: Customer
    product: Product
    term: str
    start: date
    initial: int
    changes: tuple[Change, ...] = ()
    cancelled: date | None = None
    suspended: date | None = None
    recorded: int | None = None

    @property
    def identifier(self) -> str:
        return guid(f"seat {self.number}")

    @property
    def record(self) -> str:
        """Our own id; those from number 901 on are not Microsoft's."""
        return f"{'M' if self.number > 900 else 'S'}-{self.number:05}"

    @property
    def pricing_currency(self) -> str:
        return self.product.pricing or self.customer.currency

    @property
    def unit_price(self) -> Decimal:
        """List price a seat and month, in the pricing currency; a year up front is priced by the year."""
        if self.term == "P1Y upfront":
            return self.product.price * 12
        usd = Decimal("1.08") if self.pricing_currency == "USD" and not self.product.pricing else Decimal(1)
        month_by_month = Decimal("1.20") if self.term == "P1M" else Decimal(1)
        return half_up(times(self.product.price, usd, month_by_month))

    @property
    def cost(self) -> Decimal | None:
        """Our cost a seat and month; unknown where the exchange rate moves it every month."""
        if self.pricing_currency != self.customer.currency:
            return None
        return self.unit_price / 12 if self.term == "P1Y upfront" else self.unit_price

    @property
    def selling(self) -> Decimal:
        """Our price a seat and month."""
        margin = Decimal("0.95") if self.customer.number == _BELOW_COST_CUSTOMER else Decimal(112 + self.number % 4 * 4).scaleb(-2)
        return half_up(times(self.cost or self.unit_price, margin))

    def at_provider(self, day: date) -> int:
        """Seats the provider holds at the end of the day."""
        return self.initial + sum(change.seats for change in self.changes if change.known and change.day <= day)

    def in_records(self) -> int:
        if self.suspended or self.cancelled:
            return 0
        return self.initial + sum(change.seats for change in self.changes) if self.recorded is None else self.recorded


def lines(seat: Seat, month: date) -> list[dict[str, object]]:
    """The reconciliation lines of one seat subscription on the documents of a month, without the document's number."""
    return [*_cycle(seat, month), *_pairs(seat, month), *_cancellation(seat, month)]


def _cycle(seat: Seat, month: date) -> list[dict[str, object]]:
    start = month.replace(day=seat.start.day)
    if start < seat.start or (seat.cancelled and start > seat.cancelled):
        return []
    if seat.term == "P1Y upfront":
        if start != seat.start:
            return []
        end = start.replace(year=start.year + 1) - timedelta(days=1)
    else:
        end = next_month(start) - timedelta(days=1)
    before = [
        change for change in seat.changes if change.known and (change.day < start or (change.day == start and change.charged == "cycle"))
    ]
    if start == seat.start:
        kind = "new"
    else:
        kind = "renew" if seat.term == "P1M" or (start.month, start.day) == (seat.start.month, seat.start.day) else "cycleCharge"
    quantity = seat.initial + sum(change.seats for change in before)
    return [line(seat, kind, (start, end), quantity, seat.unit_price, ordered=f"{start}T00:{12 + seat.number % 40}:07Z")]


def _pairs(seat: Seat, month: date) -> list[dict[str, object]]:
    made = []
    for change in seat.changes:
        if not change.known or change.charged != "pair" or change.day.replace(day=1) != month:
            continue
        start, end = window(change.day, seat.start.day)
        price = prorated(seat.unit_price, change.day, start, end)
        new = seat.at_provider(change.day)
        kind = "addQuantity" if change.seats > 0 else "removeQuantity"
        ordered = f"{change.day}T{9 + seat.number % 8:02}:21:{seat.number % 60:02}Z"
        made += [line(seat, kind, (start, end), new - change.seats, price, ordered=ordered, sign=-1)]
        made += [line(seat, kind, (start, end), new, price, ordered=ordered)]
    return made


def _cancellation(seat: Seat, month: date) -> list[dict[str, object]]:
    if not seat.cancelled or seat.cancelled.replace(day=1) != month:
        return []
    start, end = window(seat.cancelled, seat.start.day)
    price = prorated(seat.unit_price, seat.cancelled, start, end)
    ordered = f"{seat.cancelled}T15:40:00Z"
    return [line(seat, "cancelImmediate", (start, end), seat.at_provider(seat.cancelled), price, ordered=ordered, sign=-1)]


def prorated(price: Decimal, day: date, start: date, end: date) -> Decimal:
    """The price of what is left of the cycle, the day itself included."""
    return (price * ((end - day).days + 1) / ((end - start).days + 1)).quantize(Decimal("1e-15"))


def line(
    seat: Seat, kind: str, charged: tuple[date, date], quantity: int, price: Decimal, *, ordered: str, sign: int = 1, taxed: bool = True
) -> dict[str, object]:
    """One line in the column order of the reconciliation file. Amounts follow the provider's arithmetic for seats."""
    customer, product = seat.customer, seat.product
    rate = Decimal(1) if seat.pricing_currency == customer.currency else rate_of(date.fromisoformat(ordered[:10]).replace(day=1))
    subtotal = sign * down(times(price, rate)) * quantity
    tax = half_up(times(subtotal, customer.tax_rate)) if taxed else Decimal("0.00")
    term, frequency = _TERMS[seat.term]
    return {
        "CustomerId": customer.tenant, "CustomerName": customer.name, "CustomerDomainName": customer.domain,
        "CustomerCountry": customer.country, "InvoiceNumber": "", "MpnId": "6034453", "Tier2MpnId": "0",
        "OrderId": code(f"order {seat.number}", 12).lower(), "OrderDate": ordered,
        "ProductId": product.product_id, "SkuId": product.sku, "AvailabilityId": product.availability,
        "SkuName": product.name, "ProductName": product.name, "ChargeType": kind, "UnitPrice": seat.unit_price, "Quantity": quantity,
        "Subtotal": subtotal, "TaxTotal": tax, "Total": subtotal + tax, "Currency": customer.currency,
        "PriceAdjustmentDescription": "[]" if kind in ("new", "renew", "cycleCharge") else '["Proration"]',
        "PublisherName": product.publisher, "PublisherId": "NA",
        "SubscriptionDescription": product.name, "SubscriptionId": seat.identifier,
        "ChargeStartDate": f"{charged[0]}T00:00:00Z", "ChargeEndDate": f"{charged[1]}T00:00:00Z", "TermAndBillingCycle": term,
        "EffectiveUnitPrice": price, "UnitType": "", "AlternateId": "",
        "BillableQuantity": Decimal(quantity), "BillingFrequency": frequency,
        "PricingCurrency": seat.pricing_currency, "PCToBCExchangeRate": rate, "PCToBCExchangeRateDate": f"{ordered[:8]}01T00:00:00Z",
        "MeterDescription": "", "ReservationOrderId": "", "CreditReasonCode": "",
        "SubscriptionStartDate": f"{seat.start}T00:00:00Z", "SubscriptionEndDate": "", "ReferenceId": "",
        "ProductQualifiers": "", "PromotionId": "", "ProductCategory": "Online Services",
    }  # fmt: skip


def everyday(number: int) -> Seat:
    """An ordinary subscription of a customer's, drawn from its own source."""
    draw = random(f"seat {number}")
    customer = CUSTOMERS[min(int(draw.random() ** 1.2 * 59), 58)]
    product = draw.choice(PRODUCTS)
    term = "P1M" if draw.random() < 0.2 else "P1Y"
    if draw.random() < 0.68:
        start = date(2023, 1, 1) + timedelta(days=draw.randrange(970))
    else:
        start = date(2025, 9, 1) + timedelta(days=draw.randrange(400))
    start = start.replace(day=1 if draw.random() < 0.65 else min(start.day, 28))
    initial = min(180, max(1, round(draw.lognormvariate(2.3, 1.0))))
    return Seat(number, customer, product, term, start, initial, _drawn_changes(draw, start, initial))


def _drawn_changes(draw, start: date, held: int) -> tuple[Change, ...]:
    first = max(start + timedelta(days=1), MONTHS[0] + timedelta(days=1))
    last = month_end(MONTHS[-1]) - timedelta(days=2)
    days = sorted({first + timedelta(days=draw.randrange((last - first).days)) for _ in range(draw.choice((0, 0, 0, 1, 1, 1, 2, 3)))})
    changes: list[Change] = []
    for day in days:
        cycle_start, cycle_end = window(day, start.day)
        provisioning = "Provisioned" if draw.random() < 0.8 else "Not Applicable"
        if draw.random() < 0.7 or held < 3:
            changes.append(Change(day, draw.randint(1, max(1, held // 4)), provisioning=provisioning))
        elif (day - cycle_start).days <= 6:
            changes.append(Change(day, -draw.randint(1, max(1, held // 4)), provisioning=provisioning))
        elif cycle_end + timedelta(days=1) <= last and cycle_end + timedelta(days=1) not in days:
            # Outside the window for returns a reduction waits for the next cycle.
            changes.append(Change(cycle_end + timedelta(days=1), -draw.randint(1, max(1, held // 4)), "cycle", provisioning=provisioning))
        else:
            continue
        held += changes[-1].seats
        if any(later <= changes[-1].day for later in days if later > day):
            break  # the next drawn day lies before the change that waits
    return tuple(changes)
