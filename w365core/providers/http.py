"""How a call to a provider is made: one guarded session, bounded patience, every whole answer kept before anybody reads it.

    Calls.call        an authorised JSON call: request ids, one token renewal, errors in words
    Calls.download    a file, byte for byte, no token
    Calls.exchange    the bare exchange with its retries: what the two above and the sign-in stand on

A failure travels as a value (`Broken`) until the sentence for a person is made: exceptions of the HTTP library quote whole URLs.
"""

from __future__ import annotations

import io
import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from uuid import uuid4

import requests
from urllib3.exceptions import HTTPError

from w365core.errors import ConfigurationMissing, ProviderChanged, ProviderUnavailable
from w365core.model import Answer, Secret
from w365core.providers import waiting
from w365core.providers.addresses import Allowed, Resolver, admitted, system_resolver
from w365core.providers.connections import CannotConnect, guarded_session
from w365core.providers.contract import Keep, Patience, SasExpired
from w365core.providers.replies import Reply, is_readable, lacks_second_factor, refuse
from w365core.providers.secrecy import cut_content, cut_headers, cut_url

log = logging.getLogger(__name__)

TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
MOST_JSON_BYTES = 64 * 2**20
CHUNK = 256 * 1024
# A sender slower than this on average is a stuck one; it may start slowly, for `timeout` seconds.
LEAST_BYTES_PER_SECOND = 1024


@dataclass(frozen=True)
class Access:
    """How one service is spoken to: where it may be, whose token, which headers name the call, what it takes to be let in."""

    within: Allowed
    bearer: Callable[[], Secret]
    renew: Callable[[], None]
    naming: Callable[[str], dict[str, str]]
    permission: str
    scheme: str = "Bearer"

    @property
    def label(self) -> str:
        return self.within.service.label


