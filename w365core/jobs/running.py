"""One job of the queue, in a process of its own: `python -m w365core.jobs.running JOB`. The worker that starts it stays free to give signs of life.

It writes how far it is about once a second, and how it ended. It dies with its worker, and it ends where somebody took it for dead and runs the
job again. Exit codes: 0 the job has ended, well or not; 75 it should be tried again.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from w365core import settings as w365settings
from w365core.errors import AlreadyRunning, ConfigurationMissing, StoreUnavailable, W365Error
from w365core.jobs import accounts, billing_when_due, handing, listing, proving, reconciling, saying, syncing, taking, validating
from w365core.jobs.accounts import Accounting
from w365core.jobs.context import Context, open_context
from w365core.jobs.handing import Handled
from w365core.jobs.queue import ACCOUNTS, AGAIN, BILL, DAILY, FILES, INVOICE, LIST, NOTIFY, RECONCILE, TAKE_NEW, TEST, VALIDATE
from w365core.jobs.syncing import SyncResult
from w365core.model import Seen
from w365core.reports import wording
from w365core.store import job_runs
from w365core.store.engine import guarded
from w365core.store.job_runs import JobRun

_BEAT = 0.5  # seconds between two signs of life
_RATE_OVER = 10  # beats
_IMPORTS = (DAILY, INVOICE, FILES, VALIDATE, TAKE_NEW)  # jobs after which there may be something to be said
_COMMAND = re.compile(r"\b[Rr]un the command again\b")
_log = logging.getLogger("w365core.jobs")


def main(job_id: int, *, parent: int) -> int:
    """Runs the job and returns the exit code."""
    try:
        with guarded():
            context = open_context(w365settings.read(), report=lambda sentence: None)
            with context.engine.begin() as connection:
                job = job_runs.begin(connection, job_id)
            if job is None:
                return 0
            return _run(context, job, parent)
    except (StoreUnavailable, ConfigurationMissing, AlreadyRunning) as error:  # the database is away, or somebody is at this invoice
        _log.error("job %s: %s", job_id, error)
        return AGAIN


def _run(context: Context, job: JobRun, parent: int) -> int:
    """The job itself, whatever it ends with."""
    told = Telling(context.engine, job, parent)
    try:
        with told:
            result = _do(replace(context, actor=job.actor, report=told.say, counted=told.count), job)
    except (StoreUnavailable, AlreadyRunning):
        raise
    except ConfigurationMissing as error:
        _end(context.engine, told, state="failed", message=_to_retry(f"{error} It is the worker's environment that counts."))
    except W365Error as error:
        _end(context.engine, told, state="failed", message=_to_retry(str(error)))
    except Exception:
        reference = secrets.token_hex(4)
        _log.exception("job %s failed, reference %s", job.job_id, reference)
        message = (
            f"Something went wrong that should not have; nothing half-done was stored. Look for reference {reference} in the worker's log."
        )
        _end(context.engine, told, state="failed", message=message)
    else:
        state = "failed" if result.failures else "done"
        _end(context.engine, told, state=state, message=_to_retry(summary(result)), outcome=outcome(result))
    if job.kind in _IMPORTS:
        _say_what_came(context)
    return 0


def _say_what_came(context: Context) -> None:
    """Queues what there is to be said of it; templates are read only now, so that no job begins later for them."""
    from w365core.jobs import notifying

    notifying.after(context)


def _do(context: Context, job: JobRun) -> SyncResult | Accounting | Handled:
    with guarded():
        if job.kind == FILES:
            return handing.carry_out(context, job)
        if job.kind == ACCOUNTS:
            return accounts.sync_accounts(context, provider_name=job.provider or "")
        if job.kind == TEST:
            proved = proving.prove(context, provider_name=job.provider or "")
            return Handled(proved.sentence, proved.as_dict())
        if job.kind == VALIDATE:
            return validating.validate(context, (job.asked or {}).get("invoices", ()))
        if job.kind == TAKE_NEW:
            seen = Seen(**job.asked) if job.asked else None
            named = {"provider_name": job.provider, "invoice_number": job.invoice or "", "reason": job.reason, "seen": seen}
            return taking.take_new_version(context, **named, goes_on=job.attempts > 1)
        if job.kind == LIST:
            listed = listing.list_invoices(context, provider_name=job.provider or "")
            return Handled(listed.sentence, {"listed": listed.listed, "absent": listed.absent})
        if job.kind == RECONCILE:
            kept = reconciling.carry_out(context, provider_name=job.provider, invoice_number=job.invoice or "")
            return Handled(kept.sentence, {"reconciliation_id": kept.run_id, "new": kept.is_new, "rows": kept.rows})
        if job.kind == BILL:
            return billing_when_due.carry_out(context)
        if job.kind == NOTIFY:
            from w365core.jobs import notifying

            told = notifying.daily(context)
            return Handled(told.sentence, told.as_dict())
        if job.kind == DAILY:
            return syncing.sync_daily(context, provider_name=job.provider)
        how = {"override": job.override_tolerance, "reason": job.reason}
        return syncing.sync_invoice(context, provider_name=job.provider, invoice_number=job.invoice or "", **how)


def _end(engine: Engine, told: Telling, **how: Any) -> None:
    with guarded(), engine.begin() as connection:
        job_runs.end(connection, told.job.job_id, lines=told.lines, lines_per_second=told.overall_rate(), **how)


# --- signs of life -----------------------------------------------------------------------------------------------------------------------


@dataclass
class Telling:
    """Tells the database how far the job is, from a thread of its own, for the length of a block."""

    engine: Engine
    job: JobRun
    parent: int
    sentence: str = "starting"
    lines: int = 0
    began: float = field(default_factory=time.monotonic)
    _beats: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_RATE_OVER))
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def say(self, sentence: str) -> None:
        self.sentence = sentence

    def count(self, lines: int) -> None:
        self.lines += lines

    def __enter__(self) -> Telling:
        self._thread = threading.Thread(target=self._tell, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stop.set()
        self._thread.join()

    def overall_rate(self) -> int | None:
        """Lines per second over the whole job; None where it read none."""
        return round(self.lines / max(time.monotonic() - self.began, 0.001)) if self.lines else None

    def _tell(self) -> None:
        while not self._stop.wait(_BEAT):
            if os.getppid() != self.parent:
                os._exit(AGAIN)  # where no kernel does it for us: the worker is gone, so nobody waits for this any more
            self._beats.append((time.monotonic(), self.lines))
            try:
                with self.engine.begin() as connection:
                    ours = job_runs.report(
                        connection,
                        self.job.job_id,
                        attempt=self.job.attempts,
                        progress=self.sentence,
                        lines=self.lines,
                        lines_per_second=self._rate(),
                    )
            except SQLAlchemyError:
                continue  # the job itself will see that the database is away
            if not ours:
                os._exit(AGAIN)

    def _rate(self) -> int | None:
        (then, before), (now, lines) = self._beats[0], self._beats[-1]
        return round((lines - before) / (now - then)) if now > then and lines > before else None


# --- what it did -------------------------------------------------------------------------------------------------------------------------


def outcome(result: SyncResult | Accounting | Handled) -> Mapping[str, Any]:
    """What a sync did, as JSON: text, whole numbers and lists."""
    if isinstance(result, Handled):
        return result.outcome
    if isinstance(result, Accounting):
        return {
            "customers": asdict(result.customers),
            "subscriptions": asdict(result.subscriptions),
            "changes": asdict(result.evidence.changes),
            "proposals": len(result.proposals),
            "findings": result.findings,
        }
    return {
        "invoices": [asdict(one) for one in result.outcomes],
        "changed": result.changed,
        "skipped": result.skipped,
        "failures": [{"provider": name, "message": str(error)} for name, error in result.failures],
        "warnings": result.warnings,
        "gaps": result.gaps,
        "notes": result.notes,
    }


def summary(result: SyncResult | Accounting | Handled) -> str:
    """The same in a sentence or two."""
    if isinstance(result, Handled):
        return result.message
    if isinstance(result, Accounting):
        return result.sentence
    said = [f"{name}: {error}" for name, error in result.failures]
    if len(result.outcomes) == 1:
        one = result.outcomes[0]
        lines = f", {wording.counted(one.lines, 'line')}" if one.lines else ""
        said.append(f"Invoice {one.invoice} is {_standing(one.status)}{lines}. {one.message}".strip())
    elif result.outcomes:
        counted = Counter(_standing(one.status) for one in result.outcomes)
        said.append(f"{len(result.outcomes)} invoices: {', '.join(f'{count} {standing}' for standing, count in counted.items())}.")
    if result.changed:
        said.append(f"Changed at the provider since: {', '.join(result.changed)}.")
    if result.skipped:
        said.append(f"Left alone: {', '.join(result.skipped)}.")
    said += result.notes + result.gaps
    return " ".join(said) or "Nothing to do: every invoice of the latest month is in."


def _to_retry(sentence: str) -> str:
    """The same for who has run no command: a job is asked for again on its page."""
    return _COMMAND.sub(lambda found: f"{'R' if found[0][0] == 'R' else 'r'}etry it on the page Jobs", sentence)


def _standing(status: str) -> str:
    reason = status.partition("/")[2]
    return f"in {reason}" if reason == "Error" else reason


if __name__ == "__main__":
    saying.begin(part="job", job=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to answer
    sys.exit(main(int(sys.argv[1]), parent=int(sys.argv[2])))
