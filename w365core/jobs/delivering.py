"""Who sends what waits in the outbox? Each worker, beside its jobs, every few seconds; a message that one of them holds is left to it."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

from sqlalchemy import Engine

from w365core.jobs.context import Context, Report, actor, clock
from w365core.settings import Settings
from w365core.store import outbox
from w365core.store.engine import guarded

SECONDS_BETWEEN = 5.0


async def keep_sending(settings: Settings, engine: Engine, report: Report) -> None:
    """Until it is cancelled; a message in hand is finished first. StoreUnavailable where the database goes away."""
    stopped = threading.Event()
    try:
        while True:
            await asyncio.to_thread(partial(_send, settings, engine, report, stopped))
            await asyncio.sleep(SECONDS_BETWEEN)
    finally:
        stopped.set()


def _send(settings: Settings, engine: Engine, report: Report, stopped: threading.Event) -> None:
    with guarded():
        context = Context(settings, engine, clock(settings, engine), actor(), report)
        with engine.connect() as connection:
            if not outbox.due(connection, context.now):
                return
    from w365core.jobs import sending  # templates and mail, which a worker that sends nothing does without

    sending.send_due(context, goes_on=lambda: not stopped.is_set())
