"""Who holds this database: another start or stop of ours, a living server, leftovers of a dead one?

    only_one          one start or stop at a time per home, over processes
    postmaster        the living server of a data directory; a zombie or a stranger with its old number is none
    clear_leftovers   removes the lock files of a server that died without stopping
    orphans           processes of a dead server that still work in its data directory

Postgres itself believes any living process with the number in its lock files, and a zombie too (a container's PID 1 often does not
reap). Removing them is safe: it still refuses to start while a process is attached to the dead server's shared memory.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, which embedded.start refuses with a sentence
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_PROCESSES = Path("/proc")


@contextmanager
def only_one(home: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Holds the home's lock file. It dies with its process, so that a killed start blocks nobody."""
    path = home / LOCK
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _hold(handle, report)
            if _still_there(handle, path):
                yield
                return
        finally:
            os.close(handle)


def forget(home: Path) -> None:
    """Removes the lock file, by the holder of its lock; whoever waits on it notices and takes a new one."""
    (home / LOCK).unlink(missing_ok=True)


def postmaster(data: Path) -> int | None:
    """The process number of the server that lives on this data directory."""
    try:
        first = (data / "postmaster.pid").read_text(errors="replace").split("\n", 1)[0]
    except FileNotFoundError:
        return None
    if not first.strip().isdigit():
        return None
    return int(first) if _serves(_command_line(int(first)), data) else None


def clear_leftovers(data: Path, socket: Path) -> None:
    """Only where no server lives. Files: the data directory's lock, the socket and the socket's lock."""
    for leftover in [data / "postmaster.pid", *socket.glob(".s.PGSQL.*")]:
        leftover.unlink(missing_ok=True)


def orphans(data: Path) -> list[int]:
    """Known by the server's name in their title: a container may forbid even root to see in which folder a process works."""
    title = f"postgres: {cluster_name(data)}: "
    return [number for number, command in _command_lines() if command.startswith(title) or _serves(command, data)]


def cluster_name(data: Path) -> str:
    """What the server is told to call itself in the titles of its processes."""
    return f"w365-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"


def end(processes: list[int]) -> None:
    """Asks politely: a backend rolls back and leaves."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)


def _hold(handle: int, report: Callable[[str], None]) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        report("waiting for another process that is starting or stopping the database")
        fcntl.flock(handle, fcntl.LOCK_EX)


def _still_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _serves(command: str, data: Path) -> bool:
    return f"/postgres -D {data} " in f"{command} "


def _command_lines() -> list[tuple[int, str]]:
    if _PROCESSES.joinpath("self").exists():
        numbers = [int(entry.name) for entry in _PROCESSES.iterdir() if entry.name.isdigit()]
        return [(number, _command_line(number)) for number in numbers]
    lines = [line.strip().partition(" ") for line in _ps("-axo", "pid=,command=").splitlines()]
    return [(int(number), command) for number, _, command in lines if number.isdigit()]


def _command_line(process: int) -> str:
    """Empty for a process that is gone or a zombie. Read from /proc because slim containers have no ps."""
    if _PROCESSES.joinpath("self").exists():
        try:
            return _PROCESSES.joinpath(str(process), "cmdline").read_bytes().decode(errors="surrogateescape").replace("\0", " ")
        except OSError:
            return ""
    return _ps("-o", "command=", "-p", str(process)).strip()


def _ps(*options: str) -> str:
    return subprocess.run(["ps", "-ww", *options], check=False, capture_output=True, text=True, errors="surrogateescape").stdout
