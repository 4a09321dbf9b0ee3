"""Commands for the markup, quantity and cost of usage: a file to edit, what it would change, the change, its undo; and what has drifted."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from w365core import printing
from w365core.commands.typed import Json, ProviderName, opened
from w365core.correction import Preview
from w365core.errors import CallRefused, ConfigurationMissing
from w365core.intake.markup_files import MOST_MEGABYTES

commands = typer.Typer()
markup = typer.Typer(no_args_is_help=True, help="Markup, corrected quantity and corrected cost of usage.")
commands.add_typer(markup, name="markup")
File = Annotated[Path, typer.Argument(metavar="FILE", help="The edited export, CSV or .xlsx.")]
_MOST_SHOWN = 100
Number = Annotated[str, typer.Option("--invoice", help="The provider invoice's number.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; it stays with the correction.")]


@markup.command()
def export(
    invoice: Number, out: Annotated[Path, typer.Option("--out", help="Where to write it; .xlsx makes it Excel, else CSV.")],
    provider: ProviderName = None, json: Json = False,
) -> None:  # fmt: skip
    """Writes an invoice's usage as a file to edit, one row per usage summary."""
    from w365core.jobs import correcting
    from w365core.store import ledger
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice)
    excel = out.suffix.lower() == ".xlsx"
    content, rows = correcting.export(context.engine, correcting.Chosen(invoices=(found.provider_invoice_id,)), excel=excel)
    try:
        out.write_bytes(content)
    except OSError as error:
        raise ConfigurationMissing(f"{out} cannot be written: {error.strerror}; name another file with --out.") from None
    said = f"{rows:,} rows of invoice {found.invoice_number} are in {out}. Edit markup_pct, quantity and cost; then `markup preview` says what that does."
    printing.answer({"invoice": found.invoice_number, "provider": found.provider, "file": str(out), "rows": rows}, said, json)


@markup.command()
def preview(file: File, json: Json = False) -> None:
    """What an edited file would change, and which rows cannot be taken; changes nothing."""
    from w365core.jobs import correcting

    content = _content(file)
    found = correcting.preview_file(opened().engine, name=file.name, content=content)
    _print(found, "would change", json)
    raise typer.Exit(1 if found.refused else 0)


@markup.command("import")
def import_(file: File, reason: Reason = None, json: Json = False) -> None:
    """Changes what an edited file says, in one transaction; with one refused row nothing."""
    from w365core.jobs import correcting

    content = _content(file)
    context = opened()
    told = {"actor": context.actor, "now": context.now, "landing": context.landing, "reason": reason}
    done = correcting.apply_file(context.engine, name=file.name, content=content, **told)
    _print(done.preview, "are changed", json, correction_id=done.correction_id)
    if done.correction_id is not None and not json:
        printing.answer({}, f"This is correction {done.correction_id}; `markup undo {done.correction_id}` takes it back.", False)
    if done.preview.refused:
        printing.progress("Nothing was changed: mend the refused rows, or take them out of the file, and import it again.")
        raise typer.Exit(2)


@markup.command()
def undo(correction_id: Annotated[int, typer.Argument(metavar="CORRECTION_ID")], json: Json = False) -> None:
    """Gives every row of a correction the values of before; refused where a row was changed again, or is invoiced."""
    from w365core.jobs import correcting

    context = opened()
    done = correcting.undo(context.engine, correction_id, actor=context.actor, now=context.now, landing=context.landing)
    said = f"Correction {done.correction_id} is undone: {done.rows:,} row{'' if done.rows == 1 else 's'} as before."
    printing.answer(
        {"correction_id": done.correction_id, "rows": done.rows, "undone_by": context.actor, "undone_at": context.now}, said, json
    )


@markup.command()
def corrections(json: Json = False) -> None:
    """The latest corrections, and what of each can no longer be taken back."""
    from w365core.jobs import correcting
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        rows = correcting.receipts(connection)
    shown = (
        "correction_id",
        "at",
        "actor",
        "source",
        "name",
        "of_currency",
        "before",
        "after",
        "currency",
        "changed",
        "invoiced",
        "gone",
        "undone_by",
    )
    printing.table(rows, shown, json, empty="Nothing was corrected yet.")


@markup.command()
def drift(json: Json = False) -> None:
    """Usage not invoiced yet whose subscription's markup was changed or set since the import, with the money that it moves, biggest first."""
    from w365core.store import drift as store
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        rows = store.drifted(connection)
    shown = (
        "subscription_id",
        "account_name",
        "rows",
        "blank",
        "markup_lowest",
        "markup_highest",
        "markup_now",
        "amount_before",
        "amount_after",
    )
    shown = (*shown, "difference", "currency")
    printing.table(
        rows,
        shown,
        json,
        empty="No usage has drifted: what is not invoiced has the markup of its subscription, or one that a person has set.",
    )


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > MOST_MEGABYTES * 1_000_000:
            size = file.stat().st_size / 1_000_000
            raise CallRefused(f"{file} has {size:,.0f} MB; a file of usage has at most {MOST_MEGABYTES} MB. Export fewer rows at once.")
        return file.read_bytes()
    except OSError as error:
        raise CallRefused(f"{file} cannot be read: {error.strerror}.") from None


def document(found: Preview) -> dict[str, Any]:
    """The preview as JSON. Sums of several currencies are not added: those are null then, and stand in `by_currency`."""
    return {
        "rows": found.rows,
        "changed": found.changed,
        "unchanged": found.unchanged,
        "refused": [asdict(one) for one in found.refused],
        "amount_before": found.amount_before,
        "amount_after": found.amount_after,
        "by_account": [asdict(one) for one in found.by_account],
        "by_currency": [asdict(one) for one in found.by_currency],
        "conflicts": [asdict(one) for one in found.conflicts],
        "notes": found.notes,
    }


def _print(found: Preview, what: str, as_json: bool, **more: Any) -> None:
    if as_json:
        printing.answer(document(found) | more, "", True)
        return
    refused = len({one.row for one in found.refused})
    what = "could be changed" if refused else what
    said = [f"{found.rows:,} rows: {found.changed:,} {what}, {found.unchanged:,} are unedited, {refused:,} refused.", *found.notes]
    printing.answer({}, "\n".join(said), False)
    if found.refused:
        printing.table([asdict(one) for one in found.refused[:_MOST_SHOWN]], ("row", "column", "value", "reason"), False, empty="")
    if len(found.refused) > _MOST_SHOWN:
        printing.answer({}, f"… and {len(found.refused) - _MOST_SHOWN:,} more; --json has them all.", False)
    if found.by_account:
        shown = ("account_id", "name", "rows", "amount_before", "amount_after", "difference", "currency")
        printing.table([asdict(one) for one in found.by_account[:_MOST_SHOWN]], shown, False, empty="")
    for one in found.by_currency:
        printing.answer({}, f"{one.currency}: {one.amount_before:f} before, {one.amount_after:f} after, {one.difference:+f}.", False)
