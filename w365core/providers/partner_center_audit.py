"""What was changed at Partner Center, when and by whom? Its audit records, a day at a time; it keeps them for 90 days.

Every record becomes at least one change, whatever its operation; seats are read from the JSON texts that it carries, or from its list of keys.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from w365core.model import ProviderChange
from w365core.providers import partner_center_pages as paging, partner_center_values as values
from w365core.providers.contract import DayForgotten, NoEvidence
from w365core.providers.http import Access, Calls
from w365core.providers.partner_center_pages import Listing, Refused
from w365core.providers.replies import refuse

DAYS_KEPT = 90
RECORDS_PER_PAGE = 500
_SURELY_KEPT = 80  # days: a refusal of a younger day is no matter of age
_NOT_SEATS = frozenset({"license"})  # who uses a licence, not how many there are


def changes(calls: Calls, access: Access, *, root: str, since: date, until: date) -> Iterator[ProviderChange | DayForgotten]:
    """The records of these days, both included. NoEvidence where there is no such list; ProviderUnavailable for a short read."""
    day = since
    while day <= until:
        try:
            for record in _records(calls, access, root, day):
                yield from _changes(record, day)
        except Refused as refusal:
            if refusal.reply.status == 400 and (until - day).days >= _SURELY_KEPT:
                yield DayForgotten(day)
            elif refusal.reply.status == 404:
                raise NoEvidence(
                    f"{access.label} has no audit records at this address (404), so changes made there cannot be shown as evidence."
                ) from None
            else:
                refuse(refusal.reply, what=_what(day), label=access.label, permission=access.permission)
        day += timedelta(days=1)


def _records(calls: Calls, access: Access, root: str, day: date) -> list[dict[str, Any]]:
    """All records of a day. The same record on two pages counts once, two equal ones on one page count twice."""
    listing = Listing(
        f"{root}/v1/auditrecords",
        what=_what(day),
        noun=f"audit records of {day}",
        size=RECORDS_PER_PAGE,
        query={"startDate": day.isoformat(), "endDate": day.isoformat()},
        expected=frozenset({400, 404}),
    )
    seen: Counter[str] = Counter()
    records: dict[str, dict[str, Any]] = {}
    counted = barren = 0
    for document in paging.pages(calls, access, listing):
        page = {fingerprint(item): item for item in paging.items(document, listing) if isinstance(item, dict)}
        met = Counter(fingerprint(item) for item in paging.items(document, listing) if isinstance(item, dict))
        counted, before = max(counted, paging.count(document)), len(seen)
        seen |= met
        records |= page
        barren = 0 if len(seen) > before else barren + 1
        if barren == paging.MOST_BARREN_PAGES:
            break
    paging.refuse_short_read(seen.total(), counted, listing)
    return list(records.values())


def _what(day: date) -> str:
    return f"the audit records of {day}"


def fingerprint(record: Mapping[str, Any]) -> str:
    """What a record without an id is known by: its content, but for the status, which changes while it is under way."""
    content = {name: value for name, value in record.items() if name != "operationStatus"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


# --- one record --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Side:
    """What a record says of one subscription."""

    subscription_id: str | None = None
    before: Decimal | None = None
    after: Decimal | None = None
    state_before: str | None = None
    state_after: str | None = None


def _changes(record: Mapping[str, Any], day: date) -> list[ProviderChange]:
    """One change for each subscription that the record names; one at least."""
    keys = _keys(record)
    old, new = values.unpacked(record.get("resourceOldValue")), values.unpacked(record.get("resourceNewValue"))
    resource = _folded(values.text(record, "resourceType"))
    told = ProviderChange(
        id=values.text(record, "id") or fingerprint(record),
        at=_at(record, day),
        operation=values.text(record, "operationType") or "unknown",
        status=_status(record),
        source="audit",
        customer_id=values.text(record, "customerId"),
        order_id=keys.get("orderid") or values.text(new if resource == "order" else {}, "id") or values.text(new, "orderid"),
        initiated_by=values.text(record, "userPrincipalName", "applicationId"),
    )
    sides = _sides(resource, keys, old, new)
    numbered = [told.id] if len(sides) == 1 else [f"{told.id}/{number}" for number in range(len(sides))]
    return [
        replace(
            told,
            id=identifier,
            subscription_id=side.subscription_id,
            quantity_before=side.before,
            quantity_after=side.after,
            state_before=side.state_before,
            state_after=side.state_after,
        )
        for identifier, side in zip(numbered, sides, strict=True)
    ]


def _sides(resource: str, keys: Mapping[str, str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[_Side]:
    if resource in _NOT_SEATS:
        return [_Side(keys.get("subscriptionid"))]
    numbered = _numbered(keys)
    before, after = _lines(old), _lines(new)
    if not (before or after) and (resource == "subscription" and len(numbered) < 2 or resource != "order" and not numbered):
        return [_of_subscription(resource, keys, old, new)]
    ordered = numbered or {str(number): one for number, one in enumerate(dict.fromkeys([*after, *before]))}
    sides = []
    for number, identifier in ordered.items():
        said = values.as_number(keys.get(f"quantity-{number}"))
        key = identifier.lower()
        sides.append(_Side(identifier, before=before.get(key), after=said if said is not None else after.get(key)))
    return sides or [_Side(keys.get("subscriptionid"))]


def _of_subscription(resource: str, keys: Mapping[str, str], old: Mapping[str, Any], new: Mapping[str, Any]) -> _Side:
    """A record of one resource: of a subscription, both JSON texts are that subscription."""
    own = resource == "subscription" or "quantity" in new or "quantity" in old
    number, first = next(iter(_numbered(keys).items()), (None, None))
    identifier = keys.get("subscriptionid") or first or values.text(new, "subscriptionid") or values.text(old, "subscriptionid")
    if not own:
        return _Side(identifier)
    after = values.as_number(new.get("quantity"))
    return _Side(
        identifier or (values.text(new, "id") or values.text(old, "id") if resource == "subscription" else None),
        before=values.as_number(old.get("quantity")),
        after=after if after is not None else values.as_number(keys.get("quantity", keys.get(f"quantity-{number}"))),
        state_before=_state(old),
        state_after=_state(new),
    )


def _numbered(keys: Mapping[str, str]) -> dict[str, str]:
    """SubscriptionId-0, SubscriptionId-1 …: the subscriptions of an order by their number, in its order."""
    found = {name.removeprefix("subscriptionid-"): value for name, value in keys.items() if re.fullmatch(r"subscriptionid-\d+", name)}
    return dict(sorted(found.items(), key=lambda one: int(one[0])))


def _lines(order: Mapping[str, Any]) -> dict[str, Decimal | None]:
    """Seats by subscription, as the JSON of an order lists them."""
    lines = values.several(order, "lineitems")
    named = ((values.text(line, "subscriptionid"), values.as_number(line.get("quantity"))) for line in lines)
    return {identifier.lower(): quantity for identifier, quantity in named if identifier}


def _keys(record: Mapping[str, Any]) -> dict[str, str]:
    """customizedData as names in lower case and their values; a key without a value says nothing."""
    pairs = ((values.text(pair, "key"), values.text(pair, "value")) for pair in values.several(record, "customizedData"))
    return {key.lower(): value for key, value in pairs if key and value}


def _status(record: Mapping[str, Any]) -> str:
    """succeeded, failed or progress, whichever way it is spelled; anything else as it stands."""
    said = (values.text(record, "operationStatus") or "unknown").lower()
    return "progress" if _folded(said) in ("progress", "inprogress") else said


def _state(said: Mapping[str, Any]) -> str | None:
    state = values.text(said, "status", "state")
    return None if state is None else state.lower()


def _at(record: Mapping[str, Any], day: date) -> datetime:
    """When it was; midnight of the day that it was listed under, where it does not say."""
    try:
        found = values.as_moment(record.get("operationDate") or "")
    except ValueError:
        found = None
    return found or datetime.combine(day, time(), UTC)


def _folded(said: str | None) -> str:
    return re.sub(r"[\s_-]+", "", said or "").lower()
