"""What was asked of the queue, how it goes and how it ended; and who is there to work. All moments are the database's own clock.

Asked and ended are written in the transaction of the queue's own row; in between a job's process reports on a connection of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, insert, select, text, update

from w365core.store.tables import job_run

ENDED = ("done", "failed", "cancelled")
_NOW = func.clock_timestamp()
_ASKING_LOCK = 3650003


@dataclass(frozen=True)
class JobRun:
    """One job. `provider` is None for all of them; `lines_per_second` is the rate of the last seconds, in the end that of the whole."""

    job_id: int
    kind: str
    provider: str | None
    invoice: str | None
    override_tolerance: Decimal | None
    actor: str
    reason: str | None
    state: str
    progress: str
    lines_done: int
    lines_total: int | None
    lines_per_second: int | None
    attempts: int
    asked_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None
    outcome: Mapping[str, Any] | None
    message: str
    asked: Mapping[str, Any] | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


_COLUMNS = [job_run.c[name] for name in JobRun.__dataclass_fields__]


# --- asking ------------------------------------------------------------------------------------------------------------------------------


def ask_one_by_one(connection: Connection) -> None:
    """Until the end of the transaction nobody else asks: so that two who ask for the same at once get one job."""
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _ASKING_LOCK})


def unfinished_like(connection: Connection, *, kind: str, provider: str | None, invoice: str | None) -> JobRun | None:
    """The job of that kind, provider and invoice that waits or runs already; names are compared without regard to case."""
    query = select(*_COLUMNS).where(
        job_run.c.finished_at.is_(None),
        job_run.c.kind == kind,
        func.lower(job_run.c.provider).is_not_distinct_from(provider.lower() if provider else None),
        func.lower(job_run.c.invoice).is_not_distinct_from(invoice.lower() if invoice else None),
    )
    return _first(connection, query.order_by(job_run.c.job_id).limit(1))


def add(
    connection: Connection,
    *,
    job_id: int,
    kind: str,
    provider: str | None,
    invoice: str | None,
    override: Decimal | None,
    actor: str,
    reason: str | None,
    asked: Mapping[str, Any] | None = None,
) -> None:
    """Writes down what was asked; `asked` is what only some jobs need."""
    said = {"kind": kind, "provider": provider, "invoice": invoice, "override_tolerance": override, "actor": actor, "reason": reason}
    connection.execute(insert(job_run).values(job_id=job_id, asked=asked, **said))


# --- looking -----------------------------------------------------------------------------------------------------------------------------


def find(connection: Connection, job_id: int) -> JobRun | None:
    return _first(connection, select(*_COLUMNS).where(job_run.c.job_id == job_id))


def recent(connection: Connection, *, most: int) -> Sequence[JobRun]:
    """The last ones, the newest first."""
    rows = connection.execute(select(*_COLUMNS).order_by(job_run.c.job_id.desc()).limit(most)).mappings()
    return [JobRun(**row) for row in rows]


def unfinished(connection: Connection) -> Sequence[JobRun]:
    """What waits or runs, in the order of asking."""
    rows = connection.execute(select(*_COLUMNS).where(job_run.c.finished_at.is_(None)).order_by(job_run.c.job_id)).mappings()
    return [JobRun(**row) for row in rows]


def living_workers(connection: Connection, *, silence: int) -> int:
    """How many workers have given a sign of life within so many seconds."""
    query = "select count(*) from procrastinate_workers where last_heartbeat > clock_timestamp() - make_interval(secs => :silence)"
    return connection.execute(text(query), {"silence": silence}).scalar_one()


def _first(connection: Connection, query) -> JobRun | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else JobRun(**row)


# --- going -------------------------------------------------------------------------------------------------------------------------------


def begin(connection: Connection, job_id: int) -> JobRun | None:
    """Says that it runs, from the first line on; None where it has ended already and is not to run."""
    statement = (
        update(job_run)
        .where(job_run.c.job_id == job_id, job_run.c.finished_at.is_(None))
        .values(
            state="running",
            progress="starting",
            lines_done=0,
            lines_per_second=None,
            attempts=job_run.c.attempts + 1,
            started_at=_NOW,
            heartbeat_at=_NOW,
        )
        .returning(*_COLUMNS)
    )
    return _first(connection, statement)


def report(connection: Connection, job_id: int, *, attempt: int, progress: str, lines: int, lines_per_second: int | None) -> bool:
    """A sign of life, with how far it is. False where the job is no longer this attempt's: somebody took it for dead and runs it again."""
    told = {"progress": progress, "lines_done": lines, "lines_per_second": lines_per_second, "heartbeat_at": _NOW}
    this_one = (job_run.c.job_id == job_id, job_run.c.state == "running", job_run.c.attempts == attempt)
    return connection.execute(update(job_run).where(*this_one).values(**told)).rowcount == 1


def end(
    connection: Connection,
    job_id: int,
    *,
    state: str,
    message: str,
    outcome: Mapping[str, Any] | None = None,
    lines: int | None = None,
    lines_per_second: int | None = None,
) -> None:
    """Says how it ended; what has ended before stays as it was."""
    said = {"state": state, "message": message, "outcome": outcome, "finished_at": _NOW, "lines_per_second": lines_per_second}
    if lines is not None:
        said["lines_done"] = lines
    connection.execute(update(job_run).where(job_run.c.job_id == job_id, job_run.c.finished_at.is_(None)).values(**said))


def hand_back(connection: Connection, job_id: int, *, progress: str) -> None:
    """Says that it waits again, and why."""
    waits = {"state": "queued", "progress": progress, "lines_done": 0, "lines_per_second": None}
    connection.execute(update(job_run).where(job_run.c.job_id == job_id, job_run.c.finished_at.is_(None)).values(**waits))


def revive(connection: Connection, *, silence: int, but: Sequence[int], most_attempts: int) -> tuple[list[int], list[int]]:
    """Puts the jobs of dead workers back into the queue: (those that will run again, those that were tried often enough).

    A worker is dead after so many seconds of silence; `but` are the jobs that the caller has in hand itself. A job is taken under its row's lock,
    and looked at again under it, so that of several sweeps at once one revives it.
    """
    stalled = text(
        "select job.id from procrastinate_jobs job where job.status = 'doing' and job.id <> all(:but) and not exists (select from "
        "procrastinate_workers w where w.id = job.worker_id and w.last_heartbeat > clock_timestamp() - make_interval(secs => :silence)) "
        "order by job.id for update of job skip locked"
    )
    again, given_up = [], []
    for job_id in connection.execute(stalled, {"but": list(but), "silence": silence}).scalars().all():
        known = find(connection, job_id)
        if known is None or known.ended or known.attempts >= most_attempts:
            connection.execute(text("select procrastinate_finish_job_v1(:id, 'failed', false)"), {"id": job_id})
            given_up.append(job_id)
        else:
            connection.execute(text("select procrastinate_retry_job_v2(:id, null, null, null, null)"), {"id": job_id})
            hand_back(connection, job_id, progress="its worker has died; it starts again in a moment")
            again.append(job_id)
    return again, given_up
