"""What stands between the network and the web app: who may reach it at all, what every answer says to browsers, and the way back after a sign-in.

Without sign-in the app is for one person at this machine: it does not start on another address than loopback, and answers no request that came in on one.
"""

from __future__ import annotations

import importlib.util
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from w365core.errors import ConfigurationMissing

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

WANTED = "w365_wanted"  # the cookie that remembers which page was asked for before the sign-in
_SECONDS_TO_SIGN_IN = 600
_LONGEST = 1500
_LOGIN, _BACK, _SIGNED_IN = "/auth/login", "/oauth2callback", b"_streamlit_user="
_ONLY_HERE = "This installation is for one person at its own machine and answers on loopback only. To share it, set up sign-in (docs/security.md) and start it again."

# Everything that a page needs comes from the app itself; nobody may show it in a frame of theirs.
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # Streamlit's own pages need both
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws: wss: data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-src data:",  # the preview of a mail, which has a policy of its own: nothing is run or fetched in it
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
}
_STRICT = {"strict-transport-security": "max-age=31536000"}


def refuse_open(address: str | None, *, shared: bool) -> None:
    """ConfigurationMissing where the app would be open to the network without anybody signing in. A blank address is every one."""
    if not shared and not _is_loopback(address or "0.0.0.0"):
        raise ConfigurationMissing(
            f"The web app would listen on {address or 'every address'} and let in whoever comes. Set up sign-in first (W365_OIDC_METADATA_URL and what "
            "belongs to it, docs/security.md), or leave it on 127.0.0.1."
        )


def refuse_without_client() -> None:
    """ConfigurationMissing where what talks to the provider of identities is not installed; else the first sign-in would be a failure without a word."""
    lacking = [name for name in ("authlib", "joserfc", "httpx") if importlib.util.find_spec(name) is None]
    if lacking:
        raise ConfigurationMissing(f"Sign-in needs {' and '.join(lacking)}, not installed here; run: pip install -r requirements.txt")


class Guarded:
    """The app behind it all. `shared`: people sign in; `public`: the address that they know it by, blank where that is unknown."""

    def __init__(self, app: App, *, shared: bool, public: str = "") -> None:
        self.app = app
        self.shared = shared
        self.public = urlsplit(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        if not self.shared and not _came_in_on_loopback(scope):
            return await _refuse(scope, send)
        if scope["type"] == "websocket":
            return await self.app(scope, receive, send)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._headers(scope, message["status"], list(message.get("headers", ())))
            await send(message)

        await self.app(scope, receive, with_headers)

    def _headers(self, scope: Scope, status: int, headers: Headers) -> Headers:
        if self.shared:
            headers = self._way_back(scope, status, headers)
        is_safe = self.public.scheme == "https"
        if is_safe:
            headers = [(name, _secure(value) if name.lower() == b"set-cookie" else value) for name, value in headers]
        given = {name.lower() for name, _ in headers}
        wanted = {**HEADERS, **(_STRICT if is_safe else {})}
        return headers + [(name.encode(), value.encode()) for name, value in wanted.items() if name.encode() not in given]

    def _way_back(self, scope: Scope, status: int, headers: Headers) -> Headers:
        """Remembers the page that somebody signs in from; sends them there once they are signed in."""
        asked = _asked_headers(scope)
        if scope["path"] == _LOGIN:
            wanted = self._page_of(asked)
            return headers + ([_cookie(quote(wanted, safe="/?&=:+-._~"), _SECONDS_TO_SIGN_IN)] if wanted else [])
        if scope["path"] == _BACK and status in (302, 303, 307):
            wanted = _wanted(asked)
            if wanted and any(name.lower() == b"set-cookie" and value.startswith(_SIGNED_IN) for name, value in headers):
                headers = [(name, value) for name, value in headers if name.lower() != b"location"]
                return [*headers, (b"location", wanted.encode("latin-1", "ignore")), _cookie("", 0)]
        return headers

    def _page_of(self, asked: Mapping[str, str]) -> str | None:
        """The page that the browser says it comes from, where that is one of ours."""
        referer = urlsplit(asked.get("referer", ""))
        if referer.netloc not in {asked.get("host"), self.public.netloc} - {None, ""}:
            return None
        return as_page(f"{referer.path or '/'}{f'?{referer.query}' if referer.query else ''}")


def as_page(text: str) -> str | None:
    """A path of this app, as it may stand in an answer; None for anything that could lead elsewhere."""
    fits = len(text) <= _LONGEST and text.isascii() and text.isprintable() and text.startswith("/") and not text.startswith("//")
    return text if fits and "\\" not in text and not text.startswith((_LOGIN, _BACK, "/auth/")) else None


def _wanted(asked: Mapping[str, str]) -> str | None:
    try:
        cookie = SimpleCookie(asked.get("cookie", "")).get(WANTED)
    except CookieError:
        return None
    return as_page(unquote(cookie.value)) if cookie and cookie.value else None


def _cookie(value: str, seconds: int) -> tuple[bytes, bytes]:
    return b"set-cookie", f"{WANTED}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax".encode()


def _secure(value: bytes) -> bytes:
    """A cookie goes over a safe line alone."""
    return value if b"; secure" in value.lower() else value + b"; Secure"


def _asked_headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}


def _came_in_on_loopback(scope: Scope) -> bool:
    """The address of ours that the request reached; a socket in the file system has none, and is nobody else's."""
    server = scope.get("server")
    return server is None or server[1] is None or _is_loopback(server[0])


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "loopback only"})
        return
    body = _ONLY_HERE.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
