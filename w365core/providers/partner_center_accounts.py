"""Whom does Partner Center know as our customers, and what do they own? Customers, their subscriptions, the Azure subscriptions under a plan.

A customer that left may still be listed: what the provider says in place of its subscriptions is a value, and the others go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from w365core import money
from w365core.model import ProviderCustomer, ProviderSubscription
from w365core.providers import partner_center_pages as paging, partner_center_values as values
from w365core.providers.contract import CustomerRefused
from w365core.providers.http import Access, Calls
from w365core.providers.partner_center_pages import Listing, Refused
from w365core.providers.replies import Reply, words

CUSTOMERS_PER_PAGE = 500
AZURE_PLAN = "DZH318Z0BPS6"  # the catalogue's product
_INITIAL_DOMAIN = ".onmicrosoft.com"
_LOST = frozenset({403, 404})


def customers(calls: Calls, access: Access, *, root: str) -> Iterator[ProviderCustomer]:
    """Every customer listed, once. ProviderUnavailable where fewer came than the provider counts."""
    listing = Listing(f"{root}/v1/customers", what="the list of customers", noun="customers", size=CUSTOMERS_PER_PAGE)
    for item in paging.everything(calls, access, listing).values():
        yield _customer(item, paging.identity(item, listing))


def subscriptions(
    calls: Calls, access: Access, *, root: str, customer_ids: Iterable[str]
) -> Iterator[ProviderSubscription | CustomerRefused]:
    """What each of these customers owns, or what the provider says in place of it."""
    for customer_id in customer_ids:
        try:
            yield from list(_of_customer(calls, access, f"{root}/v1/customers/{quote(customer_id, safe='')}", customer_id))
        except Refused as refusal:
            yield CustomerRefused(customer_id, _said(refusal.reply))


def _of_customer(calls: Calls, access: Access, url: str, customer_id: str) -> Iterator[ProviderSubscription]:
    """Refused where the provider does not tell them."""
    listing = Listing(
        f"{url}/subscriptions", what=f"the subscriptions of customer {customer_id}", noun="subscriptions of a customer", expected=_LOST
    )
    for item in paging.everything(calls, access, listing).values():
        owned = _subscription(item, paging.identity(item, listing), customer_id)
        yield owned
        if _is_azure_plan(owned):
            yield from _entitlements(calls, access, f"{url}/subscriptions/{quote(owned.id, safe='')}/azureEntitlements", owned)
        elif owned.kind == "Usage" and (entitlement := values.text(item, "entitlementId")) and entitlement.lower() != owned.id.lower():
            yield _entitlement({"friendlyName": owned.name, "status": owned.status}, entitlement, owned)


def _entitlements(calls: Calls, access: Access, url: str, plan: ProviderSubscription) -> Iterator[ProviderSubscription]:
    """The Azure subscriptions under a plan; none where the provider knows the plan no more."""
    listing = Listing(url, what=f"the Azure subscriptions of plan {plan.id}", noun="Azure subscriptions of a plan", expected=_LOST)
    try:
        found = paging.everything(calls, access, listing)
    except Refused as refusal:
        if refusal.reply.status == 404:
            return
        raise
    for item in found.values():
        yield _entitlement(item, paging.identity(item, listing), plan)


# --- one of them -------------------------------------------------------------------------------------------------------------------------


def _customer(item: Mapping[str, Any], identifier: str) -> ProviderCustomer:
    profile = values.inside(item, "companyProfile")
    address = values.inside(values.inside(item, "billingProfile"), "defaultAddress")
    return ProviderCustomer(
        id=identifier,
        name=values.text(profile, "companyName"),
        domain=_domain(item, profile),
        country=values.text(address, "country"),
        status=values.text(item, "relationshipToPartner"),
    )


def _domain(item: Mapping[str, Any], profile: Mapping[str, Any]) -> str | None:
    """The customer's domain; where that is the one that every tenant begins with, its only domain of its own."""
    domain = values.text(profile, "domain")
    if domain and not domain.lower().endswith(_INITIAL_DOMAIN):
        return domain
    listed = item.get("customDomains")
    own = [one.strip() for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    own = [one for one in own if one and not one.lower().endswith(_INITIAL_DOMAIN)]
    return own[0] if len(own) == 1 else domain


def _subscription(item: Mapping[str, Any], identifier: str, customer_id: str) -> ProviderSubscription:
    of = f"subscription {identifier}"
    return ProviderSubscription(
        id=identifier,
        customer_id=customer_id,
        kind=_kind(item),
        name=values.text(item, "friendlyName", "offerName"),
        product_id=values.text(item, "offerId") or values.text(values.inside(item, "productType"), "id"),
        status=values.text(item, "status"),
        quantity=values.number(item, "quantity", of=of),
        term=values.text(item, "termDuration"),
        billing_cycle=values.text(item, "billingCycle"),
        currency=values.text(item, "currency", "currencyCode"),
        parent_id=values.text(item, "parentSubscriptionId"),
        migrated_from_id=values.text(item, "migratedFromSubscriptionId"),
        order_id=values.text(item, "orderId"),
        auto_renew=values.flag(item, "autoRenewEnabled"),
        started_at=values.moment(item, "effectiveStartDate", "effectiveStartDateTime", "creationDate", "creationDateTime", of=of),
        term_ends_at=values.moment(item, "commitmentEndDate", "commitmentEndDateTime", of=of),
        cancellable_until=values.moment(item, "cancellationAllowedUntilDate", "cancellationAllowedUntilDateTime", of=of),
        refundable=tuple(_refundable(item, of)),
        scheduled=_scheduled(item, of),
    )


def _kind(item: Mapping[str, Any]) -> str:
    said = {(values.text(item, name) or "").lower() for name in ("billingType", "unitType")}
    if any(word.startswith("license") for word in said):
        return "License"
    azure = any("azure" in (values.text(item, name) or "").lower() for name in ("offerName", "friendlyName"))
    return "Usage" if "usage" in said or (azure and values.text(item, "entitlementId")) or _names_the_plan(item) else "License"


def _names_the_plan(item: Mapping[str, Any]) -> bool:
    return (values.text(item, "offerId") or "").upper().startswith(AZURE_PLAN)


def _is_azure_plan(owned: ProviderSubscription) -> bool:
    """Legacy Azure offers have a GUID for an offer and are their own entitlement; a plan holds several."""
    legacy = re.fullmatch(r"(?:MS-AZR-.*|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27})", owned.product_id or "")
    return owned.kind == "Usage" and not legacy


def _entitlement(item: Mapping[str, Any], identifier: str, plan: ProviderSubscription) -> ProviderSubscription:
    return ProviderSubscription(
        id=identifier,
        customer_id=plan.customer_id,
        kind="Usage",
        name=values.text(item, "friendlyName"),
        product_id=plan.product_id,
        status=values.text(item, "status"),
        parent_id=plan.id,
        order_id=plan.order_id,
    )


def _refundable(item: Mapping[str, Any], of: str) -> Iterator[dict[str, Any]]:
    """Seats that may still be given back and until when, then in which ways the whole may be: JSON, numbers as text."""
    said = values.inside(item, "refundableQuantity")
    details = values.several(said, "details")
    for detail in details:
        yield {
            "quantity": _plain(values.number(detail, "quantity", of=of)),
            "until": _iso(values.moment(detail, "allowedUntilDateTime", "allowedUntilDate", of=of)),
        }
    total = values.number(said, "totalQuantity", of=of)
    if total and not details:
        yield {"quantity": _plain(total), "until": None}
    for option in values.several(item, "refundOptions"):
        yield {"option": values.text(option, "type"), "until": _iso(values.moment(option, "expiresAt", of=of))}


def _scheduled(item: Mapping[str, Any], of: str) -> dict[str, Any] | None:
    """What is to happen at the next term, else at the next charge; None where nothing is scheduled."""
    for name, when in (("scheduledNextTermInstructions", "next term"), ("nextChargeInstructions", "next charge")):
        said = values.inside(item, name)
        if not said:
            continue
        product = values.inside(said, "product")
        parts = [part for part in (values.text(product, key) for key in ("productId", "skuId", "availabilityId")) if part]
        told = {
            "at": when,
            "quantity": _plain(values.number(said, "quantity", of=of)),
            "product_id": ":".join(parts) or None,
            "billing_cycle": values.text(product, "billingCycle"),
            "term": values.text(product, "termDuration"),
            "ends": _iso(values.moment(said, "customTermEndDate", of=of)),
        }
        return {key: value for key, value in told.items() if value is not None}
    return None


def _plain(number: Decimal | None) -> str | None:
    return None if number is None else money.plain(number)


def _iso(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()


def _said(reply: Reply) -> str:
    said = words(reply)
    return f"Partner Center answered {reply.status}" + (f" ({said})" if said else " without a word")
