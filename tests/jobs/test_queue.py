"""Does the queue's door take what can be done, once, and refuse the rest in a sentence?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError

from tests import postgres
from tests.conftest import NOW
from tests.reports import builders as b
from w365core.errors import AlreadyRunning, CallRefused, ConfigurationMissing
from w365core.jobs import queue
from w365core.store import job_runs
from w365core.store.engine import pooled


@pytest.fixture
def known(engine: Engine) -> Engine:
    """A database with a connected provider and one that sends files."""
    with engine.begin() as connection:
        added = "insert into provider (name, type, added_at) values ('csp', 'partner_center', now()), ('distributor', 'manual', now())"
        connection.execute(text(added))
    return engine


def ask(engine: Engine, **asked) -> int:
    return queue.ask(engine, **{"kind": "sync_invoice", "provider": "csp", "invoice": "G1", "actor": "ana", **asked})


def watch(engine: Engine, job_id: int) -> queue.JobRun:
    with engine.connect() as connection:
        return queue.watch(connection, job_id)


def waiting(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("select count(*) from procrastinate_jobs where status = 'todo'")).scalar_one()


def begin(engine: Engine, job_id: int) -> None:
    """What a worker does first."""
    with engine.begin() as connection:
        connection.execute(text("update procrastinate_jobs set status = 'doing' where id = :id"), {"id": job_id})
        job_runs.begin(connection, job_id)


def test_what_was_asked_is_written_down_with_who_and_why(known: Engine):
    job = watch(known, ask(known, provider="CSP", invoice=" G1 ", override=Decimal("1.50"), reason=" month end "))
    assert (job.kind, job.provider, job.invoice, job.override_tolerance) == ("sync_invoice", "csp", "G1", Decimal("1.50"))
    assert (job.actor, job.reason, job.state, job.attempts, job.ended) == ("ana", "month end", "queued", 0, False)


def test_a_double_click_gives_the_job_that_waits_already(known: Engine):
    assert ask(known) == ask(known, invoice="g1")
    assert waiting(known) == 1


def test_ten_clicks_at_once_give_one_job(known: Engine):
    with ThreadPoolExecutor(10) as pool:
        numbers = set(pool.map(lambda _: ask(known), range(10)))
    assert len(numbers) == 1
    assert waiting(known) == 1


def test_what_runs_is_not_queued_a_second_time_but_can_be_asked_for_again_afterwards(known: Engine):
    first = ask(known)
    begin(known, first)
    assert ask(known) == first
    with known.begin() as connection:
        job_runs.end(connection, first, state="done", message="")
    assert ask(known) != first


def test_what_has_ended_and_is_about_to_leave_the_queue_is_asked_for_again_in_a_moment(known: Engine):
    first = ask(known)
    with known.begin() as connection:
        job_runs.end(connection, first, state="done", message="")
    with pytest.raises(AlreadyRunning, match="in a moment"):
        ask(known)


def test_another_invoice_provider_or_kind_is_another_job(known: Engine):
    with known.begin() as connection:
        connection.execute(text("insert into provider (name, type, added_at) values ('other', 'partner_center', now())"))
    daily = {"kind": "sync", "invoice": None}
    asked = [{}, {"invoice": "G2"}, {"provider": "other"}, daily, {**daily, "provider": "other"}, {**daily, "provider": None}]
    assert len({ask(known, **one) for one in asked}) == 6


def test_the_same_invoice_with_another_tolerance_is_not_silently_the_same_job(known: Engine):
    ask(known)
    with pytest.raises(AlreadyRunning, match="with another tolerance"):
        ask(known, override=Decimal(5))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"kind": "guess"}, "There is no job guess"),
        ({"invoice": None}, "Say which invoice"),
        ({"invoice": "  "}, "Say which invoice"),
        ({"kind": "sync"}, "takes no invoice"),
        ({"provider": "nobody"}, "There is no provider nobody"),
        ({"provider": None}, "Say whose invoice G1 is"),
        ({"kind": "sync", "invoice": None, "provider": "distributor"}, "has no connection"),
        ({"invoice": "G1\x00"}, "no invoice number"),
        ({"invoice": "G" * 201}, "no invoice number"),
        ({"override": Decimal(-1)}, "at least 0"),
        ({"override": Decimal("NaN")}, "at least 0"),
        ({"kind": "sync", "invoice": None, "override": Decimal(1)}, "for one invoice"),
    ],
)
def test_what_no_job_could_do_is_refused_and_nothing_is_queued(known: Engine, asked: dict, sentence: str):
    with pytest.raises(CallRefused, match=sentence):
        ask(known, **asked)
    assert waiting(known) == 0


def test_a_job_that_cannot_be_written_down_is_not_queued_either(known: Engine):
    with pytest.raises(DataError):
        ask(known, reason="a\x00b")
    assert waiting(known) == 0


def test_the_plan_says_what_would_happen_to_this_invoice(known: Engine):
    with known.begin() as connection:
        b.invoice(connection, number="A1", provider="csp")
        b.invoice(connection, number="E1", provider="csp", status="Error")

    def plan(**asked) -> queue.Plan:
        return queue.plan(known, **{"kind": "sync_invoice", "provider": "csp", **asked})

    assert "latest invoice month" in plan(kind="sync").sentence
    assert plan(invoice="") == queue.Plan("Give the number of the invoice.", refused=True)
    assert plan(invoice="a1").refused and "Deactivate it first" in plan(invoice="a1").sentence
    assert "Tries invoice E1 again" in plan(invoice="e1").sentence
    assert "imports it" in plan(invoice="N1").sentence and not plan(invoice="N1").refused


def test_what_waits_can_be_cancelled_and_what_runs_cannot(known: Engine):
    first, second = ask(known), ask(known, invoice="G2")
    begin(known, second)
    assert queue.cancel(known, first, actor="bo", now=NOW) is True
    assert queue.cancel(known, second, actor="bo", now=NOW) is False
    assert queue.cancel(known, 4711, actor="bo", now=NOW) is False
    assert (watch(known, first).state, watch(known, first).message) == ("cancelled", "Cancelled by bo before it began.")
    assert watch(known, second).state == "running"
    with known.connect() as connection:
        logged = connection.execute(text("select action, actor, target, after ->> 'invoice' from audit_log")).all()
    assert logged == [("cancel job", "bo", str(first), "G1")]
    assert ask(known) != first


def test_a_worker_counts_as_there_while_it_gives_signs_of_life(known: Engine):
    with known.begin() as connection:
        assert queue.someone_works(connection) is False
        connection.execute(text("insert into procrastinate_workers (last_heartbeat) values (now() - interval '40 seconds')"))
        assert queue.someone_works(connection) is False
        connection.execute(text("insert into procrastinate_workers default values"))
        assert queue.someone_works(connection) is True


def test_jobs_are_listed_newest_first_and_what_waits_in_its_order(known: Engine):
    numbers = [ask(known, invoice=f"G{n}") for n in range(3)]
    queue.cancel(known, numbers[0], actor="bo", now=NOW)
    with known.connect() as connection:
        assert [job.job_id for job in queue.recent(connection, most=2)] == [numbers[2], numbers[1]]
        assert [job.job_id for job in queue.unfinished(connection)] == numbers[1:]


def test_without_the_schema_it_says_which_command_makes_it():
    with postgres.fresh_database() as url, pytest.raises(ConfigurationMissing, match="run `python -m w365core init`"):
        ask(pooled(url), kind="sync", provider=None, invoice=None)


# --- the dead ----------------------------------------------------------------------------------------------------------------------------


def in_hand(engine: Engine, *, silent_for: int | None, attempts: int = 1) -> int:
    """A job in the hands of a worker that has been silent for so many seconds, or is gone without a trace."""
    job_id = ask(engine)
    with engine.begin() as connection:
        worker = None
        if silent_for is not None:
            told = text("insert into procrastinate_workers (last_heartbeat) values (now() - make_interval(secs => :s)) returning id")
            worker = connection.execute(told, {"s": silent_for}).scalar_one()
        connection.execute(text("update procrastinate_jobs set status = 'doing', worker_id = :w where id = :j"), {"w": worker, "j": job_id})
        for _ in range(attempts):
            job_runs.begin(connection, job_id)
    return job_id


def revive(engine: Engine, *, but: tuple[int, ...] = ()) -> tuple[list[int], list[int]]:
    with engine.begin() as connection:
        return job_runs.revive(connection, silence=30, but=but, most_attempts=5)


@pytest.mark.parametrize("silent_for", [31, None])
def test_the_job_of_a_dead_worker_waits_again(known: Engine, silent_for: int | None):
    job_id = in_hand(known, silent_for=silent_for)
    assert revive(known) == ([job_id], [])
    assert (watch(known, job_id).state, waiting(known)) == ("queued", 1)
    assert revive(known) == ([], [])


def test_the_job_of_a_living_worker_and_ones_own_are_left_alone(known: Engine):
    job_id = in_hand(known, silent_for=20)
    assert revive(known) == ([], [])
    with known.begin() as connection:
        connection.execute(text("update procrastinate_workers set last_heartbeat = now() - interval '1 hour'"))
    assert revive(known, but=(job_id,)) == ([], [])
    assert watch(known, job_id).state == "running"


def test_what_has_killed_its_worker_five_times_is_not_tried_a_sixth_time(known: Engine):
    job_id = in_hand(known, silent_for=31, attempts=5)
    assert revive(known) == ([], [job_id])
    assert waiting(known) == 0


def test_several_sweeps_at_once_revive_a_job_once(known: Engine, database_url: str):
    job_id = in_hand(known, silent_for=31)
    with psycopg.connect(database_url.replace("+psycopg", "")) as other:  # a sweep that has begun and not ended
        other.execute("select id from procrastinate_jobs where id = %s for update", [job_id])
        assert revive(known) == ([], [])
    with ThreadPoolExecutor(6) as pool:
        again = [job for found, _ in pool.map(lambda _: revive(known), range(6)) for job in found]
    assert again == [job_id]


def test_an_attempt_that_was_taken_for_dead_is_told_so(known: Engine):
    job_id = in_hand(known, silent_for=31)
    revive(known)
    with known.begin() as connection:
        told = {"progress": "still here", "lines": 1, "lines_per_second": None}
        assert job_runs.report(connection, job_id, attempt=1, **told) is False
        job_runs.begin(connection, job_id)
        assert job_runs.report(connection, job_id, attempt=1, **told) is False
        assert job_runs.report(connection, job_id, attempt=2, **told) is True
