"""Which addresses we may call: https to the provider's own hosts, and loopback only where the provider was configured so.

Everything that names an address passes here before a byte is sent: configured URLs, Location headers, navigation links and
blob folders. One strict pattern reads the address, so that no two readers of a URL can disagree about its host.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urljoin

from w365core.errors import CallRefused, ProviderRefused

Resolver = Callable[[str, int], Sequence[str]]


class Service(Enum):
    """The kinds of addresses a provider has: label for messages, default address, hosts."""

    PARTNER_CENTER = (
        "Partner Center",
        "https://api.partnercenter.microsoft.com",
        ("api.partnercenter.microsoft.com", "partner.partnercenterapi.microsoftonline.cn"),
    )
    GRAPH = ("Microsoft Graph", "https://graph.microsoft.com", ("graph.microsoft.com",))
    LOGIN = ("Microsoft sign-in", "https://login.microsoftonline.com", ("login.microsoftonline.com", "login.partner.microsoftonline.cn"))
    STREAMONE = ("StreamOne", "https://ion.tdsynnex.com", ("tdsynnex.com",))
    STREAMONE_FILES = (
        "StreamOne's file storage",
        "",
        ("tdsynnex.com", "blob.core.windows.net", "amazonaws.com", "storage.googleapis.com"),
    )
    STORAGE = ("Export storage", "", ("blob.core.windows.net",))
    DOCUMENTS = (
        "Partner Center's documents",
        "",
        ("partnercenter.microsoft.com", "partner.partnercenterapi.microsoftonline.cn", "blob.core.windows.net"),
    )

    @property
    def label(self) -> str:
        return self.value[0]

    @property
    def default(self) -> str:
        return self.value[1]

    @property
    def suffixes(self) -> tuple[str, ...]:
        return self.value[2]


@dataclass(frozen=True)
class Hosts:
    """Hosts that somebody has listed, and those below them: what no `Service` is, such as the receiver of a webhook."""

    label: str
    suffixes: tuple[str, ...]


@dataclass(frozen=True)
class Allowed:
    """What an address of one service may be: its hosts over https and, where configured so, anything on loopback."""

    service: Service | Hosts
    loopback: bool = False


@dataclass(frozen=True)
class _Address:
    scheme: str
    host: str
    port: int
    rest: str


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{{1,5}}))?(?P<rest>(?:[/?][!$-;=?-Z_a-z~\[\]]*)?)",
    re.ASCII | re.IGNORECASE,
)
_USER_INFO = re.compile(r"https?://[^/?#]*@", re.IGNORECASE)


def configured_root(url: str | None, *, service: Service) -> str:
    """The host root to call for a configured URL (None: the service's default). CallRefused says why it may not be used."""
    if url is None or not url.strip():
        return service.default
    address, why = _read(url.strip())
    why = why or _objection(address, Allowed(service, loopback=True))
    if not why and address.rest not in ("", "/"):
        why = "it has to be a host root, without /v1 and without a query"
    if why:
        raise CallRefused(f"The {service.label} address {_shown(url)} is refused: {why}. Correct the URL and run the command again.")
    return _spelled(address)


def allowed(root: str, *, service: Service) -> Allowed:
    """What answers from this (accepted) root may lead to, for addresses of the given service."""
    address, _ = _read(root)
    return Allowed(service, loopback=address is not None and is_loopback(address.host))


def admitted(url: str, *, within: Allowed) -> str:
    """The address in canonical spelling. ProviderRefused names the host (never the query) and says why it may not be called."""
    address, why = _read(url)
    why = why or _objection(address, within)
    if why:
        raise ProviderRefused(
            f"The address {_shown(url)} that the provider gave for {within.service.label} is refused: {why}. "
            "Nothing was sent there; check the provider's URLs and report it if it happens again."
        )
    return _spelled(address) + address.rest


def objection(url: str, *, within: Allowed) -> str:
    """Why an address may not be called, as the end of a sentence; blank where it may."""
    address, why = _read(url)
    return why or _objection(address, within)


def joined(location: str, *, base: str, within: Allowed) -> str:
    """A Location header or link, relative or absolute, as an admitted address. ProviderRefused as `admitted`."""
    if re.search(r"[^!-~]|\\", location):
        return admitted(location, within=within)
    return admitted(urljoin(base, location), within=within)


def vetted(host: str, port: int, *, resolve: Resolver) -> list[str]:
    """The IP addresses to connect to for a host. OSError when it has none; ProviderRefused when one of them is not for it.

    A public name that resolves to a private, link-local or loopback address is refused, as is `localhost` pointing elsewhere.
    """
    addresses = [text.split("%")[0] for text in resolve(host, port)]
    for text in addresses:
        inside = ipaddress.ip_address(text).is_loopback
        if is_loopback(host) and not inside:
            raise ProviderRefused(f"The host {host} is refused: it resolves to an address outside this machine. Check the hosts file.")
        if not is_loopback(host) and not _is_public(text):
            raise ProviderRefused(f"The host {host} is refused: it resolves to a private or link-local address. Check the name server.")
    if not addresses:
        raise OSError(f"no address for {host}")
    return addresses


def system_resolver(host: str, port: int) -> list[str]:
    """What the operating system answers, first choice first. OSError where it answers nothing."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_loopback(host: str) -> bool:
    """localhost, 127.0.0.0/8 or ::1, spelled plainly: 127.1 and ::ffff:127.0.0.1 are not."""
    if host == "localhost":
        return True
    number = _ip(host)
    return number is not None and number.is_loopback and getattr(number, "ipv4_mapped", None) is None


def _read(url: str) -> tuple[_Address | None, str]:
    """The parts of an address, or why there are none."""
    if _USER_INFO.match(url):
        return None, "it carries a user name or password"
    match = _ADDRESS.fullmatch(url)
    if match is None:
        return None, "it is not a plain http(s) address"
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else {"https": 443, "http": 80}[scheme]
    return _Address(scheme, match["host"].lower(), port, match["rest"]), ""


def _objection(address: _Address, within: Allowed) -> str:
    """Why an address may not be called; empty where it may."""
    if is_loopback(address.host):
        if not within.loopback:
            return "it is on this machine, and the provider was not configured so"
        return "" if 0 < address.port < 65536 else "its port does not exist"
    if _ip(address.host) is not None:
        return "it is an IP address"
    if not any(address.host == suffix or address.host.endswith("." + suffix) for suffix in within.service.suffixes):
        return f"its host is none of {', '.join(within.service.suffixes)}" if within.service.suffixes else "no host is listed for it"
    if address.scheme != "https":
        return "it is not https"
    return "" if address.port == 443 else f"its port is {address.port}, not 443"


def _spelled(address: _Address) -> str:
    usual = {"https": 443, "http": 80}[address.scheme]
    return f"{address.scheme}://{address.host}" + ("" if address.port == usual else f":{address.port}")


def _shown(url: str) -> str:
    """The host of an address for a message: no user, no path, no query, nothing that a terminal would obey."""
    match = re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]*:[/\\]*([^/?#\\]*)", url)
    host = re.sub(r"[^A-Za-z0-9.:\[\]-]", "?", match[1].rpartition("@")[2]) if match else ""
    return host[:100] or "without a readable host"


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_public(text: str) -> bool:
    """Whether the address, and any IPv4 address wrapped in it, is one of the open internet."""
    number = ipaddress.ip_address(text)
    if number.version == 6:
        wrapped = number.ipv4_mapped or number.sixtofour
        if wrapped is None and number in ipaddress.ip_network("64:ff9b::/96"):
            wrapped = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if wrapped is not None:
            return _is_public(str(wrapped))
    return number.is_global and not number.is_multicast
