"""Who we are towards Microsoft: an app-only token per audience, fetched and cached by MSAL, sent through our own guarded session.

MSAL refuses plain http and asks around for metadata before it signs in. It therefore only ever sees the public address of
Microsoft's sign-in; the client below answers its discovery itself and posts to the one token endpoint that we configured. Loopback
and the real service take the same path, and no address from elsewhere can receive the client secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msal

from w365core.errors import CallRefused, ConfigurationMissing, ProviderChanged, ProviderError, ProviderRefused, ProviderUnavailable
from w365core.model import Provider, Secret
from w365core.providers.addresses import Service, admitted, allowed
from w365core.providers.http import Calls, Request
from w365core.providers.replies import Reply

PARTNER_CENTER_SCOPE = "https://api.partnercenter.microsoft.com/.default"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"

_SEEN_BY_MSAL = Service.LOGIN.default
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", re.ASCII)
_AADSTS = re.compile(r"\bAADSTS\d{4,10}\b", re.ASCII)


class Tokens:
    """The token for one audience. `bearer` gives a valid one, `renew` throws the cached one away."""

    def __init__(self, *, provider: Provider, secret: Secret, scope: str, root: str, calls: Calls) -> None:
        self._provider = provider
        self._scope = scope
        self._app = _signing_in(provider, secret=secret, client=_LoginClient(root=root, tenant=tenant_of(provider), calls=calls))

    def bearer(self) -> Secret:
        """A valid token. ProviderRefused where the sign-in is refused, ProviderUnavailable where it cannot be reached."""
        try:
            answer = self._app.acquire_token_for_client([self._scope])
        except (ValueError, TypeError, KeyError, AttributeError):
            answer = {}
        token = answer.get("access_token")
        if isinstance(token, str) and re.fullmatch(r"[!-~]+", token):
            return Secret(token)
        raise _refusal(self._provider, answer)

    def renew(self) -> None:
        self._app.remove_tokens_for_client()


def tenant_of(provider: Provider) -> str:
    """The tenant as part of an address. ConfigurationMissing where it or the client id is missing, CallRefused where it is no tenant at all."""
    if not provider.tenant_id or not provider.client_id:
        raise ConfigurationMissing(
            f"Provider {provider.name} has no tenant or client id. Add them with `provider add`, then run the command again."
        )
    if not _TENANT.fullmatch(provider.tenant_id):
        raise CallRefused(f"The tenant id of provider {provider.name} is neither a GUID nor a domain. Correct it with `provider add`.")
    return provider.tenant_id


def _signing_in(provider: Provider, *, secret: Secret, client: _LoginClient) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        provider.client_id,
        client_credential=secret.reveal(),
        authority=f"{_SEEN_BY_MSAL}/{provider.tenant_id}",
        instance_discovery=False,
        http_client=client,
    )


class _MsalResponse:
    """What MSAL reads of an answer."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        self.status_code, self.text, self.headers = status, text, dict(headers)

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise ProviderUnavailable(f"Microsoft sign-in answered {self.status_code}. Try again later.")


class _LoginClient:
    """The HTTP client that MSAL is given: discovery answered here, tokens posted to the configured endpoint."""

    def __init__(self, *, root: str, tenant: str, calls: Calls) -> None:
        self._endpoint = admitted(f"{root}/{tenant}/oauth2/v2.0/token", within=allowed(root, service=Service.LOGIN))
        self._seen = f"{_SEEN_BY_MSAL}/{tenant}"
        self._calls = calls

    def get(self, url: str, **_arguments: Any) -> _MsalResponse:
        discovered = {
            "issuer": f"{self._seen}/v2.0",
            "authorization_endpoint": f"{self._seen}/oauth2/v2.0/authorize",
            "token_endpoint": f"{self._seen}/oauth2/v2.0/token",
        }
        return _MsalResponse(200, json.dumps(discovered), {})

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str] | None = None, **_arguments: Any) -> _MsalResponse:
        sent = {**(headers or {}), "Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "identity"}
        body = urlencode(data).encode()
        # Token answers are never kept, whatever their status.
        request = Request("POST", self._endpoint, "the request for a token", "Microsoft sign-in", lambda: sent, body, kept=False)
        reply = self._calls.exchange(request)
        return _MsalResponse(reply.status, _token_text(reply), {})

    def close(self) -> None:
        pass


def _token_text(reply: Reply) -> str:
    """The answer's text, once it is known to be JSON: MSAL writes anything else into its log."""
    if 300 <= reply.status < 400:
        raise ProviderRefused("Microsoft sign-in answered with a redirect; redirects are not followed. Check the provider's login URL.")
    try:
        document = json.loads(reply.content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return json.dumps(document)
    if reply.status in (401, 403):
        raise ProviderRefused(
            f"Microsoft sign-in answered {reply.status} without a reason. Check tenant id, client id, client secret and login URL."
        )
    raise ProviderChanged(f"Microsoft sign-in answered {reply.status} with something else than JSON. Check the provider's login URL.")


def _refusal(provider: Provider, answer: Mapping[str, Any]) -> ProviderError:
    """What a sign-in without a token means. Only the AADSTS code of the provider's words is passed on: the rest may quote us."""
    error = str(answer.get("error", ""))
    code = _AADSTS.search(str(answer.get("error_description", "")))
    said = f" ({code[0]})" if code else ""
    variable = f"W365_SECRET_{provider.name.upper().replace('-', '_')}"
    if not error:
        return ProviderChanged(f"Microsoft sign-in gave provider {provider.name} no readable token and no error. Report it.")
    if error == "invalid_client":
        return ProviderRefused(f"The client secret of provider {provider.name} was refused{said}: check {variable} and the client id.")
    if error == "temporarily_unavailable":
        return ProviderUnavailable(f"Microsoft sign-in is out of order for provider {provider.name}{said}. Try again later.")
    named = error if re.fullmatch(r"[a-z_]{1,40}", error) else "an unknown error"
    return ProviderRefused(
        f"Microsoft sign-in refused provider {provider.name}: {named}{said}. Check its tenant id, client id and the consent of the app."
    )
