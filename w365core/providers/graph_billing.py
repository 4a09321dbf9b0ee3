"""How Microsoft Graph hands out the lines of an invoice: asked for, waited for, and fetched as blobs that a manifest lists.

    request_export, request_unbilled ─► operation URL ─► wait_for_export ─► Manifest | NoData ─► download, blob by blob

The operation URL may be kept and waited for again, now or by another process: that is also how a run-out signature is renewed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from w365core.dates import utc_moment_of
from w365core.errors import CallRefused, ProviderChanged, ProviderRefused, ProviderUnavailable
from w365core.model import Feed, Secret, shortened
from w365core.providers import waiting
from w365core.providers.addresses import Allowed, admitted, joined
from w365core.providers.contract import Blob, ExportFailed, ExportGone, Manifest, NoData
from w365core.providers.http import Access, Calls
from w365core.providers.replies import Reply, parsed
from w365core.providers.secrecy import cut_text

PERMISSION = "the application permission PartnerBilling.Read.All with an administrator's consent (app-only)"
LONGEST_POLL = 60.0
NO_DATA = "5000"

_RUNNING: Mapping[str, Any] = {"status": "running"}
_PATHS = {Feed.RECONCILIATION: "reconciliation", Feed.DAILY_RATED: "usage"}
# A blob's name becomes the last step of an address: no step of its own, no query, no other scheme.
_BLOB_NAME = re.compile(r"[A-Za-z0-9_(][A-Za-z0-9_.,=+@ ()-]{0,254}", re.ASCII)
_SAS = re.compile(r"[!$%&'()*+,./0-9:;=?@A-Z_a-z~-]+", re.ASCII)


def request_export(calls: Calls, access: Access, *, root: str, invoice_number: str, feed: Feed) -> str:
    """Asks for the lines of an invoice; the operation's URL. CallRefused for a feed that Graph does not have."""
    body = {"invoiceId": invoice_number, "attributeSet": "full"}
    return _requested(
        calls, access, root=root, path=f"{_path(feed)}/billed", body=body, what=f"the {_path(feed)} export of invoice {invoice_number}"
    )


def request_unbilled(calls: Calls, access: Access, *, root: str, currency: str, period: str, feed: Feed) -> str:
    """Asks for lines not yet invoiced of the `current` or `last` period; the operation's URL."""
    if period not in ("current", "last"):
        raise CallRefused(f"The billing period is {period!r}; unbilled lines exist for `current` and `last` only.")
    body = {"currencyCode": currency, "billingPeriod": period, "attributeSet": "full"}
    what = f"the export of unbilled {_path(feed)} in {currency}"
    return _requested(calls, access, root=root, path=f"{_path(feed)}/unbilled", body=body, what=what)


def wait_for_export(calls: Calls, access: Access, *, operation_url: str, storage: Allowed) -> Manifest | NoData:
    """Polls until the manifest is there.

    ProviderUnavailable when the manifest is not whole or the deadline passes (the same operation may be waited for again), ExportGone when
    Graph no longer knows the operation, or it failed.
    """
    url = admitted(operation_url, within=access.within)
    begun = calls.clock()
    while True:
        reply = _polled(calls, access, url)
        operation = _RUNNING if _is_only_accepted(reply) else parsed(reply, what="the state of an export")
        status = str(operation.get("status") or "").lower()
        if status == "succeeded":
            return _manifest(_linked(calls, access, operation, base=url), storage=storage)
        if status == "failed":
            return _failed(operation)
        if not status:
            raise ProviderChanged("The state of an export has no `status`. Report it with the landed answer.")
        wait = _until_next_poll(reply, poll=calls.patience.poll)
        if calls.clock() - begun + wait > calls.patience.export_deadline:
            raise ProviderUnavailable(
                f"The export is still {shortened(cut_text(status), 30)} after {calls.clock() - begun:.0f} s. "
                "Run the command again later: it goes on waiting for the same export."
            )
        calls.sleep(wait)


def download(calls: Calls, *, manifest: Manifest, blob: Blob, to: Path, storage: Allowed) -> None:
    """Streams one blob into the file, byte for byte. SasExpired when the signature has run out."""
    address = f"{manifest.root_directory.rstrip('/')}/{quote(blob.name)}?{manifest.sas_token.reveal()}"
    calls.download(address, within=storage, to=to, what=f"the download of {blob.name}")


def _path(feed: Feed) -> str:
    if feed not in _PATHS:
        raise CallRefused(f"Microsoft Graph has no {feed} lines. Import such a file by hand.")
    return _PATHS[feed]


def _requested(calls: Calls, access: Access, *, root: str, path: str, body: Mapping[str, str], what: str) -> str:
    url = f"{root}/v1.0/reports/partners/billing/{path}/export"
    reply = calls.call(access, method="POST", url=url, what=what, body=body)
    location = reply.headers.get("Location", "").strip()
    if not location:
        raise ProviderChanged(f"Microsoft Graph accepted {what} without saying where to wait for it. Report it with the landed answer.")
    return joined(location, base=url, within=access.within)


