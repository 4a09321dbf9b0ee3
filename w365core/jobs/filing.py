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
from w365core.jobs import importing
from w365core.jobs.context import Context
from w365core.jobs.importing import Material, Outcome
from w365core.jobs.runs import recorded, sweep
from w365core.model import Feed, InvoiceHeader, ProviderType
from w365core.providers import files
from w365core.providers.files import FileForm
from w365core.store import landing as store_landing, providers as store_providers
from w365core.store.ledger import Source


@dataclass(frozen=True)
class Claimed:
    """What the person says of the invoice. Without a total it is the sum of its lines; without a currency that of its first line."""

    provider: str
    invoice_number: str
    total: Decimal | None
    currency: str | None
    invoice_date: date | None
    override: Decimal | None
    date_order: DateOrder | None
    activate: bool


@dataclass(frozen=True)
class Filed:
    outcome: Outcome
    files: tuple[dict, ...]


def import_by_hand(context: Context, paths: Sequence[Path], claimed: Claimed) -> Filed:
    """Lands, recognises and imports the files. InputRefused or CallRefused where they cannot be read in whole: nothing has changed."""
    sweep(context)
    with context.engine.connect() as connection:
        provider = store_providers.named(connection, claimed.provider)
    with recorded(context, provider.name, "import") as run_id:
        read = [_inspected(path, claimed.date_order) for path in paths]
        for path, form in zip(paths, read, strict=True):
            if form.feed is Feed.PLAIN and provider.type is ProviderType.PARTNER_CENTER:
                raise CallRefused(
                    f"{path.name} is a plain file, which is for providers of type manual; {provider.name} is of type {provider.type}."
                )
        sources = tuple(
            _landed(context, path, form, provider.name, claimed.invoice_number, run_id) for path, form in zip(paths, read, strict=True)
        )
        ordered = tuple(sorted(sources, key=lambda source: source.feed == Feed.DAILY_RATED))
        header = InvoiceHeader(
            number=claimed.invoice_number,
            invoice_date=claimed.invoice_date or context.now.date(),
            currency=(claimed.currency or _first_currency(context, ordered)).upper(),
            total=claimed.total,
        )
        fingerprint = " ".join(f"{source.feed}:{source.fingerprint[:16]}" for source in ordered)
        outcome = importing.import_files(
            context,
            provider,
            header,
            Material(ordered, fingerprint),
            override=claimed.override,
            sync_run_id=run_id,
            activate=claimed.activate,
        )
    return Filed(outcome, tuple(_said(path, form) for path, form in zip(paths, read, strict=True)))


def _inspected(path: Path, order: DateOrder | None) -> FileForm:
    if path.is_dir():
        raise CallRefused(f"{path} is a folder; name the files in it.")
    form = files.inspect(path, date_order=order)
    if not form.rows:
        raise CallRefused(f"{path.name} has a header and no lines; nothing was imported.")
    return form


def _landed(context: Context, path: Path, form: FileForm, provider: str, invoice_number: str, run_id: int) -> Source:
    landing = context.landing
    with landing.aside() as copy:
        with store_landing.writing_to(landing.folder):
            shutil.copyfile(path, copy)
        fingerprint, size = landing.adopt(copy)
    store_landing.record_file(
        context.engine,
        fingerprint=fingerprint,
        size=size,
        name=path.name,
        provider=provider,
        sync_run_id=run_id,
        invoice_number=invoice_number,
        purpose=form.feed,
        at=context.now,
        method="FILE",
    )
    return Source(form.feed, path.name, fingerprint, form.as_dict())


def _first_currency(context: Context, sources: Sequence[Source]) -> str:
    """The currency that the first line prints."""
    source = sources[0]
    form = FileForm.from_dict(dict(source.form))
    batch = next(files.batches(context.landing.path(source.fingerprint), form, most=1), None)
    cells = parse(batch, COLUMNS_OF[form.feed]).columns if batch is not None else {}
    printed = cells.get("billing_currency" if form.feed is Feed.DAILY_RATED else "currency") or [None]
    if printed[0]:
        return printed[0].strip()
    raise InputRefused(f"The first line of {source.name} prints no currency; say it with --currency.")


def _said(path: Path, form: FileForm) -> dict:
    """What the result says of a file: how it was recognised and read."""
    return {
        "file": path.name,
        "kind": str(form.feed),
        "rows": form.rows,
        "encoding": form.encoding,
        "separator": form.separator,
        "decimal_comma": form.decimal_comma,
        "date_order": str(form.date_order),
        "date_order_settled_by": form.date_order_settled_by,
        "unknown_columns": list(form.unknown),
    }
