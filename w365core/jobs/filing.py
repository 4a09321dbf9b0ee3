"""What are these files, and whose invoice are they? Files downloaded by hand, landed as they are and recognised by their header."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from w365core.dates import DateOrder
from w365core.errors import CallRefused, InputRefused
from w365core.frames import COLUMNS_OF
from w365core.intake.parse import parse
from w365core.jobs import importing, layouts, tolerances
from w365core.jobs.context import Context
from w365core.jobs.importing import Material, Outcome
from w365core.jobs.runs import recorded, sweep
from w365core.model import Feed, InvoiceHeader, Provider, ProviderType
from w365core.providers import files
from w365core.providers.files import FileForm, Wanted
from w365core.providers.other_invoices import FURTHER
from w365core.reports import wording
from w365core.store import landing as store_landing, ledger, providers as store_providers
from w365core.store.ledger import Source


@dataclass(frozen=True)
class Claimed:
    """What the person says of the invoice. Without a total it is the sum of its lines; without a currency that of its first line. `amends` is the
    number of the document that this one corrects."""

    provider: str
    invoice_number: str
    total: Decimal | None
    currency: str | None
    invoice_date: date | None
    override: Decimal | None
    date_order: DateOrder | None
    activate: bool
    decimal_comma: bool | None = None
    reason: str | None = None  # why it is overridden
    amends: str | None = None

    @property
    def is_credit(self) -> bool:
        return self.amends is not None or (self.total is not None and self.total < 0)


@dataclass(frozen=True)
class Recognised:
    """A file, or one in an archive: what messages call it and how it is read."""

    path: Path
    name: str
    form: FileForm


@dataclass(frozen=True)
class Filed:
    """How the import ended, how each file was read, and what is odd about the files though it stopped nothing."""

    outcome: Outcome
    files: tuple[dict, ...]
    warnings: tuple[str, ...] = ()


def import_by_hand(context: Context, paths: Sequence[Path], claimed: Claimed, names: Sequence[str] = ()) -> Filed:
    """Lands, recognises and imports the files; `names` are what messages call them, where their paths do not say. InputRefused or CallRefused
    where they cannot be read in whole: nothing has changed."""
    if not claimed.invoice_number.isprintable():
        raise CallRefused(
            f"The invoice number {claimed.invoice_number!r} holds characters that nobody sees; type it again. Nothing was imported."
        )
    sweep(context)
    with context.engine.connect() as connection:
        provider = store_providers.named(connection, claimed.provider)
    with recorded(context, provider.name, "import") as run_id:
        read = _read_for(context, provider, paths, claimed, names, run_id)
        check_kinds(read, provider)
        warnings = foreign(context, read, provider, claimed)
        sources = _landed(context, read, provider.name, claimed.invoice_number, run_id)
        ordered = tuple(sorted(sources, key=lambda source: source.feed == Feed.DAILY_RATED))
        first = ordered[0]
        header = InvoiceHeader(
            number=claimed.invoice_number,
            invoice_date=claimed.invoice_date or context.now.date(),
            currency=(claimed.currency or first_currency(context.landing.path(first.fingerprint), first.name, _form(first))).upper(),
            total=claimed.total,
            document_type="credit_note" if claimed.is_credit else "invoice",
            amends_of=claimed.amends,
        )
        with context.engine.connect() as connection:
            limited = {"provider": provider.name, "currency": header.currency, "header_total": header.total}
            tolerances.refuse_beyond(connection, **limited, override=claimed.override, today=context.now.date())
        fingerprint = " ".join(f"{source.feed}:{source.fingerprint[:16]}" for source in ordered)
        outcome = importing.import_files(
            context,
            provider,
            header,
            Material(ordered, fingerprint),
            override=claimed.override,
            sync_run_id=run_id,
            activate=claimed.activate,
            reason=claimed.reason,
        )
    return Filed(outcome, tuple(said(one) for one in read), warnings)


def _wanted(provider: Provider, claimed: Claimed) -> Wanted:
    """What the person says of how the files are written."""
    return Wanted(
        claimed.date_order,
        claimed.decimal_comma,
        may_be_empty=claimed.total == 0,
        invoice_number=claimed.invoice_number,
        total=claimed.total,
        leeway=max(provider.tolerance, claimed.override or provider.tolerance),
    )


def recognised(provider: Provider, paths: Sequence[Path], claimed: Claimed, names: Sequence[str] = ()) -> list[Recognised]:
    """Each file, and each file in an archive, with how it is read. Every one is looked at, so that all that is wrong is said at once."""
    wanted = _wanted(provider, claimed)
    found, refusals = [], []
    for path, name in zip(paths, names or [path.name for path in paths], strict=True):
        if path.is_dir():
            raise CallRefused(f"{path} is a folder; name the files in it.")
        try:
            found += [Recognised(path, shown, form) for shown, form in files.forms_of(path, wanted, name=name)]
        except InputRefused as refusal:
            refusals.append(refusal)
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        problems = [problem for refusal in refusals for problem in refusal.problems]
        raise InputRefused(f"{len(refusals)} files cannot be read; {problems[0]}; nothing was imported.", problems)
    return found


def _read_for(
    context: Context, provider: Provider, paths: Sequence[Path], claimed: Claimed, names: Sequence[str], run_id: int
) -> list[Recognised]:
    """The same for this provider's files: those of StreamOne may be of a layout that a person has named."""
    if provider.type is not ProviderType.STREAMONE:
        return recognised(provider, paths, claimed, names)
    found: list[Recognised] = []
    for path, name in zip(paths, names or [path.name for path in paths], strict=True):
        told = {"name": name, "invoice_number": claimed.invoice_number, "sync_run_id": run_id, "wanted": _wanted(provider, claimed)}
        named = layouts.by_hand(context, provider, path, **told)
        if named is None:
            found += recognised(provider, [path], claimed, [name])
        else:
            landed = context.landing.path
            found += [Recognised(landed(one.fingerprint), one.name, FileForm.from_dict(dict(one.form or {}))) for one in named]
    return found


