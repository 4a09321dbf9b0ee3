"""What Partner Center's audit records tell of the last 90 days: each order and change of seats that it holds, and the one that it refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta

from making import stories
from making.changes import logs
from making.seats import Change, Seat
from making.world import TODAY, code, guid

DAYS_KEPT = 90
_CLIENT = "W365 connector"


def records() -> list[dict[str, object]]:
    """All of them, in the order of their moments."""
    people = {(log.seat.number, log.day): log.initiator for log in logs()}
    made = [record for seat in stories.seats() for record in _of(seat, people)]
    made.append(_joined())
    return sorted(made, key=lambda record: (record["operationDate"], record["id"]))


def _of(seat: Seat, people: dict[tuple[int, date], str]) -> Iterator[dict[str, object]]:
    if _is_kept(seat.start):
        yield _order(seat, people.get((seat.number, seat.start)))
    for change in seat.changes:
        if _is_kept(change.day):
            yield _update(seat, change, people.get((seat.number, change.day)))
    if seat.cancelled and _is_kept(seat.cancelled):
        yield _cancellation(seat, people.get((seat.number, seat.cancelled)))


def _is_kept(day: date) -> bool:
    return TODAY - timedelta(days=DAYS_KEPT) <= day <= TODAY


def _order(seat: Seat, person: str | None) -> dict[str, object]:
    order = code(f"order {seat.number}", 12).lower()
    pairs = {"OrderId": order, "OfferId-0": seat.product.product_id, "SubscriptionId-0": seat.identifier}
    pairs |= {"Quantity-0": str(seat.initial), "PartnerOnRecord-0": None}
    new = {"Id": order, "CreationDate": _local(seat.start)}
    told = _record(seat, seat.start, "order", "create_order", person, at="00:12:05.0589308")
    return {**told, "resourceNewValue": _text(new), "customizedData": [{"key": key, "value": value} for key, value in pairs.items()]}


def _update(seat: Seat, change: Change, person: str | None) -> dict[str, object]:
    """A change that waits for the cycle comes at midnight, every other one in the working day. One that the provider refused failed."""
    at = "00:20:41.7700001" if change.charged == "cycle" else f"{9 + seat.number % 8:02}:20:{seat.number % 60:02}.1234567"
    before = seat.at_provider(change.day - timedelta(days=1))
    told = _record(seat, change.day, "subscription", "update_subscription", person, at=at, status="succeeded" if change.known else "failed")
    sides = [_subscription(seat, seats) for seats in (before, before + change.seats)]
    return {**told, "resourceOldValue": _text(sides[0]), "resourceNewValue": _text(sides[1])}


def _cancellation(seat: Seat, person: str | None) -> dict[str, object]:
    told = _record(seat, seat.cancelled, "subscription", "update_subscription", person, at="15:39:11.0000001")
    held = seat.at_provider(seat.cancelled)
    sides = [_subscription(seat, held, state) for state in ("Active", "Deleted")]
    return {**told, "resourceOldValue": _text(sides[0]), "resourceNewValue": _text(sides[1])}


def _joined() -> dict[str, object]:
    """The customer whom nobody has mapped became one on the day before its first order."""
    customer = stories.UNMAPPED
    told = {"id": guid(f"audit customer {customer.number}"), "customerId": customer.tenant, "customerName": customer.name}
    made = {"resourceType": "customer", "operationType": "add_customer", "operationDate": "2026-09-30T13:04:55.2500000Z"}
    new = {"Id": customer.tenant, "CompanyProfile": {"CompanyName": customer.name, "Domain": customer.domain}}
    return {**told, **made, "applicationId": _CLIENT, "resourceNewValue": _text(new), "operationStatus": "succeeded"}


def _record(
    seat: Seat, day: date, resource: str, operation: str, person: str | None, *, at: str, status: str = "succeeded"
) -> dict[str, object]:
    """Who is blank for what the system did itself."""
    known = person is not None and person != "system"
    who = {"userPrincipalName": f"{person.lower().replace(' ', '.')}@reseller.example"} if known else {"applicationId": _CLIENT}
    return {
        "id": guid(f"audit {seat.number} {day} {operation}"),
        "customerId": seat.customer.tenant,
        **who,
        "resourceType": resource,
        "operationType": operation,
        "operationDate": f"{day}T{at}Z",
        "operationStatus": status,
    }


def _subscription(seat: Seat, seats: int, state: str = "Active") -> dict[str, object]:
    return {"Id": seat.identifier, "Quantity": seats, "Status": state}


def _local(day: date) -> str:
    return f"{day - timedelta(days=1)}T17:00:00.077-07:00"


def _text(said: dict[str, object]) -> str:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False)
