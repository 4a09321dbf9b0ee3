"""Who may call which API: client credentials against any non-empty secret, and one audience per token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from w365core.sandbox.answers import json_answer, token_error
from w365core.sandbox.estate import Estate
from w365core.sandbox.faults import Faults

PARTNER_CENTER = "partner-center"
GRAPH = "graph"
_SCOPES = {
    "https://api.partnercenter.microsoft.com/.default": PARTNER_CENTER,
    "https://graph.microsoft.com/.default": GRAPH,
}
_LIFETIME = 3599  # seconds

# A token outlives neither its time nor this process.
_KEY = secrets.token_bytes(32)


async def token(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """POST /{tenant}/oauth2/v2.0/token"""
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    if form.get("grant_type") != "client_credentials":
        return token_error(
            400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type; only client_credentials is served here."
        )
    if not form.get("client_id"):
        return token_error(400, "invalid_request", 900144, "The request body must contain the following parameter: 'client_id'.")
    secret = form.get("client_secret", "")
    wrong = not secret or (estate.client_secret is not None and secret != estate.client_secret)
    if wrong or faults.strike("refused-secret", "token"):
        return token_error(401, "invalid_client", 7000215, "Invalid client secret provided.")
    # MSAL adds scopes of its own (openid, profile, offline_access) to some calls.
    audiences = {_SCOPES[scope] for scope in form.get("scope", "").split() if scope in _SCOPES}
    if len(audiences) != 1:
        return token_error(400, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid.")
    issued = {"token_type": "Bearer", "expires_in": _LIFETIME, "ext_expires_in": _LIFETIME, "access_token": _signed(audiences.pop())}
    return json_answer(issued, headers={"Cache-Control": "no-store"})


def is_for(request: Request, audience: str) -> bool:
    """Whether the request bears a token of ours for this audience that has not run out."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    expires = bearer.split(".")[1] if bearer.count(".") == 2 else ""
    if scheme.lower() != "bearer" or not (expires.isascii() and expires.isdigit()) or int(expires) < time.time():
        return False
    return hmac.compare_digest(bearer.encode(), _signed(audience, int(expires)).encode())


def _signed(audience: str, expires: int | None = None) -> str:
    claims = f"{audience}.{expires or int(time.time()) + _LIFETIME}"
    return f"{claims}.{hmac.new(_KEY, claims.encode(), hashlib.sha256).hexdigest()}"
