"""Does the embedded Postgres of this home run? Starts and stops it: unix socket only, durable, one server for all processes.

embedded_folders     where its files lie           embedded_locks      who holds them, what a crash left behind
embedded_account     who runs it, its programs     embedded_settings   how it is configured
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from w365core.errors import ConfigurationMissing, StoreUnavailable
from w365core.store import embedded_account, embedded_locks
from w365core.store.embedded_account import Account
from w365core.store.embedded_folders import (
    MAJOR,
    data_directory,
    disk_full,
    flush,
    in_one_sentence,
    make_home,
    make_socket_directory,
    refuse_foreign,
    refuse_unsupported,
    server_log,
    socket_directory,
    turn_over,
)
from w365core.store.embedded_settings import dynamic_shared_memory, server_settings

__all__ = ["data_directory", "is_running", "socket_directory", "start", "stop"]

DATABASE = USER = "w365"
PATIENCE = 600.0  # seconds: the redo of 1 GB of log took 7 on an idle machine
ORPHANS_LEAVE = 10.0  # seconds until the last processes of a crashed server are asked to end
ORPHANS_GONE = 60.0

Report = Callable[[str], None]


def start(*, home: Path, osuser: str, report: Report = lambda text: None) -> str:
    """Makes sure that the server runs and answers; returns its SQLAlchemy URL. Any number of processes may call it at once.

    The URL names the port, because PGPORT would change it. `osuser` runs the server when we are root. ConfigurationMissing: the home, the account, the disk or the programs are not usable.
    StoreUnavailable: the server does not come up, with the reason from its log.
    """
    home = home.resolve()
    refuse_unsupported(home)
    with in_one_sentence(home):
        make_home(home)
        with embedded_locks.only_one(home, report):
            _bring_up(home, osuser, report)
    return f"postgresql+psycopg://{USER}@/{DATABASE}?host={socket_directory(home)}&port=5432"


def stop(*, home: Path, osuser: str) -> bool:
    """Stops the server, cutting off its sessions but losing no commit. True if one ran; no process, socket or lock file stays."""
    home = home.resolve()
    refuse_unsupported(home)
    if not home.is_dir() or not data_directory(home).exists():
        return False
    with in_one_sentence(home), embedded_locks.only_one(home, lambda text: None):
        who = embedded_account.account(data=data_directory(home), osuser=osuser)
        ran = _end_server(data_directory(home))
        _clear_away(home, who)
        embedded_locks.forget(home)
    return ran


def is_running(*, home: Path) -> bool:
    """True while a server lives on this home, be it still starting or already stopping."""
    home = home.resolve()
    refuse_unsupported(home)
    with in_one_sentence(home):
        return embedded_locks.postmaster(data_directory(home)) is not None


def _bring_up(home: Path, osuser: str, report: Report) -> None:
    data, socket = data_directory(home), socket_directory(home)
    who = embedded_account.account(data=data, osuser=osuser)
    wheel = embedded_account.wheel_programs()
    deadline = time.monotonic() + PATIENCE
    told = False
    while (state := _state(wheel, data, socket, who)) != "ready":
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                f"The database under {home} does not answer after {PATIENCE:.0f} s; it may still be recovering, see "
                f"{server_log(data)}. Run the command again later."
            )
        if state == "none":
            _launch(home, who, report)
            continue
        if not told:
            report("waiting for the database: it is starting, recovering or stopping")
            told = True
        time.sleep(0.1)


def _state(wheel: Path, data: Path, socket: Path, who: Account) -> str:
    """ready, busy (starting, recovering, stopping) or none."""
    answer = 2
    if socket.exists():
        refuse_foreign(socket, who)
        answer = subprocess.run(
            [wheel / "pg_isready", "-q", "-h", socket, "-p", "5432", "-U", USER, "-d", DATABASE], check=False, cwd="/", env={"LC_ALL": "C"}
        ).returncode
    if answer == 0 and (data / "postmaster.pid").exists():  # without the file it serves a folder that was removed, and is about to end
        return "ready"
    return "busy" if answer in (0, 1) or embedded_locks.postmaster(data) else "none"


def _launch(home: Path, who: Account, report: Report) -> None:
    """From no server to one that answers, or one that is still recovering when our patience ends."""
    data, socket = data_directory(home), socket_directory(home)
    embedded_account.refuse_unreachable(home, who)
    programs = embedded_account.programs(home=home, who=who)
    _refuse_other_version(home, programs)
    if not (data / "PG_VERSION").exists():
        report("creating the database")
        _create(data, programs, who)
    make_socket_directory(socket, who)
    embedded_locks.clear_leftovers(data, socket)
    clean = "shut down" in _control_state(programs, data, who)
    report("starting the database" if clean else "recovering: the database was not shut down cleanly")
    began, told = time.monotonic(), False
    while failure := _run_server(programs, data, socket, who):
        if "pre-existing shared memory block" not in failure or time.monotonic() > began + ORPHANS_GONE:
            raise _did_not_start(data, failure)
        if time.monotonic() > began + ORPHANS_LEAVE:
            embedded_locks.end(embedded_locks.orphans(data))
        if not told:
            report("recovering: waiting for the last processes of the crashed server")
            told = True
        time.sleep(0.5)


def _run_server(programs: Path, data: Path, socket: Path, who: Account) -> str | None:
    """None once the server answers or still works on it, else what its log says of the failure."""
    log = server_log(data)
    turn_over(log)
    before = log.stat().st_size if log.exists() else 0
    options = " ".join(f"-c {name}={value}" for name, value in server_settings(data=data, socket=socket).items())
    # Its output goes to a file: the server inherits it, and a pipe would never end.
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        done = who.run(
            programs / "pg_ctl", "-w", "-t", f"{PATIENCE:.0f}", "-D", data, "-l", log, "-o", options, "start",
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
        if done.returncode == 0 or embedded_locks.postmaster(data):
            return None
        output.seek(0)
        said = output.read()
    if log.exists():
        with log.open(errors="replace") as lines:
            lines.seek(before)
            said = lines.read(1_000_000) or said
    return said or "it ended without a word"


def _create(data: Path, programs: Path, who: Account) -> None:
    """A finished data directory with our database in it, under its own name only when it is complete and on disk."""
    for abandoned in data.parent.glob(f"{data.name}.new-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    # Never the same name twice: an initdb whose starter was killed may still be writing.
    unfinished = Path(tempfile.mkdtemp(dir=data.parent, prefix=f"{data.name}.new-"))
    who.own(unfinished)
    try:
        made = who.run(
            programs / "initdb", "-D", unfinished, "-U", USER, "-E", "UTF8", "--locale=C", "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject", "--data-checksums",
            *(f"-c{name}={value}" for name, value in dynamic_shared_memory().items()),
        )  # fmt: skip
        if made.returncode == 0:
            made = who.run(programs / "postgres", "--single", "-D", unfinished, "postgres", input=f"CREATE DATABASE {DATABASE};\n")
        if made.returncode != 0 or "ERROR:" in made.stdout:
            raise _did_not_start(data, made.stdout)
        unfinished.rename(data)
        flush(data.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _end_server(data: Path) -> bool:
    process = embedded_locks.postmaster(data)
    if process is None:
        embedded_locks.end(embedded_locks.orphans(data))
    else:
        os.kill(process, signal.SIGINT)  # what pg_ctl -m fast sends; this way it also works after the wheel was removed
    deadline = time.monotonic() + PATIENCE
    while embedded_locks.postmaster(data) or embedded_locks.orphans(data):
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                f"The database {data} has not ended after {PATIENCE:.0f} s; see {server_log(data)}, and run the command again."
            )
        time.sleep(0.02)
    return process is not None


def _clear_away(home: Path, who: Account) -> None:
    socket = socket_directory(home)
    if socket.exists():
        refuse_foreign(socket, who)
    embedded_locks.clear_leftovers(data_directory(home), socket)
    if socket.exists():
        socket.rmdir()


def _refuse_other_version(home: Path, programs: Path) -> None:
    answer = subprocess.run([programs / "postgres", "--version"], check=False, capture_output=True, text=True, cwd="/").stdout.strip()
    if f" {MAJOR}." not in answer:
        raise ConfigurationMissing(
            f"The database under {home} is kept by Postgres {MAJOR}, but the installed one is {answer or 'not working'}; "
            "run: pip install -r requirements.txt"
        )


def _control_state(programs: Path, data: Path, who: Account) -> str:
    found = re.search(r"Database cluster state: +(.*)", who.run(programs / "pg_controldata", data).stdout)
    return found[1] if found else ""


def _did_not_start(data: Path, said: str) -> ConfigurationMissing | StoreUnavailable:
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return disk_full(data.parent)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"FATAL:|PANIC:|ERROR:|error:", line)] or lines or ["it ended without a word"]
    reason = re.sub(r"^.*?(FATAL|PANIC|ERROR|error): +", "", telling[0]).rstrip(".")
    where = f"Its log is {server_log(data)}; put" if server_log(data).exists() else "Put"
    return StoreUnavailable(
        f"The database under {data.parent} did not start: {reason}. {where} that right and run the command again, or set DATABASE_URL."
    )
