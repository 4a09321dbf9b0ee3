"""Which port can a test have that nobody else takes before its server listens? One outside the range that the system hands out by itself.

A port that was asked for with 0 and let go is one of those that the next connection on this machine may get: a server that starts seconds later finds it
in use. Each process holds what it was given with a lock on a file, so that test processes beside it choose others.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 20_000
_LOCKS = Path(tempfile.gettempdir()) / f"w365-ports-{os.getuid()}"
_held: list[int] = []  # descriptors, open for as long as this process lives


def free_port() -> int:
    """A port of this machine that nobody listens on, no connection gets by itself, and no other test process is given."""
    _LOCKS.mkdir(mode=0o700, exist_ok=True)
    for port in random.SystemRandom().sample(_not_handed_out(), 2_000):  # tests seed `random`, alike in every process
        if _is_held(port) and is_free(port):
            return port
    raise AssertionError(f"no free port in {_not_handed_out()}")


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_held(port: int) -> bool:
    """Whether this process has it now, and nobody else."""
    handle = os.open(_LOCKS / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    _held.append(handle)
    return True


def _not_handed_out() -> range:
    """Below what connections get; where that begins so low that little is left, all that an ordinary user may have."""
    first_handed_out = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    return range(_FIRST, first_handed_out if first_handed_out >= _FIRST + 5_000 else 60_000)
