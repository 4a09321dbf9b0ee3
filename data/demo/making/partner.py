"""Partner Center's customers and subscriptions, and what the estate says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from making import azure, documents, stories
from making.seats import Seat
from making.world import CLIENT, CLOCK, CUSTOMERS, MONTHS, TENANT, TODAY, Customer, guid, next_month

_DURATIONS = {"P1Y": ("P1Y", "monthly"), "P1M": ("P1M", "monthly"), "P1Y upfront": ("P1Y", "annual")}
_COMMON = {"contractType": "subscription", "attributes": {"objectType": "Subscription"}}


def estate() -> dict[str, object]:
    """The content of estate.json."""
    connected = {"name": "csp-demo", "type": "partner_center", "tenant_id": TENANT, "client_id": CLIENT}
    by_hand = {"name": "distributor-demo", "type": "manual", "files": documents.manual_files()}
    # When the daily job found something new: the day after the last document of each month has come, then today.
    mornings = [f"{next_month(month).replace(day=9)}T06:00:00Z" for month in MONTHS]
    return {"clock": CLOCK, "tenant_id": TENANT, "providers": [connected, by_hand], "mornings": [*mornings, CLOCK]}


def files() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Path below partner_center/ and content."""
    yield "customers.json", [_customer(customer) for customer in CUSTOMERS]
    held = {subscription.customer for subscription in azure.subscriptions()}
    for customer in CUSTOMERS:
        seats = [_seat(seat) for seat in stories.seats() if seat.customer == customer]
        yield f"subscriptions/{customer.tenant}.json", seats + ([_plan(customer)] if customer in held else [])
    for customer in CUSTOMERS:
        if customer in held:
            under = [subscription for subscription in azure.subscriptions() if subscription.customer == customer]
            yield f"entitlements/{azure.plan_of(customer)}.json", [_entitlement(subscription) for subscription in under]


def _customer(customer: Customer) -> dict[str, object]:
    profile = {"tenantId": customer.tenant, "domain": customer.domain, "companyName": customer.name}
    return {
        "id": customer.tenant,
        "commerceId": guid(f"commerce {customer.number}"),
        "companyProfile": {**profile, "attributes": {"objectType": "CustomerCompanyProfile"}},
        "relationshipToPartner": "reseller",
        "attributes": {"objectType": "Customer"},
    }


def _seat(seat: Seat) -> dict[str, object]:
    duration, cycle = _DURATIONS[seat.term]
    return {
        "id": seat.identifier,
        "offerId": f"{seat.product.product_id}:{seat.product.sku}:{seat.product.availability}",
        "offerName": seat.product.name,
        "friendlyName": seat.product.name,
        "quantity": seat.at_provider(TODAY),
        "unitType": "Licenses",
        "effectiveStartDate": f"{seat.start}T00:00:00Z",
        "status": "deleted" if seat.cancelled else "active",
        "autoRenewEnabled": True,
        "billingType": "license",
        "billingCycle": cycle,
        "termDuration": duration,
        **_COMMON,
    }


def _plan(customer: Customer) -> dict[str, object]:
    return {
        "id": azure.plan_of(customer),
        "offerId": "DZH318Z0BPS6:0001:DZH318Z0BJ7C",
        "offerName": "Azure plan",
        "friendlyName": "Azure plan",
        "quantity": 1,
        "unitType": "Usage",
        "effectiveStartDate": "2025-06-02T00:00:00Z",
        "status": "active",
        "billingType": "usage",
        "billingCycle": "monthly",
        **_COMMON,
    }


def _entitlement(subscription: azure.AzureSubscription) -> dict[str, object]:
    named = {"id": subscription.identifier, "friendlyName": subscription.name, "status": "active"}
    return {**named, "subscriptionId": azure.plan_of(subscription.customer)}
