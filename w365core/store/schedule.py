"""How far is what runs by itself? One row for each, written in the transaction that queues its jobs, one worker at a time.

Whether it is on and its time of day are settings; both are put together here, as they hold at a moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.dialects.postgresql import insert

from w365core import schedule as nouns
from w365core.schedule import DAILY, Daily, Rhythm, Standing
from w365core.store import preferences
from w365core.store.tables import installation, schedule

_LOCK = 3650004


@dataclass(frozen=True)
class Scheduled:
    """One of what runs by itself, as it holds at `now`. `job_ids` are those of its last run, which was queued at `last_run_at` (the database's clock); else
    `message` says why it queued none. `stored` is the standing that was written down last, None before a worker has looked."""

    of: Daily
    rhythm: Rhythm
    standing: Standing
    now: datetime
    stored: Standing | None = None
    last_run_at: datetime | None = None
    job_ids: tuple[int, ...] = ()
    message: str = ""

    @property
    def due_at(self) -> datetime | None:
        """When the run was due that waits to be queued; None where none does."""
        return nouns.due(self.rhythm, self.standing, now=self.now)

    @property
    def next_run(self) -> datetime | None:
        """In the past where it waits for a worker, None while it is off."""
        return nouns.next_run(self.rhythm, self.standing, now=self.now)


def one_by_one(connection: Connection) -> None:
    """Until the end of the transaction no other worker looks at what is due: so that of several at once one queues it."""
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def clock(connection: Connection) -> datetime:
    """What time it is: as this installation states it (a demo), else by the database's clock, which all workers have in common."""
    stated = connection.execute(select(installation.c.value).where(installation.c.name == "clock")).scalar()
    return datetime.fromisoformat(stated) if stated else connection.execute(select(func.clock_timestamp())).scalar_one()


def all_of_them(connection: Connection, *, now: datetime) -> list[Scheduled]:
    """In the order of the list."""
    said = preferences.values(connection)
    kept = {row.name: row for row in connection.execute(select(*schedule.columns))}
    return [_scheduled(of, said, kept.get(of.name), now) for of in DAILY]


def one(connection: Connection, of: Daily, *, now: datetime) -> Scheduled:
    """That one."""
    return next(found for found in all_of_them(connection, now=now) if found.of is of)


def changed_by(connection: Connection, of: Daily) -> str | None:
    """Who has set last whether it is on, its time of day or the zone of that; None where nobody has."""
    return preferences.changed_by(connection, of.switch, of.at, "time_zone")


def save(connection: Connection, name: str, standing: Standing) -> None:
    """How it stands from now on."""
    written = {"enabled": standing.enabled, "since": standing.since, "last_due_at": standing.last_due_at}
    connection.execute(insert(schedule).values(name=name, **written).on_conflict_do_update(index_elements=["name"], set_=written))


def save_run(connection: Connection, name: str, *, job_ids: Sequence[int], message: str) -> None:
    """That it has just been queued, as these jobs."""
    ran = {"last_run_at": func.clock_timestamp(), "job_ids": list(job_ids), "message": message}
    connection.execute(schedule.update().where(schedule.c.name == name).values(**ran))


def _scheduled(of: Daily, said: Mapping[str, str], row: Row | None, now: datetime) -> Scheduled:
    rhythm = Rhythm(time.fromisoformat(said[of.at]), preferences.zone(said["time_zone"]))
    stored = None if row is None else Standing(row.enabled, row.since, row.last_due_at)
    standing = nouns.settled(stored, enabled=said[of.switch] == "yes", now=now)
    last = {} if row is None else {"last_run_at": row.last_run_at, "job_ids": tuple(row.job_ids), "message": row.message}
    return Scheduled(of, rhythm, standing, now, stored, **last)
