"""Commands in forked processes in which one logical operation goes wrong: the N-th is where the process is killed, the disk is full, a line breaks.

    python -m tests.harness.struck      serves them as tests.forked does, with FAULT, AT, PLANT and VICTIM besides

An operation is a statement that changes something, a commit, a copy, a request to the provider, or what is done to a file of the home; what only
reads is none, because it leaves behind what the operation before it left. FAULT is kill, ENOSPC, EIO, ECONNRESET, or `server` where it is the
database that is killed (VICTIM); each has operations of its own, and AT is the number among those. Into FOLDER go `steps` (the operations that FAULT could strike, one a line), `stdout` and `stderr`. PLANT puts a bug into
the product, so that the harness has something to find. The product knows nothing of all this: it is done to the forked process only.
"""

from __future__ import annotations

import errno
import os
import pathlib
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import requests

from tests import forked
from tests.forked import Forks
from w365core.store import stage
from w365core.store.landing import Landing

DATABASE, PROVIDER, FILE = "database", "provider", "file"
STRUCK_BY = {
    "kill": (DATABASE, PROVIDER, FILE),
    "ECONNRESET": (DATABASE, PROVIDER),
    "ENOSPC": (FILE,),
    "EIO": (FILE,),
    "server": (DATABASE,),
}
# What a full disk refuses, and what a failing one does: both come as the same kind of error, so each has operations of its own but for writing.
REFUSED = {"ENOSPC": ("make a folder", "create", "write", "rename"), "EIO": ("write", "flush", "remove")}
CHANGING = ("insert", "update", "delete", "create", "drop", "alter", "copy", "lock", "begin")


def forks() -> AbstractContextManager[Forks]:
    """The server of commands that are struck: `run(…, fault=, at=, plant=, victim=)`."""
    return forked.forks("tests.harness.struck")


# --- in the forked process ---------------------------------------------------------------------------------------------------------------


@dataclass
class Steps:
    """The operations so far, and what happens at which of them."""

    fault: str
    at: int
    victim: int
    home: str
    names: Any
    passed: int = 0

    def step(self, kind: str, name: str, *, reset: Callable[[], None] = lambda: None) -> None:
        if kind not in STRUCK_BY[self.fault] or name not in REFUSED.get(self.fault, (name,)):
            return
        self.passed += 1
        self.names.write(f"{kind}: {name}\n")
        self.names.flush()
        if self.passed != self.at:
            return
        if self.fault in ("kill", "server"):
            return os.kill(self.victim or os.getpid(), signal.SIGKILL)
        if self.fault == "ECONNRESET":
            return reset()
        number = getattr(errno, self.fault)
        raise OSError(number, os.strerror(number))

    def before(self, owner: object, name: str, strike: Callable[..., None]) -> None:
        """`strike` runs before each call, with its arguments."""
        real = getattr(owner, name)

        def struck(*arguments, **keywords):
            strike(*arguments, **keywords)
            return real(*arguments, **keywords)

        setattr(owner, name, struck)

    def of_the_database(self) -> None:
        def statement(cursor: psycopg.Cursor, query: object, *_a, **_k) -> None:
            words = _words(query)
            if words.startswith(CHANGING):
                self.step(DATABASE, words, reset=lambda: _cut(cursor.connection))

        self.before(psycopg.Cursor, "execute", statement)
        self.before(psycopg.Cursor, "executemany", statement)
        self.before(psycopg.Connection, "commit", lambda link: self.step(DATABASE, "commit", reset=lambda: _cut(link)))
        for name in ("write", "write_row"):
            self.before(psycopg.Copy, name, lambda copy, *_: self.step(DATABASE, "copying", reset=lambda: _cut(copy.connection)))

    def of_the_provider(self) -> None:
        def reset() -> NoReturn:
            raise requests.exceptions.ConnectionError(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))

        def request(_adapter: object, sent: requests.PreparedRequest, *_a, **_k) -> None:
            self.step(PROVIDER, f"{sent.method} {sent.path_url.partition('?')[0]}", reset=reset)

        self.before(requests.adapters.HTTPAdapter, "send", request)

    def of_files(self) -> None:
        def named(what: str) -> Callable[..., None]:
            return lambda path, *_a, **_k: self._at_home(path) and self.step(FILE, what)

        self.before(os, "mkdir", named("make a folder"))
        self.before(os, "unlink", named("remove"))
        self.before(os, "replace", named("rename"))
        self.before(os, "fsync", lambda _handle: self.step(FILE, "flush"))
        self.before(tempfile, "mkstemp", lambda *_a, **_k: self.step(FILE, "create"))
        real = pathlib.Path.open

        def open_it(path: Path, mode: str = "r", *arguments, **keywords):
            file = real(path, mode, *arguments, **keywords)
            return _Written(file, self) if "w" in mode and self._at_home(path) else file

        pathlib.Path.open = open_it

    def _at_home(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.home)


class _Written:
    """A file of the home, each writing of which is a step."""

    def __init__(self, file: Any, steps: Steps) -> None:
        self._file, self._steps = file, steps

    def write(self, content: bytes) -> int:
        self._steps.step(FILE, "write")
        return self._file.write(content)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _cut(link: psycopg.Connection) -> None:
    """The line to the database breaks; what libpq makes of it is its own."""
    with socket.socket(fileno=os.dup(link.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _words(query: object) -> str:
    text = query.decode() if isinstance(query, bytes) else str(query)
    return " ".join(text.lower().split()[:4])


# --- the bugs that are there to be found -----------------------------------------------------------------------------------------------------


def _commit_in_two(_steps: Steps) -> None:
    """The lines are committed before the invoice and the log say so."""
    real = stage.publish

    def publish(connection, **named) -> None:
        real(connection, **named)
        connection.connection.driver_connection.commit()

    stage.publish = publish


def _write_in_place(_steps: Steps) -> None:
    """What is landed gets its name before it is whole."""

    def put(_landing: Landing, written: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        content = written.read_bytes()
        with place.open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            file.write(content[len(content) // 2 :])

    Landing._put = put


PLANTS = {"": lambda _steps: None, "commit in two": _commit_in_two, "write in place": _write_in_place}


# --- the server --------------------------------------------------------------------------------------------------------------------------


def _prepare(asked: Mapping[str, Any]) -> None:
    names = open(Path(asked["folder"]) / "steps", "w")  # noqa: SIM115  ends with the process
    steps = Steps(asked.get("fault", "kill"), asked.get("at", 0), asked.get("victim", 0), asked["environment"]["W365_HOME"], names)
    steps.of_the_database()
    steps.of_the_provider()
    steps.of_files()
    PLANTS[asked.get("plant", "")](steps)


if __name__ == "__main__":
    forked.load()
    forked.serve(_prepare)
