"""One command that brings everything up and takes everything down: database, sandbox (for the demo), worker, web app, until stopped.

What dies alone is started again. Ctrl-C or a polite kill ends the children, then the database; afterwards no process, socket or lock of ours is
left. After a kill -9 the next `up` finds the data as committed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from w365core.errors import AlreadyRunning, CallRefused, ConfigurationMissing
from w365core.jobs import children as processes, demo
from w365core.jobs.children import Child
from w365core.jobs.context import Context, Report, open_context
from w365core.settings import Settings
from w365core.store import embedded, schema
from w365core.store.embedded_folders import make_home
from w365core.store.engine import guarded

ROOT = Path(__file__).resolve().parents[2]
WEB_PORT = 8501
SECONDS_TO_ANSWER = 90.0
MOST_RESTARTS = 5
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(KeyboardInterrupt):
    """Somebody asked us to end. Not an Exception: no job may take it for a failure of its own."""


def up(settings: Settings, *, with_demo: bool, port: int, report: Report) -> None:
    """Runs until stopped. AlreadyRunning where this home is up already; CallRefused where a port is taken."""
    with _stoppable(report), _alone(settings, port) as notes:
        _refuse_port(port)
        children: list[Child] = []
        try:
            with guarded():
                context = open_context(settings, report=report)
                schema.upgrade(context.engine)
                if with_demo or demo.is_here(context):
                    context = _with_sandbox(context, children, notes, port)
            _start(_worker(context.settings), children, notes, port, report)
            web = _web(context.settings, port)
            _start(web, children, notes, port, report)
            _wait_for(f"http://127.0.0.1:{port}/healthz", web)
            _say_open(port, report)
            _keep(children, settings, notes, port, report)
        except _Stopped:
            with suppress(OSError):  # a closed terminal
                report("stopping")
            raise
        finally:
            _ignore_signals()
            processes.end_all(children)
            if not settings.database_url:
                embedded.stop(home=settings.home, osuser=settings.pg_osuser)


def _with_sandbox(context: Context, children: list[Child], notes: Path, port: int) -> Context:
    """Starts the demo's providers and fills the demo, or goes on filling it; returns a context that knows their secret."""
    sandbox_port = _sandbox_port(context)
    sandbox = _sandbox(context.settings, sandbox_port)
    _start(sandbox, children, notes, port, context.report)
    _wait_for(f"http://127.0.0.1:{sandbox_port}/v1/customers", sandbox)

    def report(sentence: str) -> None:
        _start_again(children, notes, port, context.report)  # filling takes a while, and the sandbox may die in it like later
        context.report(sentence)

    demo.fill(replace(context, report=report), sandbox_url=f"http://127.0.0.1:{sandbox_port}")
    return demo.settings_with_secret(context)


def _keep(children: list[Child], settings: Settings, notes: Path, port: int, report: Report) -> None:
    """Watches, and starts again what died."""
    while True:
        time.sleep(0.5)
        _start_again(children, notes, port, report)
        if not settings.database_url and not embedded.is_running(home=settings.home):
            report("the database has ended; starting it again")
            embedded.start(home=settings.home, osuser=settings.pg_osuser, report=report)


def _start_again(children: list[Child], notes: Path, port: int, report: Report) -> None:
    """ConfigurationMissing where one dies again and again."""
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


# --- who runs ----------------------------------------------------------------------------------------------------------------------------


def _sandbox_port(context: Context) -> int:
    """The port that the database knows the demo's providers by; another one where somebody else has taken it."""
    port = demo.sandbox_port(context)
    if _why_closed(port) is None:
        return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other = probe.getsockname()[1]
    context.report(f"port {port} is in use; the sandbox listens on {other} instead")
    return other


def _sandbox(settings: Settings, port: int) -> Child:
    """The demo's providers."""
    command = [sys.executable, "-m", "w365core", "sandbox", "--port", str(port), "--estate", str(demo.ESTATE)]
    return Child("the sandbox", command, dict(settings.environment), settings.home / "logs" / "sandbox.log", ROOT)


def _worker(settings: Settings) -> Child:
    """Who runs what the pages queue. It is told of the demo's patience: a look-alike has its exports ready at once."""
    environment = _surroundings(settings) | {"W365_POLL": str(settings.poll)}
    return Child("the worker", [sys.executable, "-m", "w365core", "worker"], environment, settings.home / "logs" / "worker.log", ROOT)


