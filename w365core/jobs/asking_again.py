"""What can a person do about a job that has failed? A door for pages and commands.

retry      asks for it again as it was asked for then, once, in the name of who asks now, who needs the role for just that
dismiss    says that it needs nobody; it stays in the history
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from w365core.dates import DateOrder
from w365core.errors import CallRefused
from w365core.jobs import queue
from w365core.jobs.handed import HandedFile
from w365core.jobs.permitting import acts
from w365core.jobs.queue import FILES, VALIDATE, FilesAsked, JobRun
from w365core.model import Seen
from w365core.store import job_history, job_runs
from w365core.store.engine import guarded

__all__ = ["dismiss", "retry"]


def retry(engine: Engine, job_id: int, *, actor: str) -> int:
    """Queues the same again and returns its number; the number of the one that waits or runs already where there is. CallRefused for a job that did not
    fail and was not cancelled, and for one that somebody has done since."""
    with guarded(), engine.connect() as connection:
        job, later = job_runs.find(connection, job_id), job_history.later_than(connection, job_id)
    if job is None:
        raise CallRefused(f"There is no job {job_id}; `jobs list` shows those there are.")
    if job.state not in ("failed", "cancelled"):
        raise CallRefused(f"Job {job_id} is {job.state}; only what failed or was cancelled is tried again.")
    if later is not None and not later.ended:
        return later.job_id
    if later is not None and later.state == "done":
        raise CallRefused(f"Job {later.job_id} has done the same since; nothing was queued.")
    return _asked_again(engine, job, actor)


@acts("dismiss job")
def dismiss(engine: Engine, job_id: int, *, actor: str, now: datetime) -> None:
    """CallRefused where it has not failed, or somebody has dismissed it already."""
    with guarded(), engine.begin() as connection:
        if not job_history.dismiss(connection, job_id, actor=actor, now=now):
            raise CallRefused(f"Job {job_id} does not wait for anybody: it has not failed, or was dismissed already. Nothing was changed.")


def _asked_again(engine: Engine, job: JobRun, actor: str) -> int:
    asked = job.asked or {}
    if job.kind == FILES:
        return queue.ask_files(engine, _files(job, asked), look=bool(asked.get("look")), actor=actor)
    if job.kind == VALIDATE:
        return queue.ask_validation(engine, asked.get("invoices", ()), actor=actor, reason=job.reason)
    of = {"kind": job.kind, "provider": job.provider, "invoice": job.invoice}
    seen = Seen(**asked) if asked else None
    return queue.ask(engine, **of, override=job.override_tolerance, reason=job.reason, seen=seen, actor=actor)


def _files(job: JobRun, asked: Mapping[str, Any]) -> FilesAsked:
    """What was said of the files then."""
    return FilesAsked(
        provider=job.provider or "",
        invoice=job.invoice or "",
        files=tuple(HandedFile.from_dict(file) for file in asked.get("files", ())),
        total=Decimal(asked["total"]) if asked.get("total") else None,
        currency=asked.get("currency"),
        invoice_date=date.fromisoformat(asked["invoice_date"]) if asked.get("invoice_date") else None,
        override=job.override_tolerance,
        date_order=DateOrder(asked["date_order"]) if asked.get("date_order") else None,
        decimal_comma=asked.get("decimal_comma"),
        activate=bool(asked.get("activate")),
    )
