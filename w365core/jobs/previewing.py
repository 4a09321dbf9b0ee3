"""What would an import of these files do? How each is read, what it adds up to, and what becomes of the invoice; or every cell that cannot be taken.

The same steps as an import takes, but for what is stored: nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from w365core import money
from w365core.errors import CallRefused
from w365core.intake.checksum import Claim, decide
from w365core.intake.parse import TextForm
from w365core.jobs import filing
from w365core.jobs.context import Context
from w365core.jobs.filing import Claimed, Recognised
from w365core.jobs.lookups import references_of
from w365core.jobs.rating import BATCH_LINES, Sums, Whole
from w365core.kernels.lines import Job, rate_batch
from w365core.model import Feed, InvoiceState, Problem, Provider, ProviderType, StatusReason
from w365core.providers import files
from w365core.reports import wording
from w365core.store import ledger, providers as store_providers, references as store_references

MOST_PROBLEMS = 1_000
_AMOUNTS = ("subtotal", "tax", "total")


@dataclass
class Preview:
    """`files` say how each is read, `sums` what its lines add up to by file and currency; `problems` are the cells at fault, up to 1,000 of `bad`."""

    files: list[dict[str, Any]] = field(default_factory=list)
    sums: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    bad: int = 0
    sentence: str = ""
    ready: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def preview(context: Context, paths: Sequence[Path], names: Sequence[str], claimed: Claimed) -> Preview:
    """Reads and rates the files from end to end as an import would."""
    with context.engine.connect() as connection:
        provider = store_providers.named(connection, claimed.provider)
    found = Preview()
    try:
        read = sorted(filing.recognised(provider, paths, claimed, names), key=lambda one: one.form.feed is Feed.DAILY_RATED)
        filing.check_kinds(read, provider)
        currency = (claimed.currency or filing.first_currency(read[0].path, read[0].name, read[0].form)).upper()
    except CallRefused as refusal:
        found.problems = [asdict(problem) for problem in getattr(refusal, "problems", ())]
        found.bad = len(found.problems)
        found.sentence = f"Nothing would be imported. {refusal}"
        return found
    found.files = [filing.said(one) for one in read]
    whole = _rated(context, found, read, claimed, currency, provider)
    if found.bad:
        found.sentence = f"Nothing would be imported: {wording.counted(found.bad, 'cell')} cannot be read. Correct the file where it comes from, then check again."
        return found
    found.sentence, found.ready = _sentence(context, whole, claimed, currency, provider)
    found.sentence = " ".join([found.sentence, *filing.foreign(context, read, provider, claimed)])
    return found


def _rated(context: Context, found: Preview, read: Sequence[Recognised], claimed: Claimed, currency: str, provider: Provider) -> Whole:
    """What all lines come to; what each file adds up to and which of its cells are at fault goes into `found`."""
    with context.engine.connect() as connection:
        references = references_of(connection, provider=provider.name, invoice_number=claimed.invoice_number, currency=currency)
    has_daily = any(one.form.feed is Feed.DAILY_RATED for one in read)
    sums = Sums()
    for one in read:
        context.report(f"checking {one.name}")
        in_daily = one.form.feed is Feed.DAILY_RATED
        form = TextForm(decimal_comma=one.form.decimal_comma, date_order=one.form.date_order)
        job = Job(feed=one.form.feed, references=references, form=form, usage_from_here=not in_daily and not has_daily)
        mine = Sums()
        for batch in files.batches(one.path, one.form, most=BATCH_LINES, name=one.name):
            rated = rate_batch(batch, first_line=1, job=job)
            sums.add(rated)
            mine.add(rated)
            found.bad += rated.rejected.num_rows
            bad = rated.rejected.slice(0, max(0, MOST_PROBLEMS - len(found.problems))).to_pylist()
            found.problems += [asdict(Problem(file=one.name, **row)) for row in bad]
            context.counted(batch.num_rows)
        found.sums += _of_file(one, mine.into(Whole()))
    return sums.into(Whole())


def _of_file(one: Recognised, whole: Whole) -> list[dict[str, Any]]:
    """Its sums, by what its lines charge for and by currency."""
    return [
        {"file": one.name, "kind": str(one.form.feed), "lines_of": str(part.kind), "currency": part.currency, "lines": part.lines}
        | {name: money.plain(getattr(part, name)) for name in _AMOUNTS}
        for part in sorted(whole.totals, key=lambda part: (part.kind, part.currency))
    ]


def _sentence(context: Context, whole: Whole, claimed: Claimed, currency: str, provider: Provider) -> tuple[str, bool]:
    """What becomes of the invoice, and whether the import may be asked for."""
    number = claimed.invoice_number
    known = ledger.find(context.engine, provider_name=provider.name, invoice_number=number)
    if known is not None and (known.state, known.status_reason) == (InvoiceState.ACTIVE, StatusReason.ACTIVE):
        return f"Invoice {known.invoice_number} is Active and takes no files. Deactivate it first, then import.", False
    with context.engine.connect() as connection:
        rate = store_references.currencies(connection).get(currency)
    claim = Claim(currency, claimed.total, provider.tolerance, rate, claimed.override)
    decision = decide(claim, whole.totals, whole.missing, held_up=whole.held_up)
    lines = sum(part.lines for part in whole.totals)
    said = f"{'Imports' if known is None else 'Imports anew'} invoice {number} of {provider.name}: {wording.counted(lines, 'line')}"
    said += f", {wording.amount(decision.lines_total, currency)}" + (" before tax" if _is_daily_alone(whole) else "")
    said += ", as the header says. " if claimed.total is not None and not decision.difference else ". "
    if decision.status is StatusReason.ERROR:
        return f"{said}It would end in Error: {decision.message}", True
    waits = provider.type is ProviderType.MANUAL and not claimed.activate
    return f"{said}It would be {'complete, to be activated' if waits else 'Active'}. {decision.message}".strip(), True


def _is_daily_alone(whole: Whole) -> bool:
    return bool(whole.totals) and all(part.feed is Feed.DAILY_RATED for part in whole.totals)
