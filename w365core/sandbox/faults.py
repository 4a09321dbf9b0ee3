"""What can be made to go wrong, where, and how often: `KIND[:DETAIL][@PLACE][xN]`, such as throttle:2@operationx3.

Without a place a fault strikes wherever its kind can; without a count, each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from w365core.errors import CallRefused

PLACES = ("token", "invoices", "customers", "auditrecords", "export", "operation", "manifest", "blob", "streamone", "detailed", "file")

# kind -> the places it can strike, and what the client meets
KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "throttle": (PLACES, "429 with Retry-After: DETAIL seconds (1)"),
    "500": (PLACES, "an internal error"),
    "hang": (PLACES, "no answer at all"),
    "reset": (PLACES, "the connection is torn down in the middle of the answer"),
    "drip": (PLACES, "a byte every DETAIL seconds (0.2)"),
    "empty-401": (PLACES, "401 without a body"),
    "refused-secret": (("token",), "the client secret is wrong or has run out"),
    "lost-customer": (("customers",), "403 for the subscriptions of customer DETAIL (whoever is asked for)"),
    "duplicate-page": (
        ("invoices", "customers", "auditrecords", "streamone"),
        "the second page is the first again, and so is each later one",
    ),
    "changed-total": (("invoices",), "2000 more than before on document DETAIL (the first one listed)"),
    "new-etag": (("manifest",), "another version of the data at each asking"),
    "wrong-count": (("manifest",), "blobCount says one blob more than the list has"),
    "expired-sas": (("manifest",), "a SAS that ran out an hour ago"),
    "expired-url": (("detailed",), "addresses of files that ran out an hour ago"),
    "missing-blob": (("blob", "file"), "404 for a blob or file that is listed"),
    "truncated": (("blob", "file"), "half of the blob or file, as a complete answer"),
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

    def strike(self, kind: str, place: str) -> Fault | None:
        """The fault of this kind that strikes here now, counted down; None where all is well."""
        with self._lock:
            for position, fault in enumerate(self._active):
                if fault.kind == kind and place in fault.places:
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
    if found["kind"] in ("throttle", "drip") and found["detail"] and not re.fullmatch(r"[0-9]+(\.[0-9]+)?", found["detail"]):
        raise CallRefused(f"The fault {spelling!r} needs a number of seconds after the colon, such as {found['kind']}:2.")
    return Fault(found["kind"], found["detail"], places, int(found["times"]) if found["times"] else None)
