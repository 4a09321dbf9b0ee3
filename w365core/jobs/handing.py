"""A job of the queue over files by hand: the look at them before anybody imports, and the import itself. Said in the words of the page that asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from w365core.dates import DateOrder
from w365core.errors import AlreadyRunning, CallRefused
from w365core.jobs import filing, handed, previewing
from w365core.jobs.context import Context
from w365core.jobs.filing import Claimed
from w365core.jobs.handed import HandedFile
from w365core.reports import wording
from w365core.store import ledger
from w365core.store.job_runs import JobRun


@dataclass(frozen=True)
class Handled:
    """How it ended: `outcome` is what the page shows of it."""

    message: str
    outcome: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()


def carry_out(context: Context, job: JobRun) -> Handled:
    """Looks or imports, as was asked. Files that cannot be taken are an outcome with their problems, not an error. AlreadyRunning where somebody
    else is at this invoice."""
    asked = job.asked or {}
    given = [HandedFile.from_dict(file) for file in asked.get("files", ())]
    claimed = _claimed(job, asked)
    try:
        paths, names = [handed.path_of(context.settings.home, file) for file in given], [file.name for file in given]
        if asked.get("look"):
            found = previewing.preview(context, paths, names, claimed)
            return Handled(found.sentence, found.as_dict())
        filed = filing.import_by_hand(context, paths, claimed, names)
    except AlreadyRunning:
        raise  # the worker tries again
    except CallRefused as refusal:
        problems = [asdict(problem) for problem in getattr(refusal, "problems", ())]
        return Handled(str(refusal), {"problems": problems, "bad": len(problems)}, (str(refusal),))
    one = filed.outcome
    known = ledger.find(context.engine, provider_name=one.provider, invoice_number=one.invoice)
    outcome = {"invoices": [asdict(one)], "files": list(filed.files), "invoice_id": known.provider_invoice_id if known else None}
    standing = one.status.partition("/")[2]
    said = f"Invoice {one.invoice} is {'in Error' if standing == 'Error' else standing}, {wording.counted(one.lines, 'line')}. {one.message}".strip()
    return Handled(" ".join([said, *filed.warnings]), outcome)


def _claimed(job: JobRun, asked: Mapping[str, Any]) -> Claimed:
    return Claimed(
        provider=job.provider or "",
        invoice_number=job.invoice or "",
        total=Decimal(asked["total"]) if asked.get("total") else None,
        currency=asked.get("currency") or None,
        invoice_date=date.fromisoformat(asked["invoice_date"]) if asked.get("invoice_date") else None,
        override=job.override_tolerance,
        date_order=DateOrder(asked["date_order"]) if asked.get("date_order") else None,
        activate=bool(asked.get("activate")),
        decimal_comma=asked.get("decimal_comma"),
    )
