"""What of an exchange may be shown, logged or kept: everything but tokens, signatures and client secrets.

A shared access signature travels in a query string and inside manifests, a bearer token in a header; an answer may echo either.
Queries are cut down to known harmless parameters; bodies keep every byte but the secrets themselves.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

CUT = "(cut)"

_HARMLESS = frozenset(
    (
        "size",
        "limit",
        "pagesize",
        "offset",
        "seekoperation",
        "provider",
        "invoicelineitemtype",
        "currencycode",
        "period",
        "fragment",
        "api-version",
    )
)
_KEPT_HEADERS = frozenset(
    ("content-type", "content-length", "date", "etag", "retry-after", "location", "request-id", "client-request-id", "ismfacompliant")
    + ("x-ms-request-id", "ms-requestid", "ms-correlationid", "ms-cv", "ms-serverid")
)
_SIGNATURE = re.compile(
    r"(?i)(?<![A-Za-z_])(sig|signature|x-amz-security-token|client_secret|client_assertion|refresh_token|access_token)(=|%3D)[^&\s\"'\\<>]+"
)
_QUOTED = re.compile(r'(?i)("(?:sasToken|access_token|refresh_token|client_secret|id_token)"\s*:\s*)"(?:[^"\\]|\\.)*"')
_SIGNED_LINK = re.compile(rb"(?i)(https?:(?:\\?/){2}[^\s\"?<>]*?)(?:\?|\\u003f)[^\s\"<>]*")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}")
_SIGNATURE_BYTES, _QUOTED_BYTES, _BEARER_BYTES = (re.compile(p.pattern.encode()) for p in (_SIGNATURE, _QUOTED, _BEARER))


def cut_url(url: str) -> str:
    """The address without user, fragment and all parameters but the known harmless ones."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair.partition("=")[0].lower() in _HARMLESS]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "&".join(kept), ""))


def cut_text(text: str) -> str:
    """The provider's words with secrets blanked and control characters gone."""
    text = _BEARER.sub(rf"\1{CUT}", _QUOTED.sub(rf'\1"{CUT}"', _SIGNATURE.sub(rf"\1\2{CUT}", text)))
    return "".join(letter if letter.isprintable() else " " for letter in text)


def cut_content(content: bytes, *, secrets: Iterable[str] = ()) -> bytes:
    """A body as it may be kept: byte for byte, but for signatures and tokens. `secrets` are those that we sent ourselves."""
    cut = CUT.encode()
    for secret in secrets:
        if secret:
            content = content.replace(secret.encode(), cut)
    content = _SIGNATURE_BYTES.sub(rb"\1\2" + cut, content)
    return _BEARER_BYTES.sub(rb"\1" + cut, _QUOTED_BYTES.sub(rb'\1"' + cut + rb'"', content))


def cut_signed_links(content: bytes) -> bytes:
    """A body whose links are signed by their queries: every link without its query."""
    return _SIGNED_LINK.sub(rb"\1?" + CUT.encode(), content)


def cut_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers worth keeping, addresses in them cut too."""
    kept = {name: value for name, value in headers.items() if name.lower() in _KEPT_HEADERS}
    return {name: cut_url(value) if name.lower() == "location" else cut_text(value) for name, value in kept.items()}


class _CutQueries(logging.Filter):
    """urllib3 logs every request line, query included."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(cut_url(part) if isinstance(part, str) and "?" in part else part for part in record.args)
        return True


def silence_queries() -> None:
    """Makes the HTTP library's own log cut its addresses; safe to repeat."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logger = logging.getLogger(name)
        if not any(isinstance(present, _CutQueries) for present in logger.filters):
            logger.addFilter(_CutQueries())
