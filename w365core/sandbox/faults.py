"""What can be made to go wrong, where, and how often: `KIND[:DETAIL][@PLACE][xN]`, such as throttle:2@operationx3.

Without a place a fault strikes wherever its kind can; without a count, each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from w365core.errors import CallRefused
from w365core.sandbox import damage

PLACES = ("token", "invoices", "customers", "auditrecords", "export", "operation", "manifest", "blob", "streamone", "detailed", "file")

# kind -> the places it can strike, and what the client meets
KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "throttle": (PLACES, "429 with Retry-After: DETAIL seconds (1), or DETAIL one of date (in a second), absent, nonsense"),
    "500": (PLACES, "an internal error, or the status DETAIL: 502, 503, 504"),
    "redirect": (PLACES, "302 to another host"),
    "hang": (PLACES, "no answer at all"),
    "stall": (PLACES, "the head and half of the body, then nothing"),
    "reset": (PLACES, "the connection is torn down after DETAIL bytes of the answer's body (half of it)"),
    "drip": (PLACES, "a byte every DETAIL seconds (0.2)"),
    "empty-401": (PLACES, "401 without a body"),
    "refused-secret": (("token",), "the client secret is wrong or has run out"),
    "lost-customer": (("customers",), "403 for the subscriptions of customer DETAIL (whoever is asked for)"),
    "duplicate-page": (
        ("invoices", "customers", "auditrecords", "streamone"),
        "the second page is the first again, and so is each later one",
    ),
    "skipped-page": (("invoices",), "the second page is left out"),
    "reordered-pages": (("invoices",), "the list comes back to front"),
    "next-loop": (("invoices",), "each page's link leads to the first page"),
    "changed-total": (("invoices",), "2000 more than before on document DETAIL (the first one listed)"),
    "new-etag": (("manifest",), "another version of the data at each asking"),
    "wrong-count": (("manifest",), "blobCount says one blob more than the list has"),
    "expired-sas": (
        ("manifest", "blob"),
        "a SAS that ran out an hour ago; at a blob it runs out in the middle of the list, before the one named DETAIL",
    ),
    "expired-url": (("detailed",), "addresses of files that ran out an hour ago"),
    "missing-blob": (("blob", "file"), "404 for a blob or file that is listed"),
    "truncated": (("blob", "file"), "half of the blob or file, as a complete answer"),
    "damaged": (
        ("blob",),
        "the blob packed wrongly or otherwise: DETAIL is trailer, checksum (the default), garbage, members or last-line",
    ),
}

# kind -> what may stand after the colon, and how a message says it
_DETAILS = {
    "throttle": (r"[0-9]+(\.[0-9]+)?|date|absent|nonsense", "a number of seconds, date, absent or nonsense"),
    "drip": (r"[0-9]+(\.[0-9]+)?", "a number of seconds"),
    "500": (r"50[0234]", "500, 502, 503 or 504"),
    "reset": (r"[0-9]{1,9}", "a number of bytes"),
    "damaged": ("|".join(damage.WAYS), " or ".join(damage.WAYS)),
}

_SPELLING = re.compile(r"(?P<kind>[a-z0-9-]+?)(?::(?P<detail>[^@]+?))?(?:@(?P<place>[a-z]+?))?(?:x(?P<times>0|[1-9][0-9]{0,5}))?")


@dataclass(frozen=True)
class Fault:
    """`places` it can strike; `times` still to come, None = for ever."""

    kind: str
    detail: str | None
    places: tuple[str, ...]
    times: int | None

    def __str__(self) -> str:
        detail = f":{self.detail}" if self.detail else ""
        place = f"@{self.places[0]}" if len(self.places) == 1 else ""
        return f"{self.kind}{detail}{place}" + ("" if self.times is None else f"x{self.times}")


class Faults:
    """The faults switched on. Every strike counts one down; safe to use from several threads."""

    def __init__(self, spellings: Iterable[str] = ()) -> None:
        self._lock = Lock()
        self._active = [parsed(spelling) for spelling in spellings]

    def replace(self, spellings: Iterable[str]) -> None:
        """Switches these on and all others off. CallRefused for a spelling nobody knows."""
        active = [parsed(spelling) for spelling in spellings]
        with self._lock:
            self._active = active

    def left(self) -> list[str]:
        with self._lock:
            return [str(fault) for fault in self._active]

    def strike(self, kind: str, place: str, about: str | None = None) -> Fault | None:
        """The fault of this kind that strikes here now, counted down; None where all is well. `about` is what the answer is about, where a fault
        may name the one that it strikes."""
        with self._lock:
            for position, fault in enumerate(self._active):
                if fault.kind == kind and place in fault.places and (about is None or fault.detail in (None, about)):
                    if fault.times is not None:
                        later = [] if fault.times == 1 else [Fault(fault.kind, fault.detail, fault.places, fault.times - 1)]
                        self._active[position : position + 1] = later
                    return fault
        return None


def parsed(spelling: str) -> Fault:
    """The fault that the text spells. CallRefused names what can be said instead."""
    found = _SPELLING.fullmatch(spelling.strip())
    if not found or found["kind"] not in KINDS or found["times"] == "0":
        raise CallRefused(f"There is no fault {spelling!r}; say KIND[:DETAIL][@PLACE][xN] with KIND one of {', '.join(KINDS)}.")
    places = KINDS[found["kind"]][0]
    if found["place"]:
        if found["place"] not in places:
            raise CallRefused(f"The fault {found['kind']} cannot strike at {found['place']!r}; its places are {', '.join(places)}.")
        places = (found["place"],)
    said = _DETAILS.get(found["kind"])
    if said and found["detail"] and not re.fullmatch(said[0], found["detail"]):
        raise CallRefused(f"The fault {spelling!r} needs {said[1]} after the colon.")
    return Fault(found["kind"], found["detail"], places, int(found["times"]) if found["times"] else None)
