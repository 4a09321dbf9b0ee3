"""One command that brings everything up and takes everything down: database, sandbox (for the demo), worker, web app, until stopped.

What dies alone is started again. Ctrl-C or a polite kill ends the children, then the database; afterwards no process, socket or lock of ours is
left. After a kill -9 the next `up` finds the data as committed.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from w365core.errors import ConfigurationMissing
from w365core.jobs import children as processes, demo
from w365core.jobs.children import Child
from w365core.jobs.context import Context, Report, open_context
from w365core.jobs.foreground import Stopped, alone, ignore_signals, refuse_port, stoppable, why_closed
from w365core.settings import Settings
from w365core.store import embedded, schema
from w365core.store.engine import guarded

ROOT = Path(__file__).resolve().parents[2]
WEB_PORT = 8501
SECONDS_TO_ANSWER = 90.0
MOST_RESTARTS = 5


def up(settings: Settings, *, with_demo: bool, port: int, report: Report) -> None:
    """Runs until stopped. AlreadyRunning where this home is up already; CallRefused where a port is taken."""
    with stoppable(report), alone(settings.home, port) as notes:
        refuse_port(port)
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
        except Stopped:
            with suppress(OSError):  # a closed terminal
                report("stopping")
            raise
        finally:
            ignore_signals()
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
    if why_closed(port) is None:
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
