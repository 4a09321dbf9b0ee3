"""Commands in processes where SIGKILL strikes at the N-th step: a statement or a copy of the database, a call to the provider, a file landed.

    python -m tests.jobs.killed_import      serves commands as tests.forked does, with VICTIM and AT besides

VICTIM is the process to kill (0 = the command's own), AT the step: its number, the first of its name, or 0 for never. Into FOLDER go `steps` (the names
of the steps passed, one a line), `stdout` and `stderr`. The product knows nothing of the steps: they are counted in the forked process only.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests import forked
from tests.forked import Forks
from w365core.providers.http import Calls
from w365core.store.landing import Landing


def forks() -> AbstractContextManager[Forks]:
    """The server, for the length of a block: `run(…, victim=, at=)`; -9 where the command was killed."""
    return forked.forks("tests.jobs.killed_import")


@dataclass
class Steps:
    """The steps so far, and who is killed at which of them."""

    victim: int
    strikes_at: int | str
    file: Path
    passed: int = 0

    def step(self, name: str) -> None:
        self.passed += 1
        with self.file.open("a") as names:
            names.write(f"{name}\n")
        if self.strikes_at in (self.passed, name):
            self.strikes_at = 0
            os.kill(self.victim or os.getpid(), signal.SIGKILL)

    def count(self, owner: object, name: str, named: Callable[..., str]) -> None:
        """Each call is a step, and each return: one may die before an order is carried out, and before hearing that it was."""
        real = getattr(owner, name)

        def counted(*arguments, **keywords):
            step = named(*arguments)
            self.step(f"before {step}")
            answer = real(*arguments, **keywords)
            self.step(f"after {step}")
            return answer

        setattr(owner, name, counted)


def _prepare(asked: Mapping[str, Any]) -> None:
    folder = Path(asked["folder"])
    (folder / "steps").unlink(missing_ok=True)
    steps = Steps(asked.get("victim", 0), asked.get("at", 0), folder / "steps")
    steps.count(psycopg.Cursor, "execute", lambda _cursor, query, *_: _words(query))
    steps.count(psycopg.Cursor, "executemany", lambda _cursor, query, *_: _words(query))
    steps.count(psycopg.Connection, "commit", lambda *_: "commit")
    steps.count(psycopg.Copy, "write", lambda *_: "copy")
    steps.count(psycopg.Copy, "write_row", lambda *_: "copy row")
    steps.count(Calls, "exchange", lambda _calls, request: f"{request.method} {request.what}")
    steps.count(Landing, "adopt", lambda *_: "adopting a blob")
    steps.count(Landing, "adopt_content", lambda *_: "adopting an answer")
    steps.count(os, "replace", lambda *_: "rename")


def _words(query: object) -> str:
    text = query.decode() if isinstance(query, bytes) else str(query)
    return " ".join(text.lower().split()[:4])


if __name__ == "__main__":
    forked.load()
    forked.serve(_prepare)
