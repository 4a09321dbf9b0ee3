"""How a connection to a provider is opened: to a vetted address only, and cut off when the answer's head does not come in time.

The name is resolved once, every address it gives is checked, and exactly these are connected to: a second look-up could give
another answer. Nothing is read from the process's surroundings (proxy variables, .netrc): they could send a token elsewhere.
"""

from __future__ import annotations

import socket
import threading
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import create_connection

from w365core.providers.addresses import Resolver, vetted
from w365core.providers.secrecy import silence_queries


class CannotConnect(Exception):
    """No connection could be opened. `refused`: trying again in a moment is all that makes sense (nobody listens, or no such name)."""

    def __init__(self, reason: str, *, refused: bool) -> None:
        super().__init__(reason)
        self.refused = refused


def guarded_session(resolve: Resolver) -> requests.Session:
    """A session whose connections go to vetted addresses only; it keeps no cookies and follows nothing."""
    silence_queries()
    session = _Unredirected()
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _GuardedAdapter(resolve)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _Unredirected(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never any: the library would otherwise read the redirect's body and prepare the next request, followed or not."""


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, resolve: Resolver) -> None:
        self._pools = _guarded_pools(resolve)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments, **keywords) -> None:
        super().init_poolmanager(*arguments, **keywords)
        self.poolmanager.pool_classes_by_scheme = self._pools


def _guarded_pools(resolve: Resolver) -> dict[str, type[HTTPConnectionPool]]:
    class Guarded:
        """Both overrides stand at the two places where urllib3 itself waits for the other side."""

        def _new_conn(self) -> socket.socket:
            return _connected(self, resolve)

        def getresponse(self):
            # The socket's own timeout, which comes first with a silent server, starts anew with each byte; a dripping head would never end.
            watch = threading.Timer(1.25 * (self.timeout or 100.0), _cut_off, [self.sock])
            watch.daemon = True
            watch.start()
            try:
                return super().getresponse()
            finally:
                watch.cancel()

    plain = type("GuardedHTTP", (Guarded, HTTPConnection), {})
    secure = type("GuardedHTTPS", (Guarded, HTTPSConnection), {})
    return {
        "http": type("GuardedHTTPPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("GuardedHTTPSPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


def _connected(connection: HTTPConnection, resolve: Resolver) -> socket.socket:
    """The first of the host's vetted addresses that answers."""
    try:
        addresses = vetted(connection.host, connection.port, resolve=resolve)
    except OSError:
        addresses = []
    if not addresses:
        raise CannotConnect(f"the name {connection.host} is not known here", refused=True)
    failures = []
    for address in addresses:
        try:
            return create_connection((address, connection.port), connection.timeout, socket_options=connection.socket_options)
        except OSError as failure:
            failures.append(failure)
    if any(isinstance(failure, TimeoutError) for failure in failures):
        raise CannotConnect(f"{connection.host}, port {connection.port} did not answer in time", refused=False)
    raise CannotConnect(f"the connection to {connection.host}, port {connection.port} was refused", refused=True)


def _cut_off(sock: socket.socket | None) -> None:
    try:
        if sock is not None:
            # The plain socket's own method: that of a TLS socket pulls the session away under the reading thread.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # already closed: what we wanted
