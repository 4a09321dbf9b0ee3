"""Who may call which API: client credentials against any non-empty secret, and one audience per token; a person by a code, whom nobody asks anything.

A code counts as typed in once it has been asked after `_POLLS_TO_TYPE` times.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from w365core.sandbox.answers import base_url, json_answer, token_error
from w365core.sandbox.estate import Estate
from w365core.sandbox.faults import Faults

PARTNER_CENTER = "partner-center"
GRAPH = "graph"
PERSON = "person"  # Partner Center with a signed-in person
WHO = "admin@contoso.example"
_SCOPES = {
    "https://api.partnercenter.microsoft.com/.default": PARTNER_CENTER,
    "https://graph.microsoft.com/.default": GRAPH,
}
_LIFETIME = 3599  # seconds
_POLLS_TO_TYPE = 2
_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

# A token outlives neither its time nor this process.
_KEY = secrets.token_bytes(32)
_asked_after: dict[str, int] = {}


async def token(request: Request, *, estate: Estate, faults: Faults) -> Response:
    """POST /{tenant}/oauth2/v2.0/token"""
    form = await _form(request)
    if form.get("grant_type") == _CODE_GRANT:
        return _by_code(form)
    if form.get("grant_type") == "refresh_token":
        return _by_refresh(form, faults)
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


async def device_code(request: Request) -> Response:
    """POST /{tenant}/oauth2/v2.0/devicecode"""
    form = await _form(request)
    if not form.get("client_id") or "offline_access" not in form.get("scope", "").split():
        return token_error(400, "invalid_request", 900144, "The request body must contain a client_id, and a scope with offline_access.")
    code = secrets.token_urlsafe(24)
    _asked_after[code] = 0
    place = f"{base_url(request)}/devicelogin"
    told = {"user_code": "SANDBOX-7", "device_code": code, "verification_uri": place, "expires_in": 900, "interval": 1}
    return json_answer({**told, "message": f"To sign in, open {place} and enter SANDBOX-7."}, headers={"Cache-Control": "no-store"})


async def device_login(_request: Request) -> Response:
    """GET /devicelogin: where a person would type the code"""
    return Response("The sandbox takes every code as typed in. Go back to the command line; it goes on by itself.", media_type="text/plain")


def is_for(request: Request, *audiences: str) -> bool:
    """Whether the request bears a token of ours for one of these audiences that has not run out."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and any(_is_ours(bearer, audience) for audience in audiences)


def _by_code(form: dict[str, str]) -> Response:
    code = form.get("device_code", "")
    if code not in _asked_after:
        return token_error(400, "expired_token", 70020, "The provided value for the 'device_code' is not valid.")
    _asked_after[code] += 1
    if _asked_after[code] <= _POLLS_TO_TYPE:
        return token_error(400, "authorization_pending", 70016, "The user has not yet finished signing in.")
    del _asked_after[code]
    return _for_person()


def _by_refresh(form: dict[str, str], faults: Faults) -> Response:
    if not _is_ours(form.get("refresh_token", ""), "refresh") or faults.strike("refused-secret", "token"):
        return token_error(400, "invalid_grant", 700082, "The refresh token has expired due to inactivity.")
    return _for_person()


def _for_person() -> Response:
    """A refresh token of 90 days with every access token."""
    claims = base64.urlsafe_b64encode(json.dumps({"preferred_username": WHO}).encode()).decode().rstrip("=")
    issued = {"token_type": "Bearer", "expires_in": _LIFETIME, "access_token": _signed(PERSON), "id_token": f"e30.{claims}."}
    issued["refresh_token"] = _signed("refresh", int(time.time()) + 90 * 86_400)
    return json_answer(issued, headers={"Cache-Control": "no-store"})


async def _form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}


def _is_ours(token: str, audience: str) -> bool:
    expires = token.split(".")[1] if token.count(".") == 2 else ""
    if not (expires.isascii() and expires.isdigit()) or int(expires) < time.time():
        return False
    return hmac.compare_digest(token.encode(), _signed(audience, int(expires)).encode())


def _signed(audience: str, expires: int | None = None) -> str:
    claims = f"{audience}.{expires or int(time.time()) + _LIFETIME}"
    return f"{claims}.{hmac.new(_KEY, claims.encode(), hashlib.sha256).hexdigest()}"
