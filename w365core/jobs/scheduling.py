"""How does a person see and change what runs by itself? A door for pages and commands; what is due is queued by `jobs.due`, which the worker calls.

standings     each, as `Scheduled`, with its time, its next run and how the last one went
change        switches one on or off, or sets its time of day; checked, stored and said in the log in one transaction
run_now       queues one at once, beside its schedule
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from w365core import preferences, schedule
from w365core.errors import CallRefused
from w365core.jobs import queue
from w365core.jobs.permitting import acts
from w365core.preferences import Expected
from w365core.schedule import Daily
from w365core.store import preferences as store_preferences, schedule as store
from w365core.store.engine import guarded
from w365core.store.ledger import Who
from w365core.store.schedule import Scheduled

__all__ = ["Scheduled", "change", "jobs_of", "named", "run_now", "standings"]


def _action(_engine: Engine, name: str, **_more: Any) -> str:
    """What running it now is, to who may."""
    return queue.ACTIONS.get(name.strip().lower(), "set setting")


def standings(connection: Connection, *, now: datetime | None = None) -> list[Scheduled]:
    """All of what runs by itself, in the order of the list."""
    return store.all_of_them(connection, now=now or store.clock(connection))


def named(name: str) -> Daily:
    """The one of that name. CallRefused names those there are."""
    found = schedule.BY_NAME.get(name.strip().lower())
    if found is None:
        raise CallRefused(f"Nothing called {name.strip()[:60]!r} runs by itself; there are {', '.join(schedule.BY_NAME)}.")
    return found


@acts("set setting")
def change(
    engine: Engine,
    name: str,
    *,
    at: str | None = None,
    on: bool | None = None,
    actor: str,
    now: datetime,
    seen: Scheduled | None = None,
) -> tuple[Scheduled, bool]:
    """Sets the time of day (HH:MM), or switches it on or off; returns how it stands, and whether anything changed. CallRefused for no time of day, and where
    somebody has changed it since it was `seen`."""
    of = named(name)
    wanted = {of.at: at, of.switch: None if on is None else "yes" if on else "no"}
    if not any(wanted.values()):
        raise CallRefused("Say what to change: a time of day, or on, or off.")
    with guarded(), engine.begin() as connection:
        store.one_by_one(connection)
        if seen is not None:
            _refuse_changed(connection, store.one(connection, of, now=now), seen)
        changed = [_set(connection, setting, written, Who(actor, now)) for setting, written in wanted.items() if written]
        standing = store.one(connection, of, now=now)
        store.save(connection, of.name, standing.standing)
    return standing, any(changed)


def _refuse_changed(connection: Connection, stands: Scheduled, seen: Scheduled) -> None:
    if (stands.rhythm, stands.standing.enabled) != (seen.rhythm, seen.standing.enabled):
        how = f"is {'on' if stands.standing.enabled else 'off'}, at {stands.rhythm.at:%H:%M} ({stands.rhythm.zone})"
        who = store.changed_by(connection, stands.of) or "Somebody"
        raise CallRefused(
            f"{who} has changed it since you looked: {stands.of.label} {how} now. Nothing was changed; look again, then decide."
        )


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
        job_ids = jobs_of(connection, of, actor=actor)
    if not job_ids:
        raise CallRefused("No provider has a connection yet; add one: `provider add NAME --type partner_center …`.")
    return job_ids


def jobs_of(connection: Connection, of: Daily, *, actor: str) -> tuple[int, ...]:
    """Its jobs, asked for in the caller's transaction: a sync is one for each provider, so that each is tried, watched and retried by itself. None where there
    is nobody to ask."""
    whose: Sequence[str | None] = queue.providers(connection) if of.name == queue.DAILY else [None]
    return tuple(queue.ask_within(connection, kind=of.name, provider=provider, actor=actor) for provider in whose)
