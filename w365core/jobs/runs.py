"""That a command ran, for whom, and how it ended: one row, written before the work and closed after it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, insert, select, update

from w365core.errors import StoreUnavailable, W365Error
from w365core.jobs import saying
from w365core.jobs.context import Context
from w365core.store import engine as store_engine, ledger
from w365core.store.tables import sync_run

_log = logging.getLogger("w365core.runs")


@contextmanager
def recorded(context: Context, provider_name: str | None, command: str) -> Iterator[int]:
    """Yields the run's id; afterwards the run says done, failed with its sentence, or abandoned. It holds a lock while it lives."""
    with context.engine.connect() as holder:
        run_id = _begin(context, holder, provider_name, command)
        try:
            with saying.about(sync_run=run_id, command=command, provider=provider_name):
                _log.info("begins")
                yield run_id
        except StoreUnavailable:
            raise  # there is nowhere to write it
        except W365Error as error:
            _end(context, run_id, "failed", str(error))
            raise
        except BaseException as error:
            _end(context, run_id, "abandoned", type(error).__name__)
            raise
        _end(context, run_id, "done", "")


def sweep(context: Context) -> None:
    """Clears up what dead processes left: half-done imports, half-written files, runs that still say `running`."""
    ledger.sweep(context.engine, landing=context.landing, who=context.who)
    context.landing.sweep()
    _end_dead(context)


def _end_dead(context: Context) -> None:
    """The runs that say `running` and whose lock nobody holds."""
    with context.engine.connect() as connection:
        running = connection.execute(select(sync_run.c.sync_run_id).where(sync_run.c.status == "running")).scalars().all()
        connection.commit()
        for run_id in running:
            if store_engine.lock(connection, "run", str(run_id)):
                _end(context, run_id, "abandoned", "The process ended before its work did.")
                store_engine.unlock(connection, "run", str(run_id))
            connection.commit()


def _begin(context: Context, holder: Connection, provider_name: str | None, command: str) -> int:
    """The row becomes visible only once its lock is held."""
    with holder.begin():
        run_id = holder.execute(
            insert(sync_run)
            .values(command=command, provider=provider_name, actor=context.actor, started_at=context.now, status="running")
            .returning(sync_run.c.sync_run_id)
        ).scalar_one()
        store_engine.lock(holder, "run", str(run_id))
    return run_id


def _end(context: Context, run_id: int, status: str, message: str) -> None:
    with saying.about(sync_run=run_id):
        _log.info("ends: %s%s", status, f", {message}" if message else "")
    with context.engine.begin() as connection:
        connection.execute(
            update(sync_run)
            .where(sync_run.c.sync_run_id == run_id, sync_run.c.status == "running")
            .values(status=status, message=message, finished_at=context.now)
        )
