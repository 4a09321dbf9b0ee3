"""Graph billing exports as documented: ask, poll, manifest (inline for some, by link for others), then gzip blobs behind a SAS."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from w365core.sandbox import damage, estate as estates, identity
from w365core.sandbox.answers import base_url, graph_error, json_answer, storage_error
from w365core.sandbox.estate import Estate, Export
from w365core.sandbox.faults import Faults

_ROOT = "/v1.0/reports/partners/billing"
_ODATA = "#microsoft.graph.partners.billing"


@dataclass
class Operation:
    """One export asked for; `polls` is how often anybody looked."""

    identifier: str
    document: str
    feed: str
    created: datetime
    polls: int = 0


@dataclass
class Operations:
    """The exports asked for since the start, by id; manifests by id of their own."""

    asked: dict[str, Operation] = field(default_factory=dict)
    manifests: dict[str, Operation] = field(default_factory=dict)


def refused(request: Request) -> Response | None:
    """The 401 for a caller without a token for this API, or None."""
    if identity.is_for(request, identity.GRAPH):
        return None
    if "authorization" not in request.headers:
        return graph_error(401, "InvalidAuthenticationToken", "Access token is empty.")
    return graph_error(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")


async def ask(request: Request, *, feed: str, billed: bool, operations: Operations) -> Response:
    """POST …/{reconciliation|usage}/{billed|unbilled}/export"""
    try:
        body = msgspec.json.decode(await request.body(), type=dict)
    except msgspec.DecodeError:
        return graph_error(400, "BadRequest", "The request body is not a JSON object.")
    document = _document(body, billed=billed)
    if document is None or body.get("attributeSet", "full") not in ("full", "basic"):
        return graph_error(400, "BadRequest", "Invalid invoiceId, currencyCode, billingPeriod or attributeSet.")
    operation = Operation(str(uuid.uuid4()), document, feed, datetime.now(UTC))
    operations.asked[operation.identifier] = operation
    return Response(status_code=202, headers={"Location": f"{base_url(request)}{_ROOT}/operations/{operation.identifier}"})


async def operation(request: Request, *, estate: Estate, faults: Faults, operations: Operations) -> Response:
    """GET …/operations/{id}: always 200, the status tells"""
    known = operations.asked.get(request.path_params["operation_id"])
    if known is None:
        return graph_error(404, "NotFound", "The operation does not exist or has run out.")
    known.polls += 1
    if known.polls <= estate.running_polls:
        return json_answer(_described(known, "running", "runningOperation"), headers={"Retry-After": str(estate.retry_after)})
    export = estates.export(estate, document=known.document, feed=known.feed)
    if export is None:
        failure = {"error": {"message": "No data available", "code": "5000"}}
        return json_answer({**_described(known, "failed", "failedOperation"), **failure})
    return json_answer(
        {**_described(known, "succeeded", "exportSuccessOperation"), **_resource(request, export, known, estate, faults, operations)}
    )


async def manifest(request: Request, *, estate: Estate, faults: Faults, operations: Operations) -> Response:
    """GET …/manifests/{id}"""
    known = operations.manifests.get(request.path_params["manifest_id"])
    export = known and estates.export(estate, document=known.document, feed=known.feed)
    if not export:
        return graph_error(404, "NotFound", "The manifest does not exist or has run out.")
    return json_answer(_manifest(request, export, estate, faults))


async def blob(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """GET /blobs/…: the SAS is all it takes, and a bearer token is refused"""
    if "authorization" in request.headers:
        return storage_error(403, "AuthenticationFailed", "Server failed to authenticate the request: a SAS and an Authorization header.")
    document, feed, folder, name = (request.path_params[part] for part in ("document", "feed", "folder", "name"))
    directory = f"/blobs/{document}/{feed}/{folder}"
    given = dict(parse_qsl(request.url.query))
    if not hmac.compare_digest(given.get("sig", "").encode(), _signature(estate, directory, given.get("se", "")).encode()):
        return storage_error(403, "AuthenticationFailed", "Signature did not match.")
    if given["se"] < _stamp(datetime.now(UTC)) or faults.strike("expired-sas", "blob", name):
        return storage_error(403, "AuthenticationFailed", "Signed expiry time has passed.")
    export = estates.export(estate, document=document, feed=feed)
    wanted = next((one for one in export.blobs if one.name == name), None) if export else None
    if wanted is None or faults.strike("missing-blob", "blob"):
        return storage_error(404, "BlobNotFound", "The specified blob does not exist.")
    if faults.strike("truncated", "blob"):
        whole = wanted.content()
        return Response(whole[: len(whole) // 2], media_type="application/octet-stream")
    if damaged := faults.strike("damaged", "blob"):
        return Response(damage.WAYS[damaged.detail or "checksum"](wanted.content()), media_type="application/octet-stream")
    told = {"media_type": "application/octet-stream", "headers": {"x-ms-blob-type": "BlockBlob"}}
    return FileResponse(wanted.path, **told) if wanted.until is None else Response(wanted.content(), **told)


def _document(body: dict[str, Any], *, billed: bool) -> str | None:
    if billed:
        return body["invoiceId"] if isinstance(body.get("invoiceId"), str) and body["invoiceId"] else None
    currency, period = body.get("currencyCode"), body.get("billingPeriod", "current")
    if not (isinstance(currency, str) and len(currency) == 3 and currency.isalpha()) or period not in ("current", "last"):
        return None
    return f"unbilled-{currency.upper()}-{period}"


def _described(known: Operation, status: str, kind: str) -> dict[str, Any]:
    """The first time comes without a zone and the second with seven digits, as documented."""
    return {
        "@odata.type": f"{_ODATA}.{kind}",
        "id": known.identifier,
        "status": status,
        "createdDateTime": known.created.strftime("%Y-%m-%dT%H:%M:%S"),
        "lastActionDateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "1Z",
    }


def _resource(request: Request, export: Export, known: Operation, estate: Estate, faults: Faults, operations: Operations) -> dict[str, Any]:
    """Which feeds have their manifest inline is settled by their name, so that it stays the same."""
    if hashlib.sha256(f"{export.document}/{export.feed}".encode()).digest()[0] % 2:
        return {"resourceLocation": _manifest(request, export, estate, faults)}
    identifier = str(uuid.uuid5(uuid.NAMESPACE_URL, known.identifier))
    operations.manifests[identifier] = known
    return {"resourceLocation@odata.navigationLink": f"{base_url(request)}{_ROOT}/manifests/{identifier}"}


def _manifest(request: Request, export: Export, estate: Estate, faults: Faults) -> dict[str, Any]:
    folder = f"PartnerTenantId={estate.tenant_id}/Fragment=full/PartitionType=default"
    directory = f"/blobs/{export.document}/{export.feed}/{folder}"
    etag = export.etag
    if faults.strike("new-etag", "manifest"):
        etag = hashlib.sha256(f"{etag}{time.monotonic_ns()}".encode()).hexdigest()[: len(etag)]
    lifetime = -3600 if faults.strike("expired-sas", "manifest") else estate.sas_seconds
    return {
        "id": str(uuid.uuid4()),
        "schemaVersion": "1",
        "dataFormat": "compressedJSON",
        "createdDateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-4] + "Z",
        "eTag": etag,
        "partnerTenantId": estate.tenant_id,
        "rootDirectory": base_url(request) + directory,
        "sasToken": _sas(estate, directory, lifetime),
        "partitionType": "Default",
        "blobCount": len(export.blobs) + (1 if faults.strike("wrong-count", "manifest") else 0),
        "blobs": [{"name": one.name, "partitionValue": "default"} for one in export.blobs],
    }


def _sas(estate: Estate, directory: str, lifetime: int) -> str:
    start = datetime.now(UTC)
    expires = _stamp(start + timedelta(seconds=lifetime))
    about = {"skoid": uuid.uuid5(uuid.NAMESPACE_DNS, estate.tenant_id), "sktid": estate.tenant_id, "skt": _stamp(start)}
    about |= {
        "ske": _stamp(start + timedelta(days=1)),
        "sks": "b",
        "skv": "2021-08-06",
        "sv": "2021-08-06",
        "se": expires,
        "sr": "d",
        "sp": "rl",
    }
    return urlencode({**about, "sdd": directory.count("/"), "sig": _signature(estate, directory, expires)}, quote_via=quote)


def _signature(estate: Estate, directory: str, expires: str) -> str:
    """The same across restarts, as a storage account's would be."""
    signed = hmac.new(f"sandbox {estate.tenant_id}".encode(), f"{directory}\n{expires}".encode(), hashlib.sha256)
    return base64.b64encode(signed.digest()).decode()


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
