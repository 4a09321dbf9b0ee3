"""Is only that removed which nothing needs, is it just what the look had said, and does the ledger still come out of what is left?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import estates
from tests.conftest import NOW
from tests.estates import Estate
from w365core.jobs import doctoring, keeping, rebuilding, syncing
from w365core.jobs.context import Context
from w365core.jobs.doctoring import Verdict

LATER = NOW + timedelta(days=1_000)


@pytest.fixture
def filled(context: Context, tmp_path: Path) -> Iterator[Context]:
    estate = Estate(tmp_path / "estate")
    estates.two_invoices_worth(estate)
    with estates.serve(estate) as served:
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        for day in range(3):
            syncing.sync_daily(configured.at(NOW + timedelta(days=day)), provider_name=None)
        yield configured


def told(context: Context, statement: str, **values: object) -> object:
    with context.engine.begin() as connection:
        return connection.execute(text(statement), values)


def count(context: Context, table: str) -> int:
    with context.engine.connect() as connection:
        return connection.execute(text(f"select count(*) from {table}")).scalar_one()


def files(context: Context) -> set[str]:
    return {path.name for path in context.settings.landing.glob("??/*")}


def by_kind(found: tuple[keeping.Kept, ...]) -> dict[str, int]:
    return {one.what: one.number for one in found}


def test_by_default_no_answer_is_ever_removed(filled: Context) -> None:
    before = files(filled), count(filled, "landed_answer")
    keeping.apply(filled.at(LATER))
    assert (files(filled), count(filled, "landed_answer")) == before


def test_what_an_invoice_was_made_of_stays_and_the_ledger_comes_out_of_it(filled: Context) -> None:
    told(filled, "insert into preference values ('keep_answers_days', '30', 'ana', now())")
    rows, kept = count(filled, "landed_answer"), files(filled)
    seen = keeping.look(filled.at(LATER))
    assert (count(filled, "landed_answer"), files(filled)) == (rows, kept), "a look changes nothing"
    done = keeping.apply(filled.at(LATER))
    assert by_kind(done) == by_kind(seen) and by_kind(done)["answers that nothing is made of"] > 0
    assert count(filled, "landed_answer") == rows, "that they came stays known"
    assert len(kept) - len(files(filled)) == by_kind(done)["answers that nothing is made of"] and files(filled) < kept
    assert rebuilding.rebuild(filled, check=True).findings == ()
    landing = next(one for one in doctoring.examine(filled.settings, report=lambda sentence: None) if one.name == "landing")
    assert landing.verdict is Verdict.OK
    assert by_kind(keeping.apply(filled.at(LATER)))["answers that nothing is made of"] == 0, "twice is once"


def test_the_removal_stands_in_the_log_and_an_empty_one_does_not(filled: Context) -> None:
    keeping.apply(filled)
    assert count(filled, "audit_log where action = 'remove old data'") == 0
    told(filled, "insert into line_export values ('csp', 'G7', 'usage', 'https://x.example/op', :at)", at=NOW - timedelta(days=31))
    keeping.apply(filled)
    assert (
        count(filled, "line_export where invoice_number = 'G7'") == 0 and count(filled, "audit_log where action = 'remove old data'") == 1
    )


def test_a_key_is_kept_for_a_month(context: Context) -> None:
    for key, days in (("old", 31), ("young", 29)):
        told(context, "insert into asked_action (key, actor, action, asked, begun_at) values (:key, 'ana', 'sync', 'x', :at)", key=key, at=context.now - timedelta(days=days))  # fmt: skip
    assert by_kind(keeping.look(context))["keys of what was asked"] == 1 and count(context, "asked_action") == 2
    keeping.apply(context)
    assert count(context, "asked_action where key = 'young'") == count(context, "asked_action") == 1


def test_old_ended_jobs_go_but_for_the_latest_of_each_kind_and_ending(context: Context) -> None:
    for number, kind, state, age in (
        (1, "sync", "done", 300), (2, "sync", "done", 200), (3, "sync", "failed", 250), (4, "sync", "done", 20), (5, "sync_accounts", "done", 400),
    ):  # fmt: skip
        told(
            context,
            "insert into job_run (job_id, kind, provider, actor, state, finished_at) values (:number, :kind, 'csp', 'ana', :state, clock_timestamp() - make_interval(days => :age))",
            number=number, kind=kind, state=state, age=age,
        )  # fmt: skip
    told(context, "insert into job_run (job_id, kind, actor, asked_at) values (6, 'sync', 'ana', clock_timestamp() - interval '900 days')")
    assert by_kind(keeping.look(context))["ended jobs"] == 2
    keeping.apply(context)
    with context.engine.connect() as connection:
        assert connection.execute(text("select job_id from job_run order by job_id")).scalars().all() == [3, 4, 5, 6]
    told(context, "insert into preference values ('keep_jobs_days', '0', 'ana', now())")
    assert by_kind(keeping.look(context))["ended jobs"] == 0


def test_a_sync_that_an_import_refers_to_stays(filled: Context) -> None:
    before = count(filled, "sync_run")
    keeping.apply(filled.at(LATER))
    assert count(filled, "sync_run") == before, "answers refer to each of them"
    told(filled, "insert into sync_run (command, provider, actor, started_at, finished_at, status) select 'sync', 'csp', 'ana', :at, :at, 'done' from generate_series(1, 5)", at=NOW)  # fmt: skip
    assert by_kind(keeping.apply(filled.at(LATER)))["ended syncs"] == 4, "the latest of each kind stays"
