"""What does the provider know: one folder, read afresh for each question, so that a test may change a file between two calls.

    estate.json                               {"clock": ISO time, "tenant_id": …, "providers": [{"name", "type", "tenant_id", "client_id"}],
                                               and where wanted "client_secret" (else any is accepted), "running_polls" (default 1),
                                               "retry_after" (seconds, default 1), "sas_seconds" (default 43200)}
    partner_center/invoices.json              list of documents as GET /v1/invoices prints them, amendments inside
    partner_center/customers.json             list of customers
    partner_center/subscriptions/ID.json      list of the subscriptions of a customer
    partner_center/entitlements/ID.json       list of the Azure subscriptions under an Azure plan
    partner_center/exports/NUMBER/FEED/part-*.json.gz                     lines of a document; FEED is reconciliation or usage
    partner_center/exports/unbilled-CUR-PERIOD/FEED/part-*.json.gz        estimates; PERIOD is current or last

A feed without blobs is a feed without data. File names of ids are lower case.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from w365core.errors import CallRefused

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
_ETAG_LENGTH = 17  # as long as the documented one


@dataclass(frozen=True)
class Estate:
    """The folder and what its estate.json says."""

    folder: Path
    tenant_id: str
    client_secret: str | None = None
    running_polls: int = 1
    retry_after: int = 1
    sas_seconds: int = 43200


@dataclass(frozen=True)
class Export:
    """One feed of one document, or of the unbilled month: `document` is the folder's name."""

    document: str
    feed: str
    blobs: tuple[Path, ...]

    @property
    def etag(self) -> str:
        """The version of the content: equal bytes, equal tag, across restarts."""
        stats = [(blob, blob.stat()) for blob in self.blobs]
        return _fingerprint(tuple((str(blob), stat.st_size, stat.st_mtime_ns) for blob, stat in stats))


def opened(folder: Path) -> Estate:
    """The estate in the folder. CallRefused where it is none."""
    description = folder / "estate.json"
    try:
        said = msgspec.json.decode(description.read_bytes())
        known = {field: said[field] for field in Estate.__dataclass_fields__ if field in said}
        return Estate(folder=folder, **known)
    except (OSError, msgspec.DecodeError, TypeError, KeyError):
        raise CallRefused(
            f"{folder} is no estate: it needs an estate.json with at least a tenant_id. Point --estate at such a folder, as data/demo is."
        ) from None


def documents(estate: Estate) -> list[dict[str, Any]]:
    return _listed(estate.folder / "partner_center" / "invoices.json")


def customers(estate: Estate) -> list[dict[str, Any]]:
    return _listed(estate.folder / "partner_center" / "customers.json")


def subscriptions(estate: Estate, customer_id: str) -> list[dict[str, Any]]:
    return _named(estate, "subscriptions", customer_id)


def entitlements(estate: Estate, plan_id: str) -> list[dict[str, Any]]:
    return _named(estate, "entitlements", plan_id)


def export(estate: Estate, *, document: str, feed: str) -> Export | None:
    """The blobs of a feed in the order of their names, or None where there is no such data."""
    if not _SAFE_NAME.fullmatch(document) or feed not in ("reconciliation", "usage"):
        return None
    blobs = tuple(sorted((estate.folder / "partner_center" / "exports" / document / feed).glob("part-*.json.gz")))
    return Export(document, feed, blobs) if blobs else None


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
def _fingerprint(blobs: tuple[tuple[str, int, int], ...]) -> str:
    content = hashlib.sha256()
    for path, size, _ in blobs:
        content.update(f"{Path(path).name}:{size}:".encode())
        with open(path, "rb") as blob:
            content.update(hashlib.file_digest(blob, "sha256").digest())
    return base64.urlsafe_b64encode(content.digest()).decode()[:_ETAG_LENGTH]