def _web(settings: Settings, port: int) -> Child:
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"]
    return Child("the web app", command, _surroundings(settings), settings.home / "logs" / "web.log", ROOT)


def _surroundings(settings: Settings) -> dict[str, str]:
    """The environment of a child that opens the database: ours, and where our home is."""
    return dict(settings.environment) | ({} if settings.database_url else {"W365_HOME": str(settings.home)})


def _start(child: Child, children: list[Child], notes: Path, port: int, report: Report) -> None:
    report(f"starting {child.name}")
    children.append(child)
    child.start()
    processes.remember(notes, children, port)


def _wait_for(url: str, child: Child) -> None:
    """Until it answers anything at all."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy of the environment knows nothing of this machine
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while time.monotonic() < deadline:
        if not child.runs:
            raise ConfigurationMissing(f"{child.name} did not start: {child.last_words() or 'it says nothing'} (see {child.log}).")
        try:
            direct.open(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise ConfigurationMissing(f"{child.name} does not answer after {SECONDS_TO_ANSWER:.0f} s (see {child.log}).")


def _say_open(port: int, report: Report) -> None:
    address = f"http://127.0.0.1:{port}"
    report(f"the dashboard is at {address} (Ctrl-C stops everything)")
    if sys.stderr.isatty() and (sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        try:
            browser = webbrowser.get()
        except webbrowser.Error:
            return
        if type(browser) is not webbrowser.GenericBrowser:  # that one is a browser in this terminal, which would not come back
            browser.open(address)


# --- alone, stoppable, on a free port ------------------------------------------------------------------------------------------------------


@contextmanager
def _alone(settings: Settings, port: int) -> Iterator[Path]:
    """One `up` per home; yields where it notes who runs. Neither the notes nor the lock's file stay."""
    notes, lock = settings.home / "up.json", settings.home / "up.lock"
    handle = _opened(settings, lock)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _already(processes.recall(notes)) from None
        try:
            processes.end_left_behind(processes.recall(notes))
            processes.remember(notes, [], port)
            yield notes
        finally:
            for ours in (notes, lock):
                ours.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _already(told: Mapping) -> AlreadyRunning:
    where = f" at http://127.0.0.1:{told['port']}" if "port" in told else ""
    return AlreadyRunning(f"It is up already{where} (process {told.get('pid', 'unknown')}); stop that one first, or set another W365_HOME.")


@contextmanager
def _stoppable(report: Report) -> Iterator[None]:
    """Ctrl-C, a polite kill and a closed terminal end us alike, once: a second one must not break off the ending."""

    def stop(_number: int, _frame: object) -> None:
        _ignore_signals()
        raise _Stopped

    before: dict[signal.Signals, Callable | int | None] = {number: signal.getsignal(number) for number in _ENDINGS}
    for number in _ENDINGS:
        if number != signal.SIGHUP or before[number] != signal.SIG_IGN:  # nohup means it
            signal.signal(number, stop)
    try:
        yield
    except _Stopped:
        before = {}  # signals stay ignored: what is left of this process is its last breath
        with suppress(OSError):
            report("stopped")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _opened(settings: Settings, lock: Path) -> int:
    """The lock's file, open: the one that is there now, not one that an ending `up` has just removed."""
    try:
        make_home(settings.home)
        while True:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if os.path.samestat(os.fstat(handle), lock.stat()):
                return handle
            os.close(handle)
    except OSError as error:
        raise ConfigurationMissing(
            f"W365_HOME ({settings.home}) cannot be written to: {error.strerror}. Set it to a folder that can."
        ) from None


def _refuse_port(port: int) -> None:
    why = _why_closed(port)
    if why:
        raise CallRefused(f"The web app cannot listen on port {port}: {why}. Choose another with --port (with make: PORT=).")


def _why_closed(port: int) -> str | None:
    """Why nobody can listen there, or None where one can."""
    if not 1 <= port <= 65535:
        return "ports go from 1 to 65535"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return "it is in use" if error.errno == errno.EADDRINUSE else str(error.strerror)
    return None
