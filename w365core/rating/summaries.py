"""What does each subscription's usage cost and sell for? One usage summary per subscription, ProductId and SkuId as printed, charge window
and currency, with an id that stays the same however often the invoice is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from w365core import money


@dataclass(frozen=True)
class UsageKey:
    """What makes two usage lines one summary row. `owner` is our subscription, else the provider's id, else the customer."""

    owner: str
    product_id: str | None
    sku_id: str | None
    charge_start: date | None
    charge_end: date | None
    currency: str


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """One row of usage as it is billed. `cost` is the provider's, before tax; `selling_amount` is None while the markup is blank."""

    usage_id: str
    subscription_id: str | None
    account_id: str | None
    provider_subscription_id: str | None
    product_id: str | None
    sku_id: str | None
    product: str | None
    charge_start: date | None
    charge_end: date | None
    quantity: Decimal
    cost: Decimal
    markup_pct: Decimal | None
    selling_amount: Decimal | None
    currency: str
    lines: int


def usage_id(provider: str, invoice_number: str, key: UsageKey) -> str:
    """The summary's name: 20 hex digits over what identifies it, so a re-import finds the same rows."""
    parts = (provider, invoice_number, key.owner, key.product_id, key.sku_id, key.charge_start, key.charge_end, key.currency)
    printed = "\x1f".join("" if part is None else str(part) for part in parts)
    return "u" + blake2b(printed.encode(), digest_size=10).hexdigest()


def selling_amount(cost: Decimal, markup_pct: Decimal | None, currency: str) -> Decimal | None:
    """Cost plus markup at the currency's minor unit, rounded once; None while the markup is blank (0 is a markup)."""
    return None if markup_pct is None else money.selling_amount(cost, markup_pct, currency)


def rated_summaries(sums: Iterable[Mapping[str, Any]]) -> list[UsageSummary]:
    """The summaries of a whole invoice out of their exact sums, one per usage id: each selling amount is rounded once, here."""
    summaries = []
    for row in sums:
        cost = money.trimmed(row["cost"], least=2)
        selling = selling_amount(cost, row["markup_pct"], row["currency"])
        summaries.append(UsageSummary(**row | {"quantity": money.trimmed(row["quantity"]), "cost": cost, "selling_amount": selling}))
    return sorted(summaries, key=attrgetter("usage_id"))
