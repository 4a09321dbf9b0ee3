"""StreamOne Ion as far as it is public: invoices behind an API key, the rest behind a token, files behind addresses that run out.

The estate's folder streamone/ holds invoices.json, customers.json, subscriptions.json and orders.json as the interfaces list them, and the files of an
invoice in files/ID/. estate.json may say streamone_account, streamone_key (key:secret), streamone_refresh (the first refresh token), else any will do;
streamone_file_seconds is how long an address is good for (900).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from w365core.sandbox import clock as clocks
from w365core.sandbox.answers import base_url, json_answer
from w365core.sandbox.estate import Estate
from w365core.sandbox.faults import Faults

_MOST_PER_PAGE = 100
_LIFETIME = 7200  # seconds of an access token
ISSUED = "streamone-issued-"  # how every token begins: so long that nothing sealed begins so by chance
_KINDS = ("customers", "subscriptions", "orders")
_DATES = ("invoiceDate", "billingEndDate")


@dataclass
class Tokens:
    """The tokens given out since the start. Using a refresh token twice ends its whole line, as nobody can know who uses it the second time."""

    line_of: dict[str, int] = field(default_factory=dict)
    current: dict[int, str] = field(default_factory=dict)
    access: dict[str, tuple[int, float]] = field(default_factory=dict)
    exchanges: int = 0

    def exchange(self, refresh: str, *, first: str | None) -> tuple[str, str] | None:
        """(access token, next refresh token), or None where it is good for nothing."""
        line = self.line_of.get(refresh)
        if line is None:
            if first is not None and refresh != first:
                return None
            line = self.line_of[refresh] = len(self.line_of)
            self.current[line] = refresh
        if self.current.get(line) != refresh:
            self.current.pop(line, None)
            return None
        fresh, access = (f"{ISSUED}{kind}-{secrets.token_urlsafe(24)}" for kind in ("refresh", "access"))
        self.line_of[fresh], self.current[line] = line, fresh
        self.access[access] = line, time.time() + _LIFETIME
        self.exchanges += 1
        return access, fresh

    def admits(self, access: str) -> bool:
        line, until = self.access.get(access, (-1, 0.0))
        return line in self.current and until > time.time()


async def token(request: Request, *, estate: Estate, tokens: Tokens, faults: Faults) -> Response:
    """POST /oauth/token"""
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    if form.get("grant_type") != "refresh_token" or not form.get("refresh_token"):
        return json_answer({"error": "unsupported_grant_type"}, status=400)
    issued = None if faults.strike("refused-secret", "token") else tokens.exchange(form["refresh_token"], first=_said(estate, "refresh"))
    if issued is None:
        return json_answer({"error": "invalid_grant", "error_description": "The refresh token is invalid or was used already."}, status=400)
    answer = {"token_type": "Bearer", "expires_in": _LIFETIME, "access_token": issued[0], "refresh_token": issued[1]}
    return json_answer(answer, headers={"Cache-Control": "no-store"})


async def invoices(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """GET /api/v1/invoices/myinvoices?limit&offset&filter[billingStartDate:gte]"""
    if refused := _refused_key(request, estate):
        return refused
    limit, offset = _number(request, "limit", _MOST_PER_PAGE), _number(request, "offset", 0)
    since = request.query_params.get("filter[billingStartDate:gte]", "")
    listed = [invoice for invoice in _issued(estate) if str(invoice.get("billingStartDate", "9")) >= since]
    start = 0 if offset and faults.strike("duplicate-page", "streamone") else offset
    page = listed[start : start + min(limit or 1, _MOST_PER_PAGE)]
    return json_answer({"data": {"invoice": page}, "total": len(listed), "limit": limit, "offset": offset})


async def detailed(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """GET /api/v1/invoices/{id}/detailed"""
    if refused := _refused_key(request, estate):
        return refused
    wanted = request.path_params["invoice_id"]
    found = next((invoice for invoice in _issued(estate) if str(invoice["id"]) == wanted), None)
    if found is None:
        return json_answer({"message": f"Invoice {wanted} not found"}, status=404)
    life = -3600 if faults.strike("expired-url", "detailed") else int(_said(estate, "file_seconds") or 900)
    urls = [_signed(request, estate, wanted, path.name, life) for path in _files(estate, wanted)]
    return json_answer({"data": {"invoice": {"id": found["id"], "detailedInvoiceFilesUrls": urls}}})


async def file(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """GET /ion-files/{invoice}/{name}: the signature is all it takes, and an API key or token is refused"""
    if "authorization" in request.headers:
        return Response("<Error><Code>InvalidArgument</Code></Error>", status_code=400, media_type="application/xml")
    invoice_id, name = request.path_params["invoice_id"], request.path_params["name"]
    expires = request.query_params.get("X-Amz-Expires", "")
    signed = hmac.compare_digest(
        request.query_params.get("X-Amz-Signature", "").encode(), _signature(estate, invoice_id, name, expires).encode()
    )
    if not signed or int(expires) < time.time():
        return Response("<Error><Code>AccessDenied</Code></Error>", status_code=403, media_type="application/xml")
    path = next((path for path in _files(estate, invoice_id) if path.name == name), None)
    if path is None or faults.strike("missing-blob", "file"):
        return Response("<Error><Code>NoSuchKey</Code></Error>", status_code=404, media_type="application/xml")
    content = path.read_bytes()
    if faults.strike("truncated", "file"):
        content = content[: len(content) // 2]
    return Response(content, media_type="text/csv" if name.endswith(".csv") else "application/octet-stream")


async def listed(request: Request, *, estate: Estate, tokens: Tokens, faults: Faults) -> Response:
    """GET /api/v3/accounts/{account}/{customers|subscriptions|orders}?pageSize&pageToken"""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not tokens.admits(bearer):
        return json_answer({"code": 16, "message": "The access token is missing, unknown or has expired."}, status=401)
    account, kind = request.path_params["account"], request.path_params["kind"]
    if kind not in _KINDS or account != (_said(estate, "account") or account):
        return json_answer({"code": 5, "message": f"accounts/{account}/{kind} not found"}, status=404)
    items, size = _read(estate, f"{kind}.json"), min(_number(request, "pageSize", 20) or 20, _MOST_PER_PAGE)
    start = _position(request.query_params.get("pageToken", ""))
    if start and faults.strike("duplicate-page", "streamone"):
        return json_answer({kind: items[:size], "nextPageToken": _page_token(start)})
    following = _page_token(start + size) if start + size < len(items) else ""
    return json_answer({kind: items[start : start + size], "nextPageToken": following})


def _refused_key(request: Request, estate: Estate) -> Response | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        shown = base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        shown = ""
    key, colon, secret = shown.partition(":")
    wanted = _said(estate, "key")
    if scheme.lower() == "basic" and key and colon and secret and wanted in (None, shown):
        return None
    return json_answer({"message": "Invalid API key or secret"}, status=401)


def _said(estate: Estate, name: str) -> str | None:
    """What estate.json says of the look-alike, read afresh."""
    said = msgspec.json.decode((estate.folder / "estate.json").read_bytes()).get(f"streamone_{name}")
    return None if said is None else str(said)


def _read(estate: Estate, name: str) -> list[dict[str, Any]]:
    """Numbers stay decimals, so that an amount leaves as it stands in the file."""
    try:
        return msgspec.json.Decoder(float_hook=Decimal).decode((estate.folder / "streamone" / name).read_bytes())
    except FileNotFoundError:
        return []


def _issued(estate: Estate) -> list[dict[str, Any]]:
    """The invoices dated by now."""
    return [
        invoice
        for invoice in _read(estate, "invoices.json")
        if estate.clock.is_past(next((found for name in _DATES if (found := clocks.printed(invoice.get(name)))), None))
    ]


def _files(estate: Estate, invoice_id: str) -> list[Path]:
    folder = estate.folder / "streamone" / "files"
    return sorted(path for path in folder.glob("*/*") if path.parent.name == invoice_id)


def _signed(request: Request, estate: Estate, invoice_id: str, name: str, life: int) -> str:
    expires = str(int(time.time()) + life)
    query = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": "sandbox", "X-Amz-Expires": expires}
    query["X-Amz-Signature"] = _signature(estate, invoice_id, name, expires)
    return f"{base_url(request)}/ion-files/{quote(invoice_id)}/{quote(name)}?{urlencode(query)}"


def _signature(estate: Estate, *signed: str) -> str:
    """The same across restarts, as a storage account's would be."""
    return hmac.new(f"sandbox {estate.tenant_id}".encode(), "\n".join(signed).encode(), hashlib.sha256).hexdigest()


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _page_token(position: int) -> str:
    return base64.urlsafe_b64encode(f"from={position}".encode()).decode()


def _position(page_token: str) -> int:
    try:
        said = base64.urlsafe_b64decode(page_token).decode().removeprefix("from=")
    except ValueError:
        return 0
    return int(said) if said.isdigit() else 0
