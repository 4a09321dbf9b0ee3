"""What is left when an import dies in mid-step, when its database dies under it, or when several race for one invoice?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from tests import estates, postgres
from tests.conftest import NOW, ROOT
from tests.estates import Estate, Served, daily, seat, usage
from tests.forked import Forks
from tests.jobs.killed_import import forks
from w365core.errors import CallRefused
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.settings import Settings
from w365core.store import audit, embedded, embedded_locks, schema
from w365core.store.engine import pooled
from w365core.store.tables import audit_log, provider_invoice

KILLS = int(os.environ.get("W365_TEST_KILLS", "8"))  # how many steps of each kind of import are struck; 1000 is all of them

LINES = ([seat("100.00"), seat("-1.25"), usage("10.00")], [daily("4.125"), daily("5.875", day=2)])
EARLIER = ([seat("200.00"), usage("20.00")], [daily("20.00")])
NOTHING, WHOLE, WHOLE_EARLIER = (0, 0, 0), (3, 2, 1), (2, 1, 1)  # license lines, usage lines, usage summaries


@pytest.fixture(scope="module")
def killer() -> Iterator[Forks]:
    with forks() as server:
        yield server


@dataclass(frozen=True)
class Installation:
    """A database, a home and a sandbox, and `sync` on them."""

    context: Context
    folder: Path
    environment: dict[str, str]
    killer: Forks

    @property
    def engine(self) -> Engine:
        return self.context.engine

    def killed(self, victim: int = 0, *, at: int | str, number: str = "G1") -> int:
        """Exit code of a sync during which the victim (0 = the sync itself) dies at that step."""
        return self.killer.run(self.folder, self.environment, "sync", "--invoice", number, victim=victim, at=at)

    def said(self, name: str) -> str:
        """What the last of these printed: `stdout`, `stderr`, or its `steps`."""
        return (self.folder / name).read_text()

    def sync(self, number: str = "G1") -> str:
        """The outcome of a sync in this process; the refusal where there is one."""
        try:
            return syncing.sync_invoice(self.context, provider_name=None, invoice_number=number, override=None).outcomes[0].status
        except CallRefused as refusal:
            return str(refusal)

    def started(self, number: str = "G1") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "w365core", "sync", "--invoice", number]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def status(self, number: str = "G1") -> str | None:
        with self.engine.connect() as connection:
            found = select(provider_invoice.c.status_reason).where(provider_invoice.c.invoice_number == number)
            return connection.execute(found).scalar()

    def leftovers(self) -> list[str]:
        return estates.leftovers(self.engine, self.context.settings.home)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    estate = Estate(tmp_path_factory.mktemp("killing") / "estate")
    estate.invoice("G0", *LINES)
    estate.invoice("G1", *LINES)
    with estates.serve(estate) as running:
        yield running


def installed(engine: Engine, served: Served, folder: Path, killer: Forks) -> Installation:
    """The provider configured and our records loaded, where they are not yet."""
    url = engine.url.render_as_string(hide_password=False)
    settings = Settings(home=folder / "home", database_url=url, poll=0.01, http_timeout=5)
    context = Context(settings, engine, NOW, "tester", lambda sentence: None)
    context = estates.configure(context, served.url, records=served.estate.records(folder / "records"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("W365_")}
    told = {"DATABASE_URL": url, "W365_HOME": str(settings.home), "W365_POLL": "0.01", "W365_SECRET_CSP": estates.SECRET}
    return Installation(context, folder, {**kept, **told, "W365_NOW": NOW.isoformat(), "W365_HTTP_TIMEOUT": "5"}, killer)


@contextmanager
def before_import(template: str, served: Served, folder: Path, killer: Forks) -> Iterator[Installation]:
    with postgres.fresh_database(template) as url:
        yield installed(pooled(url), served, folder, killer)


@pytest.fixture(params=[False, True], ids=["first import", "import after a deactivation"])
def again(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def ready(again: bool, template: str, served: Served, tmp_path: Path, killer: Forks) -> Iterator[str]:
    """The database before the import that will be killed: nothing of the invoice, or an earlier version of it, deactivated."""
    with before_import(template, served, tmp_path / "ready", killer) as installation:
        if again:
            served.estate.invoice("G1", *EARLIER)
            assert installation.sync() == "Active/Active"
            with installation.engine.begin() as connection:
                connection.execute(provider_invoice.update().values(state="Inactive", status_reason="Deactivated"))
        served.estate.invoice("G1", *LINES)
        yield installation.engine.url.database


def test_a_killed_import_leaves_nothing_half_done(again: bool, ready: str, served: Served, tmp_path: Path, killer: Forks) -> None:
    with before_import(ready, served, tmp_path / "whole", killer) as installation:
        assert installation.killed(at=0) == 0
        steps, expected = installation.said("steps").splitlines(), estates.digest(installation.engine)
        assert estates.children(installation.engine) == WHOLE
    copies = ("license lines", "usage lines", "usage summaries", "the rows of the reconciliation")
    assert len(steps) > 200 and steps.count("after copy") == len(copies)
    points = {round(1 + number * (len(steps) - 1) / max(KILLS - 1, 1)) for number in range(min(KILLS, len(steps)))}
    sealed = steps.index("after insert into audit_log (audit_id,") + 1  # around the commit that decides
    for at in sorted(points | {sealed, sealed + 1, sealed + 2}):
        with before_import(ready, served, tmp_path / str(at), killer) as installation:
            _strike(installation, at=at, step=steps[at - 1], expected=expected, again=again)


def _strike(installation: Installation, *, at: int, step: str, expected: str, again: bool) -> None:
    where = f"killed at step {at}, {step}"
    assert installation.killed(at=at) == -9, where
    assert installation.said("steps").splitlines()[-1] == step, where
    published, committed = estates.children(installation.engine), installation.status() == "Active"
    assert published == WHOLE if committed else published == (WHOLE_EARLIER if again else NOTHING), where
    outcome = installation.sync()
    assert ("is Active" in outcome) if committed else (outcome == "Active/Active"), f"{where}: {outcome}"
    assert estates.digest(installation.engine) == expected, where
    assert installation.leftovers() == [], where
    assert "is Active and is not downloaded again" in installation.sync(), where
    assert estates.digest(installation.engine) == expected, where
    with installation.engine.connect() as connection:
        events = select(audit_log.c.audit_id).where(audit_log.c.action == "import provider invoice")
        assert len(connection.execute(events).all()) == 1 + again, where
        assert audit.first_broken(connection) is None, where


# --- the database dies ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_home() -> Iterator[Path]:
    """The home of an embedded server of this module's own, to be killed."""
    home = postgres.reachable_home("w365-kill-")
    yield home
    embedded.stop(home=home, osuser=postgres.OSUSER)
    shutil.rmtree(home, ignore_errors=True)


