"""What does StreamOne list of invoices? The old interface: pages by offset, an API key, and a shape of which five names are public.

Of an invoice `id`, `billingStartDate`, `billingEndDate`, `cloudUsed` and `lines` are named anywhere; the rest is read by the names that such
interfaces use, in the order of `_CALLED`. What an invoice does not say stays unsaid: without a total it is the sum of its lines, without a currency that
of its first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, NoReturn
from urllib.parse import quote, unquote, urlencode, urlsplit

from w365core.dates import utc_moment_of
from w365core.errors import ProviderChanged, ProviderRefused, ProviderUnavailable
from w365core.model import InvoiceHeader, Secret, shortened
from w365core.money import is_plausible, readable
from w365core.providers.contract import NO_CURRENCY, LineFile
from w365core.providers.http import Access, Calls
from w365core.providers.replies import Reply, parsed_whatever, words
from w365core.providers.secrecy import cut_signed_links

PERMISSION = "an API key that may read invoices"
PAGE_SIZE = 100
MOST_PAGES = 1000
WHAT = "the list of invoices"

_CALLED: Mapping[str, tuple[str, ...]] = {
    "number": ("invoicenumber", "number", "invoiceno", "documentnumber", "id", "invoiceid"),
    "id": ("id", "invoiceid", "invoicenumber", "number"),
    "total": ("grandtotal", "totalwithtax", "totalincludingtax", "total", "totalamount", "invoicetotal", "invoiceamount", "amount"),
    "currency": ("currency", "currencycode", "billingcurrency", "invoicecurrency"),
    "date": ("invoicedate", "issuedate", "dateissued", "createdate", "createddate", "createtime", "createdat", "date"),
    "start": ("billingstartdate", "billingperiodstartdate", "periodstart"),
    "end": ("billingenddate", "billingperiodenddate", "periodend"),
}
_LISTS = ("invoice", "invoices", "myinvoices", "items", "results", "records", "rows")
_WRAPPERS = ("data", "result", "response", "payload")
_COUNTS = ("total", "totalcount", "totalrecords", "totalitems", "count")
_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", re.ASCII)


@dataclass(frozen=True)
class Naming:
    """How messages call the provider and the variable its API key comes from."""

    provider: str
    variable: str


def invoices(calls: Calls, access: Access, *, root: str, since: date, naming: Naming) -> list[InvoiceHeader]:
    """Every invoice whose billing period begins on that day or later, once. ProviderUnavailable where fewer came than the provider counts."""
    listed: dict[str, InvoiceHeader] = {}
    offset = counted = 0
    for _ in range(MOST_PAGES):
        query = {"limit": PAGE_SIZE, "offset": offset, "filter[billingStartDate:gte]": since.isoformat()}
        document = _asked(calls, access, f"{root}/api/v1/invoices/myinvoices?{urlencode(query, safe='[]:')}", WHAT, naming)
        page = _listed(document, lists=_LISTS, what=WHAT)
        counted, before = max(counted, _count(document)), len(listed)
        for item in page:
            header = _header(item)
            listed.setdefault(header.provider_id or header.number, header)
        offset += len(page)
        if not page or len(listed) == before or (counted and offset >= counted and len(listed) >= counted):
            break
    else:
        raise ProviderChanged(f"StreamOne's list of invoices does not end after {MOST_PAGES} pages. Report it with the landed answers.")
    if len(listed) < counted:
        raise ProviderUnavailable(f"StreamOne counts {counted} invoices but listed only {len(listed)}. Try again later.")
    return list(listed.values())


def files_of(calls: Calls, access: Access, *, root: str, header: InvoiceHeader, naming: Naming) -> list[LineFile]:
    """The files of an invoice's lines, by addresses that are good for a short while. ProviderUnavailable where it lists none yet."""
    what = f"the files of invoice {header.number}"
    url = f"{root}/api/v1/invoices/{quote(header.provider_id or header.number, safe='')}/detailed"
    document = _asked(calls, access, url, what, naming, signed=True)
    found = list(dict.fromkeys(_links(document, what=what)))
    if not found:
        raise ProviderUnavailable(
            f"StreamOne lists no detailed file for invoice {header.number}, so it may not be finished. Sync it again later."
        )
    return [LineFile(name, Secret(link)) for name, link in zip(_names(found), found, strict=True)]


def _asked(calls: Calls, access: Access, url: str, what: str, naming: Naming, *, signed: bool = False) -> Any:
    cut = cut_signed_links if signed else bytes
    reply = calls.call(access, method="GET", url=url, what=what, expected=frozenset({401}), cut=cut)
    if reply.status == 401:
        _refuse_key(reply, what, naming)
    return parsed_whatever(reply, what=what)


def _refuse_key(reply: Reply, what: str, naming: Naming) -> NoReturn:
    said = words(reply)
    raise ProviderRefused(
        f"StreamOne answered 401 to {what}{f' ({said})' if said else ''}: it does not take the API key of {naming.provider}. Check {naming.variable}: it "
        "is key:secret, as StreamOne shows them under Settings, Account Information."
    )


# --- what an answer holds ------------------------------------------------------------------------------------------------------------------


