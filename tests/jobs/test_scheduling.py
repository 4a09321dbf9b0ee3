"""Does what runs by itself get into the queue once, whoever looks, dies or comes back late? Real Postgres, real workers, real kills."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text

from tests import estates
from tests.billing.books import Books, day
from tests.estates import Estate, Served
from tests.jobs.working import child_of, ended, lives, until, worker
from w365core import schedule
from w365core.errors import CallRefused
from w365core.jobs import due, preferring, queue, scheduling
from w365core.jobs.context import Context
from w365core.jobs.queue import JobRun
from w365core.schedule import Standing
from w365core.store import job_runs, preferences, schedule as store
from w365core.store.tables import billing_contract, customer_invoice

BEFORE, DUE, LATER = (datetime(2026, 11, 12, hour, tzinfo=UTC) for hour in (5, 6, 9))


@pytest.fixture
def books(context: Context) -> Books:
    """One contract with one usage subscription, and nothing used yet."""
    found = Books(context)
    found.contract()
    found.subscription()
    return found


@pytest.fixture
def known(engine: Engine) -> Engine:
    """Two providers with a connection and one that sends files."""
    with engine.begin() as connection:
        added = "insert into provider (name, type, added_at) values ('csp', 'partner_center', now()), ('d1', 'streamone', now()), ('files', 'manual', now())"
        connection.execute(text(added))
    return engine


def look(engine: Engine, now: datetime) -> list[tuple[str, int]]:
    """What a worker queues at that moment: the name of each, and as how many jobs."""
    return [(run.of.name, len(run.job_ids)) for run in due.look_and_queue(engine, now=now) if run.of.name in ("sync", "bill")]


def all_jobs(engine: Engine) -> list[JobRun]:
    with engine.connect() as connection:
        return [one for one in reversed(queue.recent(connection, most=100)) if one.kind in ("sync", "bill")]


def carried_out(engine: Engine) -> None:
    """Every job ends well, and the queue knows."""
    with engine.begin() as connection:
        connection.execute(text("update procrastinate_jobs set status = 'doing'"))
        connection.execute(text("update procrastinate_jobs set status = 'succeeded'"))
        for one in queue.unfinished(connection):
            job_runs.end(connection, one.job_id, state="done", message="")


def set_to(engine: Engine, name: str, value: str) -> None:
    preferring.change(engine, name, value, actor="ana", now=BEFORE)


def sync(engine: Engine, now: datetime) -> scheduling.Scheduled:
    with engine.connect() as connection:
        return scheduling.standings(connection, now=now)[0]


# --- what is due ---------------------------------------------------------------------------------------------------------------------------


def test_at_its_time_each_provider_with_a_connection_has_its_sync_queued_once(known: Engine):
    assert [look(known, now) for now in (BEFORE, DUE, DUE, LATER)] == [[], [("sync", 2)], [], []]
    assert [(one.kind, one.provider, one.actor, one.state) for one in all_jobs(known)] == [
        ("sync", "csp", "schedule", "queued"),
        ("sync", "d1", "schedule", "queued"),
    ]
    carried_out(known)
    assert look(known, DUE + timedelta(days=1)) == [("sync", 2)]


def test_what_runs_still_from_the_day_before_is_not_queued_a_second_time(known: Engine):
    look(known, BEFORE), look(known, DUE)
    assert look(known, DUE + timedelta(days=1)) == [("sync", 2)]
    assert len(all_jobs(known)) == 2


def test_days_without_a_worker_are_made_up_for_once(known: Engine):
    look(known, BEFORE), look(known, DUE)
    carried_out(known)
    late = LATER + timedelta(days=5)
    assert sync(known, late).due_at and sync(known, late).next_run == DUE + timedelta(days=5)
    assert [look(known, late), look(known, late + timedelta(hours=1))] == [[("sync", 2)], []]
    assert sync(known, late).next_run == DUE + timedelta(days=6)


def test_a_first_worker_waits_for_the_next_time(known: Engine):
    assert look(known, LATER) == []
    assert sync(known, LATER).next_run == DUE + timedelta(days=1)


def test_a_clock_that_jumps_runs_nothing_twice_and_stops_nothing(known: Engine):
    look(known, BEFORE), look(known, DUE)
    carried_out(known)
    assert look(known, BEFORE) == look(known, DUE) == []
    assert look(known, DUE + timedelta(days=400)) == [("sync", 2)]
    carried_out(known)
    assert look(known, LATER) == []
    assert look(known, DUE + timedelta(days=1)) == [("sync", 2)]


def test_the_time_of_day_is_that_of_the_zone_over_a_change_of_its_clocks(known: Engine):
    set_to(known, "time_zone", "America/New_York")
    look(known, datetime(2026, 10, 31, 9, tzinfo=UTC))
    moments = []
    for hour in range(9, 9 + 48):
        run = due.look_and_queue(known, now=datetime(2026, 10, 31, tzinfo=UTC) + timedelta(hours=hour))
        moments += [one.due_at for one in run if one.of.name == "sync"]
    assert moments == [datetime(2026, 10, 31, 10, tzinfo=UTC), datetime(2026, 11, 1, 11, tzinfo=UTC)]


def test_without_a_connected_provider_the_day_passes_with_a_sentence(engine: Engine):
    look(engine, BEFORE)
    run = due.look_and_queue(engine, now=DUE)[0]
    assert (run.job_ids, run.message) == ((), "No provider has a connection yet, so there was nobody to ask.")
    assert look(engine, LATER) == []


def test_the_installations_own_clock_is_the_demos_or_the_databases(known: Engine):
    with known.begin() as connection:
        assert abs(store.clock(connection) - connection.execute(text("select clock_timestamp()")).scalar_one()) < timedelta(minutes=1)
        connection.execute(text("insert into installation (name, value) values ('clock', '2026-11-12T06:00:00+00:00')"))
        store.save(connection, "sync", Standing(True, BEFORE))
    assert [(run.of.name, run.due_at) for run in due.look_and_queue(known)] == [("sync", DUE)]
    assert due.look_and_queue(known) == []


# --- several at once, and the dead ---------------------------------------------------------------------------------------------------------


def test_of_ten_that_look_at_once_one_queues_it(known: Engine):
    look(known, BEFORE)
    with ThreadPoolExecutor(10) as pool:
        found = [run for runs in pool.map(lambda _: look(known, DUE), range(10)) for run in runs]
    assert found == [("sync", 2)]
    assert len(all_jobs(known)) == 2


def test_a_worker_that_dies_while_it_queues_has_done_nothing_and_the_next_look_does_it(known: Engine, database_url: str):
    look(known, BEFORE)
    with known.connect() as dying:  # everything but the commit
        store.one_by_one(dying)
        store.save(dying, "sync", Standing(True, BEFORE, DUE))
        queue.ask_within(dying, kind="sync", provider="csp", actor="schedule")
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(look, known, DUE)
            with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as watching:
                waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
                until(lambda: watching.execute(waits).fetchone() == (1,), lambda: "the other worker at the lock")
            dying.rollback()
            assert other.result(30) == [("sync", 2)]
    assert len(all_jobs(known)) == 2


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    estate = Estate(tmp_path / "estate", client_secret=estates.SECRET)
    estates.two_invoices_worth(estate)
    with estates.serve(estate) as one:
        yield one


@pytest.fixture
def reseller(context: Context, served: Served, tmp_path: Path) -> Context:
    """A reseller whose sync was due five minutes ago, yesterday's done."""
    found = estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))
    with found.engine.begin() as connection:
        store.save(connection, "sync", Standing(True, DUE - timedelta(days=9), DUE - timedelta(days=1)))
    return replace(found, now=DUE + timedelta(minutes=5))


