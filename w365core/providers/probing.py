"""What may this connection do? Each right is proved by one harmless question, and the answer is a value: works, missing, or not possible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from w365core.errors import ProviderUnavailable, W365Error
from w365core.model import shortened
from w365core.providers.http import Access, Calls
from w365core.providers.replies import Reply, lacks_second_factor, words
from w365core.providers.secrecy import cut_text

_FINAL = frozenset(range(300, 600))
_REQUEST_IDS = ("MS-RequestId", "request-id", "x-ms-request-id", "X-Request-Id")


class Verdict(StrEnum):
    WORKS = "works"
    MISSING = "missing"
    NOT_POSSIBLE = "not possible"
    NOT_REACHABLE = "not reachable"


@dataclass(frozen=True)
class Proof:
    """How one right stands. `permission` is what has to be granted for it; status, code and request id are the provider's, where it answered."""

    capability: str
    verdict: Verdict
    permission: str
    said: str = ""
    status: int | None = None
    code: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Probe:
    """A right to be proved. A status of `proves` proves it as well as a 2xx does: who may not ask is told 403, whatever is asked."""

    capability: str
    permission: str
    what: str
    proves: frozenset[int] = frozenset()

    def not_possible(self, why: str) -> Proof:
        return Proof(self.capability, Verdict.NOT_POSSIBLE, self.permission, why)

    def failed(self, error: W365Error) -> Proof:
        """What an error says of the right: unreachable, or a person has to do something."""
        verdict = Verdict.NOT_REACHABLE if isinstance(error, ProviderUnavailable) else Verdict.MISSING
        return Proof(self.capability, verdict, self.permission, str(error))

    def asked(
        self, calls: Calls, access: Access, url: str, *, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[Proof, Reply | None]:
        """Asks, and says what the answer proves; the answer itself for who wants to go on from it."""
        method = "GET" if body is None else "POST"
        try:
            reply = calls.call(access, method=method, url=url, what=self.what, body=body, headers=headers, expected=_FINAL)
        except W365Error as error:
            return self.failed(error), None
        return self.proof(reply, label=access.label), reply

    def proof(self, reply: Reply, *, label: str) -> Proof:
        """What an answer proves."""
        told = Proof(self.capability, Verdict.WORKS, self.permission, "", reply.status, _code(reply), _request_id(reply))
        if reply.is_fine or reply.status in self.proves:
            return told
        said = words(reply)
        answered = f"{label} answered {reply.status} to {self.what}{f' ({said})' if said else ''}"
        if lacks_second_factor(reply):
            return replace(told, verdict=Verdict.MISSING, said=f"{answered}: the sign-in lacks a second factor. Sign in again with MFA.")
        if reply.status >= 500:
            return replace(told, verdict=Verdict.NOT_REACHABLE, said=f"{answered}. Try again later.")
        if reply.status in (401, 403):
            return replace(told, verdict=Verdict.MISSING, said=f"{answered}. Grant {self.permission}.")
        return replace(told, verdict=Verdict.MISSING, said=f"{answered}. Check the provider's tenant, account and URLs.")


def first_items(reply: Reply | None, name: str = "items") -> list[Mapping[str, Any]]:
    """The objects of the answer's list; none where it has none."""
    try:
        document = json.loads(reply.content.decode("utf-8-sig")) if reply is not None and reply.is_fine else {}
    except (ValueError, RecursionError):
        document = {}
    found = document.get(name) if isinstance(document, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _code(reply: Reply) -> str | None:
    """The provider's own code, in either dialect."""
    try:
        document = json.loads(reply.content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    error = document.get("error", document) if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else error if isinstance(error, str) else None
    return None if code in (None, "") or reply.is_fine else shortened(cut_text(str(code)), 60)


def _request_id(reply: Reply) -> str | None:
    found = next((reply.headers[name] for name in _REQUEST_IDS if name in reply.headers), None)
    return None if found is None else shortened(cut_text(found), 80)
