"""A real HTTP server on loopback that answers by script and remembers what it was asked: one per test."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN_PATH = "/contoso.example/oauth2/v2.0/token"
SECRET = "S3cret~of.the-client"


@dataclass(frozen=True)
class Step:
    """One answer. `promised`: a Content-Length other than the truth; `cut_after`: reset after so many body bytes; `drip`:
    seconds between single bytes of the body, `drip_head` of the head; `silent`: seconds before anything is sent."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None
    cut_after: int | None = None
    drip: float = 0
    drip_head: float = 0
    silent: float = 0


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    target: str = ""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)


def said(document: Any, status: int = 200, **headers: str) -> Step:
    """A JSON answer; header names with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Step(status=status, body=json.dumps(document).encode(), headers={"Content-Type": "application/json", **named})


class Scripted:
    """The script: the steps of a path in turn, the last one for ever. An unknown path answers 404 without a body."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._steps: dict[str, list[Step]] = {}
        self._lock = threading.Lock()
        self.url = ""

    def on(self, path: str, *steps: Step) -> None:
        self._steps[path] = list(steps)

    def next_step(self, asked: Asked) -> Step:
        with self._lock:
            self.asked.append(asked)
            steps = self._steps.get(asked.path, [Step(status=404)])
            return steps.pop(0) if len(steps) > 1 else steps[0]

    def asked_for(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]


@contextmanager
def scripted() -> Iterator[Scripted]:
    """A server with sign-in in place: each token request gets token-1, token-2 …"""
    script = Scripted()
    tokens = [said({"token_type": "Bearer", "expires_in": 3599, "access_token": f"token-{number}-of-contoso"}) for number in range(1, 20)]
    script.on(TOKEN_PATH, *tokens)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"script": script}))
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up on a faulty answer is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    script: Scripted

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        step = self.script.next_step(Asked(self.command, parts.path, query, dict(self.headers), body, self.path))
        try:
            self._play(step)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = _answer

    def _play(self, step: Step) -> None:
        time.sleep(step.silent)
        length = len(step.body) if step.promised is None else step.promised
        head = f"HTTP/1.1 {step.status} Scripted\r\n" + "".join(f"{name}: {value}\r\n" for name, value in step.headers.items())
        head += f"Content-Length: {length}\r\n\r\n" if length >= 0 else "Connection: close\r\n\r\n"
        self._send(head.encode(), step.drip_head)
        self._send(step.body[: step.cut_after], step.drip)
        if step.cut_after is not None:
            self.wfile.flush()
            time.sleep(0.05)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())
        self.close_connection = step.cut_after is not None or length != len(step.body)

    def _send(self, content: bytes, drip: float) -> None:
        for piece in [content] if not drip else (content[at : at + 1] for at in range(len(content))):
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(drip)

    def log_message(self, *_arguments: object) -> None:
        pass