def test_two_workers_that_start_at_once_run_the_daily_sync_once(reseller: Context, tmp_path: Path):
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    with ExitStack() as workers:
        for log in logs:
            workers.enter_context(worker(reseller, log))
        (job_id,) = until(lambda: [one.job_id for one in all_jobs(reseller.engine)], lambda: "the sync in the queue")
        done = ended(reseller, job_id, logs[0])
        until(lambda: all("waits for jobs" in log.read_text() for log in logs), lambda: "both workers")
    assert (done.state, done.provider, done.actor) == ("done", "csp", "schedule")
    assert len(all_jobs(reseller.engine)) == 1
    assert sum(log.read_text().count("Daily sync, due 2026-11-12 06:00 UTC: job") for log in logs) == 1
    assert estates.children(reseller.engine) == (4, 4, 1)


def test_the_sync_of_a_worker_that_is_killed_in_it_is_finished_by_the_next_and_not_queued_again(
    reseller: Context, served: Served, tmp_path: Path
):
    served.faults.replace(["hang@blobx1"])
    log = tmp_path / "worker.log"
    with worker(reseller, log, W365_HTTP_TIMEOUT="60") as first:
        until(lambda: not served.faults.left(), lambda: f"the download; the worker said: {log.read_text()}")
        child = child_of(first)
        first.kill()
        first.wait()
        until(lambda: not lives(child), lambda: "the child's end")
    (waiting,) = all_jobs(reseller.engine)
    with worker(reseller, log):
        assert ended(reseller, waiting.job_id, log).state == "done"
    assert [one.attempts for one in all_jobs(reseller.engine)] == [2]
    assert estates.children(reseller.engine) == (4, 4, 1)
    assert estates.leftovers(reseller.engine, reseller.settings.home) == []


# --- billing -------------------------------------------------------------------------------------------------------------------------------


