"""What is there that nothing needs any more, and how is it taken away? Each kind with a count and a removal over the very same rows.

What an invoice was made of, what the audit log names and the latest of each kind are never among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

# The answers that nothing is made of: what was asked on the way, and the estimates of usage that is not billed yet.
_WAYSIDE = ("export", "operation", "manifest", "invoices", "changes", "accounts", "answer", "files of an invoice")

_JOBS = """
    job_run j where j.finished_at < :before
    and j.job_id not in (select max(job_id) from job_run where finished_at is not null group by kind, provider, state)
    and not exists (select from procrastinate_periodic_defers d where d.job_id = j.job_id)
"""
_RUNS = """
    sync_run r where r.finished_at < :before and r.status <> 'running'
    and r.sync_run_id not in (select max(sync_run_id) from sync_run group by command, provider, status)
    and not exists (select from import_run i where i.sync_run_id = r.sync_run_id)
    and not exists (select from landed_answer a where a.sync_run_id = r.sync_run_id)
"""
# By their bytes: all of whose rows are old and of the wayside, and that were not removed since they came last. The rows stay, they only grow.
_ANSWERS = """
    (
        select a.fingerprint, max(a.size) as size, max(a.received_at) as received_at from landed_answer a group by a.fingerprint
        having max(a.received_at) < :before
           and bool_and(a.method <> 'ORDER' and (a.purpose = any(:wayside) or a.purpose like 'unbilled %') and coalesce(a.invoice_number, 'unbilled') = 'unbilled')
    ) old
    where not exists (select from import_source s where s.fingerprint = old.fingerprint)
      and not exists (select from removed_content r where r.fingerprint = old.fingerprint and r.removed_at >= old.received_at)
"""
_KEYS = "asked_action a where a.begun_at < :before"
_EXPORTS = "line_export e where e.requested_at < :before"


def database_now(connection: Connection) -> datetime:
    """The database's own clock, by which jobs are dated."""
    return connection.execute(text("select clock_timestamp()")).scalar_one()


def jobs(connection: Connection, before: datetime) -> int:
    return _counted(connection, _JOBS, before)


def remove_jobs(connection: Connection, before: datetime) -> int:
    """The queue's own rows go with them, and what it noted of them."""
    statement = f"""
        with gone as (delete from job_run where job_id in (select j.job_id from {_JOBS}) returning job_id),
        queued as (delete from procrastinate_jobs where id in (select job_id from gone) and status not in ('todo', 'doing'))
        select count(*) from gone
    """
    return connection.execute(text(statement), {"before": before}).scalar_one()


def runs(connection: Connection, before: datetime) -> int:
    return _counted(connection, _RUNS, before)


def remove_runs(connection: Connection, before: datetime) -> int:
    return connection.execute(
        text(f"delete from sync_run where sync_run_id in (select r.sync_run_id from {_RUNS})"), {"before": before}
    ).rowcount


def exports(connection: Connection, before: datetime) -> int:
    """Exports that a provider was asked for and that nobody waits for any longer."""
    return _counted(connection, _EXPORTS, before)


def remove_exports(connection: Connection, before: datetime) -> int:
    return connection.execute(text("delete from line_export where requested_at < :before"), {"before": before}).rowcount


def keys(connection: Connection, before: datetime) -> int:
    """Keys that actions were asked with, so that they are done once."""
    return _counted(connection, _KEYS, before)


def remove_keys(connection: Connection, before: datetime) -> int:
    return connection.execute(text("delete from asked_action where begun_at < :before"), {"before": before}).rowcount


def answers(connection: Connection, before: datetime) -> tuple[int, int]:
    """How many files of answers, and how many bytes they had when they came."""
    row = connection.execute(text(f"select count(*), coalesce(sum(old.size), 0)::bigint from {_ANSWERS}"), _of_answers(before)).one()
    return row[0], row[1]


def remove_answers(connection: Connection, before: datetime, *, at: datetime) -> list[str]:
    """Writes down that their bytes are removed, and returns their fingerprints: the files may go once this is committed."""
    statement = text(f"""
        insert into removed_content (fingerprint, removed_at) select old.fingerprint, :at from {_ANSWERS}
        on conflict (fingerprint) do update set removed_at = excluded.removed_at returning fingerprint
    """)
    return list(connection.execute(statement, {**_of_answers(before), "at": at}).scalars())


def is_back(connection: Connection, fingerprint: str) -> bool:
    """Whether the same bytes have come again since they were to be removed."""
    query = text(
        "select exists (select from landed_answer a join removed_content r using (fingerprint) where fingerprint = :of and a.received_at > r.removed_at)"
    )
    return connection.execute(query, {"of": fingerprint}).scalar_one()


def _counted(connection: Connection, which: str, before: datetime) -> int:
    return connection.execute(text(f"select count(*) from {which}"), {"before": before}).scalar_one()


def _of_answers(before: datetime) -> Mapping[str, Any]:
    return {"before": before, "wayside": list(_WAYSIDE)}
