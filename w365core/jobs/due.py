"""What is due by itself, and who queues it? Every worker looks every few seconds; under a lock of the database, one of them queues it.

What is queued and that it was queued are one transaction: a worker that is killed in it has done nothing, and the next look does it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine

from w365core.errors import AlreadyRunning
from w365core.jobs import scheduling
from w365core.schedule import DAILY, Daily
from w365core.store import schedule as store
from w365core.store.engine import guarded

ACTOR = "schedule"  # who has asked for a job that nobody has asked for
NOBODY = "No provider has a connection yet, so there was nobody to ask."


@dataclass(frozen=True)
class Run:
    """What was queued just now, and when it was due. `message` says why, where nothing was."""

    of: Daily
    due_at: datetime
    job_ids: tuple[int, ...]
    message: str = ""


def look_and_queue(engine: Engine, *, now: datetime | None = None) -> list[Run]:
    """Queues what is due. `now` is a clock of one's own (W365_NOW); else that of the installation, which is the database's."""
    return [run for one in DAILY if (run := _look_at(engine, one, now)) is not None]


def _look_at(engine: Engine, of: Daily, now: datetime | None) -> Run | None:
    """One of them, under the lock, in one transaction with its jobs. None where nothing is due, or the job before is just leaving the queue: then the
    next look does it."""
    try:
        with guarded(), engine.begin() as connection:
            store.one_by_one(connection)
            found = store.one(connection, of, now=now or store.clock(connection))
            moment = found.due_at
            standing = replace(found.standing, last_due_at=moment or found.standing.last_due_at)
            if standing != found.stored:
                store.save(connection, of.name, standing)
            return None if moment is None else _queued(connection, of, moment)
    except AlreadyRunning:
        return None


def _queued(connection: Connection, of: Daily, moment: datetime) -> Run:
    job_ids = scheduling.jobs_of(connection, of, actor=ACTOR)
    run = Run(of, moment, job_ids, "" if job_ids else NOBODY)
    store.save_run(connection, of.name, job_ids=job_ids, message=run.message)
    return run
