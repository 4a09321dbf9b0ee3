"""Partner Center v1 as documented, oddities included: relative links without /v1, two styles of paging, no document by id for an app."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from w365core.sandbox import estate as estates, identity
from w365core.sandbox.answers import json_answer, partner_center_error
from w365core.sandbox.estate import Estate
from w365core.sandbox.faults import Faults

_MOST_PER_PAGE = 2000
_DAYS_OF_AUDIT = 90
_CHANGE = Decimal("2000.00")


def refused(request: Request) -> Response | None:
    """The 401 for a caller without a token for this API, or None."""
    if "authorization" not in request.headers:
        return partner_center_error(401, "800001", "Partner access token is missing.")
    if not identity.is_for(request, identity.PARTNER_CENTER, identity.PERSON):
        return partner_center_error(401, "400", "Access denied.")
    return None


async def invoices(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """GET /v1/invoices?size&offset"""
    size, offset = _number(request, "size", _MOST_PER_PAGE), _number(request, "offset", 0)
    if size is None or offset is None or size < 1:
        return partner_center_error(400, "800002", "Invalid request input: size and offset are whole numbers.")
    listed = estates.documents(estate)
    if changed := faults.strike("changed-total", "invoices"):
        listed = [_dearer(document) if document["id"] == (changed.detail or listed[0]["id"]) else document for document in listed]
    size = min(size, estate.page_size)
    start = 0 if offset and faults.strike("duplicate-page", "invoices") else offset
    if offset == size and faults.strike("skipped-page", "invoices"):
        start = offset = offset + size
    if faults.strike("reordered-pages", "invoices"):
        listed = listed[::-1]
    links = {"self": _link(f"/invoices?size={size}&offset={offset}")}
    if offset + size < len(listed):
        following = 0 if faults.strike("next-loop", "invoices") else offset + size
        links["next"] = _link(f"/invoices?size={size}&offset={following}")
    return json_answer(_collection(listed[start : start + size], total=len(listed), links=links))


async def invoice(request: Request, *, estate: Estate) -> Response:
    """GET /v1/invoices/{id}: only for a person who has signed in."""
    if not identity.is_for(request, identity.PERSON):
        return _persons_only()
    found = _document(request, estate)
    if found is None:
        return partner_center_error(404, "1000", "The invoice was not found.")
    link = f"/invoices/{found['id']}/documents/statement"
    return json_answer({**found, "pdfDownloadLink": link}, headers={"isMfaCompliant": "true"})


async def statement(request: Request, *, estate: Estate) -> Response:
    """GET /v1/invoices/{id}/documents/statement: the PDF, only for a person who has signed in."""
    if not identity.is_for(request, identity.PERSON):
        return _persons_only()
    found = _document(request, estate)
    if found is None:
        return partner_center_error(404, "1000", "The invoice was not found.")
    said = f"Sandbox statement of {found['id']}: {found['totalCharges']} {found['currencyCode']}"
    return Response(f"%PDF-1.4\n% {said}\n%%EOF\n", media_type="application/pdf")


async def customers(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """GET /v1/customers?size, continued by token"""
    return _continued(request, estates.customers(estate), path="/customers", faults=faults)


async def customer(request: Request, *, estate: Estate) -> Response:
    """GET /v1/customers/{id}"""
    found = _customer(request, estate)
    return json_answer(found) if found else _stranger()


async def subscriptions(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """GET /v1/customers/{id}/subscriptions"""
    if not _customer(request, estate):
        return _stranger()
    customer_id = request.path_params["customer_id"]
    if (lost := faults.strike("lost-customer", "customers")) and (lost.detail or customer_id).lower() == customer_id.lower():
        return _stranger()
    return _continued(request, estates.subscriptions(estate, customer_id), path=f"/customers/{customer_id}/subscriptions", faults=faults)


async def subscription(request: Request, *, estate: Estate) -> Response:
    """GET /v1/customers/{id}/subscriptions/{id}"""
    wanted = request.path_params["subscription_id"].lower()
    held = estates.subscriptions(estate, request.path_params["customer_id"])
    found = next((one for one in held if one["id"].lower() == wanted), None)
    return json_answer(found) if found else partner_center_error(404, "20003", "Subscription was not found.")


async def entitlements(request: Request, *, estate: Estate) -> Response:
    """GET /v1/customers/{id}/subscriptions/{id}/azureEntitlements"""
    if not _customer(request, estate):
        return _stranger()
    return json_answer(_collection(estates.entitlements(estate, request.path_params["subscription_id"])))


async def audit_records(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """GET /v1/auditrecords?startDate&endDate&size, continued by token; nothing is known of what is more than 90 days old"""
    since, until = _day(request, "startDate"), _day(request, "endDate")
    if since is None or until is None:
        return partner_center_error(400, "3000", "Invalid property: startDate and endDate are dates such as 2026-11-12.")
    if estate.clock.now is not None and (estate.clock.now.date() - since).days > _DAYS_OF_AUDIT:
        return partner_center_error(400, "3000", f"Invalid property: startDate is more than {_DAYS_OF_AUDIT} days ago.")
    return _continued(
        request, estates.audit_records(estate, since=since, until=until), path="/auditrecords", faults=faults, place="auditrecords"
    )


def _continued(request: Request, items: Sequence[dict[str, Any]], *, path: str, faults: Faults, place: str = "customers") -> Response:
    """A page of the new style: the place to go on from is a token in a header, not a number in the address."""
    size = _number(request, "size", _MOST_PER_PAGE)
    continuation = request.headers.get("ms-continuationtoken", "")
    start = _position(continuation)
    if size is None or size < 1 or start is None:
        return partner_center_error(400, "800002", "Invalid request input: size or continuation token.")
    end = start + min(size, _MOST_PER_PAGE)
    if start and faults.strike("duplicate-page", place):
        start, end = 0, end - start
    links = {"self": _link(f"{path}?size={size}")}
    if end < len(items):
        token = base64.b64encode(f"from={end}".encode()).decode()
        links["next"] = _link(f"{path}?size={size}?seekOperation=Next", token)  # the second question mark is as documented
    return json_answer(_collection(items[start:end], total=len(items), links=links))


def _collection(items: Sequence[dict[str, Any]], *, total: int | None = None, links: dict[str, Any] | None = None) -> dict[str, Any]:
    linked = {"links": links} if links else {}
    return {"totalCount": len(items) if total is None else total, "items": items, **linked, "attributes": {"objectType": "Collection"}}


def _link(uri: str, continuation: str | None = None) -> dict[str, Any]:
    headers = [{"key": "MS-ContinuationToken", "value": continuation}] if continuation else []
    return {"uri": uri, "method": "GET", "headers": headers}


def _position(continuation: str) -> int | None:
    if not continuation:
        return 0
    try:
        said = base64.b64decode(continuation, validate=True).decode()
    except ValueError:
        return None
    number = said.removeprefix("from=")
    return int(number) if number.isdigit() else None


def _number(request: Request, name: str, default: int) -> int | None:
    text = request.query_params.get(name, "")
    if not text:
        return default
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _day(request: Request, name: str) -> date | None:
    try:
        return date.fromisoformat(request.query_params.get(name, ""))
    except ValueError:
        return None


def _customer(request: Request, estate: Estate) -> dict[str, Any] | None:
    wanted = request.path_params["customer_id"].lower()
    return next((one for one in estates.customers(estate) if one["id"].lower() == wanted), None)


def _document(request: Request, estate: Estate) -> dict[str, Any] | None:
    """The document, or the amendment inside one, that the address names."""
    wanted = request.path_params["invoice_id"].lower()
    listed = [one for document in estates.documents(estate) for one in (document, *document.get("amendments", ()))]
    return next((one for one in listed if one["id"].lower() == wanted), None)


def _persons_only() -> Response:
    return partner_center_error(403, "900150", "The caller is not authorized to perform this operation: App+User credentials are required.")


def _stranger() -> Response:
    return partner_center_error(403, "20002", "There is no commerce relationship with that customer.")


def _dearer(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "totalCharges": document["totalCharges"] + _CHANGE}
