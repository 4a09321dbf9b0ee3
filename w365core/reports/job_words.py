"""How is a job called, and how far is it, in words? One way for pages and commands."""

from __future__ import annotations

from datetime import datetime, timedelta

from w365core.reports import wording
from w365core.store.job_runs import JobRun

KINDS = {
    "sync": "Sync",
    "sync_invoice": "Sync of an invoice",
    "sync_accounts": "Account sync",
    "import_files": "Import of files",
    "test_connection": "Connection test",
    "list_invoices": "List of invoices",
    "validate": "Validation",
    "take_new_version": "New version",
    "reconcile": "Reconciliation",
    "bill": "Bill when due",
    "notify": "Daily summary",
}


def name(job: JobRun) -> str:
    """Sync of csp, invoice G1; Import of files as invoice G1 of csp; Validation of 3 invoices."""
    if job.kind == "import_files":
        look = " (a look)" if (job.asked or {}).get("look") else ""
        return f"Import of files as invoice {job.invoice} of {job.provider}{look}"
    if job.kind == "validate":
        return f"Validation of {wording.counted(len((job.asked or {}).get('invoices', ())), 'invoice')}"
    if job.kind in ("bill", "notify"):
        return KINDS[job.kind]
    what = {"sync_invoice": "Sync"}.get(job.kind, KINDS.get(job.kind, job.kind))
    return f"{what} of {job.provider or 'every provider'}{f', invoice {job.invoice}' if job.invoice else ''}"


def left_errors(job: JobRun) -> bool:
    """Whether it was done and still left an invoice in Error, so that somebody has to look."""
    return job.state == "done" and any(one["failure"] for one in (job.outcome or {}).get("invoices", ()))


def rate(job: JobRun) -> str:
    """How many lines it has read, how fast, and for how long it has run: 1,200 lines · 400 lines/s · 3 s."""
    said = [wording.counted(job.lines_done, "line")] if job.lines_done else []
    if job.lines_per_second:
        said.append(f"{job.lines_per_second:,} lines/s")
    if (took := ran(job)) is not None:
        said.append(duration(took))
    return " · ".join(said)


def ran(job: JobRun) -> timedelta | None:
    """For how long it ran, or has run as far as is known; None where it has not begun or waits again."""
    until: datetime | None = job.finished_at or job.heartbeat_at
    return until - job.started_at if job.started_at and until and job.state != "queued" else None


def duration(took: timedelta) -> str:
    """59 s; 12 min 5 s; 3 h 10 min."""
    seconds = max(took // timedelta(seconds=1), 0)
    if seconds < 100:
        return f"{seconds} s"
    if seconds < 6_000:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3_600:,} h {seconds % 3_600 // 60} min"


def standing(job: JobRun) -> str:
    """How it stands: Running; Done; Done, with errors."""
    return "Done, with errors" if left_errors(job) else job.state.capitalize()


def waits(before: int) -> str:
    """What a queued job says of itself that so many others are before."""
    return f"waits for {wording.counted(before, 'job')} before it" if before else "waits for the worker"
