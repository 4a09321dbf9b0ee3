"""What an answer says: its JSON with exact numbers, or the error that a person can act on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import urlsplit

from w365core.errors import ProviderChanged, ProviderError, ProviderRefused, ProviderUnavailable
from w365core.model import shortened
from w365core.providers.secrecy import cut_text

# Partner Center's code for a token without proof of a second factor.
MFA_MISSING = "900421"


@dataclass(frozen=True)
class Reply:
    """One whole answer. `headers` are looked up in any letter case; `content` may hold secrets and is never shown."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def is_fine(self) -> bool:
        return 200 <= self.status < 300


def parsed(reply: Reply, *, what: str) -> dict[str, Any]:
    """The answer's JSON object, fractions as Decimal. ProviderChanged names the call where it is something else."""
    document = parsed_whatever(reply, what=what)
    if isinstance(document, dict):
        return document
    raise ProviderChanged(f"The answer to {what} is not a JSON object. Nothing was taken from it; report it with the landed answer.")


def parsed_whatever(reply: Reply, *, what: str) -> Any:
    """The same for an answer that may be a list as well as an object."""
    try:
        return json.loads(reply.content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as failure:
        raise ProviderChanged(
            f"The answer to {what} cannot be read as JSON ({type(failure).__name__}). Nothing was taken from it; report it with the landed answer."
        ) from None


def is_readable(reply: Reply) -> bool:
    """Whether the body is JSON at all."""
    try:
        json.loads(reply.content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True


def lacks_second_factor(reply: Reply) -> bool:
    return reply.status == 401 and (MFA_MISSING.encode() in reply.content or reply.headers.get("isMfaCompliant", "").lower() == "false")


def second_factor(reply: Reply) -> bool | None:
    """Whether the sign-in was made with MFA, as Partner Center says it of an answer; None where it does not say."""
    if lacks_second_factor(reply):
        return False
    said = reply.headers.get("isMfaCompliant", "").lower()
    return said == "true" if said in ("true", "false") else None


def refuse(reply: Reply, *, what: str, label: str, permission: str) -> NoReturn:
    """Raises what a final answer other than 2xx means. `what` names the call, `permission` what the provider wants for it."""
    raise _meaning(reply, what=what, label=label, permission=permission)


def _meaning(reply: Reply, *, what: str, label: str, permission: str) -> ProviderError:
    said = words(reply)
    answered = f"{label} answered {reply.status} to {what}" + (f" ({said})" if said else "")
    if 300 <= reply.status < 400:
        host = urlsplit(reply.headers.get("Location", "")).hostname or "another address"
        return ProviderRefused(
            f"{label} answered {what} with a redirect to {cut_text(host)}; redirects are not followed. Check the provider's URLs."
        )
    if lacks_second_factor(reply):
        return ProviderRefused(f"{answered}: the sign-in lacks a second factor. Sign in again with MFA.")
    if reply.status == 401:
        return ProviderRefused(f"{answered}, also with a new token. Check tenant, client and consent: {permission}.")
    if reply.status == 403:
        return ProviderRefused(f"{answered}. This call needs {permission}; have an administrator grant it, then run the command again.")
    if reply.status == 404:
        return ProviderRefused(f"{answered}: not found. Check the number, the tenant and the provider's URLs.")
    if reply.status >= 500:
        return ProviderUnavailable(f"{answered}. Try again later.")
    if reply.status >= 400:
        return ProviderRefused(f"{answered}. Correct the call or the provider's settings, then run the command again.")
    return ProviderChanged(f"{answered}, which nobody has seen before. Report it with the landed answer.")


def words(reply: Reply) -> str:
    """Code and text of an error answer in either dialect; empty where the body is empty or no JSON."""
    try:
        document = json.loads(reply.content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return ""
    error = document.get("error", document) if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return ""
    parts = [error.get("code", error.get("statusCode")), error.get("message", error.get("description"))]
    return shortened(cut_text(": ".join(str(part) for part in parts if part not in (None, ""))), 200)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
