"""Commands in processes forked from one that has the product loaded already: each is a process of its own, as `python -m w365core` starts one, but starts
in a tenth of the time.

    python -m tests.forked      reads one JSON object a line, the arguments of `Forks.run`, and answers each with the exit code
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import w365core
from w365core import cli

ROOT = Path(__file__).resolve().parents[1]
LOADED = tuple(f"w365core.{part}." for part in ("channels", "commands", "jobs", "kernels", "messages", "providers", "reports", "store"))


@dataclass(frozen=True)
class Forks:
    """The server of forked commands, from a test's side."""

    process: subprocess.Popen[str]

    def run(self, folder: Path, environment: Mapping[str, str], *arguments: str, timeout: int = 400, **more: Any) -> int:
        """The exit code; negative where a signal ended it. What it said is in the folder's `stdout` and `stderr`."""
        asked = {"folder": str(folder), "environment": dict(environment), "arguments": arguments, **more}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            self.process.kill()
            shared.cache_clear()
            raise TimeoutError(f"{' '.join(arguments)} took more than {timeout} s")
        return int(self.process.stdout.readline())


@contextmanager
def forks(module: str = "tests.forked") -> Iterator[Forks]:
    """The server, for the length of a block."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Forks(process)
        process.stdin.close()


@cache
def shared() -> Forks:
    """The one of this test process, which ends with it."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(forks())


# --- the server --------------------------------------------------------------------------------------------------------------------------


def serve(prepare: Callable[[Mapping[str, Any]], None]) -> None:
    """Serves until standard input ends; `prepare` runs in each forked process before its command."""
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _run(asked, prepare)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _run(asked: Mapping[str, Any], prepare: Callable[[Mapping[str, Any]], None]) -> NoReturn:
    """Runs the command as the command line does, in this forked process."""
    folder = Path(asked["folder"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(asked["environment"])
    prepare(asked)
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


def load() -> None:
    """Everything that a command may import later, once, before the first fork."""
    for found in pkgutil.walk_packages(w365core.__path__, "w365core."):
        if found.name.startswith(LOADED) and "migrations" not in found.name:
            import_module(found.name)
    for late in ("typer._adapters", "numpy.ma", "_strptime"):  # which typer, polars and dates load when they are asked for the first time
        with suppress(ImportError):
            import_module(late)
    gc.collect()
    gc.freeze()  # else the collector of every child touches, and so copies, all of it


if __name__ == "__main__":
    load()
    serve(lambda _asked: None)
