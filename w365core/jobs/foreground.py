"""What `up` needs of its surroundings: to be the only one of its home, to be told to end, and a port.

alone(home, port)       one per home, found by its lock; whoever comes second is told where the first is
stoppable(report)       Ctrl-C, a polite kill and a closed terminal end the block alike
refuse_port(port)       CallRefused where nobody can listen
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from w365core.errors import AlreadyRunning, CallRefused, ConfigurationMissing
from w365core.jobs import children as processes
from w365core.jobs.context import Report
from w365core.store.embedded_folders import make_home

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """Somebody asked us to end. Not an Exception: no job may take it for a failure of its own."""


@contextmanager
def alone(home: Path, port: int) -> Iterator[Path]:
    """One `up` per home; yields where it notes who runs. Neither the notes nor the lock's file stay."""
    notes, lock = home / "up.json", home / "up.lock"
    handle = _held(home, lock, notes)
    try:
        processes.end_left_behind(processes.recall(notes))
        processes.remember(notes, [], port)
        yield notes
    finally:
        for ours in (notes, lock):
            ours.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def stoppable(report: Report) -> Iterator[None]:
    """Ends the block with Stopped, once: a second Ctrl-C must not break off the ending."""

    def stop(_number: int, _frame: object) -> None:
        ignore_signals()
        raise Stopped

    before: dict[signal.Signals, Callable | int | None] = {number: signal.getsignal(number) for number in _ENDINGS}
    for number in _ENDINGS:
        if number != signal.SIGHUP or before[number] != signal.SIG_IGN:  # nohup means it
            signal.signal(number, stop)
    try:
        yield
    except Stopped:
        before = {}  # signals stay ignored: what is left of this process is its last breath
        with suppress(OSError):
            report("stopped")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """The end is not interrupted."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def refuse_port(port: int) -> None:
    """CallRefused where the web app cannot listen there."""
    why = why_closed(port)
    if why:
        raise CallRefused(f"The web app cannot listen on port {port}: {why}. Choose another with --port (with make: PORT=).")


def why_closed(port: int) -> str | None:
    """Why nobody can listen there, or None where one can."""
    if not 1 <= port <= 65535:
        return "ports go from 1 to 65535"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return "it is in use" if error.errno == errno.EADDRINUSE else str(error.strerror)
    return None


def _held(home: Path, lock: Path, notes: Path) -> int:
    """The lock, held. AlreadyRunning where somebody else holds it; ConfigurationMissing where the home cannot be written to."""
    try:
        make_home(home)
        while True:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                raise _already(processes.recall(notes)) from None
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), lock.stat()):
                    return handle
            os.close(handle)  # of a file that an ending `up` has removed since: it would keep nobody out
    except OSError as error:
        raise ConfigurationMissing(f"W365_HOME ({home}) cannot be written to: {error.strerror}. Set it to a folder that can.") from None


def _already(told: Mapping) -> AlreadyRunning:
    where = f" at http://127.0.0.1:{told['port']}" if "port" in told else ""
    return AlreadyRunning(f"It is up already{where} (process {told.get('pid', 'unknown')}); stop that one first, or set another W365_HOME.")
