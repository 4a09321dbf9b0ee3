"""What became of the jobs: which failures nobody has made good yet, the history by filters and in pages, and each provider's last good sync."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from w365core.store import audit
from w365core.store.job_runs import ENDED, JobRun
from w365core.store.tables import job_run, reconciliation, sync_run

DAYS_A_FAILURE_STANDS = 30
_COLUMNS = [job_run.c[name] for name in JobRun.__dataclass_fields__]
_LOOK = func.coalesce(job_run.c.asked["look"].as_boolean(), False)


@dataclass(frozen=True)
class JobFilter:
    """Which jobs; an empty choice means all of them. A job of every provider counts as of each."""

    states: Sequence[str] = ()
    kinds: Sequence[str] = ()
    providers: Sequence[str] = ()


@dataclass(frozen=True)
class LastSync:
    """A provider's daily syncs: when the last good one began, and how the last one went. Moments are those of the installation's clock."""

    succeeded_at: datetime | None
    started_at: datetime
    status: str
    message: str


def standing_failures(connection: Connection) -> list[JobRun]:
    """Failed within so many days, not dismissed, and not asked for again since, by whomever. The newest first; no mere looks."""
    later = job_run.alias("later")
    recent = func.clock_timestamp() - func.make_interval(0, 0, 0, DAYS_A_FAILURE_STANDS)
    query = select(*_COLUMNS).where(
        job_run.c.state == "failed",
        job_run.c.finished_at > recent,
        job_run.c.kind != "list_invoices",
        ~_LOOK,
        job_run.c.dismissed_by.is_(None),
    )
    made_good = select(later.c.job_id).where(later.c.job_id > job_run.c.job_id, later.c.state != "cancelled", _same(later))
    return _jobs(connection, query.where(~made_good.exists()).order_by(job_run.c.job_id.desc()))


def dismiss(connection: Connection, job_id: int, *, actor: str, now: datetime) -> bool:
    """Says that a failed job needs nobody, and logs it; False where it has not failed or was dismissed already."""
    failed = (job_run.c.job_id == job_id, job_run.c.state == "failed", job_run.c.dismissed_by.is_(None))
    if connection.execute(job_run.update().where(*failed).values(dismissed_by=actor)).rowcount != 1:
        return False
    log(connection, job_id, action="dismiss job", actor=actor, now=now)
    return True


def log(connection: Connection, job_id: int, *, action: str, actor: str, now: datetime) -> None:
    """What a person decided of a job, into the audit log, with what the job was."""
    job = connection.execute(select(job_run.c["kind", "provider", "invoice", "message"]).where(job_run.c.job_id == job_id)).mappings().one()
    audit.append(connection, at=now, actor=actor, action=action, target_kind="job", target=str(job_id), after=dict(job))


def later_than(connection: Connection, job_id: int) -> JobRun | None:
    """The last one that was asked for after that one, for the same, and not cancelled; None where there is none."""
    before = job_run.alias("before")
    query = select(*_COLUMNS).select_from(job_run).join(before, before.c.job_id == job_id)
    query = query.where(job_run.c.job_id > job_id, job_run.c.state != "cancelled", _same(before))
    return next(iter(_jobs(connection, query.order_by(job_run.c.job_id.desc()).limit(1))), None)


def page(connection: Connection, wanted: JobFilter, *, before: int | None, most: int) -> list[JobRun]:
    """Jobs that have ended, the newest first, from below a number on."""
    query = _chosen(wanted)
    if before is not None:
        query = query.where(job_run.c.job_id < before)
    return _jobs(connection, query.order_by(job_run.c.job_id.desc()).limit(most))


def everything(connection: Connection, wanted: JobFilter) -> Iterator[JobRun]:
    """The same without end, read as it is taken, for an export."""
    rows = connection.execution_options(yield_per=1_000).execute(_chosen(wanted).order_by(job_run.c.job_id.desc()))
    yield from (JobRun(**row) for row in rows.mappings())


def count(connection: Connection, wanted: JobFilter) -> int:
    """How many that is."""
    return connection.execute(select(func.count()).select_from(_chosen(wanted).subquery())).scalar_one()


def choices(connection: Connection) -> Mapping[str, list[str]]:
    """What there is to choose from: kinds, providers."""
    kinds = connection.execute(select(job_run.c.kind).distinct()).scalars()
    providers = connection.execute(select(job_run.c.provider).where(job_run.c.provider.is_not(None)).distinct()).scalars()
    return {"kinds": sorted(kinds), "providers": sorted(providers)}


def named(connection: Connection, job_ids: Sequence[int]) -> list[JobRun]:
    """The jobs of these numbers, as far as they are still there."""
    return _jobs(connection, select(*_COLUMNS).where(job_run.c.job_id.in_(job_ids)).order_by(job_run.c.job_id))


def last_syncs(connection: Connection) -> Mapping[str, LastSync]:
    """By provider, as far as it was ever synced whole."""
    good = (
        select(sync_run.c.provider, func.max(sync_run.c.started_at).label("succeeded_at"))
        .where(sync_run.c.command == "sync", sync_run.c.status == "done")
        .group_by(sync_run.c.provider)
        .subquery()
    )
    last = select(func.max(sync_run.c.sync_run_id)).where(sync_run.c.command == "sync").group_by(sync_run.c.provider)
    query = (
        select(sync_run.c.provider, good.c.succeeded_at, sync_run.c.started_at, sync_run.c.status, sync_run.c.message)
        .outerjoin(good, good.c.provider == sync_run.c.provider)
        .where(sync_run.c.sync_run_id.in_(last), sync_run.c.provider.is_not(None))
    )
    return {row.provider: LastSync(row.succeeded_at, row.started_at, row.status, row.message) for row in connection.execute(query)}


def last_reconciled(connection: Connection) -> datetime | None:
    """When an invoice was reconciled last, by the installation's clock."""
    return connection.execute(select(func.max(reconciliation.c.latest_at))).scalar()


def _chosen(wanted: JobFilter) -> Select:
    query = select(*_COLUMNS).where(job_run.c.state.in_(wanted.states or ENDED))
    if wanted.kinds:
        query = query.where(job_run.c.kind.in_(wanted.kinds))
    if wanted.providers:
        named_ones = func.lower(job_run.c.provider).in_([name.lower() for name in wanted.providers])
        query = query.where(or_(named_ones, job_run.c.provider.is_(None)))
    return query


def _same(other: Any) -> Any:
    """Whether `job_run` and the other are for the same: kind, provider and invoice; of files an import, not a look; of a validation the same invoices."""
    return and_(
        other.c.kind == job_run.c.kind,
        func.lower(other.c.provider).is_not_distinct_from(func.lower(job_run.c.provider)),
        func.lower(other.c.invoice).is_not_distinct_from(func.lower(job_run.c.invoice)),
        func.coalesce(other.c.asked["look"].as_boolean(), False) == _LOOK,
        or_(job_run.c.kind != "validate", other.c.asked == job_run.c.asked),
    )


def _jobs(connection: Connection, query: Select) -> list[JobRun]:
    return [JobRun(**row) for row in connection.execute(query).mappings()]
