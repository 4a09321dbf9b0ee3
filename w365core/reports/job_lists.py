"""Which jobs were there, page by page, and what runs by itself, row by row? The history on the page and the lists of the commands, in the time zone that is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Connection

from w365core.frames import Kind
from w365core.reports import job_words
from w365core.reports.invoice_detail import Page
from w365core.reports.tables import Column, Table, moment
from w365core.store import job_history, preferences, schedule as store_schedule
from w365core.store.job_history import JobFilter
from w365core.store.job_runs import JobRun
from w365core.store.schedule import Scheduled

__all__ = ["JobFilter", "count", "everything", "history", "listed", "schedule_listed"]

A_PAGE = 50
_HISTORY = (
    Column("job", "Job", Kind.WHOLE, width=60),
    moment("asked_at", "Asked", width=125),
    Column("what", "What", width=240),
    Column("standing", "How it ended", width=150),
    Column("message", "What it said", width=420),
    Column("actor", "By", width=80),
    Column("took", "Took", width=90),
    Column("lines", "Lines", Kind.WHOLE, width=80),
    Column("lines_per_second", "Lines/s", Kind.WHOLE, width=80),
    Column("attempts", "Begun", Kind.WHOLE, width=60, help="How often it was begun: more than once where its worker was stopped or died"),
    Column("kind", "Kind", shown=False),
    Column("provider", "Provider", shown=False),
    Column("invoice", "Invoice", Kind.ID, shown=False),
    moment("started_at", "Began", shown=False),
    moment("finished_at", "Ended", shown=False),
)


def history(connection: Connection, wanted: JobFilter, *, before: int | None) -> Page:
    """A page of the jobs that have ended, the newest first, from below a number on."""
    zone = preferences.time_zone(connection)
    found = job_history.page(connection, wanted, before=before, most=A_PAGE + 1)
    rows = [_row(job, zone) for job in found[:A_PAGE]]
    return Page(Table("jobs", _HISTORY, rows), rows[-1]["job"] if len(found) > A_PAGE else None)


def everything(connection: Connection, wanted: JobFilter) -> Iterator[Mapping[str, Any]]:
    """All rows of it, for an export."""
    zone = preferences.time_zone(connection)
    yield from (_row(job, zone) for job in job_history.everything(connection, wanted))


def count(connection: Connection, wanted: JobFilter) -> int:
    return job_history.count(connection, wanted)


def listed(connection: Connection, wanted: JobFilter, *, most: int) -> list[dict[str, Any]]:
    """What `jobs list` prints: moments as ISO in the time zone."""
    zone = preferences.time_zone(connection)
    return [_row(job, zone) for job in job_history.page(connection, wanted, before=None, most=most)]


def schedule_listed(connection: Connection, *, now: datetime | None) -> list[dict[str, Any]]:
    """What `schedule list` prints; `now` is a clock of one's own, else that of the installation."""
    scheduled = store_schedule.all_of_them(connection, now=now or store_schedule.clock(connection))
    ran = {job.job_id: job for job in job_history.named(connection, [job_id for one in scheduled for job_id in one.job_ids])}
    return [_listed(one, [ran[job_id] for job_id in one.job_ids if job_id in ran]) for one in scheduled]


def _listed(one: Scheduled, jobs: Sequence[JobRun]) -> dict[str, Any]:
    zone = one.rhythm.zone
    return {
        "name": one.of.name,
        "on": one.standing.enabled,
        "at": f"{one.rhythm.at:%H:%M}",
        "time_zone": str(zone),
        "next_run": one.next_run and one.next_run.astimezone(zone),
        "due_since": one.due_at and one.due_at.astimezone(zone),
        "last_run": one.last_run_at and one.last_run_at.astimezone(zone),
        "last_ended": ", ".join(f"job {job.job_id} {job.state}" for job in jobs) or one.message or None,
        "jobs": [job.job_id for job in jobs],
        "does": one.of.does,
    }


def _row(job: JobRun, zone: tzinfo) -> dict[str, Any]:
    same = ("kind", "provider", "invoice", "state", "actor", "message", "progress", "attempts", "lines_per_second")
    took = job_words.ran(job)
    moments = {name: getattr(job, name) and getattr(job, name).astimezone(zone) for name in ("asked_at", "started_at", "finished_at")}
    return (
        {"job": job.job_id, "what": job_words.name(job), "standing": job_words.standing(job), "lines": job.lines_done or None}
        | moments
        | {name: getattr(job, name) for name in same}
        | {"took": None if took is None else job_words.duration(took)}
    )
