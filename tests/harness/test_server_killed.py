"""What is left when the database is killed under an import at twenty of its operations, and when four processes race for one invoice, twenty times?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests import estates, postgres
from tests.conftest import NOW
from tests.estates import Estate, Served, daily, seat, usage
from tests.forked import Forks
from tests.harness.struck import forks
from w365core.errors import CallRefused
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.settings import Settings
from w365core.store import audit, embedded, embedded_locks, schema
from w365core.store.engine import pooled

OFFSETS, ROUNDS, RACERS = 22, 20, 4  # two more than the twenty that shall strike: how often the provider is polled differs from run to run
LINES = ([seat("100.00"), seat("-1.25"), usage("10.00")], [daily("4.125"), daily("5.875", day=2)])
NUMBERS = [f"G{number}" for number in range(OFFSETS + 2)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    estate = Estate(tmp_path_factory.mktemp("killed") / "estate")
    for number in NUMBERS:
        estate.invoice(number, *LINES)
    with estates.serve(estate) as running:
        yield running


@pytest.fixture
def own_home() -> Iterator[Path]:
    """The home of an embedded server of this test's own, to be killed."""
    home = postgres.reachable_home("w365-kill-")
    yield home
    embedded.stop(home=home, osuser=postgres.OSUSER)
    shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class Installation:
    context: Context
    folder: Path
    environment: dict[str, str]

    def sync(self, server: Forks, number: str, *, place: str = "", **strike: int | str) -> int:
        """The exit code of a sync in a forked process, which prints into a folder of its own."""
        (self.folder / place).mkdir(exist_ok=True)
        return server.run(self.folder / place, self.environment, "sync", "--invoice", number, **strike)

    def said(self, name: str, place: str = "") -> str:
        return (self.folder / place / name).read_text()

    def sync_here(self, number: str) -> str:
        try:
            return syncing.sync_invoice(self.context, provider_name=None, invoice_number=number, override=None).outcomes[0].status
        except CallRefused as refusal:
            return str(refusal)


def installed(engine: Engine, served: Served, folder: Path) -> Installation:
    url = engine.url.render_as_string(hide_password=False)
    context = Context(Settings(home=folder / "home", database_url=url, poll=0.01, http_timeout=5), engine, NOW, "tester", lambda said: None)
    context = estates.configure(context, served.url, records=served.estate.records(folder / "records"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("W365_")}
    told = {"DATABASE_URL": url, "W365_HOME": str(folder / "home"), "W365_POLL": "0.01", "W365_SECRET_CSP": estates.SECRET}
    return Installation(context, folder, {**kept, **told, "W365_NOW": NOW.isoformat(), "W365_HTTP_TIMEOUT": "5"})


def per_invoice(engine: Engine, number: str) -> tuple[str, int, int, int, int]:
    """Its status reason and how many license lines, usage lines, usage summaries and imports in the log there are of it."""
    counted = ", ".join(
        f"(select count(*) from {name} where {name}.provider_invoice_id = p.provider_invoice_id)"
        for name in ("license_line", "usage_line", "usage_summary")
    )
    told = "(select count(*) from audit_log where action = 'import provider invoice' and target = 'csp ' || p.invoice_number)"
    with engine.connect() as connection:
        found = connection.execute(
            text(f"select status_reason, {counted}, {told} from provider_invoice p where invoice_number = :n"), {"n": number}
        )
        return tuple(found.first() or ("nothing", 0, 0, 0, 0))


def _undisturbed(installation: Installation, server: Forks) -> list[str]:
    """The operations of an import, once the first one has done what only a first one does."""
    for number in NUMBERS[:2]:
        assert installation.sync(server, number, fault="server") == 0
    return installation.said("steps").splitlines()


def test_a_database_killed_at_twenty_operations_of_an_import_loses_and_halves_nothing(
    own_home: Path, served: Served, tmp_path: Path, harness_said: list[str]
) -> None:
    engine = pooled(embedded.start(home=own_home, osuser=postgres.OSUSER))
    schema.upgrade(engine)
    installation = installed(engine, served, tmp_path)
    with forks() as server:
        steps = _undisturbed(installation, server)
        last = len(steps) - 3  # how often the provider is polled differs from run to run, and so does the last operation's number
        offsets = [1 + number * (last - 1) // (OFFSETS - 1) for number in range(OFFSETS)]
        whole = kills = 0
        for number, at in zip(NUMBERS[2:], offsets, strict=True):
            postmaster = embedded_locks.postmaster(embedded.data_directory(own_home))
            ended = installation.sync(server, number, fault="server", at=at, victim=postmaster)
            passed, errors = installation.said("steps").splitlines(), installation.said("stderr")
            where = f"killed before {passed[min(at, len(passed)) - 1]}, {at}"
            kills += len(passed) >= at
            assert ended in (0, 3, 4) and "Traceback" not in errors and "Something went wrong" not in errors, f"{where}: {ended} {errors}"
            embedded.start(home=own_home, osuser=postgres.OSUSER)
            left = per_invoice(engine, number)
            assert left in (("Active", 3, 2, 1, 1), ("Populating", 0, 0, 0, 0), ("nothing", 0, 0, 0, 0), ("Error", 0, 0, 0, 0)), where
            assert ended != 0 or left[0] == "Active", where
            whole += left[0] == "Active"
            again = installation.sync_here(number)
            assert ("is Active" in again) if left[0] == "Active" else (again == "Active/Active"), f"{where}: {again}"
            assert per_invoice(engine, number) == ("Active", 3, 2, 1, 1), where
            assert estates.leftovers(engine, installation.context.settings.home) == [], where
    with engine.connect() as connection:
        assert audit.first_broken(connection) is None
    assert kills >= 20
    harness_said.append(f"database killed at {kills} of {len(steps)} operations, {whole} of them past the commit, violations 0")


def test_of_four_processes_that_race_for_one_invoice_one_imports_it_twenty_times(
    engine: Engine, served: Served, tmp_path: Path, harness_said: list[str]
) -> None:
    installation = installed(engine, served, tmp_path)
    busy = already = 0
    with ExitStack() as stack, ThreadPoolExecutor(RACERS) as pool:
        servers = [stack.enter_context(forks()) for _ in range(RACERS)]
        for number in NUMBERS[:ROUNDS]:
            ended = list(pool.map(lambda racer, number=number: installation.sync(servers[racer], number, place=f"{racer}"), range(RACERS)))
            told = [installation.said("stderr", f"{racer}") for racer in range(RACERS)]
            assert sorted(ended) == [0, 2, 2, 2], f"{number}: {told}"
            busy += sum("being imported by somebody else right now" in said for said in told)
            already += sum("is Active and is not downloaded again" in said for said in told)
            assert per_invoice(engine, number) == ("Active", 3, 2, 1, 1), number
    assert busy + already == ROUNDS * (RACERS - 1)
    assert estates.leftovers(engine, installation.context.settings.home) == []
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from import_run")).scalar_one() == ROUNDS
        assert audit.first_broken(connection) is None
    harness_said.append(f"{ROUNDS} x {RACERS} racing for one invoice: {ROUNDS} imported, {busy} busy, {already} already, violations 0")
