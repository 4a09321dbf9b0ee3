"""To whom and what does a line refer? Lookups by the provider's ids, compared without regard to case.

A customer resolves by its provider account, a subscription by (provider, id), then by alias, then by a subscription of a manual provider
with that id. Usage resolves by its entitlement, else by its subscription id. What is not found is a value, with the line's own name for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from w365core.model import LineKind, ReferenceKind

NOT_GIVEN = "(not given)"
_BLANK = frozenset({"", "null", "(null)", "none", "n/a"})


@dataclass(frozen=True)
class Subscription:
    """What resolving and rating need of one of our subscriptions."""

    subscription_id: str
    account_id: str | None
    product_id: str | None
    kind: str
    markup_pct: Decimal | None


@dataclass(frozen=True)
class References:
    """Our records as one import sees them. Keys are lower-cased provider ids, upper-cased currencies."""

    provider: str
    invoice_number: str
    currency: str
    customers: dict[str, str | None] = field(default_factory=dict)  # provider account id -> account id, None while unmapped
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    currencies: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()  # product ids and provider part numbers, lower-cased


@dataclass(frozen=True)
class Referred:
    """The ids that one line (or a thousand like it) prints."""

    customer_id: str | None
    customer_name: str | None
    subscription_id: str | None
    subscription_name: str | None
    product_id: str | None
    sku_id: str | None
    product_name: str | None
    currency: str
    kind: LineKind
    resolves_customer: bool = True
    resolves_subscription: bool = True


@dataclass(frozen=True)
class Resolution:
    """What was found, and what was not: (kind, key, name)."""

    account_id: str | None
    subscription: Subscription | None
    missing: tuple[tuple[ReferenceKind, str, str | None], ...] = ()


def blank(text: str | None) -> bool:
    """Whether an id is not given, in any of the spellings that files use for it."""
    return text is None or text.strip().lower() in _BLANK


def resolve(referred: Referred, references: References) -> Resolution:
    """Finds the account and the subscription of a line; names what is missing, never guesses."""
    missing: list[tuple[ReferenceKind, str, str | None]] = []
    currency = referred.currency.upper()
    if currency not in references.currencies or currency != references.currency.upper():
        missing.append((ReferenceKind.CURRENCY, currency, None))
    subscription = None
    if referred.resolves_subscription and not blank(referred.subscription_id):
        subscription = references.subscriptions.get(referred.subscription_id.strip().lower())
        if subscription is None:
            missing.append((ReferenceKind.SUBSCRIPTION, referred.subscription_id.strip(), referred.subscription_name))
        elif not _product_is_known(subscription, referred, references):
            missing.append((ReferenceKind.PRODUCT, referred.product_id or subscription.subscription_id, referred.product_name))
    account_id = None
    if blank(referred.customer_id):
        account_id = subscription.account_id if subscription else None
        if account_id is None and referred.resolves_customer:
            missing.append((ReferenceKind.CUSTOMER, NOT_GIVEN, referred.customer_name))
    else:
        account_id = references.customers.get(referred.customer_id.strip().lower())
        if account_id is None and referred.resolves_customer:
            missing.append((ReferenceKind.CUSTOMER, referred.customer_id.strip(), referred.customer_name))
    if subscription and subscription.account_id:
        account_id = subscription.account_id
    return Resolution(account_id=account_id, subscription=subscription, missing=tuple(missing))


def _product_is_known(subscription: Subscription, referred: Referred, references: References) -> bool:
    printed = [subscription.product_id, referred.product_id]
    if referred.product_id and referred.sku_id:
        printed.append(f"{referred.product_id}:{referred.sku_id}")
    return any(text and text.lower() in references.products for text in printed)


def kind_of(meter_description: str | None, subscription_description: str | None, reservation_order_id: str | None) -> LineKind:
    """Usage is a line that a meter made, or one of the Azure plan that is no reservation; everything else is license."""
    if meter_description and meter_description.strip():
        return LineKind.USAGE
    of_the_plan = (subscription_description or "").strip().lower() == "azure plan"
    return LineKind.USAGE if of_the_plan and blank(reservation_order_id) else LineKind.LICENSE


def subscriptions_by_provider_id(
    own: Iterable[tuple[str, Subscription]], aliases: Iterable[tuple[str, Subscription]], manual: Iterable[tuple[str, Subscription]]
) -> dict[str, Subscription]:
    """One lookup out of three, the earlier winning: the provider's own subscriptions, its aliases, those of manual providers."""
    found: dict[str, Subscription] = {}
    for pairs in (own, aliases, manual):
        for provider_id, subscription in pairs:
            found.setdefault(provider_id.strip().lower(), subscription)
    return found
