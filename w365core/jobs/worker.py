"""Who runs what was queued, and queues what runs by itself? A process that takes one job at a time and starts a child for it, until it is asked to stop.

The child parses and stores; the worker gives signs of life, looks after jobs whose worker has died, and keeps the daily schedule. Asked to stop, it gives the job in hand a few
seconds, then ends the child and hands the job back to the queue: an import is whole or not at all, so it may begin anew at any time. Where the
database goes away it waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from sqlalchemy import Engine

from w365core.errors import ConfigurationMissing, StoreUnavailable
from w365core.jobs import delivering, due
from w365core.jobs.children import dying_with_us
from w365core.jobs.context import Report, open_context
from w365core.jobs.queue import AGAIN, TASK
from w365core.settings import Settings
from w365core.store import engine as store_engine, job_runs, schema
from w365core.store.engine import guarded

ROOT = Path(__file__).resolve().parents[2]
MOST_ATTEMPTS = 5
SECONDS_TO_FINISH = 5.0
_SECONDS_TO_DIE = 2.0
_SECONDS_BETWEEN_TRIES = 2.0
_SECONDS_BETWEEN_LOOKS = 10.0  # at the schedule
_SECONDS_UNTIL_AGAIN = 20  # where somebody else is at the same invoice, or the database was away


def work(settings: Settings, *, report: Report) -> None:
    """Runs the queue until SIGTERM or SIGINT. ConfigurationMissing where the database or its schema is not there to begin with."""
    context = open_context(settings, report=report)
    if schema.current(engine=context.engine) != schema.newest():
        raise ConfigurationMissing("The database has no schema of this version; run `python -m w365core init`.")
    _one_line_each(report)
    asyncio.run(_until_stopped(settings, report))


async def _until_stopped(settings: Settings, report: Report) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # nohup means it
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    report("the worker waits for jobs (Ctrl-C stops it)")
    while not stop.is_set():
        try:
            await _serve(settings, report, stop)
        except (ConnectorException, StoreUnavailable, ConfigurationMissing) as error:
            report(f"{error} Trying again." if isinstance(error, ConfigurationMissing) else "the database is away; waiting for it")
        if not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _SECONDS_BETWEEN_TRIES)
    report("the worker has stopped")


async def _serve(settings: Settings, report: Report, stop: asyncio.Event) -> None:
    """One connection's worth of working: ends when asked to, and when the database goes away."""
    engine = await asyncio.to_thread(store_engine.engine, settings)
    hands = Hands(settings, engine, report)
    queue = _queue(engine, hands)
    async with queue.open_async():
        working = asyncio.create_task(
            queue.run_worker_async(
                concurrency=1,
                install_signal_handlers=False,
                fetch_job_polling_interval=min(5.0, settings.sweep / 2),
                update_heartbeat_interval=min(5.0, settings.sweep / 6),  # pages expect one within queue.SILENCE
                stalled_worker_timeout=settings.sweep,
                shutdown_graceful_timeout=SECONDS_TO_FINISH,
            )
        )
        beside = (stop.wait(), hands.look_after_the_dead(), hands.keep_the_schedule(), delivering.keep_sending(settings, engine, report))
        helpers = [asyncio.create_task(one) for one in beside]
        await asyncio.wait([working, *helpers], return_when=asyncio.FIRST_COMPLETED)
        for task in (working, *helpers):
            task.cancel()
        ends = await asyncio.gather(working, *helpers, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


def _queue(engine: Engine, hands: Hands) -> App:
    """The package's application on our database, with its one task."""
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    queue = App(connector=PsycopgConnector(conninfo=address, min_size=1, max_size=4, kwargs={"application_name": "w365 worker"}))
    queue.task(name=TASK, pass_context=True, retry=_WhereAsked())(hands.run)
    return queue


# --- one job -----------------------------------------------------------------------------------------------------------------------------


class _Again(Exception):  # a way to end, no failure
    """The job goes back into the queue for so many seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class _WhereAsked(BaseRetryStrategy):
    """Back into the queue: at once where we are stopping, later where the job asks for it or something is wrong with the database."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision()
        return RetryDecision(retry_in={"seconds": exception.seconds if isinstance(exception, _Again) else _SECONDS_UNTIL_AGAIN})


@dataclass
class Hands:
    """What this worker has in hand, and what it does with it."""

    settings: Settings
    engine: Engine
    report: Report
    in_hand: set[int] = field(default_factory=set)

    async def run(self, context: JobContext) -> None:
        """Starts a process for the job and waits for it. The queue's row says that it was carried out; `job_run` says how it went."""
        job_id = context.job.id
        assert job_id is not None, "a job that was fetched has a number"
        self.in_hand.add(job_id)
        try:
            code = await self._carried_out(job_id)
        except asyncio.CancelledError:
            known = await self._write(partial(job_runs.find, job_id=job_id))
            if known is None or known.ended:  # at the very moment that we were asked to stop
                return
            await self._write(
                partial(job_runs.hand_back, job_id=job_id, progress="its worker was stopped; it starts again with the next one")
            )
            raise
        finally:
            self.in_hand.discard(job_id)
        self.report(f"job {job_id} has ended" if code == 0 else f"job {job_id} goes back into the queue (exit code {code})")
        if code != 0:
            await self._try_again(job_id, code)

    async def _carried_out(self, job_id: int) -> int:
        self.report(f"job {job_id} begins")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "w365core.jobs.running", str(job_id), str(os.getpid())),
            cwd=ROOT,
            env=dict(self.settings.environment),
            stdin=DEVNULL,
            start_new_session=True,
            preexec_fn=dying_with_us(),
        )
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await _end(process)
            raise

    async def _try_again(self, job_id: int, code: int) -> None:
        """Once more in a while, unless it was tried often enough."""
        known = await self._write(partial(job_runs.find, job_id=job_id))
        if known is None or known.ended:
            return
        if known.attempts >= MOST_ATTEMPTS:
            await self._write(partial(job_runs.end, job_id=job_id, state="failed", message=_given_up(known.attempts)))
            return
        why = (
            "the invoice or the database was not free; it tries again in a moment"
            if code == AGAIN
            else "its process was killed; it starts again"
        )
        await self._write(partial(job_runs.hand_back, job_id=job_id, progress=why))
        raise _Again(_SECONDS_UNTIL_AGAIN if code == AGAIN else 1)

    async def look_after_the_dead(self) -> None:
        """Now and then: what was in the hands of a worker that has died goes back into the queue."""
        while True:
            again, given_up = await self._write(
                partial(job_runs.revive, silence=max(1, round(self.settings.sweep)), but=tuple(self.in_hand), most_attempts=MOST_ATTEMPTS)
            )
            for job_id in given_up:
                await self._write(partial(job_runs.end, job_id=job_id, state="failed", message=_given_up(MOST_ATTEMPTS)))
            if again:
                self.report(f"queued again, since their worker has died: {', '.join(f'job {job_id}' for job_id in again)}")
            await asyncio.sleep(self.settings.sweep / 2)

    async def keep_the_schedule(self) -> None:
        """Every few seconds: what is due goes into the queue. Several workers look; under a lock, one of them queues it."""
        while True:
            for run in await asyncio.to_thread(due.look_and_queue, self.engine, now=self.settings.now):
                jobs = ", ".join(f"job {job_id}" for job_id in run.job_ids) or run.message
                self.report(f"{run.of.label}, due {run.due_at:%Y-%m-%d %H:%M} UTC: {jobs}")
            await asyncio.sleep(min(_SECONDS_BETWEEN_LOOKS, self.settings.sweep))

    async def _write(self, statement: Callable[..., Any]) -> Any:
        def write() -> Any:
            with guarded(), self.engine.begin() as connection:
                return statement(connection)

        return await asyncio.to_thread(write)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Asks the child to end, and insists."""
    for ask in (process.terminate, process.kill):
        with suppress(ProcessLookupError):
            ask()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _SECONDS_TO_DIE)
            return


def _given_up(attempts: int) -> str:
    return f"It was begun {attempts} times and its process died each time; nothing half-done was stored. Look into the worker's log, then ask again."


# --- what the package says -----------------------------------------------------------------------------------------------------------------


class _OneLine(logging.Handler):
    """Its errors come with tracebacks; a person gets the first line."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.ERROR)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report(record.getMessage().partition("\n")[0][:300])


def _one_line_each(report: Report) -> None:
    for name in ("procrastinate", "psycopg.pool"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_OneLine(report)], False
