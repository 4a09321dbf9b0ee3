"""Is what failed asked for again as it was asked for, once, and is what needs nobody any more left alone?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.conftest import NOW
from w365core.errors import CallRefused
from w365core.jobs import asking_again, queue
from w365core.jobs.queue import FilesAsked, HandedFile, JobRun
from w365core.model import Seen
from w365core.store import audit, job_history, job_runs


@pytest.fixture
def known(engine: Engine) -> Engine:
    with engine.begin() as connection:
        added = "insert into provider (name, type, added_at) values ('csp', 'partner_center', now()), ('other', 'partner_center', now()), ('files', 'manual', now())"
        connection.execute(text(added))
    return engine


def ask(engine: Engine, **asked: Any) -> int:
    return queue.ask(engine, **{"kind": "sync_invoice", "provider": "csp", "invoice": "G1", "actor": "ana", **asked})


def end(engine: Engine, job_id: int, state: str = "failed") -> int:
    """It ends so, and the queue knows."""
    with engine.begin() as connection:
        for status in ("doing", "failed"):
            connection.execute(text(f"update procrastinate_jobs set status = '{status}' where id = :id"), {"id": job_id})
        job_runs.end(connection, job_id, state=state, message="It did not answer.")
    return job_id


def job(engine: Engine, job_id: int) -> JobRun:
    with engine.connect() as connection:
        found = queue.watch(connection, job_id)
    assert found is not None
    return found


def retry(engine: Engine, job_id: int) -> int:
    return asking_again.retry(engine, job_id, actor="bo")


def standing(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return [one.job_id for one in job_history.standing_failures(connection)]


def as_asked(one: JobRun) -> tuple:
    return one.kind, one.provider, one.invoice, one.override_tolerance, one.reason, one.asked


_FILES = FilesAsked(
    "files", "D-1", (HandedFile("a.csv", 3, upload="0" * 64),), Decimal("12.50"), "EUR", override=Decimal(1), decimal_comma=True
)


@pytest.mark.parametrize(
    "asks",
    [
        lambda engine: ask(engine, override=Decimal("1.50"), reason="month end"),
        lambda engine: ask(engine, kind="sync", invoice=None),
        lambda engine: ask(engine, kind="sync", provider=None, invoice=None),
        lambda engine: ask(engine, kind="bill", provider=None, invoice=None),
        lambda engine: ask(engine, kind="take_new_version", seen=Seen("Active", 3, 7), reason="two seats"),
        lambda engine: queue.ask_files(engine, _FILES, look=False, actor="ana"),
        lambda engine: queue.ask_validation(engine, [4, 2], actor="ana", reason="mapped"),
    ],
    ids=["an invoice with a tolerance", "a provider", "every provider", "billing", "a new version", "files", "a validation"],
)  # fmt: skip
def test_it_is_asked_for_as_it_was_then_in_the_name_of_who_asks_now(known: Engine, asks):
    failed = end(known, asks(known))
    again = retry(known, failed)
    assert again != failed and as_asked(job(known, again)) == as_asked(job(known, failed))
    assert (job(known, again).actor, job(known, again).state, job(known, failed).state) == ("bo", "queued", "failed")


def test_ten_retries_at_once_give_one_job(known: Engine):
    failed = end(known, ask(known))
    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(lambda _: retry(known, failed), range(10)))) == 1


def test_what_was_cancelled_is_tried_again_too(known: Engine):
    first = ask(known)
    assert queue.cancel(known, first, actor="ana", now=NOW)
    assert retry(known, first) != first


@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_what_has_not_failed_is_not_tried_again(known: Engine, state: str):
    job_id = ask(known)
    if state == "running":
        with known.begin() as connection:
            job_runs.begin(connection, job_id)
    elif state == "done":
        end(known, job_id, "done")
    with pytest.raises(CallRefused, match=f"Job {job_id} is {state}; only what failed"):
        retry(known, job_id)


def test_what_somebody_has_done_since_is_not_done_again(known: Engine):
    failed = end(known, ask(known))
    since = end(known, ask(known), "done")
    with pytest.raises(CallRefused, match=f"Job {since} has done the same since; nothing was queued"):
        retry(known, failed)
    with pytest.raises(CallRefused, match="There is no job 4711"):
        retry(known, 4711)


def test_a_failure_waits_until_the_same_is_asked_for_again_and_no_other(known: Engine):
    failed = end(known, ask(known))
    for other in ({"invoice": "G2"}, {"provider": "other"}, {"kind": "sync", "invoice": None}, {"kind": "reconcile"}):
        end(known, ask(known, **other), "done")
        assert standing(known) == [failed]
    taken_back = ask(known)
    queue.cancel(known, taken_back, actor="ana", now=NOW)
    assert standing(known) == [failed]
    ask(known, invoice="g1", provider="CSP")
    assert standing(known) == []


def test_what_somebody_has_dismissed_waits_for_nobody_and_can_still_be_tried_again(known: Engine):
    failed, runs = end(known, ask(known)), ask(known, invoice="G2")
    asking_again.dismiss(known, failed, actor="bo", now=NOW)
    assert standing(known) == [] and job(known, failed).state == "failed"
    for job_id in (failed, runs, 4711):
        with pytest.raises(CallRefused, match=f"Job {job_id} does not wait for anybody"):
            asking_again.dismiss(known, job_id, actor="ana", now=NOW)
    with known.connect() as connection:
        ((action, actor, target, after),) = connection.execute(text("select action, actor, target, after from audit_log"))
        assert audit.first_broken(connection) is None
    assert (action, actor, target, after["kind"], after["message"]) == (
        "dismiss job",
        "bo",
        str(failed),
        "sync_invoice",
        job(known, failed).message,
    )
    assert standing(known) == [] and retry(known, failed) > failed


def test_a_look_at_files_and_a_list_wait_for_nobody_and_make_nothing_good(known: Engine):
    imported = end(known, queue.ask_files(known, _FILES, look=False, actor="ana"))
    end(known, queue.ask_files(known, _FILES, look=True, actor="ana"))
    end(known, ask(known, kind="list_invoices", invoice=None))
    assert standing(known) == [imported]
    assert retry(known, imported) > imported


def test_a_validation_of_other_invoices_makes_none_good(known: Engine):
    failed = end(known, queue.ask_validation(known, [1, 2], actor="ana"))
    end(known, queue.ask_validation(known, [3], actor="ana"), "done")
    assert standing(known) == [failed]
    end(known, queue.ask_validation(known, [2, 1], actor="ana"), "done")
    assert standing(known) == []


def test_after_thirty_days_a_failure_stands_in_the_history_alone(known: Engine):
    failed = end(known, ask(known))
    with known.begin() as connection:
        connection.execute(text("update job_run set finished_at = finished_at - interval '31 days'"))
        assert [one.job_id for one in job_history.page(connection, job_history.JobFilter(), before=None, most=10)] == [failed]
    assert standing(known) == []


def test_the_history_is_read_by_filters_page_by_page_and_whole(known: Engine):
    numbers = [end(known, ask(known, invoice=f"G{n}"), "done" if n % 2 else "failed") for n in range(6)]
    every = end(known, ask(known, kind="sync", provider=None, invoice=None), "done")
    ask(known, invoice="waits")
    with known.connect() as connection:

        def page(before: int | None = None, most: int = 10, **wanted: tuple) -> list[int]:
            return [one.job_id for one in job_history.page(connection, job_history.JobFilter(**wanted), before=before, most=most)]

        assert page(most=3) == [every, numbers[5], numbers[4]] and page(before=numbers[4]) == numbers[3::-1]
        assert page(states=("failed",)) == numbers[4::-2]
        assert page(kinds=("sync",)) == [every]
        assert page(providers=("CSP",), states=("done",)) == [
            every,
            numbers[5],
            numbers[3],
            numbers[1],
        ]  # a job of every provider is one of each
        assert page(providers=("other",)) == [every]
        wanted = job_history.JobFilter(states=("done",))
        assert [one.job_id for one in job_history.everything(connection, wanted)] == page(states=("done",))
        assert job_history.count(connection, wanted) == 4
        assert job_history.choices(connection) == {"kinds": ["sync", "sync_invoice"], "providers": ["csp"]}
