"""Whom does StreamOne sell to, what do they hold, and what was ordered? The new interface: pages by token, under the reseller's account.

A subscription goes by the id that its maker gave it, which is what invoices print; its own StreamOne id stands in only where there is none. Orders are
the best public evidence of seats bought and given up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from w365core.dates import utc_moment_of
from w365core.errors import ProviderChanged, ProviderRefused, ProviderUnavailable
from w365core.model import ProviderChange, ProviderCustomer, ProviderSubscription, shortened
from w365core.money import is_plausible, readable
from w365core.providers.contract import NoEvidence
from w365core.providers.http import Access, Calls
from w365core.providers.replies import parsed_whatever, refuse, words

PERMISSION = "an API user of this account (--account-id) who may read customers, subscriptions and orders"
PAGE_SIZE = 100
MOST_PAGES = 10_000

_USAGE = ("usage", "consumption", "metered", "payasyougo", "paygo")
_FAILED = ("failed", "error", "cancelled", "canceled", "rejected", "declined", "deleted")


def customers(calls: Calls, access: Access, *, root: str) -> Iterator[ProviderCustomer]:
    """Every customer of the account."""
    for item in _items(calls, access, root=root, kind="customers"):
        identifier = _text(item, "id") or _step(_text(item, "name"), "customers")
        if not identifier:
            raise ProviderChanged("A customer in StreamOne's list has no `id`. Report it with the landed answer.")
        address = item.get("customerAddress")
        yield ProviderCustomer(
            id=identifier,
            name=_text(item, "customerOrganization") or _text(item, "customerName"),
            domain=_domain(_text(item, "customerEmail")),
            country=_text(address, "country") if isinstance(address, dict) else None,
            status=_folded(_text(item, "customerStatus")),
        )


def subscriptions(calls: Calls, access: Access, *, root: str) -> Iterator[tuple[ProviderSubscription, str | None]]:
    """Every subscription of the account, each with StreamOne's own id for it."""
    for item in _items(calls, access, root=root, kind="subscriptions"):
        own = _text(item, "id") or _step(_text(item, "name"), "subscriptions")
        identifier, customer = _text(item, "subscriptionId") or own, _text(item, "customerId") or _step(_text(item, "name"), "customers")
        if not identifier or not customer:
            raise ProviderChanged(
                "A subscription in StreamOne's list has no `subscriptionId` or no `customerId`. Report it with the landed answer."
            )
        yield _subscription(item, identifier, customer), own


def changes(calls: Calls, access: Access, *, root: str, since: date, until: date, known_as: Mapping[str, str]) -> Iterator[ProviderChange]:
    """What was ordered between these days, item by item. `known_as`: the id that invoices print, by StreamOne's own (lower case)."""
    for order in _items(calls, access, root=root, kind="orders"):
        at = _moment(order, "updateTime") or _moment(order, "createTime")
        if at is None or not since <= (_moment(order, "createTime") or at).date() <= until:
            continue
        order_id = _step(_text(order, "name"), "orders") or _text(order, "id") or _text(order, "referenceId")
        for position, item in enumerate(_list(order, "orderItems")):
            yield _change(order, item, order_id=order_id, position=position, known_as=known_as)


def _subscription(item: Mapping[str, Any], identifier: str, customer: str) -> ProviderSubscription:
    product = item.get("ccpProductInfo") if isinstance(item.get("ccpProductInfo"), dict) else {}
    kinds = (_folded(_text(item, "subscriptionBillingType")), _folded(_text(item, "unitType")))
    renews = item.get("autoRenew")
    return ProviderSubscription(
        id=identifier,
        customer_id=customer,
        kind="Usage" if any(kind and kind.replace(" ", "").replace("_", "").replace("-", "") in _USAGE for kind in kinds) else "License",
        name=_text(item, "subscriptionName") or _text(product, "skuDisplayName") or _text(product, "productDisplayName"),
        product_id=_product(item),
        status=_folded(_text(item, "subscriptionStatus")),
        quantity=_number(item, "subscriptionTotalLicenses"),
        term=_text(item, "subscriptionBillingTerm"),
        billing_cycle=_folded(_text(item, "subscriptionBillingCycle")),
        currency=_currency(item),
        auto_renew=renews if isinstance(renews, bool) else None,
        started_at=_moment(item, "subscriptionStartDate") or _moment(item, "subscriptionPurchasedDate"),
        term_ends_at=_moment(item, "subscriptionEndDate") or _moment(item, "renewalDate"),
        cancellable_until=_moment(item, "cancellationAllowedUntilDate"),
    )


def _change(order: Mapping[str, Any], item: Any, *, order_id: str | None, position: int, known_as: Mapping[str, str]) -> ProviderChange:
    if not isinstance(item, dict):
        raise ProviderChanged(f"Order {order_id} in StreamOne's list holds something that is no item. Report it with the landed answer.")
    resource = _text(item, "resourceId")
    own = _step(resource, "subscriptions") or resource
    reference = _step(_text(item, "name"), "orderItems") or _text(item, "referenceId") or str(position)
    at = _moment(item, "updateTime") or _moment(order, "updateTime") or _moment(item, "createTime") or _moment(order, "createTime")
    assert at is not None, "an order without a moment was passed over"
    return ProviderChange(
        id=f"{order_id}/{reference}",
        at=at,
        operation=f"order_{_folded(_text(item, 'action')) or 'unknown'}",
        status=_status(_text(item, "status") or _text(order, "status")),
        source="order",
        customer_id=_step(_text(order, "name"), "customers") or _step(_text(order, "customer"), "customers") or _text(order, "customerId"),
        subscription_id=known_as.get(own.lower(), own) if own else None,
        order_id=order_id,
        quantity_after=_number(item, "quantity"),
        initiated_by=_text(order, "userEmail") or _text(order, "userName") or _text(order, "userId"),
    )