def test_a_database_killed_in_mid_import_stores_nothing_by_halves(own_home: Path, served: Served, tmp_path: Path, killer: Forks) -> None:
    engine = pooled(embedded.start(home=own_home, osuser=postgres.OSUSER))
    schema.upgrade(engine)
    installation = installed(engine, served, tmp_path, killer)
    before = NOTHING
    for number, step in enumerate(("before copy", "after alter table usage_line attach", "after insert into audit_log (audit_id,"), 1):
        served.estate.invoice(f"G{number}", *LINES)
        postmaster = embedded_locks.postmaster(embedded.data_directory(own_home))
        died = installation.killed(postmaster, at=step, number=f"G{number}")
        errors = installation.said("stderr")
        assert (died, installation.said("stdout")) == (3, ""), f"{step}: {errors}"
        assert "database went away in mid-run" in errors and "Run the command again" in errors and "Traceback" not in errors
        embedded.start(home=own_home, osuser=postgres.OSUSER)
        after = tuple(count + more for count, more in zip(before, WHOLE, strict=True))
        assert estates.children(engine) in (before, after), step
        committed = installation.status(f"G{number}") == "Active"
        assert (estates.children(engine) == after) == committed, step
        assert ("is Active" in installation.sync(f"G{number}")) if committed else (installation.sync(f"G{number}") == "Active/Active")
        assert estates.children(engine) == after, step
        assert installation.leftovers() == [], step
        before = after


# --- a race --------------------------------------------------------------------------------------------------------------------------------


def test_of_several_processes_at_one_invoice_one_imports_it(engine: Engine, served: Served, tmp_path: Path, killer: Forks) -> None:
    installation = installed(engine, served, tmp_path, killer)
    racing = [installation.started() for _ in range(3)]
    told = [process.communicate(timeout=180) for process in racing]
    assert sorted(process.returncode for process in racing) == [0, 2, 2], told
    for process, (_, errors) in zip(racing, told, strict=True):
        if process.returncode:
            assert "being imported by somebody else right now" in errors or "is Active and is not downloaded again" in errors
    assert estates.children(engine) == WHOLE
    assert installation.leftovers() == []
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from import_run")).scalar_one() == 1
