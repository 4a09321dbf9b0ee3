"""Commands for provider invoices: fetching them, taking them from files, showing them and their lines."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from w365core import printing
from w365core.commands import typed
from w365core.commands.typed import InvoiceNumber, Json, Override, ProviderName, Reason, opened
from w365core.errors import CallRefused

if TYPE_CHECKING:
    from w365core.jobs.context import Context

commands = typer.Typer()


def _say_what_came(context: Context) -> None:
    """Queues what there is to be said of it; templates are read only now, so that no import begins later, or needs more room, for them."""
    from w365core.jobs import notifying

    notifying.after(context)


@commands.command()
def sync(
    provider: ProviderName = None,
    invoice: InvoiceNumber = None,
    override_tolerance: Override = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """The daily job; with --invoice a manual sync of that one."""
    from w365core.jobs import syncing
    from w365core.store.engine import guarded

    override = typed.amount(override_tolerance, "--override-tolerance", least=Decimal(0))
    if override is not None and invoice is None:
        raise CallRefused("--override-tolerance is for one invoice: say which with --invoice NUMBER.")
    context = opened()
    with guarded():
        if invoice:
            how = {"override": override, "reason": typed.reason(reason, override)}
            result = syncing.sync_invoice(context, provider_name=provider, invoice_number=invoice, **how)
        else:
            result = syncing.sync_daily(context, provider_name=provider)
    _say_what_came(context)
    printing.sync_result(result, json)
    raise typer.Exit(result.exit_code)


@commands.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Files downloaded by hand: CSV or JSON lines, gzip, zip or neither.")
    ],
    provider: Annotated[str, typer.Option("--provider", help="The provider's name.")],
    invoice: Annotated[str, typer.Option("--invoice", help="The invoice's number.")],
    total: Annotated[str | None, typer.Option("--total", help="The header's total, tax included; without it the sum of the lines.")] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="The header's currency; without it that of the first line.")] = None,
    invoice_date: Annotated[str | None, typer.Option("--invoice-date", help="YYYY-MM-DD; without it today.")] = None,
    override_tolerance: Override = None,
    reason: Reason = None,
    date_order: Annotated[str | None, typer.Option("--date-order", help="MDY or DMY, where the files leave it open.")] = None,
    decimal: Annotated[str | None, typer.Option("--decimal", help="point or comma, where the files leave it open.")] = None,
    amends: Annotated[str | None, typer.Option("--amends", help="Of a credit note: the number of the document that it corrects.")] = None,
    activate: Annotated[bool, typer.Option("--activate", help="For a manual provider: activate it where it validates.")] = False,
    json: Json = False,
) -> None:
    """Imports an invoice from files downloaded by hand."""
    from w365core.jobs import filing
    from w365core.store.engine import guarded

    claimed = filing.Claimed(
        provider=provider,
        invoice_number=invoice.strip(),
        total=typed.amount(total, "--total"),
        currency=typed.currency(currency),
        invoice_date=typed.day(invoice_date, "--invoice-date"),
        override=(override := typed.amount(override_tolerance, "--override-tolerance", least=Decimal(0))),
        reason=typed.reason(reason, override),
        date_order=typed.order(date_order),
        activate=activate,
        decimal_comma=typed.decimal_comma(decimal),
        amends=(amends or "").strip() or None,
    )
    if not claimed.invoice_number:
        raise CallRefused("--invoice is blank; say the invoice's number.")
    context = opened()
    with guarded():
        filed = filing.import_by_hand(context, files, claimed)
    _say_what_came(context)
    printing.filed(filed, json)
    raise typer.Exit(filed.outcome.exit_code)


@commands.command()
def invoices(
    provider: ProviderName = None,
    period: Annotated[str | None, typer.Option("--period", help="Month of the invoice date, YYYY-MM.")] = None,
    json: Json = False,
) -> None:
    """Provider invoices with status, totals, difference and message."""
    from w365core.reports import chains, retrying
    from w365core.store import providers, queries
    from w365core.store.engine import guarded

    typed.month(period)
    context = opened()
    with guarded(), context.engine.connect() as connection:
        named = (providers.named(connection, provider).name,) if provider else ()
        wanted = queries.InvoiceFilter(providers=named, months=(period,) if period else ())
        amended = chains.load(connection)
        rows = [
            printing.invoice(row, amended.get(chains.key(row["provider"], row["invoice_number"]))) | retrying.fields(row, now=context.now)
            for row in queries.provider_invoices(connection, wanted)
        ]
    shown = (
        "invoice",
        "provider",
        "state",
        "status_reason",
        "currency",
        "header_total",
        "lines_total",
        "difference",
        "invoice_date",
        "message",
    )
    printing.table(rows, shown, json, empty="No provider invoice yet: `sync` fetches them, `import` takes files.")


@commands.command("list-invoices")
def list_invoices(
    provider: Annotated[str, typer.Option("--provider", help="The provider's name.")],
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the provider now; without it what it listed last.")] = False,
    json: Json = False,
) -> None:
    """What a provider lists, what there is of it here, and what a sync would do with each."""
    from w365core.jobs import listing
    from w365core.reports import listings
    from w365core.store.engine import guarded

    context = opened()
    name = listing.listable(context, provider).name
    if refresh:
        printing.progress(listing.list_invoices(context, provider_name=name).sentence)
    with guarded(), context.engine.connect() as connection:
        found = listings.load(connection, name, now=context.now)
    rows = [printing.listed(one, name, found.at) for one in found.rows]
    nobody = f"Nobody has asked {name} yet: `list-invoices --provider {name} --refresh` does."
    shown = ("invoice", "invoice_date", "type", "currency", "total", "local_status", "sync", "daily_job")
    printing.table(rows, shown, json, empty=f"{name} listed no invoice." if found.at else nobody)


@commands.command()
def lines(
    invoice: Annotated[str, typer.Option("--invoice", help="The invoice's number.")], provider: ProviderName = None, json: Json = False
) -> None:
    """An invoice's license lines and usage summaries as stored."""
    from w365core.store import ledger, queries
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice)
        with context.engine.connect() as connection:
            licenses = printing.license_lines(queries.all_license_lines(connection, found.provider_invoice_id))
            usage = [printing.usage(row) for row in queries.usage_summaries(connection, found.provider_invoice_id)]
            printing.lines(licenses, usage, json)


@commands.command()
def pdf(
    invoice: Annotated[str, typer.Option("--invoice", help="The invoice's number.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write it.")],
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Fetches an invoice's PDF from Partner Center, as the person who signed in."""
    from w365core.jobs import documents

    done = documents.fetch_pdf(opened(), provider_name=provider, invoice_number=invoice, to=out)
    told = {"provider": done.provider, "invoice": done.invoice, "file": str(done.file), "size": done.size}
    printing.answer(told, f"The PDF of invoice {done.invoice} is in {done.file} ({done.size:,} bytes).", json)
