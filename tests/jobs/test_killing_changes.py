"""What is left when the daily job dies while it compares a changed invoice, or when the taking of a new version dies half-way?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests import estates, postgres
from tests.estates import Estate, Served, daily, seat, usage
from tests.forked import Forks
from tests.jobs.killed_import import forks
from tests.jobs.test_killing import KILLS, Installation, before_import, installed
from w365core.errors import CallRefused
from w365core.jobs import syncing, taking
from w365core.store import audit
from w365core.store.engine import pooled
from w365core.store.tables import audit_log, invoice_change

THEN = ([seat("100.00"), seat("-1.25"), usage("10.00")], [daily("4.125"), daily("5.875", day=2)])
NOW_SAYS = ([seat("100.00"), seat("8.75"), usage("11.00")], [daily("4.125"), daily("6.875", day=2)])
SEALED = "after insert into audit_log (audit_id,"


@pytest.fixture(scope="module")
def killer() -> Iterator[Forks]:
    with forks() as server:
        yield server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path_factory.mktemp("killing-changes") / "estate")) as running:
        yield running


@pytest.fixture
def imported(template: str, served: Served, tmp_path: Path, killer: Forks) -> Iterator[str]:
    """The name of a database that holds G1 as it was; the provider says otherwise now."""
    with postgres.used_database(template) as url:
        installation = installed(pooled(url), served, tmp_path / "imported", killer)
        served.estate.invoice("G1", *THEN)
        assert installation.sync() == "Active/Active"
        served.estate.invoice("G1", *NOW_SAYS)
        yield installation.engine.url.database


def whole(one: Installation) -> str:
    return estates.digest(one.engine, but=("change_id", "first_listed_at", "listed_at", "requested_at"))


def points(steps: list[str]) -> list[int]:
    """Steps all over the run, and those around each commit that decides."""
    spread = {round(1 + number * (len(steps) - 1) / max(KILLS - 1, 1)) for number in range(min(KILLS, len(steps)))}
    sealed = {number + more for number, step in enumerate(steps, 1) if step == SEALED for more in (0, 1, 2)}
    return sorted(at for at in spread | sealed if at <= len(steps))


def daily_job(one: Installation) -> syncing.SyncResult:
    return syncing.sync_daily(one.context, provider_name=estates.PROVIDER)


def told(one: Installation, action: str) -> int:
    with one.engine.connect() as connection:
        assert audit.first_broken(connection) is None
        return len(connection.execute(select(audit_log.c.audit_id).where(audit_log.c.action == action)).all())


def test_a_comparison_that_dies_leaves_nothing_and_the_next_run_notices_once(
    imported: str, served: Served, tmp_path: Path, killer: Forks
) -> None:
    with before_import(imported, served, tmp_path / "whole", killer) as one:
        assert killer.run(one.folder, one.environment, "sync", "--provider", "csp") == 1
        steps, expected = one.said("steps").splitlines(), whole(one)
        assert told(one, "notice change at provider") == 1
    assert any("create temporary table license_line_r0" in step for step in steps)
    for at in points(steps):
        where = f"killed at step {at}, {steps[at - 1]}"
        with before_import(imported, served, tmp_path / str(at), killer) as one:
            assert killer.run(one.folder, one.environment, "sync", "--provider", "csp", at=at) == -9, where
            assert estates.children(one.engine) == (3, 2, 1), where
            assert daily_job(one).changed == ["G1"], where
            assert (told(one, "notice change at provider"), whole(one)) == (1, expected), where
            with one.engine.connect() as connection:
                assert len(connection.execute(select(invoice_change)).all()) == 1, where
                left = "select count(*) from pg_class where relname ~ '_line_r0$|^line_otherwise$|^usage_now$'"
                assert connection.execute(text(left)).scalar_one() == 0, where
            assert one.leftovers() == [], where


def test_the_taking_of_a_new_version_that_dies_is_gone_on_with_by_the_next_attempt(
    imported: str, served: Served, tmp_path: Path, killer: Forks
) -> None:
    with before_import(imported, served, tmp_path / "ready", killer) as ready:
        assert daily_job(ready).changed == ["G1"]
        name = ready.engine.url.database
        command = ("take-new-version", "--invoice", "G1")
        with before_import(name, served, tmp_path / "whole", killer) as one:
            assert killer.run(one.folder, one.environment, *command) == 0, one.said("stderr")
            steps, expected = one.said("steps").splitlines(), whole(one)
        for at in points(steps):
            where = f"killed at step {at}, {steps[at - 1]}"
            with before_import(name, served, tmp_path / str(at), killer) as one:
                assert killer.run(one.folder, one.environment, *command, at=at) == -9, where
                assert estates.children(one.engine) == (3, 2, 1), where
                try:
                    again = taking.take_new_version(one.context, provider_name=None, invoice_number="G1", goes_on=True)
                    assert again.outcomes[0].status == "Active/Active", where
                except CallRefused as refusal:  # it had been taken before it died
                    assert "there is no new version to take" in str(refusal), where
                assert whole(one) == expected, where
                assert one.leftovers() == [], where
                assert told(one, "deactivate provider invoice") == 1, where
