"""The faults of the connection, whoever is asked: throttled, broken, silent, torn down or slow."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from w365core.sandbox.answers import any_error
from w365core.sandbox.faults import Faults

_PLACES = (
    ("token", re.compile(r"/[^/]+/oauth2/v2\.0/token|/oauth/token")),
    ("detailed", re.compile(r"/api/v1/invoices/[^/]+/detailed")),
    ("streamone", re.compile(r"/api/v[13]/.+")),
    ("file", re.compile(r"/ion-files/.+")),
    ("invoices", re.compile(r"/v1/invoices(/.*)?")),
    ("customers", re.compile(r"/v1/customers(/.*)?")),
    ("auditrecords", re.compile(r"/v1/auditrecords")),
    ("export", re.compile(r"/v1\.0/reports/partners/billing/[^/]+/[^/]+/export")),
    ("operation", re.compile(r"/v1\.0/reports/partners/billing/operations/.+")),
    ("manifest", re.compile(r"/v1\.0/reports/partners/billing/manifests/.+")),
    ("blob", re.compile(r"/blobs/.+")),
)
_LONGEST_SILENCE = 600.0  # seconds
_DRIP = 0.2  # seconds a byte
_ELSEWHERE = "https://elsewhere.example/answer?sig=of-nobody"


class FaultyWire:
    """Wraps an application; a request that no fault is switched on for passes through untouched."""

    def __init__(self, app: ASGIApp, *, faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = place_of(scope["path"]) if scope["type"] == "http" else None
        if place is None:
            await self.app(scope, receive, send)
        elif answer := self._instead(place):
            await answer(scope, receive, send)
        elif self.faults.strike("hang", place):
            await _silence(receive)
        elif self.faults.strike("stall", place):
            await self.app(scope, receive, _stalling(send, receive))
        elif reset := self.faults.strike("reset", place):
            await self.app(scope, receive, _torn(send, None if reset.detail is None else int(reset.detail)))
        elif drip := self.faults.strike("drip", place):
            await self.app(scope, receive, _dripping(send, float(drip.detail or _DRIP)))
        else:
            await self.app(scope, receive, send)

    def _instead(self, place: str) -> Response | None:
        if throttle := self.faults.strike("throttle", place):
            return any_error(place, 429, _retry_after(throttle.detail or "1"))
        if broken := self.faults.strike("500", place):
            return any_error(place, int(broken.detail or "500"))
        if self.faults.strike("redirect", place):
            return Response(status_code=302, headers={"Location": _ELSEWHERE})
        if self.faults.strike("empty-401", place):
            return Response(status_code=401)
        return None


def place_of(path: str) -> str | None:
    """The place a path stands for, None for what has no faults."""
    return next((place for place, pattern in _PLACES if pattern.fullmatch(path)), None)


async def _silence(receive: Receive) -> None:
    """Waits until the caller has given up, and says nothing."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), _LONGEST_SILENCE)
    except TimeoutError:
        pass


def _retry_after(said: str) -> dict[str, str]:
    if said == "absent":
        return {}
    in_a_second = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    return {"Retry-After": {"date": in_a_second, "nonsense": "in a while"}.get(said, said)}


def _stalling(send: Send, receive: Receive) -> Send:
    """The head and half of the first piece of the body; then nothing until the caller has given up."""
    stalled = False

    async def stall(message: Message) -> None:
        nonlocal stalled
        if message["type"] != "http.response.body":
            await send(message)
        elif not stalled:
            stalled = True
            await send({**message, "body": message["body"][: len(message["body"]) // 2], "more_body": True})
            await _silence(receive)

    return stall


def _torn(send: Send, after: int | None) -> Send:
    """So many bytes of the first piece of the body, half of it where nothing is said; then a reset."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)

    async def tear(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        if transport is not None and transport.is_closing():
            return
        kept = len(message["body"]) // 2 if after is None else after
        await send({**message, "body": message["body"][:kept], "more_body": True})
        await asyncio.sleep(0.05)  # so that they are on their way
        if transport is not None:
            # Lingering for 0 seconds is what makes the kernel say RST in place of an orderly end.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        await asyncio.sleep(0.05)

    return tear


def _dripping(send: Send, seconds: float) -> Send:
    async def drip(message: Message) -> None:
        for position in range(len(message.get("body", b""))):
            await send({**message, "body": message["body"][position : position + 1], "more_body": True})
            await asyncio.sleep(seconds)
        await send({**message, "body": b""} if "body" in message else message)

    return drip