def test_billing_when_due_is_off_until_somebody_switches_it_on_and_makes_drafts_alone(books: Books, tmp_path: Path):
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    books.used("100.00")
    context, engine = books.context, books.context.engine
    eight = DUE + timedelta(hours=2)
    look(engine, BEFORE)
    assert [name for name, _ in look(engine, eight)] == ["sync"]
    scheduling.change(engine, "bill", on=True, actor="ana", now=BEFORE)
    assert look(engine, eight) == [("bill", 1)]
    log = tmp_path / "worker.log"
    with worker(replace(context, now=eight), log):
        done = ended(context, all_jobs(engine)[-1].job_id, log)
        again = ended(context, scheduling.run_now(engine, "bill", actor="ana")[0], log)
    assert (done.state, done.message) == ("done", "Made 1 Draft, 100.00 EUR: U202610-C-1.")
    assert (again.state, again.message, again.actor) == ("done", "No Draft was made: nothing is due that can be billed.", "ana")
    with engine.connect() as connection:
        assert [row.status for row in connection.execute(customer_invoice.select())] == ["Draft"]


def test_what_is_not_due_yet_is_not_billed_by_itself(books: Books, tmp_path: Path):
    books.change(billing_contract, next_invoice_date=day("2026-11-20"))
    books.used("100.00")
    log = tmp_path / "worker.log"
    job_id = scheduling.run_now(books.context.engine, "bill", actor="ana")[0]
    with worker(books.context, log):
        assert ended(books.context, job_id, log).message == "No Draft was made: nothing is due that can be billed."


# --- setting and running now ---------------------------------------------------------------------------------------------------------------


def test_what_somebody_sets_holds_from_the_next_time_on_and_stands_in_the_log(known: Engine):
    look(known, BEFORE)
    standing, changed = scheduling.change(known, "sync", at="7:30", actor="ana", now=BEFORE)
    assert changed and standing.next_run == DUE + timedelta(hours=1, minutes=30)
    assert look(known, DUE) == []
    off, _ = scheduling.change(known, "SYNC", on=False, actor="ana", now=DUE)
    assert (off.standing.enabled, off.next_run, look(known, LATER)) == (False, None, [])
    on, _ = scheduling.change(known, "sync", on=True, actor="ana", now=LATER)
    assert on.next_run == DUE + timedelta(days=1, hours=1, minutes=30)
    assert scheduling.change(known, "sync", on=True, actor="ana", now=LATER)[1] is False
    with known.connect() as connection:
        said = connection.execute(text("select target, actor from audit_log order by audit_id")).all()
        assert [tuple(row) for row in said] == [("sync_at", "ana"), ("sync_daily", "ana"), ("sync_daily", "ana")]
        assert preferences.values(connection)["sync_at"] == "07:30"


def test_what_somebody_has_changed_meanwhile_is_not_overwritten(known: Engine):
    seen = sync(known, BEFORE)
    scheduling.change(known, "sync", at="05:00", actor="bo", now=BEFORE)
    with pytest.raises(CallRefused, match=r"^bo has changed it since you looked: Daily sync is on, at 05:00 \(UTC\) now"):
        scheduling.change(known, "sync", at="07:00", actor="ana", now=BEFORE, seen=seen)
    assert scheduling.change(known, "sync", at="07:00", actor="ana", now=BEFORE, seen=sync(known, BEFORE))[1] is True


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"name": "lunch", "on": True}, "there are sync, bill"),
        ({"name": "sync"}, "Say what to change"),
        ({"name": "sync", "at": "25:00"}, "time of day"),
        ({"name": "sync", "at": "25:00", "on": False}, "time of day"),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_is_changed(known: Engine, asked: dict, sentence: str):
    with pytest.raises(CallRefused, match=sentence):
        scheduling.change(known, **asked, actor="ana", now=BEFORE)
    with known.connect() as connection:
        assert connection.execute(text("select count(*) from preference")).scalar() == 0
        assert connection.execute(text("select count(*) from audit_log")).scalar() == 0


def test_run_now_queues_it_beside_its_schedule_and_never_twice(known: Engine):
    look(known, BEFORE)
    assert scheduling.run_now(known, "sync", actor="ana") == scheduling.run_now(known, "sync", actor="bo")
    assert [(one.provider, one.actor) for one in all_jobs(known)] == [("csp", "ana"), ("d1", "ana")]
    assert look(known, DUE) == [("sync", 2)] and len(all_jobs(known)) == 2


def test_run_now_without_anybody_to_ask_is_refused(engine: Engine):
    with pytest.raises(CallRefused, match="No provider has a connection"):
        scheduling.run_now(engine, "sync", actor="ana")


def test_everything_that_runs_by_itself_is_a_job_that_the_queue_knows():
    assert set(schedule.BY_NAME) <= set(queue.KINDS)
