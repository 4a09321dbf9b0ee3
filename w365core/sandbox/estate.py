"""What does the provider know by now: one folder, read afresh for each question, so that a test may change a file between two calls.

    estate.json                               {"tenant_id": …, "providers": [{"name", "type", "tenant_id", "client_id"}],
                                               and where wanted "clock" (ISO time, else nothing is too late to be there),
                                               "client_secret" (else any is accepted), "running_polls" (default 1),
                                               "retry_after" (seconds, default 1), "sas_seconds" (default 43200),
                                               "page_size" (most invoices on a page, default 2000)}
    partner_center/invoices.json              list of documents as GET /v1/invoices prints them, amendments inside
    partner_center/invoices@DAY.json          those of them that read otherwise from the start of that day (UTC) on
    partner_center/customers.json             list of customers
    partner_center/subscriptions/ID.json      list of the subscriptions of a customer
    partner_center/entitlements/ID.json       list of the Azure subscriptions under an Azure plan
    partner_center/auditrecords.json          list of audit records, in the order of their operationDate
    partner_center/exports/NUMBER/FEED/part-*.json.gz                     lines of a document; FEED is reconciliation or usage
    partner_center/exports/NUMBER@DAY/FEED/part-*.json.gz                 lines that have replaced them, both feeds, from that day on
    partner_center/exports/unbilled-CUR-PERIOD/FEED/part-*.json.gz        estimates; PERIOD is current or last

A feed without blobs is a feed without data. File names of ids are lower case. A document dated after the clock is neither listed nor exported,
and the estimates go up to the clock.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from w365core.errors import CallRefused
from w365core.sandbox import clock as clocks
from w365core.sandbox.clock import Clock

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
_ETAG_LENGTH = 17  # as long as the documented one
_SETTINGS = ("tenant_id", "client_secret", "running_polls", "retry_after", "sas_seconds", "page_size")


@dataclass(frozen=True)
class Estate:
    """The folder, what its estate.json says, and the moment it is seen at."""

    folder: Path
    tenant_id: str
    client_secret: str | None = None
    running_polls: int = 1
    retry_after: int = 1
    sas_seconds: int = 43200
    page_size: int = 2000
    clock: Clock = field(default_factory=Clock)


@dataclass(frozen=True)
class Blob:
    """One file of lines; `until` leaves out those of a later usage day."""

    path: Path
    until: datetime | None = None

    @property
    def name(self) -> str:
        return self.path.name

    def content(self) -> bytes:
        """The gzip; empty where no line is left."""
        return self.path.read_bytes() if self.until is None else _packed_until(*self.version)

    @property
    def version(self) -> tuple[str, int, int, datetime | None]:
        stat = self.path.stat()
        return str(self.path), stat.st_size, stat.st_mtime_ns, self.until


@dataclass(frozen=True)
class Export:
    """One feed of one document, or of the unbilled month: `document` is the name that it is asked for by."""

    document: str
    feed: str
    blobs: tuple[Blob, ...]

    @property
    def etag(self) -> str:
        """The version of the content: equal bytes, equal tag, across restarts."""
        return _fingerprint(tuple(blob.version for blob in self.blobs))


def opened(folder: Path, *, now: datetime | None = None) -> Estate:
    """The estate in the folder, seen at `now`, else at its own clock. CallRefused where it is none."""
    description = folder / "estate.json"
    try:
        said = msgspec.json.decode(description.read_bytes())
        known = {name: said[name] for name in _SETTINGS if name in said}
        own = clocks.moment(said["clock"]) if "clock" in said else None
        return Estate(folder=folder, **known, clock=Clock(own, now))
    except (OSError, msgspec.DecodeError, TypeError, KeyError, CallRefused):
        raise CallRefused(
            f"{folder} is no estate: it needs an estate.json with at least a tenant_id. Point --estate at such a folder, as data/demo is."
        ) from None


def documents(estate: Estate) -> list[dict[str, Any]]:
    """As listed by now: newest version, amendments dated by now inside."""
    listed, *changes = [_listed(path) for path in clocks.versions(estate.folder / "partner_center" / "invoices.json", estate.clock)]
    changed = {document["id"]: document for change in changes for document in change}
    known = [changed.get(document["id"], document) for document in listed]
    return [_without_later_amendments(document, estate.clock) for document in known if _is_issued(document, estate.clock)]


def customers(estate: Estate) -> list[dict[str, Any]]:
    return _listed(estate.folder / "partner_center" / "customers.json")


def subscriptions(estate: Estate, customer_id: str) -> list[dict[str, Any]]:
    return _named(estate, "subscriptions", customer_id)


def entitlements(estate: Estate, plan_id: str) -> list[dict[str, Any]]:
    return _named(estate, "entitlements", plan_id)


def audit_records(estate: Estate, *, since: date, until: date) -> list[dict[str, Any]]:
    """Those of these days (UTC), both included, that have been made by now."""
    days = [
        (clocks.printed(record.get("operationDate")), record) for record in _listed(estate.folder / "partner_center" / "auditrecords.json")
    ]
    return [record for at, record in days if at is not None and estate.clock.is_past(at) and since <= at.date() <= until]


def export(estate: Estate, *, document: str, feed: str) -> Export | None:
    """The blobs of a feed in the order of their names, or None where there is no such data by now."""
    if not _SAFE_NAME.fullmatch(document) or feed not in ("reconciliation", "usage") or document in _not_issued(estate):
        return None
    newest = clocks.versions(estate.folder / "partner_center" / "exports" / document, estate.clock)[-1]
    until = estate.clock.now if document.startswith("unbilled-") else None
    blobs = [Blob(path, until) for path in sorted((newest / feed).glob("part-*.json.gz"))]
    filled = tuple(blob for blob in blobs if until is None or blob.content())
    return Export(document, feed, filled) if filled else None


def _not_issued(estate: Estate) -> set[str]:
    """Numbers of the documents that are dated after the clock."""
    listed = _listed(estate.folder / "partner_center" / "invoices.json")
    known = [one for document in listed for one in (document, *document.get("amendments", ()))]
    return {document["id"] for document in known if not _is_issued(document, estate.clock)}


def _is_issued(document: dict[str, Any], clock: Clock) -> bool:
    return clock.is_past(clocks.printed(document.get("invoiceDate")))


def _without_later_amendments(document: dict[str, Any], clock: Clock) -> dict[str, Any]:
    amendments = document.get("amendments", [])
    issued = [amendment for amendment in amendments if _is_issued(amendment, clock)]
    if len(issued) == len(amendments):
        return document
    kept = {name: value for name, value in document.items() if name != "amendments"}
    return {**kept, "amendments": issued} if issued else kept


def _named(estate: Estate, kind: str, identifier: str) -> list[dict[str, Any]]:
    if not _SAFE_NAME.fullmatch(identifier):
        return []
    return _listed(estate.folder / "partner_center" / kind / f"{identifier.lower()}.json")


def _listed(path: Path) -> list[dict[str, Any]]:
    """Numbers stay decimals, so that an amount leaves as it stands in the file."""
    try:
        return _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return []


@lru_cache(maxsize=4096)
def _fingerprint(blobs: tuple[tuple[str, int, int, datetime | None], ...]) -> str:
    content = hashlib.sha256()
    for path, size, _, until in blobs:
        packed = Blob(Path(path), until).content()
        content.update(f"{Path(path).name}:{size if until is None else len(packed)}:".encode())
        content.update(hashlib.sha256(packed).digest())
    return base64.urlsafe_b64encode(content.digest()).decode()[:_ETAG_LENGTH]


@lru_cache(maxsize=16)
def _packed_until(path: str, _size: int, _changed: int, until: datetime | None) -> bytes:
    """The lines whose usage day has begun by then, packed alike each time; the file's own bytes where that is all of them."""
    packed = Path(path).read_bytes()
    lines = gzip.decompress(packed).splitlines(keepends=True)
    clock = Clock(until)
    kept = [line for line in lines if clock.is_past(_usage_day(line))]
    if len(kept) == len(lines):
        return packed
    return gzip.compress(b"".join(kept), mtime=0) if kept else b""


def _usage_day(line: bytes) -> datetime | None:
    said = {name.lower(): value for name, value in msgspec.json.decode(line, type=dict[str, Any]).items()}
    return clocks.printed(said.get("usagedate"))
