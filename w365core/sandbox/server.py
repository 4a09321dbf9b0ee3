"""The whole sandbox as one application: `app` to mount, `serve` for a person at a terminal, `running` for a test."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from w365core.errors import CallRefused
from w365core.sandbox import graph_billing, identity, partner_center, streamone
from w365core.sandbox.answers import json_answer
from w365core.sandbox.clock import Clock, moment
from w365core.sandbox.estate import opened
from w365core.sandbox.faults import Faults
from w365core.sandbox.graph_billing import Operations
from w365core.sandbox.wire import FaultyWire

Endpoint = Callable[[Request], Awaitable[Response]]

_GRAPH = "/v1.0/reports/partners/billing"
_SECONDS_TO_START = 10.0


def app(estate: Path, *, faults: Faults, now: datetime | None = None) -> Starlette:
    """Everything the estate's providers answer, as of `now` or the estate's own clock. CallRefused where the folder is no estate."""
    known = opened(estate, now=now)
    operations, streamone_tokens = Operations(), streamone.Tokens()
    told = {"estate": known, "faults": faults}
    graph_told = {**told, "operations": operations}
    customer = "/v1/customers/{customer_id}"
    partner = partial(_guarded, partner_center.refused)
    graph = partial(_guarded, graph_billing.refused)
    routes = [
        Route("/{tenant}/oauth2/v2.0/token", partial(identity.token, **told), methods=["POST"]),
        Route("/devicelogin", identity.device_login),
        Route("/{tenant}/oauth2/v2.0/devicecode", identity.device_code, methods=["POST"]),
        Route("/v1/invoices", partner(partial(partner_center.invoices, **told))),
        Route("/v1/invoices/{invoice_id}", partner(partial(partner_center.invoice, estate=known))),
        Route("/v1/invoices/{invoice_id}/documents/statement", partner(partial(partner_center.statement, estate=known))),
        Route("/v1/customers", partner(partial(partner_center.customers, **told))),
        Route(customer, partner(partial(partner_center.customer, estate=known))),
        Route(f"{customer}/subscriptions", partner(partial(partner_center.subscriptions, **told))),
        Route(f"{customer}/subscriptions/{{subscription_id}}", partner(partial(partner_center.subscription, estate=known))),
        Route(
            f"{customer}/subscriptions/{{subscription_id}}/azureEntitlements", partner(partial(partner_center.entitlements, estate=known))
        ),
        Route("/v1/auditrecords", partner(partial(partner_center.audit_records, **told))),
        *(
            Route(f"{_GRAPH}/{feed}/{state}/export", graph(_asking(feed, state, operations)), methods=["POST"])
            for feed in ("reconciliation", "usage")
            for state in ("billed", "unbilled")
        ),
        Route(f"{_GRAPH}/operations/{{operation_id}}", graph(partial(graph_billing.operation, **graph_told))),
        Route(f"{_GRAPH}/manifests/{{manifest_id}}", graph(partial(graph_billing.manifest, **graph_told))),
        Route("/blobs/{document}/{feed}/{folder:path}/{name}", partial(graph_billing.blob, **told)),
        Route("/oauth/token", partial(streamone.token, tokens=streamone_tokens, **told), methods=["POST"]),
        Route("/api/v1/invoices/myinvoices", partial(streamone.invoices, **told)),
        Route("/api/v1/invoices/{invoice_id}/detailed", partial(streamone.detailed, **told)),
        Route("/api/v3/accounts/{account}/{kind}", partial(streamone.listed, tokens=streamone_tokens, **told)),
        Route("/ion-files/{invoice_id}/{name}", partial(streamone.file, **told)),
        Route("/_sandbox/faults", partial(_switch, faults=faults), methods=["GET", "POST"]),
        Route("/_sandbox/clock", partial(_set, clock=known.clock), methods=["GET", "POST"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(FaultyWire, faults=faults)])


def serve(*, estate: Path, port: int, host: str = "127.0.0.1", faults: Sequence[str] = (), now: str | None = None) -> None:
    """Serves until interrupted, quietly. CallRefused where the port is taken, the host is not this machine or the folder no estate."""
    if not _is_loopback(host):
        raise CallRefused(f"The sandbox answers on this machine only, not on {host}; leave the host out or say 127.0.0.1.")
    application = app(estate, faults=Faults(faults), now=moment(now) if now else None)
    try:
        listening = _listening(host, port)
    except (OSError, OverflowError) as refusal:
        reason = getattr(refusal, "strerror", None) or "not a port number"
        raise CallRefused(f"The sandbox cannot listen on {host}:{port} ({reason}); choose another --port or end what uses it.") from None
    with listening:
        try:
            _server(application).run(sockets=[listening])
        except KeyboardInterrupt:
            pass


@contextmanager
def running(estate: Path, faults: Iterable[str] | Faults = (), *, now: datetime | None = None) -> Iterator[str]:
    """A sandbox on a free port in a thread of this process, for the length of a block: yields its base URL, without a slash at the end."""
    switched = faults if isinstance(faults, Faults) else Faults(faults)
    server = _server(app(estate, faults=switched, now=now))
    with _listening("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True, name="sandbox")
        thread.start()
        deadline = time.monotonic() + _SECONDS_TO_START
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            server.force_exit = True  # a hanging answer must not hold up the test that asked for it
            thread.join(timeout=_SECONDS_TO_START)


def _listening(host: str, port: int) -> socket.socket:
    """Sends at once: an answer's body that waits for the head's acknowledgement costs its caller 40 ms."""
    made = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each accepted connection inherits it
    return made


def _server(application: Starlette) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return uvicorn.Server(uvicorn.Config(application, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1))


def _guarded(refused: Callable[[Request], Response | None], endpoint: Endpoint) -> Endpoint:
    async def checked(request: Request) -> Response:
        return refused(request) or await endpoint(request)

    return checked


def _asking(feed: str, state: str, operations: Operations) -> Endpoint:
    async def ask(request: Request) -> Response:
        return await graph_billing.ask(request, feed=feed, billed=state == "billed", operations=operations)

    return ask


async def _switch(request: Request, *, faults: Faults) -> Response:
    """GET tells the faults left; POST {"faults": ["throttle@exportx2", …]} switches these on and all others off."""
    if request.method == "POST":
        try:
            faults.replace(msgspec.json.decode(await request.body(), type=dict[str, list[str]])["faults"])
        except (msgspec.DecodeError, KeyError):
            return json_answer({"error": 'say {"faults": [...]}'}, status=400)
        except CallRefused as refusal:
            return json_answer({"error": str(refusal)}, status=400)
    return json_answer({"faults": faults.left()})


async def _set(request: Request, *, clock: Clock) -> Response:
    """GET tells the moment that answers are as of; POST {"now": "2026-11-12T06:00:00Z"} sets it, null sets it back to the estate's own."""
    if request.method == "POST":
        try:
            said = msgspec.json.decode(await request.body(), type=dict[str, str | None])["now"]
            clock.set_to = None if said is None else moment(said)
        except (msgspec.DecodeError, KeyError):
            return json_answer({"error": 'say {"now": "2026-11-12T06:00:00Z"}'}, status=400)
        except CallRefused as refusal:
            return json_answer({"error": str(refusal)}, status=400)
    return json_answer({"now": clock.now})


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
