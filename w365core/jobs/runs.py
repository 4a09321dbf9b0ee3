"""That a command ran, for whom, and how it ended: one row, written before the work and closed after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import insert, update

from w365core.errors import StoreUnavailable, W365Error
from w365core.jobs.context import Context
from w365core.store.tables import sync_run


@contextmanager
def recorded(context: Context, provider_name: str | None, command: str) -> Iterator[int]:
    """Yields the run's id; afterwards the run says done, failed with its sentence, or abandoned."""
    with context.engine.begin() as connection:
        run_id = connection.execute(
            insert(sync_run)
            .values(command=command, provider=provider_name, actor=context.actor, started_at=context.now, status="running")
            .returning(sync_run.c.sync_run_id)
        ).scalar_one()
    try:
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


def _end(context: Context, run_id: int, status: str, message: str) -> None:
    with context.engine.begin() as connection:
        connection.execute(
            update(sync_run).where(sync_run.c.sync_run_id == run_id).values(status=status, message=message, finished_at=context.now)
        )