def _polled(calls: Calls, access: Access, url: str) -> Reply:
    reply = calls.call(access, method="GET", url=url, what="the question after an export", expected=frozenset({404, 410}))
    if not reply.is_fine:
        raise ExportGone("Microsoft Graph no longer knows this export. Run the command again: it asks for a new one.")
    return reply


def _is_only_accepted(reply: Reply) -> bool:
    """A bare 202 in place of a state, as long-running operations of other services answer."""
    return reply.status == 202 and not reply.content.strip()


def _until_next_poll(reply: Reply, *, poll: float) -> float:
    """Seconds: what the provider asks for, else our own; never above a minute, nor above a `poll` set below the usual 10 s."""
    asked = waiting.asked_for(reply.headers, now=datetime.now(UTC))
    wait = min(poll if asked is None else max(asked, min(poll, 1.0)), LONGEST_POLL)
    return min(wait, poll) if poll < 10 else wait


def _failed(operation: Mapping[str, Any]) -> NoData:
    error = operation.get("error")
    error = error if isinstance(error, dict) else {}
    code, message = str(error.get("code") or ""), shortened(cut_text(str(error.get("message") or "")), 200)
    if code == NO_DATA or "no data available" in message.lower():
        return NoData(code=code or NO_DATA, message=message or "No data available")
    said = ": ".join(part for part in (shortened(cut_text(code), 40), message) if part) or "no reason given"
    raise ExportFailed(f"The export failed at Microsoft ({said}). Run the command again later: it asks for a new export.")


def _linked(calls: Calls, access: Access, operation: Mapping[str, Any], *, base: str) -> Mapping[str, Any]:
    """The manifest of a finished operation, which stands in it or behind a link."""
    place = operation.get("resourceLocation")
    if isinstance(place, dict) and _has_folder(place):
        return place
    links = [place, *(operation.get(f"resourceLocation@odata.{kind}") for kind in ("navigationLink", "associationLink", "id"))]
    link = next((link for link in links if isinstance(link, str) and link), None)
    if link is None:
        raise ProviderChanged("A finished export has neither a manifest nor a link to one. Report it with the landed answer.")
    reply = calls.call(access, method="GET", url=joined(link, base=base, within=access.within), what="the manifest of an export")
    return parsed(reply, what="the manifest of an export")


def _has_folder(place: Mapping[str, Any]) -> bool:
    return "rootDirectory" in place or "blobs" in place


def _manifest(document: Mapping[str, Any], *, storage: Allowed) -> Manifest:
    """The manifest, checked: whole, inside the storage, with a version. The eTag has no substitute: the manifest's id changes
    with each export of the same data, and every day would look like a changed invoice."""
    blobs = _blobs(document)
    sas = _text(document, "sasToken").lstrip("?")
    if not _SAS.fullmatch(sas):
        raise ProviderChanged("`sasToken` of the export's manifest is no signature for an address. Report it with the landed answer.")
    created = document.get("createdDateTime")
    return Manifest(
        etag=_text(document, "eTag"),
        data_format=str(document.get("dataFormat") or ""),
        root_directory=_folder(document, storage=storage),
        sas_token=Secret(sas),
        blobs=blobs,
        created_at=_created(str(created)) if created else None,
    )


def _folder(document: Mapping[str, Any], *, storage: Allowed) -> str:
    folder = admitted(_text(document, "rootDirectory"), within=storage)
    if "?" in folder or re.search(r"/(?:\.|%2e){1,2}(?:/|$)", folder, re.IGNORECASE):
        raise ProviderRefused("`rootDirectory` of the export's manifest is no plain folder; nothing was fetched. Report it.")
    return folder.rstrip("/")


def _blobs(document: Mapping[str, Any]) -> tuple[Blob, ...]:
    listed = document.get("blobs")
    if not isinstance(listed, list):
        raise ProviderChanged("The export's manifest has no `blobs`. Report it with the landed answer.")
    blobs = tuple(_blob(entry) for entry in listed)
    count = document.get("blobCount")
    if count is not None and str(count) != str(len(blobs)):
        raise ProviderUnavailable(f"The manifest lists {len(blobs)} of {shortened(str(count), 20)} blobs. Run the command again later.")
    if len({blob.name for blob in blobs}) < len(blobs):
        raise ProviderUnavailable("The manifest lists a blob twice; its lines would count double. Run the command again later.")
    return blobs


def _blob(entry: Any) -> Blob:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not _BLOB_NAME.fullmatch(name) or ".." in name:
        raise ProviderRefused(
            f"The manifest names a blob {shortened(cut_text(str(name)))!r}, which is no plain file name. Nothing was fetched."
        )
    partition = entry.get("partitionValue")
    return Blob(name=name, partition=None if partition is None else str(partition))


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ProviderChanged(f"The export's manifest has no `{name}`. Report it with the landed answer.")
    return value.strip()


def _created(text: str) -> datetime | None:
    try:
        return utc_moment_of(text)
    except (ValueError, OverflowError):
        return None  # shown only; the eTag is the version
