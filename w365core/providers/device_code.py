"""How does a person sign in to Microsoft from a command line? With a code, typed in at an address of Microsoft's, while we ask whether it was (RFC 8628).

    SignIn.ask ─► DeviceCode, shown to the person ─► SignIn.wait ─► Granted, whose refresh token outlives the process
    SignIn.exchange     a refresh token for an access token and the next refresh token
    Bearer              what an authorised call takes: the access token in memory, the refresh token with whoever keeps it

Microsoft's own library does this for public apps only and in whole seconds; the app of a partner usually has a secret.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from w365core.errors import ProviderChanged, ProviderError, ProviderRefused, ProviderUnavailable
from w365core.model import Provider, Secret
from w365core.providers.addresses import Service, admitted, allowed
from w365core.providers.http import Calls, Request
from w365core.providers.replies import Reply
from w365core.providers.tokens import PARTNER_CENTER_SCOPE, tenant_of

SCOPE = f"{PARTNER_CENTER_SCOPE} offline_access openid profile"
USUAL_INTERVAL, USUAL_LIFE, SLOWER_BY = 5.0, 900.0, 5.0  # seconds, as RFC 8628 and Microsoft have them
USUAL_TOKEN_LIFE, EARLIER = 3600, 120
_LABEL = "Microsoft sign-in"
_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_PUBLIC_APP = "AADSTS700025"
_AADSTS = re.compile(r"\bAADSTS\d{4,10}\b", re.ASCII)
_NAME = re.compile(r"[a-z_]{1,40}")
_SENDABLE = re.compile(r"[!-~]{1,16384}", re.ASCII)
_TYPEABLE = re.compile(r"[A-Za-z0-9-]{4,40}", re.ASCII)


class SignInOver(ProviderRefused):
    """The refresh token is revoked, too old, or lacks what is asked for today: the person has to sign in again."""


@dataclass(frozen=True)
class DeviceCode:
    """`user_code` is typed in at `address` within `seconds`; `interval` lies between two questions."""

    user_code: str
    address: str
    seconds: float
    interval: float
    device_code: Secret = field(repr=False)


@dataclass(frozen=True)
class Granted:
    """What a sign-in or an exchange brought. `refresh` is None where the one before stays good; `who` where it was said."""

    access: Secret
    refresh: Secret | None
    seconds: int
    who: str | None


Exchange = Callable[[Secret], Granted]
Rotation = Callable[[Exchange], Granted]


class SignIn:
    """The sign-in of persons for one provider's app. Nothing that it sends or receives is ever kept."""

    def __init__(self, provider: Provider, *, secret: Secret, root: str, calls: Calls) -> None:
        place = f"{root}/{tenant_of(provider)}/oauth2/v2.0"
        self._within = allowed(root, service=Service.LOGIN)
        self._code_url, self._token_url = f"{place}/devicecode", f"{place}/token"
        self._provider, self._secret, self._calls = provider, secret, calls

    def ask(self) -> DeviceCode:
        """A fresh code. ProviderRefused where the app may not ask for one."""
        reply = self._sent(self._code_url, {"client_id": self._provider.client_id, "scope": SCOPE}, "the request for a sign-in code")
        said = _document(reply)
        if not reply.is_fine:
            raise self._refusal(said)
        address = next((said[name] for name in ("verification_uri", "verification_url") if isinstance(said.get(name), str)), "")
        user_code = str(said.get("user_code") or "")
        if not re.fullmatch(r"https?://[!-~]{1,200}", address) or not _TYPEABLE.fullmatch(user_code):
            raise ProviderChanged(f"{_LABEL} answered the request for a sign-in code without a code or an address. Report it.")
        interval = _number(said, "interval", USUAL_INTERVAL)
        return DeviceCode(user_code, address, _number(said, "expires_in", USUAL_LIFE), interval, _token(said, "device_code"))

    def wait(self, code: DeviceCode) -> Granted:
        """Asks until the person is through. ProviderRefused where they declined, or the code ran out first."""
        calls, poll = self._calls, self._calls.patience.poll
        begun, interval, slower = calls.clock(), code.interval, SLOWER_BY
        if poll < 10:  # as everywhere: a shorter poll than the usual one shortens the waiting in proportion
            interval, slower = min(interval, poll), min(slower, poll)
        form = {"grant_type": _CODE_GRANT, "client_id": self._provider.client_id, "device_code": code.device_code.reveal()}
        while calls.clock() - begun + interval <= code.seconds:
            calls.sleep(interval)
            reply = self._authorised(form, "the question whether somebody has signed in")
            said = _document(reply)
            error = str(said.get("error", ""))
            if reply.is_fine:
                return _granted(said, needs_refresh=True)
            if error == "slow_down":
                interval += slower
            elif error == "expired_token":
                break
            elif error != "authorization_pending":
                raise self._refusal(said)
        raise ProviderRefused(
            f"Nobody signed in for {self._provider.name} before the code ran out. Run `provider sign-in {self._provider.name}` again."
        )

    def exchange(self, refresh: Secret) -> Granted:
        """An access token and, mostly, the next refresh token. SignInOver where the person has to sign in again."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self._provider.client_id,
            "refresh_token": refresh.reveal(),
            "scope": SCOPE,
        }
        reply = self._authorised(form, "the renewal of a sign-in")
        said = _document(reply)
        if not reply.is_fine:
            raise self._refusal(said)
        return _granted(said, needs_refresh=False)

    def _authorised(self, form: Mapping[str, str], what: str) -> Reply:
        """With the app's secret where there is one and the app is not a public one, which must not show any."""
        if not self._secret:
            return self._sent(self._token_url, form, what)
        reply = self._sent(self._token_url, {**form, "client_secret": self._secret.reveal()}, what)
        if reply.is_fine or _PUBLIC_APP not in _code(_document(reply)):
            return reply
        self._secret = Secret("")
        return self._sent(self._token_url, form, what)

    def _sent(self, url: str, form: Mapping[str, str | None], what: str) -> Reply:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "Accept-Encoding": "identity"}
        body = urlencode({name: value for name, value in form.items() if value}).encode()
        place = admitted(url, within=self._within)
        return self._calls.exchange(Request("POST", place, what, _LABEL, lambda: headers, body, kept=False))

    def _refusal(self, said: Mapping[str, Any]) -> ProviderError:
        """Only the error's name and number are passed on: the rest may quote us."""
        name, error, code = self._provider.name, str(said.get("error", "")), _code(said)
        shown = error if _NAME.fullmatch(error) else "an unknown error"
        why = f"{shown} ({code})" if code else shown
        again = f"Run `provider sign-in {name}`"
        if error in ("authorization_declined", "access_denied"):
            return ProviderRefused(f"The sign-in for {name} was declined. {again} again with an account that may consent to the app.")
        if error == "interaction_required":
            return SignInOver(f"Microsoft wants more proof than the sign-in of {name} has: {why}. {again} again, with MFA.")
        if error == "invalid_grant":
            return SignInOver(f"Microsoft no longer takes the sign-in of {name}: {why}. {again} again.")
        if error == "invalid_client":
            variable = f"W365_SECRET_{name.upper().replace('-', '_')}"
            return ProviderRefused(f"Microsoft refused the app of {name}: {why}. Check {variable} and the client id.")
        if error == "temporarily_unavailable":
            return ProviderUnavailable(f"{_LABEL} is out of order for provider {name}: {why}. Try again later.")
        return ProviderRefused(
            f"{_LABEL} refused provider {name}: {why}. Check its tenant and client id, and that the app allows public client flows (device code)."
        )


