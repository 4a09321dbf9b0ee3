"""Commands for usage invoices: making what is due, moving an invoice on, taking a Draft back, handing invoices on, settling the past."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from w365core import money, printing
from w365core.commands import typed
from w365core.commands.typed import Json, opened
from w365core.errors import CallRefused

commands = typer.Typer()
Number = Annotated[str, typer.Option("--invoice-number", help="The customer invoice's number.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the audit log.")]
_MOST_NAMED = 20
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@commands.command()
def bill(
    period: Annotated[str, typer.Option("--period", help="Month of the invoice date, YYYY-MM.")],
    contract: Annotated[str | None, typer.Option("--contract", help="Only this contract.")] = None,
    regenerate: Annotated[bool, typer.Option("--regenerate", help="Make the contract's Drafts of the period again.")] = False,
    take_markups: Annotated[
        bool, typer.Option("--take-markups", help="With --regenerate: at the markups that the subscriptions have today.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Makes the usage invoices that are due; never twice for a cycle."""
    from w365core.jobs import invoicing, remaking

    typed.month(period)
    wanted = invoicing.Period.month(period)
    if regenerate and contract is None:
        raise CallRefused("--regenerate is for one contract: say which with --contract ID.")
    if take_markups and not regenerate:
        raise CallRefused("--take-markups is for Drafts that are made again: add --regenerate. Usage on no invoice is changed by `markup`.")
    context = opened()
    how = {"actor": context.actor, "now": context.now, "landing": context.landing, "dry_run": dry_run}
    if regenerate:
        done = remaking.regenerate_period(context.engine, wanted, contract_id=contract, take_markups=take_markups, **how)
    else:
        done = invoicing.bill(context.engine, wanted, contract_id=contract, **how)
    for sentence in (*done.refused, *done.notes):
        printing.progress(sentence)
    rows = [draft.as_dict() | {"status": "Draft", "dry_run": dry_run} for draft in done.made]
    shown = ("invoice_number", "contract_id", "cycle_start", "cycle_end", "invoice_date", "currency", "total", "lines")
    printing.table(rows, shown, json, empty=f"Nothing was billed: nothing is due in {period}.")
    if dry_run and not json and rows:
        printing.progress("Nothing was changed: without --dry-run these would be made.")
    raise typer.Exit(done.exit_code)


@commands.command()
def mark(invoice_number: Number, status: Annotated[str, typer.Option("--status", help="Billed or Paid.")], json: Json = False) -> None:
    """Moves a customer invoice on, from Draft to Billed to Paid; never back."""
    from w365core.jobs import invoicing

    context = opened()
    number, before, changed = invoicing.mark(context.engine, invoice_number, status, actor=context.actor, now=context.now)
    now = next(one for one in invoicing.STATUSES if one.casefold() == status.strip().casefold())
    said = f"Invoice {number} is {now} now, it was {before}." if changed else f"Invoice {number} is {now} already."
    printing.answer({"invoice_number": number, "status": now, "before": before, "changed": changed}, said, json)


@commands.command()
def unbill(invoice_number: Number, reason: Reason = None, json: Json = False) -> None:
    """Deletes a Draft that bills usage, which is billable again. Billed and Paid are refused."""
    from w365core.jobs import invoicing

    context = opened()
    how = {"actor": context.actor, "now": context.now, "landing": context.landing, "reason": reason}
    number, summaries = invoicing.unbill(context.engine, invoice_number, **how)
    said = f"Draft {number} is deleted; {summaries:,} usage {'summary is' if summaries == 1 else 'summaries are'} billable again."
    printing.answer({"invoice_number": number, "deleted": True, "summaries": summaries}, said, json)


@commands.command("export-records")
def export_records(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the record files that are in it.")] = False,
    json: Json = False,
) -> None:
    """Mappings, mending logs, and the invoices and lines made here, as files that `load`, the CRM or the ERP take."""
    from w365core.jobs import handing_over

    context = opened()
    written = handing_over.export_records(context.engine, folder, force=force)
    said = "\n".join(f"{name}: {rows:,} {'row' if rows == 1 else 'rows'}" for name, rows in written.items())
    printing.answer({"folder": str(folder), "files": written}, f"{said}\nWritten to {folder}.", json)


@commands.command("settle-past-usage")
def settle_past_usage(dry_run: DryRun = False, json: Json = False) -> None:
    """Marks usage as billed that a past invoice of our records has billed to the cent, so that it is not sold a second time."""
    from w365core.jobs import settling
    from w365core.reports import wording

    context = opened()
    settled = settling.settle(context, dry_run=dry_run)
    amounts = ", ".join(wording.amount(amount, currency) for currency, amount in sorted(settled.amounts.items()))
    would = "would be" if dry_run else "is" if settled.summaries == 1 else "are"
    said = f"{settled.summaries:,} usage {'summary' if settled.summaries == 1 else 'summaries'} {would} marked as billed on {settled.invoices:,} invoices"
    told = {"summaries": settled.summaries, "invoices": settled.invoices, "amounts": settled.amounts, "dry_run": dry_run}
    told |= {"near_misses": [asdict(one) for one in settled.near]}
    for one in settled.near[:_MOST_NAMED]:
        sold = "has no markup" if one.sells_for is None else f"sells for {money.plain(one.sells_for)} {one.currency}"
        printing.progress(
            f"Not settled: usage of {one.subscription_id} up to {one.charge_end} {sold}, and invoice {one.invoice_number} of contract {one.contract_id} says "
            f"{money.plain(one.billed)} {one.currency}. Correct its markup or cost if it is the same usage (`markup`), and settle again; else it is billed."
        )
    if len(settled.near) > _MOST_NAMED:
        printing.progress(f"Not settled either: {len(settled.near) - _MOST_NAMED:,} more, all of them with --json.")
    nothing = "Nothing to settle: no line of a Billed or Paid invoice says to the cent what unbilled usage sells for."
    printing.answer(told, f"{said}: {amounts}." if settled.summaries else nothing, json)
