"""What can happen to a packed file on its way, so that it still looks like one: its tail, its checksum, what stands behind it, its last line."""

from __future__ import annotations

import gzip
from collections.abc import Callable

_TRAILER = 8  # bytes of checksum and size at the end of a gzip member


def _without_trailer(packed: bytes) -> bytes:
    return packed[:-_TRAILER]


def _other_checksum(packed: bytes) -> bytes:
    checksum = packed[-_TRAILER]
    return packed[:-_TRAILER] + bytes([checksum ^ 0xFF]) + packed[1 - _TRAILER :]


def _garbage_behind(packed: bytes) -> bytes:
    return packed + b"garbage"


def _two_members(packed: bytes) -> bytes:
    """The same lines, legally packed in two pieces."""
    lines = gzip.decompress(packed).splitlines(keepends=True)
    half = len(lines) // 2
    return gzip.compress(b"".join(lines[:half]), mtime=0) + gzip.compress(b"".join(lines[half:]), mtime=0)


def _without_last_line(packed: bytes) -> bytes:
    """Packed anew and flawless: only the sum of the lines can tell."""
    return gzip.compress(b"".join(gzip.decompress(packed).splitlines(keepends=True)[:-1]), mtime=0)


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "trailer": _without_trailer,
    "checksum": _other_checksum,
    "garbage": _garbage_behind,
    "members": _two_members,
    "last-line": _without_last_line,
}