class Bearer:
    """The signed-in person's access token, in memory alone: `bearer` gives a valid one, `renew` throws it away."""

    def __init__(self, sign_in: SignIn, *, calls: Calls, rotation: Rotation) -> None:
        self._sign_in, self._calls, self._rotation = sign_in, calls, rotation
        self._current: Secret | None = None
        self._until = calls.clock()

    def bearer(self) -> Secret:
        if self._current is None or self._calls.clock() >= self._until:
            granted = self._rotation(self._sign_in.exchange)
            self._current = granted.access
            self._until = self._calls.clock() + max(granted.seconds - EARLIER, granted.seconds // 2)
        return self._current

    def renew(self) -> None:
        self._current = None


def _granted(said: Mapping[str, Any], *, needs_refresh: bool) -> Granted:
    has_refresh = needs_refresh or "refresh_token" in said
    seconds = int(_number(said, "expires_in", USUAL_TOKEN_LIFE))
    return Granted(_token(said, "access_token"), _token(said, "refresh_token") if has_refresh else None, seconds, _who(said))


def _document(reply: Reply) -> Mapping[str, Any]:
    if 300 <= reply.status < 400:
        raise ProviderRefused(f"{_LABEL} answered with a redirect; redirects are not followed. Check the provider's login URL.")
    try:
        document = json.loads(reply.content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    if reply.is_fine:
        raise ProviderChanged(f"{_LABEL} answered {reply.status} with something else than JSON. Check the provider's login URL.")
    raise ProviderRefused(f"{_LABEL} answered {reply.status} without a reason. Check tenant id, client id and login URL of the provider.")


def _token(said: Mapping[str, Any], name: str) -> Secret:
    value = said.get(name)
    if not isinstance(value, str) or not _SENDABLE.fullmatch(value):
        raise ProviderChanged(f"{_LABEL} gave no readable `{name}`. Sign in again, and report it if it happens twice.")
    return Secret(value)


def _who(said: Mapping[str, Any]) -> str | None:
    """The account's name in the id token, which came over the same connection as everything else and is only shown."""
    try:
        part = str(said.get("id_token", "")).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        name = next((claims[key] for key in ("preferred_username", "upn", "email", "name") if claims.get(key)), None)
    except (ValueError, IndexError, TypeError, AttributeError, RecursionError):
        return None
    return name if isinstance(name, str) and name.isprintable() and len(name) <= 200 else None


def _number(said: Mapping[str, Any], name: str, usual: float) -> float:
    """Seconds, as a number or a text; the usual ones where they make no sense."""
    text = str(said.get(name, ""))
    return float(text) if re.fullmatch(r"[0-9]{1,7}", text) and int(text) > 0 else float(usual)


def _code(said: Mapping[str, Any]) -> str:
    found = _AADSTS.search(str(said.get("error_description", "")))
    return found[0] if found else ""
