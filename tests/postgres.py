"""Where do tests get a Postgres from? One throwaway embedded server per test process, and a fresh database for whoever asks.

server            URL of the process' own server, started at the first call, stopped and removed at exit
fresh_database    a database of one's own, copied from a template where one is named, dropped afterwards
other_server      a server of other programs, for the length of a block, on a port of this machine with a password
reachable_home    a new short folder that the server's account may enter, unlike pytest's tmp_path under root
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

from w365core.store import embedded, embedded_account

OSUSER = os.environ.get("W365_PG_OSUSER", "w365pg")
_TEMPORARY = Path("/tmp")  # short: a socket's path has 107 bytes


@cache
def server() -> str:
    """SQLAlchemy URL of this process' server. Several test runs at once have one each."""
    _sweep()
    home = reachable_home("w365-test-")
    atexit.register(_remove, home, os.getpid())
    return embedded.start(home=home, osuser=OSUSER)


@contextmanager
def fresh_database(template: str | None = None) -> Iterator[str]:
    """SQLAlchemy URL of a new database, empty or a copy of `template` (a database's name, which nobody may be connected to)."""
    name = f"t_{uuid.uuid4().hex[:16]}"
    copied = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
    _administer(sql.SQL("CREATE DATABASE {}{}").format(sql.Identifier(name), copied))
    try:
        yield server().replace("@/w365?", f"@/{name}?")
    finally:
        _administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def other_server(programs: Path, *, password: str) -> Iterator[str]:
    """SQLAlchemy URL of a throwaway server of these programs (initdb, pg_ctl), with fsync off and its database `postgres` empty."""
    home = reachable_home("w365-other-")
    data, secret = home / "data", home / "password"
    who = embedded_account.account(data=data, osuser=OSUSER)
    try:
        data.mkdir()
        who.own(data)
        secret.write_text(password)
        secret.chmod(0o644)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        made = who.run(
            programs / "initdb", "-D", data, "-U", "owner", "-E", "UTF8", "--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}"
        )
        assert made.returncode == 0, made.stdout
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={data} -c fsync=off"
        log = data / "log"  # its output goes to a file, since it outlives pg_ctl and would hold a pipe open
        begun = who.run(programs / "pg_ctl", "-w", "-D", data, "-l", log, "-o", options, "start", stdout=subprocess.DEVNULL)
        assert begun.returncode == 0, log.read_text()
        yield f"postgresql+psycopg://owner:{password}@127.0.0.1:{port}/postgres"
    finally:
        who.run(programs / "pg_ctl", "-w", "-m", "immediate", "-D", data, "stop")
        shutil.rmtree(home, ignore_errors=True)


def reachable_home(prefix: str = "w365-home-") -> Path:
    """The caller removes it. The name tells the process, so that a later run may clear up after a killed one."""
    home = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=_TEMPORARY))
    home.chmod(0o711)
    return home


def _administer(statement: sql.Composed) -> None:
    with psycopg.connect(server().replace("+psycopg", "").replace("@/w365?", "@/postgres?"), autocommit=True) as connection:
        connection.execute(statement)


def _sweep() -> None:
    """Stops the servers of test runs that were killed."""
    for home in _TEMPORARY.glob("w365-test-*"):
        found = re.match(r"w365-test-(\d+)-", home.name)
        if found and home.stat().st_uid == os.geteuid() and not _lives(int(found[1])):
            with suppress(Exception):  # another run sweeps it at the same moment
                _remove(home, os.getpid())


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(home: Path, process: int) -> None:
    if process == os.getpid():  # not in a forked child
        embedded.stop(home=home, osuser=OSUSER)
        shutil.rmtree(home, ignore_errors=True)