def _listed(document: Any, *, lists: Sequence[str], what: str) -> list[Any]:
    """The items of an answer: a list, or the list that stands in it under one of these names, wrapped or not."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        said = _folded(document)
        for name in lists:
            if isinstance(said.get(name), list):
                return said[name]
            if isinstance(said.get(name), dict) and "id" in _folded(said[name]):
                return [said[name]]
        for name in (*_WRAPPERS, *lists):
            if isinstance(said.get(name), dict | list):
                return _listed(said[name], lists=lists, what=what)
    names = ", ".join(map(str, list(document)[:8])) if isinstance(document, dict) else type(document).__name__
    raise ProviderChanged(f"The answer to {what} has no list that we know (it has: {shortened(names)}). Report it with the landed answer.")


def _count(document: Any) -> int:
    """How many there are in all, where the answer says it beside the list; 0 where it does not."""
    places = [document] if isinstance(document, dict) else []
    for place in places:
        said = _folded(place)
        for name in _COUNTS:
            if isinstance(said.get(name), int) and not isinstance(said[name], bool):
                return said[name]
        places += [said[name] for name in ("data", "meta", "pagination", "paging") if isinstance(said.get(name), dict)]
    return 0


def _links(document: Any, *, what: str) -> Iterator[str]:
    """detailedInvoiceFilesUrls, wherever it stands: of strings, or of objects with a url."""
    if isinstance(document, list):
        for one in document:
            yield from _links(one, what=what)
    elif isinstance(document, dict):
        for name, value in document.items():
            if str(name).lower() != "detailedinvoicefilesurls":
                yield from _links(value, what=what)
                continue
            for entry in [value] if isinstance(value, str) else value or []:
                link = _folded(entry).get("url") if isinstance(entry, dict) else entry
                if not isinstance(link, str) or not link.strip():
                    raise ProviderChanged(f"`detailedInvoiceFilesUrls` of {what} holds something that is no address. Report it.")
                yield link.strip()


def _names(links: Sequence[str]) -> list[str]:
    """The last step of each address, made distinct; an address may name no file at all."""
    names: list[str] = []
    for position, link in enumerate(links, 1):
        name = re.sub(r"[^A-Za-z0-9._ ()-]", "_", unquote(PurePosixPath(urlsplit(link).path).name))[-100:] or f"file-{position}.csv"
        names.append(name if name not in names else f"{position}-{name}")
    return names


def _header(item: Any) -> InvoiceHeader:
    if not isinstance(item, dict):
        raise ProviderChanged("StreamOne's list of invoices holds something that is no invoice. Report it with the landed answer.")
    said = _folded(item)
    number, identifier = _text(said, "number"), _text(said, "id")
    if not number or not _NUMBER.fullmatch(number):
        raise ProviderChanged(
            f"An invoice in StreamOne's list has no usable id ({shortened(repr(number))}). Report it with the landed answer."
        )
    start, end = _day(said, "start", number), _day(said, "end", number)
    day = _day(said, "date", number) or end or start
    if day is None:
        raise ProviderChanged(
            f"Invoice {number} in StreamOne's list has neither a date nor a billing period. Report it with the landed answer."
        )
    return InvoiceHeader(
        number=number,
        invoice_date=day,
        currency=_currency(said),
        total=_total(said, number),
        period_start=start,
        period_end=end,
        provider_id=identifier if identifier != number else None,
    )


def _folded(said: Mapping[str, Any]) -> dict[str, Any]:
    """By names in lower case, letters and digits only; the first spelling of a name counts."""
    found: dict[str, Any] = {}
    for name, value in said.items():
        found.setdefault(re.sub(r"[^a-z0-9]", "", str(name).lower()), value)
    return found


def _value(said: Mapping[str, Any], what: str) -> Any:
    """The first of its names that says something; of an object its amount or code."""
    for name in _CALLED[what]:
        value = said.get(name)
        if isinstance(value, dict):
            inner = _folded(value)
            value = next((inner[part] for part in ("amount", "value", "code", "id") if inner.get(part) not in (None, "")), None)
        if value not in (None, "") and not isinstance(value, list | dict | bool):
            return value
    return None


def _text(said: Mapping[str, Any], what: str) -> str:
    value = _value(said, what)
    return "" if value is None else str(value).strip()


def _total(said: Mapping[str, Any], number: str) -> Decimal | None:
    value = _value(said, "total")
    if value is None:
        return None
    total = readable(value.strip()) if isinstance(value, str) else Decimal(value)
    if total is None or not is_plausible(total):
        raise ProviderChanged(
            f"The total of invoice {number} in StreamOne's list is {shortened(repr(value))}, which is no amount. Report it."
        )
    return total


def _currency(said: Mapping[str, Any]) -> str:
    """A code of three letters; of an amount that is an object its own, and XXX where the invoice says none."""
    totals = [_folded(said[name]) for name in _CALLED["total"] if isinstance(said.get(name), dict)]
    for place in (said, *totals):
        code = _text(place, "currency").upper()
        if re.fullmatch(r"[A-Z]{3}", code):
            return code
    return NO_CURRENCY


def _day(said: Mapping[str, Any], what: str, number: str) -> date | None:
    value = _value(said, what)
    if value is None:
        return None
    try:
        found = utc_moment_of(str(value))
    except (ValueError, OverflowError):
        raise ProviderChanged(
            f"A date of invoice {number} in StreamOne's list is {shortened(repr(value))}. Report it with the landed answer."
        ) from None
    return found.date() if found else None
