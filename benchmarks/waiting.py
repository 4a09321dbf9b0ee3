"""How long does an analyst wait? Second start to a drawn page, each page's script on the demo, the first page of lines of a huge invoice.

    python benchmarks/waiting.py [--lines 1000000]

Start: `up --demo` on a throwaway home, once to fill it and once more, until Chromium has drawn the invoices; beside it, how long Chromium takes to
draw a page of the same app that runs already. Scripts: Streamlit's own test runner in this process, each page run again and again; beside it, the
frame's share: a page of one title. The huge invoice comes in through the sandbox and `sync`, as benchmarks/load.py has it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import sync_playwright
from streamlit.testing.v1 import AppTest

from benchmarks import load
from pages.components import cached
from tests.browser.conftest import ARGUMENTS, found_browser
from w365core.store import embedded
from w365core.store.engine import pooled

ROOT = load.ROOT
FRAME = ROOT / "pages" / "frame.py"
DRAWN, WHY = "Invoice status", "usage/why.py"
RERUNS = 60


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--lines", type=int, default=1_000_000, help="usage lines of the huge invoice; 0 leaves it out")
    chosen = arguments.parse_args()
    work = Path(tempfile.mkdtemp(prefix="w365-bench-", dir="/tmp"))
    work.chmod(0o755)
    try:
        starts(work)
        scripts_on_demo(work)
        if chosen.lines:
            huge_invoice(work, chosen.lines)
    finally:
        for home in ("home", "huge"):
            embedded.stop(home=work / home, osuser="w365pg")
        shutil.rmtree(work, ignore_errors=True)


# --- from the command to a drawn page ----------------------------------------------------------------------------------------------------


def starts(work: Path) -> None:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found_browser(), args=ARGUMENTS)
        with up(work / "home", wait=600) as address:
            drawn(chromium, address)
        began = time.monotonic()
        with up(work / "home", wait=60) as address:
            drawn(chromium, address)
            start = time.monotonic() - began
            began = time.monotonic()
            drawn(chromium, address)
            page = time.monotonic() - began
        print(f"second start to a drawn page {start:6.2f} s  (a page of the running app: {page:.2f} s)  {start / page:5.1f} x")
        chromium.close()


@contextmanager
def up(home: Path, *, wait: float):
    """`up --demo` until it answers; interrupted as a person would."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("W365_", "DATABASE_URL"))}
    command = [sys.executable, "-m", "w365core", "up", "--demo", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**kept, "W365_HOME": str(home)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + wait
    try:
        while not answers(port):
            assert process.poll() is None and time.monotonic() < deadline, "the app did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def drawn(chromium, address: str) -> None:
    page = chromium.new_page()
    deadline = time.monotonic() + 30
    while True:
        try:
            page.goto(address)
            break
        except Exception:  # the port is open a moment before the app answers
            assert time.monotonic() < deadline
    page.get_by_text(DRAWN, exact=True).first.wait_for(timeout=30_000)
    page.close()


# --- the scripts -------------------------------------------------------------------------------------------------------------------------


def scripts_on_demo(work: Path) -> None:
    engine = opened(work / "home")
    failed = number_of(engine, "state = 'Inactive' and import_run_id is not null")
    largest = number_of(engine, "state = 'Active'", order="usage_lines desc")
    frame = p95(lambda: AppTest.from_string("import streamlit as st\nst.title('Nothing')"), {})
    print(f"{'a page of one title':48} p95 {frame * 1000:6.1f} ms")
    for name, query in {
        "all invoices": {},
        "one provider, one month": {"provider": "csp-demo", "period": "2026-10"},
        "the largest invoice": {"invoice": largest},
        "an invoice in Error, its lines as a preview": {"invoice": failed},
    }.items():
        say(name, p95(lambda: AppTest.from_file(str(FRAME), default_timeout=60), query), frame)
    for script in sorted(path for path in FRAME.parent.glob("*/*.py") if path.parent.name not in ("components", "invoices")):
        page = str(script.relative_to(FRAME.parent))
        app = lambda page=page: AppTest.from_file(str(FRAME), default_timeout=60).run().switch_page(page)  # noqa: E731
        say(page, p95(app, {}), frame)
        if page == WHY:  # kept while nobody writes; here it is asked as if somebody had
            say("  its month asked anew", p95(app, {}, before=cached._diagnosed.clear), frame)


def huge_invoice(work: Path, lines: int) -> None:
    estate = load.make_estate(work / "estate", lines)
    environment = {**os.environ, "W365_HOME": str(work / "huge"), "W365_POLL": "0.05", "W365_SECRET_BENCH": "x"}
    environment.pop("DATABASE_URL", None)
    load.command(environment, "init")
    engine = opened(work / "huge")
    load.records(engine)
    with load.sandbox(estate, environment) as url:
        load.command(environment, "provider", "add", "bench", "--type", "partner_center", "--tenant-id", load.TENANT, "--client-id", "c",
                     "--api-url", url, "--graph-url", url, "--login-url", url)  # fmt: skip
        load.command(environment, "sync", "--provider", "bench")
    frame = p95(lambda: AppTest.from_string("import streamlit as st\nst.title('Nothing')"), {})
    number = number_of(engine, "state = 'Active'")
    summary = one(engine, "select usage_id from usage_summary limit 1")
    app = lambda: AppTest.from_file(str(FRAME), default_timeout=60)  # noqa: E731
    say(f"an invoice of {lines:,} usage lines", p95(app, {"invoice": number}), frame)
    say("  its usage lines", p95(app, {"invoice": number, "tab": "Usage lines"}), frame)
    say("  the usage lines of one of its summaries", p95(app, {"invoice": number, "usage": summary, "tab": "Usage lines"}), frame)


def p95(make: Callable[[], AppTest], query: dict[str, str], *, before: Callable[[], None] = lambda: None) -> float:
    """Seconds of the script, run again as a click would, each time after `before`: the first run, which fills the caches, is not counted."""
    app = make()
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    taken = []
    for _ in range(RERUNS):
        before()
        began = time.perf_counter()
        app.run()
        taken.append(time.perf_counter() - began)
        assert not app.exception, app.exception
    return sorted(taken)[int(0.95 * RERUNS)]


def say(name: str, seconds: float, baseline: float) -> None:
    print(f"{name:48} p95 {seconds * 1000:6.1f} ms  {seconds / baseline:5.1f} x")


def opened(home: Path):
    """The database of that home, for this process's pages too."""
    os.environ["W365_HOME"] = str(home)
    cached.engine.clear()
    cached.customers.clear()
    return pooled(embedded.start(home=home, osuser="w365pg"))


def number_of(engine, where: str, *, order: str = "provider_invoice_id") -> str:
    return str(one(engine, f"select provider_invoice_id from provider_invoice where {where} order by {order} limit 1"))


def one(engine, statement: str):
    with engine.connect() as connection:
        return connection.execute(load.text(statement)).scalar_one()


if __name__ == "__main__":
    main()
