"""How does what runs by itself get into the queue? A door for the worker, for pages and for commands: looking, setting, running now.

look_and_queue     what the worker does every few seconds: queues what is due, once, whoever else looks at the same time
standings          each, as `Scheduled`, with its time, its next run and how the last one went
change             switches one on or off, or sets its time of day; checked, stored and said in the log in one transaction
run_now            queues one at once, beside its schedule

What is queued and that it was queued are one transaction: a worker that is killed in it has done nothing, and the next look does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from w365core import preferences, schedule
from w365core.errors import AlreadyRunning, CallRefused
from w365core.jobs import queue
from w365core.jobs.permitting import acts
from w365core.preferences import Expected
from w365core.schedule import DAILY, Daily
from w365core.store import preferences as store_preferences, schedule as store
from w365core.store.engine import guarded
from w365core.store.ledger import Who
from w365core.store.schedule import Scheduled

__all__ = ["ACTOR", "Run", "Scheduled", "change", "look_and_queue", "named", "run_now", "standings"]

ACTOR = "schedule"  # who has asked for a job that nobody has asked for
NOBODY = "No provider has a connection yet, so there was nobody to ask."


def _action(_engine: Engine, name: str, **_more: Any) -> str:
    """What running it now is, to who may."""
    return queue.ACTIONS.get(name.strip().lower(), "set setting")


@dataclass(frozen=True)
class Run:
    """What was queued just now, and when it was due. `message` says why, where nothing was."""

    of: Daily
    due_at: datetime
    job_ids: tuple[int, ...]
    message: str = ""


# --- looking -------------------------------------------------------------------------------------------------------------------------------


def look_and_queue(engine: Engine, *, now: datetime | None = None) -> list[Run]:
    """Queues what is due. `now` is a clock of one's own (W365_NOW); else that of the installation, which is the database's."""
    return [run for one in DAILY if (run := _look_at(engine, one, now)) is not None]


def standings(connection: Connection, *, now: datetime | None = None) -> list[Scheduled]:
    """All of what runs by itself, in the order of the list."""
    return store.all_of_them(connection, now=now or store.clock(connection))


def named(name: str) -> Daily:
    """The one of that name. CallRefused names those there are."""
    found = schedule.BY_NAME.get(name.strip().lower())
    if found is None:
        raise CallRefused(f"Nothing called {name.strip()[:60]!r} runs by itself; there are {', '.join(schedule.BY_NAME)}.")
    return found


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
    job_ids = _jobs(connection, of, ACTOR)
    run = Run(of, moment, job_ids, "" if job_ids else NOBODY)
    store.save_run(connection, of.name, job_ids=job_ids, message=run.message)
    return run


def _jobs(connection: Connection, of: Daily, actor: str) -> tuple[int, ...]:
    """Its jobs, asked for: a sync is one for each provider, so that each is tried, watched and retried by itself."""
    whose: Sequence[str | None] = queue.providers(connection) if of.name == queue.DAILY else [None]
    return tuple(queue.ask_within(connection, kind=of.name, provider=provider, actor=actor) for provider in whose)


# --- setting and running -------------------------------------------------------------------------------------------------------------------


@acts("set setting")
def change(
    engine: Engine, name: str, *, at: str | None = None, on: bool | None = None, actor: str, now: datetime
) -> tuple[Scheduled, bool]:
    """Sets the time of day (HH:MM), or switches it on or off; returns how it stands, and whether anything changed. CallRefused for no time of day."""
    of = named(name)
    wanted = {of.at: at, of.switch: None if on is None else "yes" if on else "no"}
    if not any(wanted.values()):
        raise CallRefused("Say what to change: a time of day, or on, or off.")
    with guarded(), engine.begin() as connection:
        store.one_by_one(connection)
        changed = [_set(connection, setting, written, Who(actor, now)) for setting, written in wanted.items() if written]
        standing = store.one(connection, of, now=now)
        store.save(connection, of.name, standing.standing)
    return standing, any(changed)


def _set(connection: Connection, setting: str, written: str, who: Who) -> bool:
    of = preferences.BY_NAME[setting]
    value = preferences.checked(of, written)
    if isinstance(value, Expected):
        raise CallRefused(f"{of.name} is {written.strip()[:60]!r}; expected: {value.sentence}.")
    return store_preferences.save(connection, of, value, who=who)


@acts(_action)
def run_now(engine: Engine, name: str, *, actor: str) -> tuple[int, ...]:
    """Queues its jobs and returns their numbers; those that wait or run already where there are. CallRefused where there is nobody to ask."""
    of = named(name)
    with guarded(), engine.begin() as connection:
        job_ids = _jobs(connection, of, actor)
    if not job_ids:
        raise CallRefused("No provider has a connection yet; add one: `provider add NAME --type partner_center …`.")
    return job_ids