def check_kinds(read: Sequence[Recognised], provider: Provider) -> None:
    for one in read:
        if one.form.feed is Feed.PLAIN and provider.type is ProviderType.PARTNER_CENTER:
            raise CallRefused(
                f"{one.name} is a plain file, which is for providers of type manual; {provider.name} is of type {provider.type}."
            )


def foreign(context: Context, read: Sequence[Recognised], provider: Provider, claimed: Claimed) -> tuple[str, ...]:
    """A warning for each number of another invoice that lines of a file print."""
    warnings = []
    for one in read:
        for number, lines in one.form.others.items():
            which = "further invoices" if number == FURTHER else f"invoice {number}"
            known = None if number == FURTHER else ledger.find(context.engine, provider_name=provider.name, invoice_number=number)
            here = f" Invoice {known.invoice_number} is here already, {known.state}/{known.status_reason}." if known else ""
            warnings.append(
                f"{one.name}: {wording.counted(lines, 'line')} {'names' if lines == 1 else 'name'} {which}, not {claimed.invoice_number}.{here} "
                f"See that it is the file of {claimed.invoice_number}; if it is not, deactivate and delete that invoice, and import the right file."
            )
    return tuple(warnings)


def _landed(context: Context, read: Sequence[Recognised], provider: str, invoice_number: str, run_id: int) -> tuple[Source, ...]:
    """The files as sources of the import, once their bytes are safe. The same file handed in twice is refused: its lines would count twice."""
    landed: dict[Path, tuple[str, int]] = {}
    sources: dict[tuple, Source] = {}
    for one in read:
        if one.path not in landed:
            landed[one.path] = _adopted(context, one.path)
        fingerprint, size = landed[one.path]
        key = fingerprint, one.form.member
        if key in sources:
            raise CallRefused(
                f"{one.name} and {sources[key].name} are the same file, byte for byte; hand it in once. Nothing was imported."
            )
        sources[key] = Source(one.form.feed, one.name, fingerprint, one.form.as_dict())
        store_landing.record_file(
            context.engine,
            fingerprint=fingerprint,
            size=size,
            name=one.name,
            provider=provider,
            sync_run_id=run_id,
            invoice_number=invoice_number,
            purpose=one.form.feed,
            at=context.now,
            method="FILE",
        )
    return tuple(sources.values())


def _adopted(context: Context, path: Path) -> tuple[str, int]:
    landing = context.landing
    with landing.aside() as copy:
        with store_landing.writing_to(landing.folder):
            shutil.copyfile(path, copy)
        return landing.adopt(copy)


def _form(source: Source) -> FileForm:
    return FileForm.from_dict(dict(source.form))


def first_currency(path: Path, name: str, form: FileForm) -> str:
    """The currency that the first line prints."""
    batch = next(files.batches(path, form, most=1), None)
    cells = parse(batch, COLUMNS_OF[form.feed]).columns if batch is not None else {}
    printed = cells.get("billing_currency" if form.feed is Feed.DAILY_RATED else "currency") or [None]
    if printed[0]:
        return printed[0].strip().upper()
    raise InputRefused(f"The first line of {name} prints no currency; say it with --currency.")


def said(one: Recognised) -> dict:
    """What the result says of a file: how it was recognised and read."""
    form = one.form
    return {
        "file": one.name,
        "kind": str(form.feed),
        "rows": form.rows,
        "encoding": form.encoding,
        "compression": form.compression,
        "separator": form.separator,
        "decimal_comma": form.decimal_comma,
        "decimal_settled_by": form.decimal_settled_by,
        "date_order": str(form.date_order),
        "date_order_settled_by": form.date_order_settled_by,
        "unknown_columns": list(form.unknown),
        "notes": list(form.notes),
    }
