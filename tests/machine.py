"""What do the tests need from the machine? Finds it, or installs it where that is allowed, then becomes pytest.

    Chromium      for the browser tests: on PATH, or Debian's (root), or Playwright's own download
    Postgres 15   the oldest that DATABASE_URL may name: Debian's server programs; no cluster of theirs is made or started

Run by `make test`: python -m tests.machine ARGUMENTS-OF-PYTEST
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")


def main() -> None:
    environment = {"W365_CHROMIUM": chromium()}
    if os.environ.get("W365_TEST_POSTGRES15") != "no" and not has_postgres_15():
        environment["W365_TEST_POSTGRES15"] = "no"
        say("Not tested on Postgres 15: its server programs are not here and cannot be installed (Debian: apt-get install postgresql-15).")
    os.execve(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]], {**os.environ, **environment})


def chromium() -> str:
    """The path of a Chromium that runs; ends with one sentence where there is none to be had."""
    found = _named() or _on_path() or _of_playwright()
    if found is None and _apt_install("chromium"):
        found = _on_path()
    if found is None:
        say("downloading Playwright's Chromium")
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], capture_output=True, check=False, timeout=600)
        found = _of_playwright()
    if found is None:
        say(
            "The browser tests need Chromium, and it could not be downloaded; install it (Debian: apt-get install chromium), "
            "or set W365_CHROMIUM to its path."
        )
        sys.exit(4)
    return found


def has_postgres_15() -> bool:
    """Whether the server programs are there, in the end."""
    if _programs_of_15():
        return True
    with _no_cluster_made():
        _apt_install("postgresql-15")
    return _programs_of_15()


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201


# --- looking -----------------------------------------------------------------------------------------------------------------------------


def _named() -> str | None:
    return os.environ.get("W365_CHROMIUM") or None


def _on_path() -> str | None:
    return next((path for path in map(shutil.which, BROWSERS) if path and _runs(path)), None)


def _of_playwright() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) and _runs(path) else None


def _runs(path: str) -> bool:
    """Playwright's download runs only where the system has its libraries."""
    return subprocess.run([path, "--version"], capture_output=True, check=False, timeout=60).returncode == 0


def _programs_of_15() -> bool:
    return any(Path("/usr/lib/postgresql").glob("15*/bin/postgres"))


# --- installing --------------------------------------------------------------------------------------------------------------------------


def _apt_install(package: str) -> bool:
    """Debian's package, by root, without a question; its own words stand on standard error."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    say(f"installing Debian's {package}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    if subprocess.run(install, env=quiet, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode == 0:
        return True
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    return subprocess.run(install, env=quiet, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode == 0


@contextmanager
def _no_cluster_made() -> Iterator[None]:
    """Debian's package makes and starts a cluster of its own unless told otherwise; told for this installation only."""
    if os.geteuid() != 0 or NO_CLUSTER.exists():
        yield
        return
    NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    NO_CLUSTER.write_text("create_main_cluster = false\nstart_conf = 'disabled'\n")
    try:
        yield
    finally:
        NO_CLUSTER.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
