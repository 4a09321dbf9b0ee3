"""One command that brings everything up and takes everything down: database, sandbox (for the demo), web app, until stopped.

What dies alone is started again. Ctrl-C or a polite kill ends the children, then the database; afterwards no process, socket or lock of ours is
left. After a kill -9 the next `up` finds the data as committed.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from w365core.errors import AlreadyRunning, CallRefused, ConfigurationMissing
from w365core.jobs import children as processes
from w365core.jobs import demo
from w365core.jobs.children import Child
from w365core.jobs.context import Context, Report, open_context
from w365core.settings import Settings
from w365core.store import embedded, schema

ROOT = Path(__file__).resolve().parents[2]
WEB_PORT = 8501
SECONDS_TO_ANSWER = 90.0
MOST_RESTARTS = 5


class _Stopped(Exception):
    """Somebody asked us to end."""


def up(settings: Settings, *, with_demo: bool, port: int, report: Report) -> None:
    """Runs until stopped. AlreadyRunning where this home is up already; CallRefused where a port is taken."""
    with _alone(settings) as notes, _stoppable():
        _free_port(port)
        children: list[Child] = []
        try:
            report("starting the database")
            context = open_context(settings, report=report)
            schema.upgrade(context.engine)
            if with_demo or demo.is_here(context):
                sandbox_port = _sandbox_port(context, report)
                sandbox = _sandbox(settings, sandbox_port)
                children.append(sandbox)
                _start(sandbox, report)
                _wait_for(f"http://127.0.0.1:{sandbox_port}/v1/customers", sandbox, report)
                demo.fill(context, sandbox_url=f"http://127.0.0.1:{sandbox_port}")
            web = _web(settings, port)
            children.append(web)
            _start(web, report)
            processes.remember(notes, children, port)
            _wait_for(f"http://127.0.0.1:{port}/healthz", web, report)
            _say_open(port, report)
            _keep(children, settings, notes, port, report)
        except (_Stopped, KeyboardInterrupt):
            report("stopping")
        finally:
            _ignore_signals()
            processes.end_all(children)
            notes.unlink(missing_ok=True)
            if not settings.database_url:
                embedded.stop(home=settings.home, osuser=settings.pg_osuser)


def _keep(children: list[Child], settings: Settings, notes: Path, port: int, report: Report) -> None:
    """Watches, and starts again what died."""
    while True:
        time.sleep(0.5)
        for child in children:
            if child.runs:
                continue
            if time.monotonic() - child.started_at > 60:
                child.starts = 0
            if child.starts > MOST_RESTARTS:
                raise ConfigurationMissing(f"{child.name} does not stay up: {child.last_words() or 'it says nothing'} (see {child.log}).")
            report(f"{child.name} has ended; starting it again")
            child.start()
            processes.remember(notes, children, port)
        if not settings.database_url and not embedded.is_running(home=settings.home):
            report("the database has ended; starting it again")
            embedded.start(home=settings.home, osuser=settings.pg_osuser, report=report)


# --- who runs ----------------------------------------------------------------------------------------------------------------------------


def _sandbox_port(context: Context, report: Report) -> int:
    """The port that the database knows the demo's providers by; another one where somebody else has taken it."""
    port = demo.sandbox_port(context)
    if _is_free(port):
        return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other = probe.getsockname()[1]
    report(f"port {port} is in use; the sandbox listens on {other} instead")
    return other


def _sandbox(settings: Settings, port: int) -> Child:
    """The demo's providers."""
    command = [sys.executable, "-m", "w365core", "sandbox", "--port", str(port), "--estate", str(demo.ESTATE)]
    return Child("the sandbox", command, dict(settings.environment), settings.home / "logs" / "sandbox.log", ROOT)


def _web(settings: Settings, port: int) -> Child:
    environment = dict(settings.environment)
    if not settings.database_url:
        environment["W365_HOME"] = str(settings.home)
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"]
    return Child("the web app", command, environment, settings.home / "logs" / "web.log", ROOT)


def _start(child: Child, report: Report) -> None:
    report(f"starting {child.name}")
    child.start()


def _wait_for(url: str, child: Child, report: Report) -> None:
    """Until it answers anything at all."""
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while time.monotonic() < deadline:
        if not child.runs:
            raise ConfigurationMissing(f"{child.name} did not start: {child.last_words() or 'it says nothing'} (see {child.log}).")
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise ConfigurationMissing(f"{child.name} does not answer after {SECONDS_TO_ANSWER:.0f} s (see {child.log}).")


def _say_open(port: int, report: Report) -> None:
    address = f"http://127.0.0.1:{port}"
    report(f"the dashboard is at {address} (Ctrl-C stops everything)")
    if sys.stderr.isatty() and (sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY")):
        webbrowser.open(address)


# --- alone, stoppable, on a free port ------------------------------------------------------------------------------------------------------


@contextmanager
def _alone(settings: Settings) -> Iterator[Path]:
    """One `up` per home; yields where it notes who runs."""
    notes, lock = settings.home / "up.json", settings.home / "up.lock"
    with _opened(settings, lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            told = processes.recall(notes)
            where = f" at http://127.0.0.1:{told['port']}" if "port" in told else ""
            raise AlreadyRunning(
                f"It is up already{where} (process {told.get('pid', 'unknown')}); stop that one first, or set another W365_HOME."
            ) from None
        processes.end_left_behind(processes.recall(notes))
        yield notes


@contextmanager
def _stoppable() -> Iterator[None]:
    """A polite kill ends us like Ctrl-C does."""

    def stop(_number: int, _frame: object) -> None:
        raise _Stopped

    before: dict[signal.Signals, Callable | int | None] = {n: signal.signal(n, stop) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except _Stopped:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """The end is not interrupted: a second Ctrl-C must not leave half of it behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _opened(settings: Settings, lock: Path) -> TextIO:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        return lock.open("a")
    except OSError as error:
        raise ConfigurationMissing(
            f"W365_HOME ({settings.home}) cannot be written to: {error.strerror}. Set it to a folder that can."
        ) from None


def _free_port(port: int) -> None:
    if not _is_free(port):
        raise CallRefused(f"Port {port}, where the web app is to listen, is in use; choose another with --port.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True
