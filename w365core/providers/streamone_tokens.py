"""Who we are towards StreamOne: an API key for the old interface, a token for the new one, whose refresh token is good for one use.

A refresh token that was sent is used up whatever becomes of the answer. So this module never holds one: it is handed a `Rotation` that gives it the
current one, keeps the next one safe first, and only then lets the access token be used.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from w365core.errors import ConfigurationMissing, ProviderChanged, ProviderRefused, ProviderUnavailable
from w365core.model import Provider, Secret
from w365core.providers.addresses import Service, admitted, allowed
from w365core.providers.http import Calls, Request
from w365core.providers.replies import Reply, parsed

WHAT = "the request for a token"
USUAL_LIFE = 7200  # seconds of an access token
EARLIER = 120  # seconds before its end that it is no longer used
_SENDABLE = re.compile(r"[!-~]{1,8192}", re.ASCII)
_WORD = re.compile(r"[a-z_]{1,40}")


class TokenRefused(ProviderRefused):
    """The refresh token is used up, revoked or too old: only a person can make a new one."""


@dataclass(frozen=True)
class Exchanged:
    """What one refresh token was exchanged for. `seconds` is how long the access token is good for."""

    access: Secret
    refresh: Secret
    seconds: int


Exchange = Callable[[Secret], Exchanged]
Rotation = Callable[[Exchange], Exchanged]


def exchange(calls: Calls, *, root: str, refresh: Secret) -> Exchanged:
    """Uses the refresh token up. TokenRefused where it is good for nothing any more."""
    url = admitted(f"{root}/oauth/token", within=allowed(root, service=Service.STREAMONE))
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "Accept-Encoding": "identity"}
    body = urlencode({"grant_type": "refresh_token", "refresh_token": refresh.reveal()}).encode()
    # Token answers are never kept, whatever their status.
    reply = calls.exchange(Request("POST", url, WHAT, Service.STREAMONE.label, lambda: headers, body, kept=False))
    if not reply.is_fine:
        raise _refusal(reply)
    said = parsed(reply, what=WHAT)
    return Exchanged(_token(said, "access_token"), _token(said, "refresh_token"), _seconds(said))


class Tokens:
    """The access token, in memory alone: `bearer` gives a valid one, `renew` throws it away."""

    def __init__(self, *, root: str, calls: Calls, rotation: Rotation) -> None:
        self._root, self._calls, self._rotation = root, calls, rotation
        self._current: Secret | None = None
        self._until = calls.clock()

    def bearer(self) -> Secret:
        if self._current is None or self._calls.clock() >= self._until:
            exchanged = self._rotation(lambda refresh: exchange(self._calls, root=self._root, refresh=refresh))
            self._current = exchanged.access
            self._until = self._calls.clock() + max(exchanged.seconds - EARLIER, exchanged.seconds // 2)
        return self._current

    def renew(self) -> None:
        self._current = None


def basic(provider: Provider, secret: Secret, *, variable: str) -> Secret:
    """What the old interface is shown. ConfigurationMissing where the secret is no `key:secret`."""
    key, colon, rest = secret.reveal().strip().partition(":")
    if not (key and colon and rest):
        raise ConfigurationMissing(
            f"{variable} is not the API key and API secret of provider {provider.name}. Write them as key:secret, as StreamOne shows them "
            "under Settings, Account Information, and run the command again."
        )
    return Secret(base64.b64encode(f"{key}:{rest}".encode()).decode())


def _refusal(reply: Reply) -> ProviderRefused | ProviderUnavailable:
    """Only the error's name is passed on: the rest may quote us."""
    error = ""
    try:
        error = str(parsed(reply, what=WHAT).get("error", ""))
    except ProviderChanged:
        pass
    said = f" ({error})" if _WORD.fullmatch(error) else ""
    if reply.status in (400, 401, 403):
        return TokenRefused(f"StreamOne answered {reply.status}{said} to {WHAT}")
    if 300 <= reply.status < 400:
        return ProviderRefused("StreamOne answered the request for a token with a redirect; redirects are not followed. Check --login-url.")
    if reply.status >= 500:
        return ProviderUnavailable(f"StreamOne answered {reply.status}{said} to {WHAT}. Try again later.")
    return ProviderRefused(f"StreamOne answered {reply.status}{said} to {WHAT}. Check --login-url and --api-url of the provider.")


def _token(said: Mapping[str, object], name: str) -> Secret:
    value = said.get(name)
    if not isinstance(value, str) or not _SENDABLE.fullmatch(value):
        raise ProviderChanged(
            f"StreamOne exchanged the refresh token for an answer without a readable `{name}`. The token is used up: make a new one and report this."
        )
    return Secret(value)


def _seconds(said: Mapping[str, object]) -> int:
    text = str(said.get("expires_in", ""))
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 8 else USUAL_LIFE
