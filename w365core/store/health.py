"""Is the database fit to be worked with? What it says of itself, and what must be true of the rows in it; each question asked of a connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from w365core.store.tables import audit_log, job_run, landed_answer, removed_content, stored_token

BACKED_UP = "back up installation"


@dataclass(frozen=True)
class Server:
    """`durable`: what it has acknowledged survives a power cut. `size` is that of our database, in bytes."""

    version: str
    durable: bool
    clock: datetime
    size: int


def server(connection: Connection) -> Server:
    row = connection.execute(
        text(
            "select current_setting('server_version') as version, clock_timestamp() as clock, pg_database_size(current_database()) as size, "
            "current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on' and current_setting('synchronous_commit') <> 'off' as durable"
        )
    ).one()
    return Server(row.version.split(" ")[0], row.durable, row.clock, row.size)


def unowned_files(connection: Connection) -> tuple[int, int]:
    """Files of our database that no table owns, and their bytes: what a crash in the middle of an import leaves for ever. What is being written right
    now counts too. For the embedded server, whose account may look."""
    row = connection.execute(
        text(
            "with found as (select 'base/' || oid || '/' || name as path, (regexp_match(name, '^[0-9]+'))[1]::oid as node "
            "from pg_database, pg_ls_dir('base/' || oid) name where datname = current_database() and name ~ '^[0-9]+') "
            "select count(*) as files, coalesce(sum((pg_stat_file(path, true)).size), 0)::bigint as bytes from found "
            "where not exists (select from pg_class where pg_relation_filenode(oid) = found.node)"
        )
    ).one()
    return row.files, row.bytes


def waiting_jobs(connection: Connection) -> tuple[int, datetime | None]:
    """How many jobs wait, and since when the first of them does."""
    row = connection.execute(select(func.count(), func.min(job_run.c.asked_at)).where(job_run.c.state == "queued")).one()
    return row[0], row[1]


def last_event(connection: Connection) -> datetime | None:
    """The latest moment that the log tells of."""
    return connection.execute(select(func.max(audit_log.c.at))).scalar()


def last_backup(connection: Connection) -> datetime | None:
    return connection.execute(select(func.max(audit_log.c.at)).where(audit_log.c.action == BACKED_UP)).scalar()


def fingerprints(connection: Connection) -> Iterator[str]:
    """Of everything that landed and has not been removed since, each once."""
    removed = select(removed_content.c.fingerprint).where(
        removed_content.c.fingerprint == landed_answer.c.fingerprint, removed_content.c.removed_at >= landed_answer.c.received_at
    )
    yield from connection.execute(select(landed_answer.c.fingerprint).where(~removed.exists()).distinct()).scalars()


def sealed_tokens(connection: Connection) -> list[tuple[str, bytes]]:
    """Every stored token, still encrypted, by the provider's name."""
    rows = connection.execute(select(stored_token.c.provider, stored_token.c.encrypted).order_by(stored_token.c.provider))
    return [(row.provider, row.encrypted) for row in rows]
