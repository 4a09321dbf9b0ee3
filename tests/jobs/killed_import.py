"""Commands in processes where SIGKILL strikes at the N-th step: a statement or a copy of the database, a call to the provider, a file landed.

    python -m tests.jobs.killed_import      reads one JSON object a line, {"victim", "at", "folder", "environment", "arguments"},
                                            and answers each with the exit code of a process that ran `w365core ARGUMENTS…` so

VICTIM is the process to kill (0 = the command's own), AT the step: its number, the first of its name, or 0 for never. Into FOLDER go `steps` (the names of the steps passed, one a line),
`stdout` and `stderr`. The processes are forked from this one, because starting Python anew takes longer than the import that is to die. The product
knows nothing of the steps: they are counted in the forked process only. `forks` is such a server, for the length of a block.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psycopg

from w365core import cli
from w365core.jobs import syncing  # noqa: F401  loaded once, before the fork
from w365core.providers.http import Calls
from w365core.store.landing import Landing


@dataclass(frozen=True)
class Forks:
    """The server of forked commands, from a test's side."""

    process: subprocess.Popen[str]

    def run(self, folder: Path, environment: dict[str, str], *arguments: str, victim: int = 0, at: int | str = 0) -> int:
        """The exit code; -9 where it was killed."""
        asked = {"victim": victim, "at": at, "folder": str(folder), "environment": environment, "arguments": arguments}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def forks() -> Iterator[Forks]:
    command = [sys.executable, "-m", "tests.jobs.killed_import"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Forks(process)
        process.stdin.close()


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


def main() -> None:
    """Serves until standard input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _run(asked)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _run(asked: dict) -> NoReturn:
    """Runs the command as the command line does, in this forked process."""
    folder = Path(asked["folder"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(asked["environment"])
    (folder / "steps").unlink(missing_ok=True)
    steps = Steps(asked["victim"], asked["at"], folder / "steps")
    steps.count(psycopg.Cursor, "execute", lambda _cursor, query, *_: _words(query))
    steps.count(psycopg.Cursor, "executemany", lambda _cursor, query, *_: _words(query))
    steps.count(psycopg.Connection, "commit", lambda *_: "commit")
    steps.count(psycopg.Copy, "write", lambda *_: "copy")
    steps.count(psycopg.Copy, "write_row", lambda *_: "copy row")
    steps.count(Calls, "exchange", lambda _calls, request: f"{request.method} {request.what}")
    steps.count(Landing, "adopt", lambda *_: "adopting a blob")
    steps.count(Landing, "adopt_content", lambda *_: "adopting an answer")
    steps.count(os, "replace", lambda *_: "rename")
    sys.argv = ["w365core", *asked["arguments"]]
    code = 0
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _words(query: object) -> str:
    text = query.decode() if isinstance(query, bytes) else str(query)
    return " ".join(text.lower().split()[:4])


if __name__ == "__main__":
    main()