@dataclass(frozen=True)
class Request:
    """One logical call. `headers` is asked anew for each attempt: a token may have run out while we waited. `answered` is told of each
    answer. `cut` takes out of the body what must not be kept of it."""

    method: str
    url: str
    what: str
    label: str
    headers: Callable[[], Mapping[str, str]] = field(default=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    into: Path | None = None
    kept: bool = True
    cut: Callable[[bytes], bytes] = bytes
    answered: Callable[[], None] = field(default=lambda: None, repr=False)


@dataclass(frozen=True)
class Broken:
    """An attempt without a whole answer. `refused`: nobody listens; `final`: no further attempt makes sense."""

    reason: str
    refused: bool = False
    final: bool = False


class Calls:
    """The session with one provider. Clock, sleep, chance and resolver are arguments so that tests can own them."""

    def __init__(
        self,
        *,
        patience: Patience,
        keep: Keep,
        resolve: Resolver = system_resolver,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = patience
        self.sleep = sleep
        self.clock = clock
        self._keep = keep
        self._chance = chance
        self._session = guarded_session(resolve)
        self._refusing: dict[str, float] = {}

    def call(
        self,
        access: Access,
        *,
        method: str,
        url: str,
        what: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        expected: frozenset[int] = frozenset(),
        cut: Callable[[bytes], bytes] = bytes,
    ) -> Reply:
        """A 2xx or `expected` answer to an authorised call. ProviderError in words otherwise.

        Its request id is repeated until an answer comes, so that what got through without one is not done twice; an attempt after any answer has a
        new one. `what` completes "Partner Center answered 403 to …".
        """
        request_ids = [str(uuid4())]

        def dressed() -> dict[str, str]:
            named = {"Accept": "application/json", "Accept-Encoding": "identity", **access.naming(request_ids[-1]), **(headers or {})}
            typed = {"Content-Type": "application/json"} if body is not None else {}
            return {**named, **typed, "Authorization": f"{access.scheme} {access.bearer().reveal()}"}

        content = None if body is None else json.dumps(body).encode()
        place = admitted(url, within=access.within)
        request = Request(method, place, what, access.label, dressed, content, cut=cut, answered=lambda: request_ids.append(str(uuid4())))
        reply = self.exchange(request)
        if reply.status == 401 and not lacks_second_factor(reply):
            access.renew()
            reply = self.exchange(request)
        if not reply.is_fine and reply.status not in expected:
            refuse(reply, what=what, label=access.label, permission=access.permission)
        return reply

    def download(self, url: str, *, within: Allowed, to: Path, what: str, access: Access | None = None) -> None:
        """Streams a file as received; no token goes along unless `access` gives one. A failure leaves no file.

        SasExpired where a signature is refused.
        """
        whole = False

        def dressed() -> dict[str, str]:
            plain = {"Accept": "*/*", "Accept-Encoding": "identity"}
            if access is None:
                return plain
            return {**plain, **access.naming(str(uuid4())), "Authorization": f"{access.scheme} {access.bearer().reveal()}"}

        request = Request("GET", admitted(url, within=within), what, within.service.label, dressed, into=to)
        try:
            reply = self.exchange(request)
            whole = reply.status == 200
        finally:
            if not whole:
                with suppress(OSError):  # swept later; what went wrong is said by the error that is on its way
                    to.unlink(missing_ok=True)
        if reply.status in (401, 403) and access is None:
            raise SasExpired(
                f"{request.label} refused {what}: its signed address has run out. Ask the export operation again and continue."
            )
        if reply.status in (404, 410):
            raise ProviderUnavailable(
                f"{request.label} does not have what was announced: {what} found nothing. Ask for the export again later."
            )
        if not whole:
            permission = "the export's own signed address" if access is None else access.permission
            refuse(reply, what=what, label=request.label, permission=permission)

    def exchange(self, request: Request) -> Reply:
        """The first answer that is not a passing failure, whatever its status. ProviderUnavailable when patience runs out."""
        begun = self.clock()
        for attempt in range(1, self.patience.tries + 1):
            outcome = self._attempt(request, until=begun + self.patience.deadline)
            if isinstance(outcome, Reply):
                request.answered()
            if isinstance(outcome, Reply) and outcome.status not in TRANSIENT:
                return outcome
            wait = self._wait(request, outcome, attempt=attempt, begun=begun)
            log.info("%s, %s: %s; try %d follows in %.1f s", request.label, request.what, _reason(outcome), attempt + 1, wait)
            self.sleep(wait)
        raise AssertionError("the last attempt either answers or raises")

    def _wait(self, request: Request, outcome: Reply | Broken, *, attempt: int, begun: float) -> float:
        """Seconds until the next attempt; ProviderUnavailable where there is none."""
        patience = self.patience
        asked = waiting.asked_for(outcome.headers, now=datetime.now(UTC)) if isinstance(outcome, Reply) else None
        if asked is not None and (asked > waiting.LONGEST or attempt == patience.tries):
            raise ProviderUnavailable(
                f"{request.label} answered {outcome.status} to {request.what} and asks to wait. "
                f"Try again after {waiting.moment_after(asked)}."
            )
        final = attempt == patience.tries
        if isinstance(outcome, Broken):
            wait = self._short_wait(request) if outcome.refused else waiting.backoff(attempt, chance=self._chance, most=patience.timeout)
            final = final or outcome.final or wait is None
        else:
            wait = asked if asked is not None else waiting.backoff(attempt, chance=self._chance, most=patience.timeout)
        if final or self.clock() - begun + wait > patience.deadline:
            tries = "1 try" if attempt == 1 else f"{attempt} tries"
            raise ProviderUnavailable(
                f"{request.label} gave no usable answer to {request.what} in {tries}: {_reason(outcome)}. "
                "Check the network and try again later."
            )
        return wait

    def _short_wait(self, request: Request) -> float | None:
        """A refused connection is tried again for a few seconds in all, over every call to that host; then None."""
        host, now = urlsplit(request.url).netloc, self.clock()
        since = self._refusing.setdefault(host, now)
        if now - since > waiting.FORGOTTEN:
            since = self._refusing[host] = now
        return waiting.SHORT if now - since + waiting.SHORT <= waiting.REFUSED_IN_ALL else None

    def _attempt(self, request: Request, *, until: float) -> Reply | Broken:
        headers = dict(request.headers())
        outcome = self._sent(request, headers)
        if isinstance(outcome, Broken):
            return outcome
        self._refusing.pop(urlsplit(request.url).netloc, None)
        into = request.into if outcome.status_code == 200 else None
        with closing(outcome):
            content = self._received(outcome.raw, into=into, until=until)
        if isinstance(content, Broken):
            return content
        reply = Reply(outcome.status_code, outcome.headers, content)
        if request.kept and into is None:
            self._keep(_as_kept(request, reply, headers))
        if into is None and reply.is_fine and _is_unframed(reply) and not is_readable(reply):
            return Broken("the answer broke off")
        return reply

    def _sent(self, request: Request, headers: Mapping[str, str]) -> requests.Response | Broken:
        prepared = requests.Request(request.method, request.url, headers={"User-Agent": "w365core", **headers}, data=request.body).prepare()
        prepared.url = request.url  # as admitted: a signature must not be re-quoted
        timeout = (min(10.0, self.patience.timeout), self.patience.timeout)
        try:
            return self._session.send(prepared, stream=True, timeout=timeout, allow_redirects=False)
        except CannotConnect as failure:
            return Broken(str(failure), refused=failure.refused)
        except requests.exceptions.SSLError:
            return Broken("the TLS connection could not be made or its certificate is not trusted", final=True)
        except requests.exceptions.Timeout:
            return Broken(f"no answer within {self.patience.timeout:g} s")
        except (requests.exceptions.RequestException, HTTPError, HTTPException, OSError):
            return Broken("the connection broke before the answer came")

    def _received(self, raw: Any, *, into: Path | None, until: float) -> bytes | Broken:
        """The body: in memory, or in the file and b"" here."""
        begun, size, limit = self.clock(), 0, MOST_JSON_BYTES if into is None else None
        with _opened(into) as body:
            while True:
                chunk = _next(raw, decoded=into is None)
                if isinstance(chunk, Broken):
                    return chunk
                if not chunk:
                    return body.getvalue() if isinstance(body, io.BytesIO) else b""
                _write(body, chunk, into)
                size += len(chunk)
                if limit is not None and size > limit:
                    raise ProviderChanged(f"An answer is larger than {limit // 2**20} MB, which no listing should be. Report it.")
                late = self._late(size, elapsed=self.clock() - begun, until=until)
                if late:
                    return late

    def _late(self, size: int, *, elapsed: float, until: float) -> Broken | None:
        if self.clock() > until:
            return Broken(f"the transfer did not finish within {self.patience.deadline:g} s", final=True)
        if elapsed > self.patience.timeout and size < elapsed * LEAST_BYTES_PER_SECOND:
            return Broken(f"the transfer all but stands still ({size} bytes in {elapsed:.0f} s)")
        return None


def naming_partner_center(request_id: str) -> dict[str, str]:
    """The headers Partner Center wants: the request id stays until an answer comes, the correlation id is new with each attempt."""
    return {"MS-RequestId": request_id, "MS-CorrelationId": str(uuid4()), "MS-Contract-Version": "v1", "X-Locale": "en-US"}


def naming_graph(request_id: str) -> dict[str, str]:
    return {"client-request-id": request_id}


def _next(raw: Any, *, decoded: bool) -> bytes | Broken:
    """What one read of the socket brings; b"" at the end. A larger read would wait for a dripping sender to fill it."""
    try:
        return raw.read1(CHUNK, decode_content=decoded) or b""
    except (HTTPError, HTTPException, OSError) as failure:
        kind = "stopped coming" if "Timeout" in type(failure).__name__ else "broke off"
        return Broken(f"the answer {kind} before its end")


def _opened(into: Path | None) -> BinaryIO:
    if into is None:
        return io.BytesIO()
    try:
        return into.open("wb")
    except OSError as failure:
        raise _unwritable(into, failure) from None


def _write(body: BinaryIO, chunk: bytes, into: Path | None) -> None:
    try:
        body.write(chunk)
    except OSError as failure:
        raise _unwritable(into, failure) from None


def _unwritable(into: Path | None, failure: OSError) -> ConfigurationMissing:
    return ConfigurationMissing(
        f"The download cannot be written to {into}: {failure.strerror}. Make room or fix the folder, then run again."
    )


def _is_unframed(reply: Reply) -> bool:
    """Whether only the end of the connection marked the end of the body: then a broken connection looks like a short body."""
    return bool(reply.content) and "Content-Length" not in reply.headers and "Transfer-Encoding" not in reply.headers


def _as_kept(request: Request, reply: Reply, sent: Mapping[str, str]) -> Answer:
    names = ("MS-RequestId", "request-id", "x-ms-request-id")
    answer = Answer(
        method=request.method,
        url=cut_url(request.url),
        status=reply.status,
        content=cut_content(request.cut(reply.content), secrets=[sent.get("Authorization", "").partition(" ")[2]]),
        received_at=datetime.now(UTC),
        request_id=next((reply.headers[name] for name in names if name in reply.headers), None),
        content_type=reply.headers.get("Content-Type"),
    )
    return replace(answer, headers=cut_headers(reply.headers))


def _reason(outcome: Reply | Broken) -> str:
    return outcome.reason if isinstance(outcome, Broken) else f"it answered {outcome.status}"
