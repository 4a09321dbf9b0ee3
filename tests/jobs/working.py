"""Who works in a test? `python -m w365core worker` as a real process, and what its job said.

worker      a worker on the context's database, in a session of its own, for the length of a block
queued      asks for a sync and returns the job's number
ended       the job, once it has ended;  until: waits for anything
child_of    the process that carries out the job
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from w365core.jobs import queue
from w365core.jobs.context import Context
from w365core.jobs.queue import JobRun

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 40.0
SWEEP = "3"


@contextmanager
def worker(context: Context, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """What it says goes into the log. Whatever still runs at the end is killed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("W365_") and name != "DATABASE_URL"}
    settings = context.settings
    told = {
        "DATABASE_URL": settings.database_url, "W365_HOME": str(settings.home), "W365_POLL": "0.02", "W365_HTTP_TIMEOUT": "5",
        "W365_HTTP_TRIES": "2", "W365_SWEEP": SWEEP, "W365_NOW": context.now.isoformat(),
    }  # fmt: skip
    with log.open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "w365core", "worker"],
            cwd=ROOT, env={**kept, **told, **settings.environment, **environment}, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def queued(context: Context, **asked: Any) -> int:
    return queue.ask(context.engine, **{"kind": "sync_invoice", "provider": "csp", "invoice": "G1", "actor": "ana", **asked})


def job(context: Context, job_id: int) -> JobRun:
    with context.engine.connect() as connection:
        found = queue.watch(connection, job_id)
    assert found is not None
    return found


def ended(context: Context, job_id: int, log: Path) -> JobRun:
    until(lambda: job(context, job_id).ended, lambda: f"the end of {job(context, job_id)}; the worker said: {log.read_text()}")
    return job(context, job_id)


def until(condition: Callable[[], Any], what: Callable[[], str]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what()}"
        time.sleep(0.05)
    return found


def child_of(process: subprocess.Popen[bytes]) -> int:
    """The number of the process that carries out the worker's job, 0 where there is none. A worker has other children for a moment, such as a library's `file`."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return next((int(one) for one in children if b"w365core.jobs.running" in _command(one)), 0)


def _command(number: str) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""


def lives(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
