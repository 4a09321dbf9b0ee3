"""Is what was queued carried out whole, whoever dies meanwhile? Real workers, real kills, a real provider's look-alike."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import estates, postgres
from tests.conftest import Command
from tests.estates import Estate, Served
from tests.jobs.working import ROOT, child_of, ended, job, lives, queued, until, worker
from w365core.errors import ConfigurationMissing
from w365core.jobs import queue, running
from w365core.jobs.context import Context
from w365core.jobs.importing import Outcome
from w365core.jobs.syncing import SyncResult
from w365core.jobs.worker import work
from w365core.settings import Settings
from w365core.store import engine as store_engine, ledger

SLOW = {"W365_HTTP_TIMEOUT": "60"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    estate = Estate(tmp_path / "estate", client_secret=estates.SECRET)
    estates.two_invoices_worth(estate)
    with estates.serve(estate) as one:
        yield one


@pytest.fixture
def reseller(context: Context, served: Served, tmp_path: Path) -> Context:
    """A context whose database knows the provider and our records."""
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


@pytest.fixture
def in_hand(reseller: Context, served: Served, log: Path) -> Callable[[subprocess.Popen[bytes]], tuple[int, int]]:
    """Queues a sync whose download hangs, and waits until it does: (the job, the process that carries it out)."""

    def begin(process: subprocess.Popen[bytes]) -> tuple[int, int]:
        served.faults.replace(["hang@blobx1"])
        job_id = queued(reseller)
        until(lambda: not served.faults.left(), lambda: f"the download; the worker said: {log.read_text()}")
        return job_id, child_of(process)

    return begin


def whole(context: Context) -> bool:
    """G1 is Active with every line, and nothing of a broken attempt is left."""
    found = ledger.find(context.engine, provider_name="csp", invoice_number="G1")
    return (
        found.status_reason == "Active"
        and estates.children(context.engine) == (4, 4, 1)
        and estates.leftovers(context.engine, context.settings.home) == []
    )


def queue_states(context: Context) -> list[str]:
    with context.engine.connect() as connection:
        return list(connection.execute(text("select status::text from procrastinate_jobs order by id")).scalars())


def test_what_was_queued_is_carried_out_and_tells_what_it_did(reseller: Context, log: Path) -> None:
    one, daily, refused = (
        queued(reseller),
        queued(reseller, kind="sync", invoice=None),
        queued(reseller, kind="sync", invoice=None, provider=None),
    )
    with worker(reseller, log) as process:
        first = ended(reseller, one, log)
        assert (first.state, first.message, first.lines_done, first.attempts) == ("done", "Invoice G1 is Active, 8 lines.", 8, 1)
        assert first.lines_per_second > 0
        assert first.outcome["invoices"][0]["status"] == "Active/Active"
        assert ended(reseller, daily, log).message == "Nothing to do: every invoice of the latest month is in."
        assert ended(reseller, refused, log).state == "done"
        again = ended(reseller, queued(reseller), log)
        assert (again.state, again.message) == (
            "failed",
            "Invoice G1 of csp is Active and is not downloaded again; deactivate it first, then sync.",
        )
        with reseller.engine.connect() as connection:
            assert queue.someone_works(connection)
            who = connection.execute(text("select distinct actor from audit_log where action <> 'load records'")).scalars().all()
        process.terminate()
        assert process.wait(15) == 0
    assert whole(reseller)
    assert who == ["ana"]
    with reseller.engine.connect() as connection:
        assert not queue.someone_works(connection)
    assert set(queue_states(reseller)) == {"succeeded"}
    assert "Traceback" not in log.read_text()


def test_one_line_is_said_as_one() -> None:
    said = [running.summary(SyncResult([Outcome("csp", "G1", "Active/Active", None, "", lines)])) for lines in (0, 1, 1234)]
    assert said == ["Invoice G1 is Active.", "Invoice G1 is Active, 1 line.", "Invoice G1 is Active, 1,234 lines."]


def test_an_override_and_a_failing_provider_go_the_same_way(reseller: Context, served: Served, log: Path) -> None:
    estates.two_invoices_worth(served.estate, total="1300")
    with worker(reseller, log):
        short = ended(reseller, queued(reseller), log)
        passed = ended(reseller, queued(reseller, override=Decimal(1000)), log)
        served.faults.replace(["refused-secret@token"])
        failed = ended(reseller, queued(reseller, kind="sync", invoice=None), log)
    assert short.state == "done" and short.message.startswith("Invoice G1 is in Error, 8 lines.")
    assert short.outcome["invoices"][0]["failure"] == "checksum_failed"
    assert passed.message.startswith("Invoice G1 is Active, 8 lines.")
    assert failed.state == "failed" and "secret" in failed.message and estates.SECRET not in failed.message + log.read_text()


def test_a_secret_that_is_not_set_is_said_in_the_jobs_own_sentence(reseller: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = queued(reseller)
    monkeypatch.setenv("DATABASE_URL", reseller.settings.database_url)
    monkeypatch.setenv("W365_HOME", str(reseller.settings.home))
    monkeypatch.delenv("W365_SECRET_CSP", raising=False)
    assert running.main(job_id, parent=os.getppid()) == 0
    told = job(reseller, job_id)
    assert told.state == "failed" and "W365_SECRET_CSP" in told.message
    assert "and retry it on the page Jobs." in told.message and "command again" not in told.message, "nobody has run a command"


def test_a_killed_workers_job_is_found_and_finished_by_another(reseller: Context, log: Path, in_hand) -> None:
    with worker(reseller, log, **SLOW) as first:
        job_id, child = in_hand(first)
        first.kill()
        first.wait()
        until(lambda: not lives(child), lambda: "the child's end, since its worker is dead")
        assert job(reseller, job_id).state == "running"  # nobody has noticed yet
        with worker(reseller, log) as second:
            again = until(lambda: child_of(second), lambda: f"the second attempt; the workers said: {log.read_text()}")
            os.kill(again, signal.SIGKILL)  # and a job that dies alone is begun again by the same worker
            told = ended(reseller, job_id, log)
            until(lambda: queue_states(reseller) == ["succeeded"], lambda: "the queue's own word")
    assert (told.state, told.message) == ("done", "Invoice G1 is Active, 8 lines.")
    assert whole(reseller)
    assert "exit code -9" in log.read_text()


def test_asked_to_stop_a_worker_hands_back_what_it_cannot_finish(reseller: Context, log: Path, in_hand) -> None:
    with worker(reseller, log, **SLOW) as process:
        job_id, child = in_hand(process)
        began = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10  # the patience of `up`
    assert not lives(child)
    waiting = job(reseller, job_id)
    assert (waiting.state, waiting.progress) == ("queued", "its worker was stopped; it starts again with the next one")
    assert queue_states(reseller) == ["todo"]
    with worker(reseller, log):
        assert ended(reseller, job_id, log).state == "done"
    assert whole(reseller)
    assert "Traceback" not in log.read_text()


def test_asked_to_stop_a_worker_finishes_what_takes_a_moment(reseller: Context, served: Served, log: Path) -> None:
    served.faults.replace(["throttle:2@blobx1"])
    with worker(reseller, log, W365_HTTP_TRIES="4") as process:
        job_id = queued(reseller)
        until(lambda: not served.faults.left(), lambda: "the pause that the provider asks for")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert job(reseller, job_id).state == "done"
    assert whole(reseller)


def test_an_invoice_in_other_hands_is_tried_again_later(reseller: Context, log: Path) -> None:
    with reseller.engine.connect() as connection:
        assert store_engine.lock(connection, *ledger.lock_names("csp", "G1"))
        with worker(reseller, log):
            job_id = queued(reseller)
            until(lambda: job(reseller, job_id).attempts and job(reseller, job_id).state == "queued", lambda: str(job(reseller, job_id)))
            until(lambda: queue_states(reseller) == ["todo"], lambda: str(queue_states(reseller)))  # the queue hears of it a moment later
    assert "not free; it tries again" in job(reseller, job_id).progress


def test_a_worker_outlives_its_connections_to_the_database(reseller: Context, log: Path) -> None:
    with worker(reseller, log) as process:
        ended(reseller, queued(reseller, kind="sync", invoice=None), log)
        with reseller.engine.begin() as connection:
            others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            assert len(connection.execute(text(others)).all()) > 1
        assert ended(reseller, queued(reseller, kind="sync", invoice=None), log).state == "done"
        assert process.poll() is None
        process.terminate()
        assert process.wait(15) == 0
    assert "Traceback" not in log.read_text()


def test_without_the_schema_or_the_database_a_worker_is_one_sentence(w365: Command, tmp_path: Path) -> None:
    with postgres.fresh_database() as url, pytest.raises(ConfigurationMissing, match="run `python -m w365core init`"):
        work(Settings(home=tmp_path, database_url=url), report=lambda sentence: None)
    gone = w365("worker", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert gone.returncode == 4 and gone.stderr.count("\n") == 1 and gone.stderr.startswith("Could not reach the database")


def test_a_job_without_its_worker_ends_by_itself(reseller: Context, served: Served) -> None:
    """Where no kernel ends it: the process was told another parent than it has."""
    served.faults.replace(["hang@blob"])
    job_id = queued(reseller)
    settings = reseller.settings
    told = {"DATABASE_URL": settings.database_url, "W365_HOME": str(settings.home), **SLOW, **settings.environment, "PATH": os.defpath}
    done = subprocess.run([sys.executable, "-m", "w365core.jobs.running", str(job_id), "1"], cwd=ROOT, env=told, timeout=30, check=False)
    assert done.returncode == queue.AGAIN
