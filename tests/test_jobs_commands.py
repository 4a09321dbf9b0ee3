"""Do the commands for jobs and for the schedule say and do what the page does?"""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine, text

from tests.conftest import Command
from w365core.jobs import queue
from w365core.store import job_runs


@pytest.fixture
def known(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(text("insert into provider (name, type, added_at) values ('csp', 'partner_center', now())"))
    return engine


def failed(engine: Engine) -> int:
    job_id = queue.ask(engine, kind="sync_invoice", provider="csp", invoice="G1", actor="ana")
    with engine.begin() as connection:
        for status in ("doing", "failed"):
            connection.execute(text(f"update procrastinate_jobs set status = '{status}'"))
        job_runs.end(connection, job_id, state="failed", message="csp does not list an invoice G1.")
    return job_id


def test_jobs_are_listed_in_the_time_zone_and_a_failed_one_is_tried_again(w365: Command, known: Engine):
    job_id = failed(known)
    assert w365("settings", "set", "time_zone", "Asia/Kolkata").returncode == 0
    (listed,) = json.loads(w365("jobs", "list", "--state", "failed", "--json").stdout)
    assert (listed["job"], listed["what"], listed["state"], listed["message"]) == (
        job_id,
        "Sync of csp, invoice G1",
        "failed",
        "csp does not list an invoice G1.",
    )
    assert listed["asked_at"].endswith("+05:30")
    assert "Sync of csp, invoice G1" in w365("jobs", "list").stdout
    assert w365("jobs", "list", "--kind", "bill").stdout == "No job is like that; without options `jobs list` shows the newest ones.\n"
    dismissed = w365("jobs", "dismiss", str(job_id))
    assert dismissed.stdout == f"Job {job_id} is dismissed; it stays in the history.\n"
    again = json.loads(w365("jobs", "retry", str(job_id), "--json").stdout)
    assert again == {"job": job_id, "queued_as": job_id + 1}
    cancelled = w365("jobs", "cancel", str(job_id + 1))
    assert (cancelled.returncode, cancelled.stdout) == (0, f"Job {job_id + 1} is cancelled; it had not begun.\n")


def test_where_nothing_was_asked_yet_nobody_is_told_that_a_job_is_missing(w365: Command, known: Engine):
    assert w365("jobs", "list").stdout == "Nothing was asked of the worker yet.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("jobs", "retry", "4711"), "There is no job 4711"),
        (("jobs", "cancel", "4711"), "does not wait"),
        (("jobs", "dismiss", "4711"), "does not wait for anybody"),
        (("jobs", "list", "--state", "lost"), "write one of queued, running"),
        (("schedule", "set", "lunch", "--on"), "there are sync, bill"),
        (("schedule", "set", "sync"), "Say what to change"),
        (("schedule", "set", "sync", "--at", "6 o'clock"), "time of day"),
        (("schedule", "run", "sync"), "No provider has a connection"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(w365: Command, arguments: tuple[str, ...], sentence: str):
    said = w365(*arguments)
    assert said.returncode == 2 and sentence in said.stderr and said.stderr.count("\n") == 1 and said.stdout == ""


def test_the_schedule_is_listed_set_and_run(w365: Command, known: Engine):
    first = json.loads(w365("schedule", "list", "--json").stdout)
    assert [(one["name"], one["on"], one["at"], one["next_run"]) for one in first][:2] == [
        ("sync", True, "06:00", "2026-11-13T06:00:00+00:00"),
        ("bill", False, "08:00", None),
    ]
    w365("settings", "set", "time_zone", "Europe/Berlin")
    said = w365("schedule", "set", "bill", "--on", "--at", "7:45").stdout
    assert said == "Bill when due runs every day at 07:45 (Europe/Berlin), next on 2026-11-12 07:45.\n"
    off = json.loads(w365("schedule", "set", "sync", "--off", "--json").stdout)
    assert (off["on"], off["next_run"], off["changed"]) == (False, None, True)
    assert "2026-11-12 07:45" in w365("schedule", "list").stdout
    ran = json.loads(w365("schedule", "run", "sync", "--json").stdout)
    assert [one["state"] for one in json.loads(w365("jobs", "list", "--json").stdout) if one["job"] in ran["jobs"]] == ["queued"]
