"""How much of everything is there, for whoever watches an installation? Counts and ages alone: no name, no number of an invoice, no amount."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from w365core.model import CAPABILITIES
from w365core.store import health, job_runs


@dataclass(frozen=True)
class Measures:
    """Ages are in seconds; None where there is nothing to have an age."""

    database_bytes: int
    workers: int
    unfinished_jobs: dict[str, int] = field(default_factory=dict)  # by state
    jobs_of_a_day: dict[str, int] = field(default_factory=dict)  # that ended in the last 24 hours, by state
    oldest_waiting: float | None = None
    invoices: dict[tuple[str, str], int] = field(default_factory=dict)  # by state and status reason
    missing_references: int = 0
    audit_events: int = 0
    stalest_sync: float | None = None
    last_backup: float = 0


_UNFINISHED = "select state, count(*) from job_run where finished_at is null group by state"
_ENDED = "select state, count(*) from job_run where finished_at > clock_timestamp() - interval '1 day' group by state"
_WAITING = "select extract(epoch from clock_timestamp() - min(asked_at))::bigint from job_run where state = 'queued'"
_INVOICES = "select state, status_reason, count(*) from provider_invoice group by state, status_reason"
_MISSING = "select count(*) from missing_reference where blocking"
_EVENTS = "select coalesce(max(audit_id), 0) from audit_log"
# Of the providers that are synced, the one where the last sync that went well is longest ago; one that never was, since it was added.
_SYNC = """
    select extract(epoch from clock_timestamp() - min(last))::bigint from (
        select coalesce(max(s.finished_at), p.added_at) as last
        from provider p left join sync_run s on s.provider = p.name and s.command = 'sync' and s.status = 'done'
        where p.type = any(:synced) group by p.name
    ) by_provider
"""
# Before the first one, since somebody first did anything that a backup would hold.
_BACKUP = """
    select coalesce(extract(epoch from clock_timestamp() - coalesce(max(at) filter (where action = :action), min(at))), 0)::bigint from audit_log
"""
_SYNCED = [kind.value for kind, can in CAPABILITIES.items() if can.invoices]  # files of the others come by hand, when somebody brings them


def load(connection: Connection, *, silence: int) -> Measures:
    """A worker counts that has given a sign of life within `silence` seconds."""

    def one(statement: str, **values: object):
        return connection.execute(text(statement), values).scalar()

    def by(statement: str) -> dict:
        return {row[0] if len(row) == 2 else tuple(row[:-1]): row[-1] for row in connection.execute(text(statement))}

    return Measures(
        database_bytes=one("select pg_database_size(current_database())"),
        workers=job_runs.living_workers(connection, silence=silence),
        unfinished_jobs=by(_UNFINISHED),
        jobs_of_a_day=by(_ENDED),
        oldest_waiting=one(_WAITING),
        invoices=by(_INVOICES),
        missing_references=one(_MISSING),
        audit_events=one(_EVENTS),
        stalest_sync=one(_SYNC, synced=_SYNCED),
        last_backup=one(_BACKUP, action=health.BACKED_UP),
    )
