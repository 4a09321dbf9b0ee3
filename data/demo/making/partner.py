"""Partner Center's customers, subscriptions and audit records, and what the estate says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from making import audit, azure, documents, stories, streamone
from making.seats import Seat
from making.world import CLIENT, CLOCK, CUSTOMERS, MONTHS, TENANT, TODAY, Customer, guid, next_month

_DURATIONS = {"P1Y": ("P1Y", "monthly"), "P1M": ("P1M", "monthly"), "P1Y upfront": ("P1Y", "annual")}
_RETURNS = timedelta(days=7)
_COMMON = {"contractType": "subscription", "attributes": {"objectType": "Subscription"}}


def estate() -> dict[str, object]:
    """The content of estate.json."""
    connected = {"name": "csp-demo", "type": "partner_center", "tenant_id": TENANT, "client_id": CLIENT}
    by_hand = {"name": "distributor-demo", "type": "manual", "files": documents.manual_files()}
    # When the daily job found something new: the day after the last document of each month has come, then today.
    mornings = [f"{next_month(month).replace(day=9)}T06:00:00Z" for month in MONTHS]
    distributor = {"name": streamone.NAME, "type": "streamone", "account_id": streamone.ACCOUNT, "from": streamone.FROM}
    return {"clock": CLOCK, "tenant_id": TENANT, "providers": [connected, by_hand, distributor], "mornings": [*mornings, CLOCK]}


def files() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Path below partner_center/ and content."""
    yield "auditrecords.json", audit.records()
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
        "commitmentEndDate": f"{_term_end(seat)}T00:00:00Z",
        "status": "deleted" if seat.cancelled else "active",
        "autoRenewEnabled": not seat.suspended,
        "billingType": "license",
        "billingCycle": cycle,
        "termDuration": duration,
        **_returns(seat),
        **_next_term(seat),
        **_COMMON,
    }


def _term_end(seat: Seat) -> date:
    """The last day of the term that today lies in; of a cancelled subscription, of its first one."""
    day = seat.start
    while True:
        day = next_month(day) if seat.term == "P1M" else day.replace(year=day.year + 1)
        if seat.cancelled or day > TODAY:
            return day - timedelta(days=1)


def _returns(seat: Seat) -> dict[str, object]:
    """Seats added in the last week can still be given back."""
    added = [change for change in seat.changes if change.known and change.seats > 0 and change.day >= TODAY - _RETURNS]
    if not added:
        return {}
    details = [{"quantity": change.seats, "allowedUntilDateTime": f"{change.day + _RETURNS}T09:20:00Z"} for change in added]
    return {"refundableQuantity": {"totalQuantity": sum(change.seats for change in added), "details": details}}


def _next_term(seat: Seat) -> dict[str, object]:
    """One customer has asked for fewer seats from the next term on."""
    if seat.number != stories.FEWER_NEXT_TERM:
        return {}
    product = {"productId": seat.product.product_id, "skuId": seat.product.sku, "billingCycle": "monthly", "termDuration": "P1Y"}
    return {"scheduledNextTermInstructions": {"product": product, "quantity": seat.at_provider(TODAY) - 15}}


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