def _status(text: str | None) -> str:
    said = _folded(text) or ""
    if said in ("completed", "complete", "succeeded", "success", "active"):
        return "succeeded"
    return "failed" if said in _FAILED else "progress"


# --- pages ---------------------------------------------------------------------------------------------------------------------------------


def _items(calls: Calls, access: Access, *, root: str, kind: str) -> Iterator[Mapping[str, Any]]:
    """Page after page, until one names no next. ProviderUnavailable where the pages go in a circle."""
    what, token = f"the list of {kind}", ""
    seen: set[str] = set()
    for _ in range(MOST_PAGES):
        query = {"pageSize": PAGE_SIZE} | ({"pageToken": token} if token else {})
        reply = calls.call(access, method="GET", url=f"{root}/{kind}?{urlencode(query)}", what=what, expected=frozenset({401, 404}))
        if reply.status == 404 and kind == "orders":
            raise NoEvidence("StreamOne has no list of orders for this account, so changes without a log of ours stay unproven.")
        if reply.status == 404:
            refuse(reply, what=what, label=access.label, permission=PERMISSION)
        if reply.status == 401:
            said = words(reply)
            raise ProviderRefused(
                f"StreamOne answered 401 to {what}{f' ({said})' if said else ''}, also with a new token. Check --account-id: this needs {PERMISSION}."
            )
        document = parsed_whatever(reply, what=what)
        for item in _page(document, kind=kind, what=what):
            if not isinstance(item, dict):
                raise ProviderChanged(
                    f"StreamOne's list of {kind} holds something else ({shortened(repr(item))}). Report it with the landed answer."
                )
            yield item
        token = _next(document)
        if not token:
            return
        if token in seen:
            raise ProviderUnavailable(f"StreamOne's list of {kind} goes in a circle: a page leads back to an earlier one. Try again later.")
        seen.add(token)
    raise ProviderChanged(f"StreamOne's list of {kind} does not end after {MOST_PAGES} pages. Report it with the landed answers.")


def _page(document: Any, *, kind: str, what: str) -> list[Any]:
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        for name in (kind, "items", "data", "results"):
            if isinstance(document.get(name), list):
                return document[name]
            if isinstance(document.get(name), dict):
                return _page(document[name], kind=kind, what=what)
        if not set(document) - {"nextPageToken", "totalSize", "totalCount"}:
            return []  # an empty list is left out
    raise ProviderChanged(f"The answer to {what} has no `{kind}`. Nothing was taken from it; report it with the landed answer.")


def _next(document: Any) -> str:
    token = document.get("nextPageToken") if isinstance(document, dict) else None
    if token is None and isinstance(document, dict) and isinstance(document.get("data"), dict):
        token = document["data"].get("nextPageToken")
    return str(token) if token not in (None, "") else ""


# --- values --------------------------------------------------------------------------------------------------------------------------------


def _text(item: Mapping[str, Any], name: str) -> str | None:
    """A text, or a number as text: ids are printed either way."""
    value = item.get(name)
    return str(value).strip() or None if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else None


def _folded(text: str | None) -> str | None:
    return text.lower() if text else None


def _step(path: str | None, kind: str) -> str | None:
    """The step after `kind` in a name such as accounts/7/customers/12."""
    found = re.search(rf"(?:^|/){kind}/([^/]+)", path or "", re.IGNORECASE)
    return found[1] if found else None


def _list(item: Mapping[str, Any], name: str) -> list[Any]:
    value = item.get(name)
    return value if isinstance(value, list) else []


def _domain(email: str | None) -> str | None:
    found = re.fullmatch(r"[^@\s]+@([A-Za-z0-9.-]+\.[A-Za-z0-9-]+)", email or "")
    return found[1].lower() if found else None


def _product(item: Mapping[str, Any]) -> str | None:
    product, sku = _text(item, "subscriptionProductId"), _text(item, "subscriptionSkuId")
    if product and sku:
        return f"{product}:{sku}"
    return product or _text(item, "subscriptionOfferId") or _text(item, "mfgPartNumber") or _text(item, "ccpSkuId")


def _currency(item: Mapping[str, Any]) -> str | None:
    code = (_text(item, "currency") or "").upper()
    return code if re.fullmatch(r"[A-Z]{3}", code) else None


def _number(item: Mapping[str, Any], name: str) -> Decimal | None:
    text = _text(item, name)
    number = readable(text) if text else None
    return number if number is not None and is_plausible(number) else None


def _moment(item: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(item, name)
    try:
        return utc_moment_of(text) if text else None
    except (ValueError, OverflowError):
        return None  # shown only; what is charged stands on the invoice
