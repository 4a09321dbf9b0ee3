"""How does a message go to a webhook? One POST of JSON to a listed host over https, signed, without redirects, bounded in time.

Its signature is the HMAC-SHA-256, under the shared secret, of the timestamp, a point and the body's bytes; `Webhook-Id` is the same on every attempt,
so that a receiver can leave out what it has had.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

from w365core.channels.outcome import Delivered, Outcome, Postponed, Refused
from w365core.errors import ProviderRefused
from w365core.model import Secret
from w365core.providers.addresses import Allowed, Hosts, Resolver, objection, system_resolver
from w365core.providers.connections import CannotConnect, guarded_session

SECONDS = 20
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Receiver:
    """Where messages are posted to. `hosts` are those that the address may lead to, and those below them."""

    url: str
    hosts: tuple[str, ...]
    secret: Secret
    seconds: float = SECONDS


@dataclass(frozen=True)
class Notice:
    """What is posted."""

    id: str
    kind: str
    key: str
    subject: str
    text: str
    facts: Mapping[str, Any]
    queued_at: datetime


def send(receiver: Receiver, notice: Notice, *, now: datetime, resolve: Resolver = system_resolver) -> Outcome:
    """Posts the notice; any 2xx is an answer that it was taken."""
    wrong = why_not(receiver)
    if wrong:
        return Postponed(wrong)
    content, timestamp = body(notice), str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "w365core",
        "Accept-Encoding": "identity",
        "Webhook-Id": notice.id,
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": f"sha256={signature(receiver.secret, timestamp, content)}",
    }
    try:
        with guarded_session(resolve) as session, closing(_post(session, receiver, content, headers)) as answer:
            return _judged(answer.status_code)
    except CannotConnect as error:
        return Postponed(f"The webhook could not be reached: {error}.")
    except ProviderRefused as error:
        return Refused(str(error))
    except requests.Timeout:
        return Postponed(f"The webhook did not answer within {receiver.seconds:g} seconds.")
    except (requests.RequestException, OSError):
        return Postponed("The connection to the webhook broke off; whether it has taken the message is not known.")


def why_not(receiver: Receiver) -> str:
    """What of the settings keeps everything from being posted; blank where nothing does."""
    said = objection(receiver.url, within=Allowed(Hosts("the webhook", receiver.hosts), loopback=True))
    if said:
        return f"The webhook's address is refused: {said}. Nothing was sent there; correct webhook_url or webhook_hosts."
    if not receiver.secret:
        return "There is nothing to sign with: put a secret into the environment variable W365_WEBHOOK_SECRET of the worker."
    return ""


def body(notice: Notice) -> bytes:
    """The JSON that is posted: id, kind, key, subject, text, queued_at and facts."""
    told = {
        "id": notice.id,
        "kind": notice.kind,
        "key": notice.key,
        "subject": notice.subject,
        "text": notice.text,
        "queued_at": notice.queued_at.isoformat(),
        "facts": notice.facts,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: Secret, timestamp: str, content: bytes) -> str:
    """In hexadecimal digits."""
    return hmac.new(secret.reveal().encode(), timestamp.encode() + b"." + content, hashlib.sha256).hexdigest()


def _post(session: requests.Session, receiver: Receiver, content: bytes, headers: Mapping[str, str]) -> requests.Response:
    """Nothing of the answer but its status is read."""
    return session.post(receiver.url, data=content, headers=dict(headers), timeout=receiver.seconds, allow_redirects=False, stream=True)


def _judged(status: int) -> Outcome:
    if 200 <= status < 300:
        return Delivered()
    if status >= 500 or status in _LATER:
        return Postponed(f"The webhook answered {status}.")
    leads = ", which leads elsewhere; redirects are not followed" if 300 <= status < 400 else ""
    return Refused(f"The webhook answered {status}{leads}. Correct its address or the receiver, then send it again.")
