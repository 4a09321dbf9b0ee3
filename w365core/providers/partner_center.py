"""Which documents Partner Center lists: its invoice headers, amendments as documents of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from w365core.dates import utc_moment_of
from w365core.errors import ProviderChanged
from w365core.model import InvoiceHeader, shortened
from w365core.money import is_plausible, readable
from w365core.providers import partner_center_pages as paging
from w365core.providers.http import Access, Calls
from w365core.providers.partner_center_pages import Listing

PERMISSION = "an app that is registered in Partner Center with the Admin agent role (app-only)"
PAGE_SIZE = 200
_NUMBER = re.compile(r"(?:(?:Recurring|OneTime)-)?([A-Za-z0-9][A-Za-z0-9_-]{0,63})", re.IGNORECASE | re.ASCII)


def invoices(calls: Calls, access: Access, *, root: str) -> list[InvoiceHeader]:
    """Every document listed, once, in the order of the list, each followed by its amendments; totals tax included.

    ProviderUnavailable where fewer came than the provider counts, ProviderChanged where a document lacks number, date,
    currency or total.
    """
    listed: dict[str, InvoiceHeader] = {}
    amendments: dict[str, list[InvoiceHeader]] = {}
    counted = barren = 0
    listing = Listing(f"{root}/v1/invoices", what="the list of invoices", noun="invoices", size=PAGE_SIZE, first={"offset": 0})
    for document in paging.pages(calls, access, listing):
        counted, before = max(counted, paging.count(document)), len(listed)
        for item in paging.items(document, listing):
            header, *notes = _with_amendments(item)
            listed.setdefault(header.number, header)
            amendments.setdefault(header.number, notes)
        barren = 0 if len(listed) > before else barren + 1
        if barren == paging.MOST_BARREN_PAGES:
            break  # a list that repeats itself under ever new links
    paging.refuse_short_read(len(listed), counted, listing)
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
