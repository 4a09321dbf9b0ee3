"""The processes that `up` starts: each dies with it, is started again when it dies alone, and is ended politely at the end.

A child gets a session of its own, so that Ctrl-C reaches `up` alone and `up` ends them in order. On Linux the kernel ends a child whose parent was
killed; elsewhere the next `up` ends what the file of process ids still names.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

_PR_SET_PDEATHSIG = 1
POLITE_SECONDS = 10.0
MARK = "W365_CHILD_OF"


@dataclass
class Child:
    """One process to keep alive. Its output goes to a log file."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    folder: Path
    process: subprocess.Popen | None = None
    starts: int = 0
    started_at: float = field(default=0.0)

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.command),
                cwd=self.folder,
                env={**self.environment, MARK: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dying_with_us(),
            )
        self.starts += 1
        self.started_at = time.monotonic()

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def last_words(self) -> str:
        """The last line of its log, for a message."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:200] if lines else ""


def dying_with_us() -> Callable[[], None] | None:
    """For `preexec_fn`, called in the thread that lives as long as we do: on Linux the kernel ends the new process when that thread ends."""
    return partial(_die_with, os.getpid()) if sys.platform == "linux" else None


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # killed before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def end_all(children: Sequence[Child]) -> None:
    """Asks each to end, waits, and insists."""
    running = [child for child in children if child.runs]
    for child in running:
        _signal_group(child.process.pid, signal.SIGTERM)
    deadline = time.monotonic() + POLITE_SECONDS
    for child in running:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal_group(child.process.pid, signal.SIGKILL)
            child.process.wait()


def remember(path: Path, children: Sequence[Child], port: int) -> None:
    """Writes down who runs, for the next `up` and for a second one."""
    told = {"pid": os.getpid(), "port": port, "children": [child.process.pid for child in children if child.process]}
    path.write_text(json.dumps(told))


def recall(path: Path) -> dict:
    """What the last `up` wrote down, or nothing."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def end_left_behind(told: Mapping) -> int:
    """Ends the children of a killed `up` that are still there, and waits for it: their ports are needed. Only processes that carry our mark.

    Returns how many."""
    parent = int(told.get("pid", 0))
    left = [int(pid) for pid in told.get("children", ()) if _is_child_of(int(pid), parent)]
    for pid in left:
        _signal_group(pid, signal.SIGKILL)
    deadline = time.monotonic() + POLITE_SECONDS
    while any(_is_child_of(pid, parent) for pid in left) and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(left)


def _is_child_of(pid: int, parent: int) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        listed = subprocess.run(["ps", "-E", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
        environment = listed.stdout
    return f"{MARK}={parent}".encode() in environment


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass
