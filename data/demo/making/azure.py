"""Azure subscriptions: which meters run, what each day costs, and the monthly lines that the reconciliation file makes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from itertools import groupby

from making.catalogue import METERS, Meter
from making.stories import ALWAYS_EARLY, RESERVED
from making.world import CUSTOMERS, MONTHS, Customer, code, down, guid, half_up, month_end, random, rate_of, times

_PLACES = ("westeurope", "WestEurope", "northeurope", "eastus2", "EastUS2", "canadacentral")
_PURPOSES = ("Production", "Development", "Data platform", "Web shop", "Backup", "Sandbox", "Reporting")
_CUSTOMERS_WITH_AZURE = (41, 1, 2, 42, 4, 5, 44, 6, 8, 46, 10, 11, 47, 14, 15, 50, 17, 20, 52, 22, 26, 55, 30, 37, 58)
_MIGRATED = 7  # number of the Azure subscription that had another id until the end of 2025
_MIGRATED_ON = date(2026, 1, 1)
_EARNED = '["15.0% Partner earned credit for services managed"]'
_RESERVED = "Standard_D4s_v5, EU West, 1 Year"
BLANK_MARKUP = 40
RESERVATION_MONTH = date(2026, 9, 1)
RESERVATION = Decimal("1329.75")


@dataclass(frozen=True)
class AzureSubscription:
    number: int
    customer: Customer
    name: str
    meters: tuple[Meter, ...]
    start: date
    markup: Decimal | None
    commitment: Decimal | None

    @property
    def identifier(self) -> str:
        return guid(f"entitlement {self.number}")

    @property
    def former_identifier(self) -> str | None:
        return guid(f"former entitlement {self.number}") if self.number == _MIGRATED else None

    def identifier_in(self, month: date) -> str:
        return self.former_identifier or self.identifier if month < _MIGRATED_ON else self.identifier


def plan_of(customer: Customer) -> str:
    return guid(f"azure plan {customer.number}")


def record(subscription: AzureSubscription) -> str:
    """Our own id."""
    return f"U-{subscription.number:05}"


def billing_day(customer: Customer) -> int:
    """The day of the month on which the customer's Azure invoice is due; on the 5th the provider's documents are not there yet."""
    if customer == ALWAYS_EARLY:
        return 5
    return 12 if customer.number % 2 else 15


@cache
def subscriptions() -> tuple[AzureSubscription, ...]:
    """All 40: 26 of customers billed in EUR, 14 in USD; the last one is new and nobody has entered its markup."""
    made = []
    for number in range(1, 41):
        draw = random(f"azure {number}")
        customer = CUSTOMERS[_CUSTOMERS_WITH_AZURE[(number - 1) % 25] - 1]
        name = f"{customer.name.split()[0]} {_PURPOSES[(number - 1) // 25 * 3 + draw.randrange(3)]}"
        start = date(2026, 10, 3) if number == BLANK_MARKUP else date(2025, 9, 1)
        markup = None if number == BLANK_MARKUP else Decimal(draw.choice(("10", "12.5", "15", "17.647058", "20", "0")))
        commitment = Decimal("250.00") if number in (9, 30) else None
        made.append(
            AzureSubscription(number, customer, name, tuple(draw.sample(METERS, draw.choice((2, 3, 3, 4)))), start, markup, commitment)
        )
    return tuple(made)


def daily(month: date, currency: str, *, reserved: bool = False, days: int | None = None) -> list[dict[str, object]]:
    """The daily-rated lines of a month in one currency; `reserved` asks for the document of the reservation and nothing else."""
    made = []
    for subscription in subscriptions():
        apart = month == RESERVATION_MONTH and subscription.customer == RESERVED
        if subscription.customer.currency == currency and apart == reserved:
            for meter in subscription.meters:
                made += _metered(subscription, meter, month, days=days or month_end(month).day, cents=reserved)
    return made


def _metered(subscription: AzureSubscription, meter: Meter, month: date, *, days: int, cents: bool) -> list[dict[str, object]]:
    draw = random(f"usage {subscription.number} {meter.name} {month}")
    size = random(f"size {subscription.number} {meter.name}").uniform(0.3, 2.5)
    made = []
    for day in range(days):
        used = month + timedelta(days=day)
        # Not every meter runs every day, and the estate stays small.
        if used < subscription.start or draw.random() > 0.64:
            continue
        units = float(meter.daily) * size * draw.uniform(0.7, 1.3)
        made.append(_daily_line(subscription, meter, used, Decimal(int(units * 10**13)).scaleb(-13), cents=cents))
    return made


def _daily_line(subscription: AzureSubscription, meter: Meter, used: date, quantity: Decimal, *, cents: bool) -> dict[str, object]:
    customer, month = subscription.customer, used.replace(day=1)
    price = times(meter.price, Decimal("0.85")) if meter.credit else meter.price
    rate = Decimal(1) if customer.currency == "USD" or cents else rate_of(month)
    priced = times(price, quantity)
    billed = down(times(priced, rate)) if cents else _digits(times(priced, rate))
    group = f"rg-{subscription.name.split()[-1].lower()}"
    place = _PLACES[(subscription.number + len(meter.name)) % len(_PLACES)]
    resource = f"{meter.subcategory.split()[0].lower()}-{subscription.number:02}"
    azure = subscription.identifier_in(month)
    tags = {"costcenter": f"{4000 + subscription.number * 7}", " env": group[3:]} if subscription.number % 3 else {}
    return {
        "PartnerId": "", "PartnerName": "Brightwater Cloud Reselling", "CustomerId": customer.tenant, "CustomerName": customer.name,
        "CustomerDomainName": customer.domain, "CustomerCountry": customer.country, "MpnId": "6034453", "Tier2MpnId": "0",
        "InvoiceNumber": "", "ProductId": meter.product, "SkuId": meter.sku, "AvailabilityId": f"DZH318Z{code(meter.name, 5)}",
        "SkuName": meter.name, "ProductName": meter.subcategory, "PublisherName": "Microsoft" if meter.credit else "Paperfort",
        "PublisherId": "", "SubscriptionDescription": "Azure plan", "SubscriptionId": plan_of(customer),
        "ChargeStartDate": f"{month}T00:00:00Z", "ChargeEndDate": f"{month_end(month)}T23:59:00Z", "UsageDate": f"{used}T00:00:00Z",
        "MeterType": f"{meter.name} - {meter.unit}", "MeterCategory": meter.category, "MeterId": meter.identifier,
        "MeterSubCategory": meter.subcategory, "MeterName": meter.name, "MeterRegion": "", "Unit": meter.unit,
        "ResourceLocation": place, "ConsumedService": meter.service, "ResourceGroup": group,
        "ResourceURI": f"/subscriptions/{azure}/resourceGroups/{group}/providers/{meter.service}/{resource}",
        "ChargeType": "new", "UnitPrice": meter.price, "Quantity": quantity, "UnitType": meter.unit,
        "BillingPreTaxTotal": billed, "BillingCurrency": customer.currency,
        "PricingPreTaxTotal": billed if rate == 1 else _digits(priced), "PricingCurrency": customer.currency if cents else "USD",
        "ServiceInfo1": "", "ServiceInfo2": "", "Tags": json.dumps(tags) if tags else "", "AdditionalInfo": "",
        "EffectiveUnitPrice": price, "PCToBCExchangeRate": rate, "PCToBCExchangeRateDate": f"{month}T00:00:00Z",
        "EntitlementId": azure, "EntitlementDescription": subscription.name,
        "PartnerEarnedCreditPercentage": 15 if meter.credit else 0, "CreditPercentage": 0, "CreditType": "Credit Not Applied",
        "BenefitOrderId": "", "BenefitId": "", "BenefitType": "",
    }  # fmt: skip


def monthly(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    """The reconciliation lines of daily ones: one a plan and meter, its subtotal cut to cents once more."""

    def key(line: dict[str, object]) -> tuple[object, ...]:
        return line["CustomerId"], line["SubscriptionId"], line["MeterId"]

    return [_monthly_line(list(group)) for _, group in groupby(sorted(lines, key=key), key=key)]


def _monthly_line(group: list[dict[str, object]]) -> dict[str, object]:
    first = group[0]
    quantity = sum(line["Quantity"] for line in group)
    price, rate = first["EffectiveUnitPrice"], first["PCToBCExchangeRate"]
    if first["PricingCurrency"] == first["BillingCurrency"] == "EUR":
        # The days are whole cents here: the price that gives their sum exactly.
        price = (sum(line["BillingPreTaxTotal"] for line in group) / quantity).quantize(Decimal("1e-20")) + Decimal("1e-20")
    return plan_line(first, quantity=quantity, price=price, subtotal=down(times(down(times(price, quantity)), rate)))


def plan_line(day: dict[str, object], *, quantity: Decimal, price: Decimal, subtotal: Decimal) -> dict[str, object]:
    """A usage line of the reconciliation file, made of one of its days."""
    customer = next(one for one in CUSTOMERS if one.tenant == day["CustomerId"])
    tax = half_up(times(subtotal, customer.tax_rate))
    month = date.fromisoformat(str(day["ChargeStartDate"])[:10])
    meter = f"{day['MeterSubCategory']} - {day['MeterName']}"
    copied = ("CustomerId", "CustomerName", "CustomerDomainName", "CustomerCountry", "InvoiceNumber", "MpnId", "Tier2MpnId")
    product = ("ProductId", "SkuId", "AvailabilityId", "SkuName", "ProductName", "ChargeType", "UnitPrice")
    return {
        **{name: day[name] for name in copied},
        "OrderId": code(f"order of plan {customer.number}", 12).lower(), "OrderDate": f"{month_end(month)}T23:59:59Z",
        **{name: day[name] for name in product},
        "Quantity": 1, "Subtotal": subtotal, "TaxTotal": tax, "Total": subtotal + tax, "Currency": customer.currency,
        "PriceAdjustmentDescription": _EARNED if day["PartnerEarnedCreditPercentage"] else "[]", "PublisherName": day["PublisherName"],
        "PublisherId": "", "SubscriptionDescription": "Azure plan", "SubscriptionId": day["SubscriptionId"],
        "ChargeStartDate": f"{month}T00:00:00Z", "ChargeEndDate": f"{month_end(month)}T00:00:00Z", "TermAndBillingCycle": meter,
        "EffectiveUnitPrice": price, "UnitType": day["UnitType"], "AlternateId": "",
        "BillableQuantity": quantity, "BillingFrequency": "", "PricingCurrency": day["PricingCurrency"],
        "PCToBCExchangeRate": day["PCToBCExchangeRate"], "PCToBCExchangeRateDate": day["PCToBCExchangeRateDate"],
        "MeterDescription": f"{meter} ({day['UnitType']})", "ReservationOrderId": "", "CreditReasonCode": "",
        "SubscriptionStartDate": "", "SubscriptionEndDate": "", "ReferenceId": "", "ProductQualifiers": "", "PromotionId": "",
        "ProductCategory": "Azure",
    }  # fmt: skip


def reservation_line(day: dict[str, object]) -> dict[str, object]:
    """The reservation bought on the plan: in the reconciliation file, in no daily-rated one."""
    bought = {
        **day, "MeterSubCategory": "Reserved VM Instance", "ProductName": "Reserved VM Instance", "UnitType": "1 Year",
        "MeterName": _RESERVED, "SkuName": _RESERVED, "ProductId": "DZH318Z08NW6", "SkuId": "003F",
        "UnitPrice": RESERVATION, "PartnerEarnedCreditPercentage": 0,
    }  # fmt: skip
    made = plan_line(bought, quantity=Decimal(1), price=RESERVATION, subtotal=RESERVATION)
    return {**made, "ReservationOrderId": guid("reservation order"), "TermAndBillingCycle": "One-Year commitment for one-time billing"}


def _digits(amount: Decimal) -> Decimal:
    """Fifteen significant digits, as the API's totals carry."""
    return amount.quantize(Decimal(1).scaleb(amount.adjusted() - 14)) if amount else amount


assert MONTHS[0] < _MIGRATED_ON < MONTHS[-1]
