"""How does Partner Center hand out a long list? Page by page, in either of its two styles, until there is certainly no more.

The next page is always built from our own parameters; of the provider's link only the offset or the continuation token is taken,
because documented links lack the version, the value of `offset`, or a proper query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from w365core.errors import ProviderChanged, ProviderUnavailable
from w365core.providers.http import Access, Calls
from w365core.providers.replies import Reply, parsed

MOST_PAGES = 5000
MOST_BARREN_PAGES = 3


@dataclass(frozen=True)
class Listing:
    """One list of the provider: where it is, what a message calls it and its items, how it is asked for.

    `first` are the parameters of the first page beside `size` and `query`; `expected` are refusals that the caller reads himself.
    """

    url: str
    what: str
    noun: str
    size: int | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, Any] = field(default_factory=dict)
    expected: frozenset[int] = frozenset()

    @property
    def sentence(self) -> str:
        """`what` as a sentence begins with it."""
        return self.what[:1].upper() + self.what[1:]


class Refused(Exception):
    """One of the listing's expected refusals came in place of a page."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True)
class _Page:
    """Where a page starts: at an offset, or where a continuation token says."""

    offset: int = 0
    token: str | None = None


def pages(calls: Calls, access: Access, listing: Listing) -> Iterator[dict[str, Any]]:
    """The pages, until there is no next one, an empty one, or one that we have been sent to before. Refused for an expected refusal."""
    page: _Page | None = _Page()
    seen: set[_Page] = set()
    passed = 0
    while page is not None and page not in seen:
        if len(seen) == MOST_PAGES:
            raise ProviderChanged(f"{listing.sentence} does not end after {MOST_PAGES} pages. Report it with the landed answers.")
        seen.add(page)
        url = f"{listing.url}{_query(listing, page)}"
        reply = calls.call(access, method="GET", url=url, what=listing.what, headers=_continuing(page), expected=listing.expected)
        if not reply.is_fine:
            raise Refused(reply)
        document = parsed(reply, what=listing.what)
        found = items(document, listing)
        passed += len(found)
        yield document
        page = _next_page(document, listing, passed=passed) if found else None


def items(document: Mapping[str, Any], listing: Listing) -> list[Any]:
    """What the page holds. ProviderChanged where it holds no list."""
    found = document.get("items")
    if not isinstance(found, list):
        raise ProviderChanged(f"{listing.sentence} has no `items`. Nothing was taken from it; report it with the landed answer.")
    return found


def count(document: Mapping[str, Any]) -> int:
    """How many there are in all, as the page says it; 0 where it does not."""
    said = document.get("totalCount")
    if isinstance(said, str) and re.fullmatch(r"[0-9]{1,9}", said):
        return int(said)
    return said if isinstance(said, int) and not isinstance(said, bool) else 0


def everything(calls: Calls, access: Access, listing: Listing) -> dict[str, dict[str, Any]]:
    """Every item once, by its id in lower case, in the order of the list. ProviderUnavailable where fewer came than the provider counts."""
    listed: dict[str, dict[str, Any]] = {}
    counted = barren = 0
    for document in pages(calls, access, listing):
        counted, before = max(counted, count(document)), len(listed)
        for item in items(document, listing):
            listed.setdefault(identity(item, listing).lower(), item)
        barren = 0 if len(listed) > before else barren + 1
        if barren == MOST_BARREN_PAGES:
            break  # a list that repeats itself under ever new links
    refuse_short_read(len(listed), counted, listing)
    return listed


def identity(item: Any, listing: Listing) -> str:
    """The item's id as printed. ProviderChanged where there is none."""
    said = item.get("id") if isinstance(item, dict) else None
    text = str(said).strip() if isinstance(said, str | int) and not isinstance(said, bool) else ""
    if not text or len(text) > 200 or not text.isprintable():
        raise ProviderChanged(f"{listing.sentence} holds an item without a usable `id`. Report it with the landed answer.")
    return text


def refuse_short_read(listed: int, counted: int, listing: Listing) -> None:
    """ProviderUnavailable where fewer items came than the provider counts."""
    if listed < counted:
        raise ProviderUnavailable(f"Partner Center counts {counted} {listing.noun} but listed only {listed}. Try again later.")


def _query(listing: Listing, page: _Page) -> str:
    sized = {} if listing.size is None else {"size": listing.size}
    if page.token is not None:
        place: Mapping[str, Any] = {"seekOperation": "Next"}
    else:
        place = {"offset": page.offset} if page.offset else listing.first
    asked = {**listing.query, **sized, **place}
    return f"?{urlencode(asked)}" if asked else ""


def _continuing(page: _Page) -> dict[str, str]:
    return {} if page.token is None else {"MS-ContinuationToken": page.token}


def _next_page(document: Mapping[str, Any], listing: Listing, *, passed: int) -> _Page | None:
    """What the link to the next page says; without a usable offset the number of items passed so far."""
    links = document.get("links")
    link = links.get("next") if isinstance(links, dict) else None
    if not isinstance(link, dict):
        return None
    for header in link.get("headers") or []:
        if isinstance(header, dict) and str(header.get("key", "")).lower() == "ms-continuationtoken":
            return _Page(token=_sendable(str(header.get("value", "")), listing))
    offset = parse_qs(urlsplit(str(link.get("uri", ""))).query).get("offset", [""])[0]
    return _Page(offset=int(offset) if re.fullmatch(r"[0-9]{1,9}", offset) else passed)


def _sendable(token: str, listing: Listing) -> str:
    if re.fullmatch(r"[!-~]{1,8192}", token):
        return token
    raise ProviderChanged(f"{listing.sentence} goes on with a continuation token that no header can carry. Report it.")
