"""How far is what runs by itself? One row for each, written in the transaction that queues its jobs, one worker at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from w365core.schedule import Standing
from w365core.store.tables import installation, schedule

_LOCK = 3650004


@dataclass(frozen=True)
class Kept:
    """What is kept of one: how it stands, when its last run was queued (by the database's clock) and as which jobs; else `message` says why as none."""

    standing: Standing
    last_run_at: datetime | None
    job_ids: tuple[int, ...]
    message: str


def one_by_one(connection: Connection) -> None:
    """Until the end of the transaction no other worker looks at what is due: so that of several at once one queues it."""
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def clock(connection: Connection) -> datetime:
    """What time it is: as this installation states it (a demo), else by the database's clock, which all workers have in common."""
    stated = connection.execute(select(installation.c.value).where(installation.c.name == "clock")).scalar()
    return datetime.fromisoformat(stated) if stated else connection.execute(select(func.clock_timestamp())).scalar_one()


def all_of_them(connection: Connection) -> Mapping[str, Kept]:
    """By name; nothing of those that no worker has seen yet."""
    rows = connection.execute(select(*schedule.columns))
    return {
        row.name: Kept(Standing(row.enabled, row.since, row.last_due_at), row.last_run_at, tuple(row.job_ids), row.message) for row in rows
    }


def save(connection: Connection, name: str, standing: Standing) -> None:
    """How it stands from now on."""
    written = {"enabled": standing.enabled, "since": standing.since, "last_due_at": standing.last_due_at}
    connection.execute(insert(schedule).values(name=name, **written).on_conflict_do_update(index_elements=["name"], set_=written))


def save_run(connection: Connection, name: str, *, job_ids: Sequence[int], message: str) -> None:
    """That it has just been queued, as these jobs."""
    ran = {"last_run_at": func.clock_timestamp(), "job_ids": list(job_ids), "message": message}
    connection.execute(schedule.update().where(schedule.c.name == name).values(**ran))
