"""Which documents Partner Center lists: its invoice headers over both of its paging styles, amendments as documents of their own.

The next page is always built from our own parameters; of the provider's link only the offset or the continuation token is taken,
because documented links lack the version, the value of `offset`, or a proper query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from w365core.dates import utc_moment_of
from w365core.errors import ProviderChanged, ProviderUnavailable
from w365core.model import InvoiceHeader, shortened
from w365core.money import is_plausible, readable
from w365core.providers.http import Access, Calls
from w365core.providers.replies import parsed

PERMISSION = "an app that is registered in Partner Center with the Admin agent role (app-only)"
PAGE_SIZE = 200
MOST_PAGES = 5000
MOST_BARREN_PAGES = 3
WHAT = "the list of invoices"

_NUMBER = re.compile(r"(?:(?:Recurring|OneTime)-)?([A-Za-z0-9][A-Za-z0-9_-]{0,63})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class _Page:
    """Where a page starts: at an offset, or where a continuation token says."""

    offset: int = 0
    token: str | None = None


def invoices(calls: Calls, access: Access, *, root: str) -> list[InvoiceHeader]:
    """Every document listed, once, in the order of the list, each followed by its amendments; totals tax included.

    ProviderUnavailable where fewer came than the provider counts, ProviderChanged where a document lacks number, date,
    currency or total.
    """
    listed: dict[str, InvoiceHeader] = {}
    amendments: dict[str, list[InvoiceHeader]] = {}
    counted = barren = 0
    for document in _documents(calls, access, root=root):
        counted, before = max(counted, _count(document)), len(listed)
        for item in _items(document):
            header, *notes = _with_amendments(item)
            listed.setdefault(header.number, header)
            amendments.setdefault(header.number, notes)
        barren = 0 if len(listed) > before else barren + 1
        if barren == MOST_BARREN_PAGES:
            break  # a list that repeats itself under ever new links
    if len(listed) < counted:
        raise ProviderUnavailable(f"Partner Center counts {counted} invoices but listed only {len(listed)}. Try again later.")
    return _joined(listed, amendments)


def _joined(listed: Mapping[str, InvoiceHeader], amendments: Mapping[str, list[InvoiceHeader]]) -> list[InvoiceHeader]:
    """One document per number: an amendment that is listed itself keeps its place and learns whom it amends."""
    nested = {note.number: note for notes in amendments.values() for note in notes}
    result: dict[str, InvoiceHeader] = {}
    for number, header in listed.items():
        twin = nested.get(number)
        known = header if header.amends_of or twin is None else replace(header, amends_of=twin.amends_of)
        result.setdefault(number, known)
        for note in amendments[number]:
            if note.number not in listed:
                result.setdefault(note.number, note)
    return list(result.values())


def _documents(calls: Calls, access: Access, *, root: str) -> Iterator[dict[str, Any]]:
    """The pages, until there is no next one, an empty one, or one that we have been sent to before."""
    page: _Page | None = _Page()
    seen: set[_Page] = set()
    passed = 0
    while page is not None and page not in seen:
        if len(seen) == MOST_PAGES:
            raise ProviderChanged(f"The list of invoices does not end after {MOST_PAGES} pages. Report it with the landed answers.")
        seen.add(page)
        reply = calls.call(access, method="GET", url=_url(root, page), what=WHAT, headers=_continuing(page))
        document = parsed(reply, what=WHAT)
        items = _items(document)
        passed += len(items)
        yield document
        page = _next_page(document, passed=passed) if items else None


def _url(root: str, page: _Page) -> str:
    query = {"size": PAGE_SIZE, "offset": page.offset} if page.token is None else {"size": PAGE_SIZE, "seekOperation": "Next"}
    return f"{root}/v1/invoices?{urlencode(query)}"


def _continuing(page: _Page) -> dict[str, str]:
    return {} if page.token is None else {"MS-ContinuationToken": page.token}


def _next_page(document: Mapping[str, Any], *, passed: int) -> _Page | None:
    """What the link to the next page says; without a usable offset the number of items passed so far."""
    links = document.get("links")
    link = links.get("next") if isinstance(links, dict) else None
    if not isinstance(link, dict):
        return None
    for header in link.get("headers") or []:
        if isinstance(header, dict) and str(header.get("key", "")).lower() == "ms-continuationtoken":
            return _Page(token=_sendable(str(header.get("value", ""))))
    offset = parse_qs(urlsplit(str(link.get("uri", ""))).query).get("offset", [""])[0]
    return _Page(offset=int(offset) if re.fullmatch(r"[0-9]{1,9}", offset) else passed)


def _sendable(token: str) -> str:
    if re.fullmatch(r"[!-~]{1,8192}", token):
        return token
    raise ProviderChanged("The list of invoices goes on with a continuation token that no header can carry. Report it.")


def _items(document: Mapping[str, Any]) -> list[Any]:
    items = document.get("items")
    if not isinstance(items, list):
        raise ProviderChanged("The list of invoices has no `items`. Nothing was taken from it; report it with the landed answer.")
    return items


def _count(document: Mapping[str, Any]) -> int:
    count = document.get("totalCount")
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def _with_amendments(item: Any, amends_of: str | None = None) -> list[InvoiceHeader]:
    """The document and, after it, everything that amends it."""
    if not isinstance(item, dict):
        raise ProviderChanged("The list of invoices holds something that is no invoice. Report it with the landed answer.")
    header = _header(item, amends_of=amends_of)
    headers = [header]
    for amendment in item.get("amendments") or []:
        headers += _with_amendments(amendment, amends_of=header.number)
    return headers


def _header(item: Mapping[str, Any], *, amends_of: str | None) -> InvoiceHeader:
    number = _number(item, "id")
    if number is None:
        raise ProviderChanged("An invoice in the list of invoices has no `id`. Report it with the landed answer.")
    invoice_date = _day(item, "invoiceDate", number)
    return InvoiceHeader(
        number=number,
        invoice_date=invoice_date or _missing("invoiceDate", number),
        currency=_currency(item, number),
        total=_total(item, number),
        document_type=_folded(item.get("documentType")) or "invoice",
        amends_of=_number(item, "amendsOf") or amends_of,
        invoice_type=_folded(item.get("invoiceType")),
        period_start=_day(item, "billingPeriodStartDate", number),
        period_end=_day(item, "billingPeriodEndDate", number),
    )


def _number(item: Mapping[str, Any], name: str) -> str | None:
    """An invoice number without the prefix that links give it."""
    value = item.get(name)
    if value is None or value == "":
        return None
    match = _NUMBER.fullmatch(str(value).strip())
    if match is None:
        raise ProviderChanged(f"`{name}` of a listed invoice is {shortened(repr(value))}, which is no invoice number. Report it.")
    return match[1]


def _total(item: Mapping[str, Any], number: str) -> Decimal:
    value = item.get("totalCharges")
    if isinstance(value, str):
        value = readable(value.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not is_plausible(value):
        _missing("totalCharges", number)
    return value


def _currency(item: Mapping[str, Any], number: str) -> str:
    value = str(item.get("currencyCode") or "").strip().upper()
    return value if re.fullmatch(r"[A-Z]{3}", value) else _missing("currencyCode", number)


def _day(item: Mapping[str, Any], name: str, number: str) -> date | None:
    """The UTC date; None where the provider gives none."""
    value = item.get(name)
    if value is None or value == "":
        return None
    try:
        found = utc_moment_of(str(value))
    except (ValueError, OverflowError):
        _missing(name, number)
    return found.date() if found else None


def _folded(value: Any) -> str | None:
    """One spelling for OneTime, one_time and "One Time": one_time."""
    if not value:
        return None
    return re.sub(r"[\s_-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(value).strip())).lower()


def _missing(name: str, number: str) -> Any:
    raise ProviderChanged(
        f"`{name}` of invoice {number} is missing or unreadable in the list of invoices. Report it with the landed answer."
    )
