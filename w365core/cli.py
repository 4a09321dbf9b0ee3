"""The command line: parses, wires, prints, exits. What a command does stands in `jobs`.

Standard output carries the answer alone (with --json one document, nothing else); progress and refusals go to standard error. Exit codes are those
of `errors` and of the outcomes: 0 done, 1 the data has problems, 2 the call is wrong, 3 the provider failed, 4 configuration is missing.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import traceback
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from w365core import money, printing, settings as w365settings
from w365core.dates import DateOrder
from w365core.errors import CallRefused, W365Error
from w365core.model import ProviderType

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The analyst's workbench for provider invoices."
)
provider_cli = typer.Typer(no_args_is_help=True, help="The providers that invoices come from.")
db_cli = typer.Typer(no_args_is_help=True, help="The embedded database.")
cli.add_typer(provider_cli, name="provider")
cli.add_typer(db_cli, name="db")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
ProviderName = Annotated[str | None, typer.Option("--provider", help="The provider's name.")]
InvoiceNumber = Annotated[str | None, typer.Option("--invoice", help="The invoice's number.")]
Override = Annotated[str | None, typer.Option("--override-tolerance", help="Let a difference of this size pass, for this import only.")]


def main() -> None:
    """Runs the command that the process was called with and ends it; whatever goes wrong is one sentence."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(message)s")
    try:
        cli()
    except W365Error as error:
        printing.refusal(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)
    except Exception:
        with tempfile.NamedTemporaryFile("w", prefix="w365-", suffix=".txt", delete=False) as report:
            traceback.print_exc(file=report)
        print(
            f"Something went wrong that should not have; nothing half-done was stored. The details are in {report.name}.", file=sys.stderr
        )
        sys.exit(70)


def _context():
    """What every command works with: settings, store, clock, progress on standard error."""
    from w365core.jobs.context import open_context

    return open_context(w365settings.read(), report=printing.progress)


# --- the installation --------------------------------------------------------------------------------------------------------------------


@cli.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty database with the demo first.")] = False,
    port: Annotated[int, typer.Option("--port", help="Where the web app listens, on this machine only.")] = 8501,
) -> None:
    """Database, worker, sandbox (for the demo) and web app together, until stopped."""
    from w365core.jobs.up import up as bring_up

    bring_up(w365settings.read(), with_demo=demo, port=port, report=printing.progress)


@cli.command()
def worker() -> None:
    """Runs what was queued, one job at a time, until stopped."""
    from w365core.jobs.worker import work

    work(w365settings.read(), report=printing.progress)


@cli.command()
def init(json: Json = False) -> None:
    """Creates the schema or brings it up to date; safe to repeat."""
    from w365core.store import schema

    context = _context()
    changed = schema.upgrade(context.engine)
    revision = schema.current(engine=context.engine)
    printing.answer(
        {"revision": revision, "changed": changed}, f"The schema is at {revision}{', just now' if changed else ' already'}.", json
    )


@db_cli.command("stop")
def db_stop(json: Json = False) -> None:
    """Stops the embedded Postgres."""
    from w365core.store import embedded

    settings = w365settings.read()
    if settings.database_url:
        raise CallRefused("DATABASE_URL names a database that is not ours to stop; unset it to stop the embedded one.")
    stopped = embedded.stop(home=settings.home, osuser=settings.pg_osuser)
    printing.answer({"stopped": stopped}, "The database is stopped." if stopped else "The database was not running.", json)


@cli.command()
def demo(json: Json = False) -> None:
    """Fills an empty database with the demo estate, through the real connectors."""
    from w365core.jobs import demo as demo_job
    from w365core.sandbox.faults import Faults
    from w365core.sandbox.server import running
    from w365core.store import schema

    context = _context()
    schema.upgrade(context.engine)
    with running(demo_job.ESTATE, faults=Faults(())) as url:
        result = demo_job.fill(context, sandbox_url=url)
        demo_job.settle_port(context, demo_job.SANDBOX_PORT)
    if result is None:
        printing.answer({"filled": False}, "The demo is there already.", json)
        return
    said = f"The demo is there: {len(result.outcomes)} invoices. `python -m w365core up` shows it."
    printing.answer({"filled": True, "invoices": printing.outcomes(result.outcomes)}, said, json)


@cli.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", help="Where to listen, on this machine only.")],
    estate: Annotated[Path, typer.Option("--estate", help="The folder that says what the providers know.")],
    fault: Annotated[list[str] | None, typer.Option("--fault", help="KIND[@PLACE][xN]: what is to go wrong; may be repeated.")] = None,
    now: Annotated[str | None, typer.Option("--now", help="ISO time: answer as of it, not as of the estate's own clock.")] = None,
) -> None:
    """Serves look-alikes of Partner Center, Graph billing exports and StreamOne over HTTP from a folder, until stopped."""
    from w365core.sandbox.server import serve

    serve(estate=estate, port=port, faults=tuple(fault or ()), now=now)


@cli.command()
def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Makes the ledger again from what landed, without the network; refused where a decision comes out otherwise."""
    from w365core.jobs.rebuilding import rebuild as rebuild_ledger
    from w365core.store.engine import guarded

    with guarded():
        result = rebuild_ledger(_context(), check=check)
    printing.rebuilt(result, json)
    raise typer.Exit(result.exit_code)


# --- our records and the providers ---------------------------------------------------------------------------------------------------------


@cli.command()
def load(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of CSV files.")], json: Json = False) -> None:
    """Loads our records from a folder of CSV files: all of it, or nothing."""
    from w365core.jobs import loading
    from w365core.store import audit
    from w365core.store.engine import guarded

    context = _context()
    with guarded(), context.engine.begin() as connection:
        result = loading.load(connection, folder)
        changed = {file: {k: v for k, v in counts.items() if k != "unchanged"} for file, counts in result.tables.items()}
        if any(counts["inserted"] or counts["updated"] for counts in result.tables.values()):
            audit.append(
                connection,
                at=context.now,
                actor=context.actor,
                action="load records",
                target_kind="records",
                target=folder.name,
                after=changed,
            )
    for warning in result.warnings:
        printing.progress(f"warning: {warning}")
    lines = [f"{file}: {c['rows']} rows, {c['inserted']} new, {c['updated']} changed" for file, c in result.tables.items()]
    printing.answer({"files": result.tables, "warnings": list(result.warnings)}, "\n".join(lines), json)


@provider_cli.command("add")
def provider_add(
    name: str,
    type: Annotated[ProviderType | None, typer.Option("--type", help="What kind of provider it is.")] = None,
    tenant_id: Annotated[str | None, typer.Option("--tenant-id")] = None,
    client_id: Annotated[str | None, typer.Option("--client-id")] = None,
    account_id: Annotated[str | None, typer.Option("--account-id")] = None,
    api_url: Annotated[str | None, typer.Option("--api-url", help="Host root, without /v1.")] = None,
    graph_url: Annotated[str | None, typer.Option("--graph-url", help="Host root, without /v1.0.")] = None,
    login_url: Annotated[str | None, typer.Option("--login-url", help="Host root.")] = None,
    tolerance: Annotated[str | None, typer.Option("--tolerance", help="Default checksum tolerance, in base currency.")] = None,
    json: Json = False,
) -> None:
    """Adds or changes a provider; its secret comes from the environment variable W365_SECRET_<NAME>."""
    from w365core.jobs.configuring import add_provider
    from w365core.providers import registry

    given = {
        "type": type,
        "tenant_id": tenant_id,
        "client_id": client_id,
        "account_id": account_id,
        "api_url": api_url,
        "graph_url": graph_url,
        "login_url": login_url,
        "tolerance": _amount(tolerance, "--tolerance", least=Decimal(0)),
    }
    context = _context()
    added, new = add_provider(context, name, {key: value for key, value in given.items() if value is not None})
    said = f"Provider {added.name} is {'added' if new else 'changed'}."
    variable = w365settings.secret_variable(added.name)
    secret = registry.secret_of(added.type)
    if secret and not context.settings.environment.get(variable):
        said += f" Put its {secret} into {variable} before you sync."
    printing.answer(printing.provider(added) | {"new": new}, said, json)


@provider_cli.command("sign-in")
def provider_sign_in(name: str, json: Json = False) -> None:
    """Signs a person in by a code in the browser, for what an app alone may not do: an invoice by its number, and its PDF."""
    from w365core.jobs import signing_in

    done = signing_in.sign_in(_context(), name)
    printing.signed_in(done, json)
    raise typer.Exit(1 if done.mfa is False else 0)


@provider_cli.command("test")
def provider_test(name: str, json: Json = False) -> None:
    """Says what the connection can bring and what has to be granted for the rest; imports nothing."""
    from w365core.jobs import proving

    proved = proving.prove(_context(), provider_name=name)
    printing.proved(proved, json)
    raise typer.Exit(proved.exit_code)


@provider_cli.command("list")
def provider_list(json: Json = False) -> None:
    """Providers with what they can do and how they are."""
    from w365core.jobs.configuring import list_providers

    printing.providers(list_providers(_context()), json)


@cli.command("sync-accounts")
def sync_accounts(
    provider: Annotated[str, typer.Option("--provider", help="The provider's name.")],
    apply_certain: Annotated[
        bool, typer.Option("--apply-certain", help="Map customers that our records do not have, where it is certain whose they are.")
    ] = False,
    json: Json = False,
) -> None:
    """Brings customers and subscriptions as the provider knows them, and proposes whose each unmapped customer is."""
    from w365core.jobs import accounts
    from w365core.store.engine import guarded

    with guarded():
        result = accounts.sync_accounts(_context(), provider_name=provider, apply_certain=apply_certain)
    printing.accounting(result, json)
    raise typer.Exit(result.exit_code)


@provider_cli.command("map-columns")
def provider_map_columns(
    name: str,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A file of that layout; or name an invoice whose file was received.")
    ] = None,
    invoice: InvoiceNumber = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help='"Their Header=subtotal"; may be repeated; blank after = for none.')
    ] = None,
    only: Annotated[str | None, typer.Option("--file", help="Which file, where the invoice has several.")] = None,
    date_order: Annotated[str | None, typer.Option("--date-order", help="MDY or DMY, where the file leaves it open.")] = None,
    json: Json = False,
) -> None:
    """Shows how a file of an unpublished layout is read; with --set says which header is which column, and remembers it."""
    from w365core.jobs import layouts
    from w365core.store import providers
    from w365core.store.engine import guarded

    if (file is None) == (invoice is None):
        raise CallRefused("Name a FILE, or with --invoice an invoice whose file was received; one of the two.")
    said = dict(_header_and_column(text) for text in set_ or ())
    context = _context()
    with guarded():
        with context.engine.connect() as connection:
            known = providers.named(connection, name)
        found = layouts.printed_in(file, file.name) if file else layouts.received_for(context, known, invoice)
        chosen = next((printed for printed in found if only in (None, printed.name)), None)
        if chosen is None:
            raise CallRefused(f"There is no file {only}; there are {', '.join(printed.name for printed in found)}.")
        order = _order(date_order)
        shown = (
            layouts.say(context, known, chosen, said, date_order=order) if said else layouts.shown(context, known, chosen, date_order=order)
        )
    printing.layout(known.name, shown, saved=bool(said), as_json=json)
    raise typer.Exit(0 if shown.importable else 1)


# --- invoices ------------------------------------------------------------------------------------------------------------------------------


@cli.command()
def sync(provider: ProviderName = None, invoice: InvoiceNumber = None, override_tolerance: Override = None, json: Json = False) -> None:
    """The daily job; with --invoice a manual sync of that one."""
    from w365core.jobs import syncing
    from w365core.store.engine import guarded

    override = _amount(override_tolerance, "--override-tolerance", least=Decimal(0))
    if override is not None and invoice is None:
        raise CallRefused("--override-tolerance is for one invoice: say which with --invoice NUMBER.")
    context = _context()
    with guarded():
        if invoice:
            result = syncing.sync_invoice(context, provider_name=provider, invoice_number=invoice, override=override)
        else:
            result = syncing.sync_daily(context, provider_name=provider)
    printing.sync_result(result, json)
    raise typer.Exit(result.exit_code)


@cli.command("import")
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
    date_order: Annotated[str | None, typer.Option("--date-order", help="MDY or DMY, where the files leave it open.")] = None,
    decimal: Annotated[str | None, typer.Option("--decimal", help="point or comma, where the files leave it open.")] = None,
    activate: Annotated[bool, typer.Option("--activate", help="For a manual provider: activate it where it validates.")] = False,
    json: Json = False,
) -> None:
    """Imports an invoice from files downloaded by hand."""
    from w365core.jobs import filing
    from w365core.store.engine import guarded

    claimed = filing.Claimed(
        provider=provider,
        invoice_number=invoice.strip(),
        total=_amount(total, "--total"),
        currency=_currency(currency),
        invoice_date=_day(invoice_date, "--invoice-date"),
        override=_amount(override_tolerance, "--override-tolerance", least=Decimal(0)),
        date_order=_order(date_order),
        activate=activate,
        decimal_comma=_decimal_comma(decimal),
    )
    if not claimed.invoice_number:
        raise CallRefused("--invoice is blank; say the invoice's number.")
    context = _context()
    with guarded():
        filed = filing.import_by_hand(context, files, claimed)
    printing.filed(filed, json)
    raise typer.Exit(filed.outcome.exit_code)


@cli.command()
def invoices(
    provider: ProviderName = None,
    period: Annotated[str | None, typer.Option("--period", help="Month of the invoice date, YYYY-MM.")] = None,
    json: Json = False,
) -> None:
    """Provider invoices with status, totals, difference and message."""
    from w365core.reports import chains
    from w365core.store import queries
    from w365core.store.engine import guarded

    _month(period)
    wanted = queries.InvoiceFilter(providers=(provider,) if provider else (), months=(period,) if period else ())
    with guarded(), _context().engine.connect() as connection:
        amended = chains.load(connection)
        rows = [
            printing.invoice(row, amended.get(chains.key(row["provider"], row["invoice_number"])))
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


@cli.command()
def lines(
    invoice: Annotated[str, typer.Option("--invoice", help="The invoice's number.")], provider: ProviderName = None, json: Json = False
) -> None:
    """An invoice's license lines and usage summaries as stored."""
    from w365core.store import ledger, queries
    from w365core.store.engine import guarded

    context = _context()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice)
        with context.engine.connect() as connection:
            licenses = printing.license_lines(queries.all_license_lines(connection, found.provider_invoice_id))
            usage = [printing.usage(row) for row in queries.usage_summaries(connection, found.provider_invoice_id)]
            printing.lines(licenses, usage, json)


@cli.command()
def pdf(
    invoice: Annotated[str, typer.Option("--invoice", help="The invoice's number.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write it.")],
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Fetches an invoice's PDF from Partner Center, as the person who signed in."""
    from w365core.jobs import documents

    done = documents.fetch_pdf(_context(), provider_name=provider, invoice_number=invoice, to=out)
    told = {"provider": done.provider, "invoice": done.invoice, "file": str(done.file), "size": done.size}
    printing.answer(told, f"The PDF of invoice {done.invoice} is in {done.file} ({done.size:,} bytes).", json)


@cli.command("missing-references")
def missing_references(invoice: InvoiceNumber = None, provider: ProviderName = None, json: Json = False) -> None:
    """What the lines refer to and our records lack, with the money it holds up and the suggested fix."""
    from w365core.jobs import suggesting
    from w365core.store import ledger
    from w365core.store.engine import guarded

    context = _context()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice) if invoice else None
        with context.engine.connect() as connection:
            rows = suggesting.missing_references(connection, provider_invoice_id=found.provider_invoice_id if found else None)
    printing.table(
        [printing.missing(row) for row in rows],
        ("invoice", "kind", "key", "name", "blocking", "lines", "amount", "currency", "suggestion"),
        json,
        empty="Nothing is missing.",
    )


@cli.command("map-account")
def map_account(
    provider: Annotated[str, typer.Option("--provider", help="The provider's name.")],
    provider_account_id: Annotated[str, typer.Option("--provider-account-id", help="The customer's id at the provider.")],
    account: Annotated[str, typer.Option("--account", help="Our account's id.")],
    json: Json = False,
) -> None:
    """Maps a provider's customer to one of our accounts; what waits on it comes in with the next sync."""
    from w365core.store import mapping, providers
    from w365core.store.engine import guarded

    context = _context()
    with guarded(), context.engine.begin() as connection:
        known = providers.named(connection, provider)
        mapping.map_account(
            connection, provider=known.name, provider_account_id=provider_account_id, account_id=account, name=None, who=context.who
        )
    told = {"provider": known.name, "provider_account_id": provider_account_id, "account_id": account}
    printing.answer(told, f"{provider_account_id} of {known.name} is account {account} now; sync the invoices that wait on it.", json)


@cli.command()
def activate(invoice: Annotated[str, typer.Option("--invoice")], provider: ProviderName = None, json: Json = False) -> None:
    """Makes a complete manual invoice Active, so that its usage can be billed."""
    _transition("activate", invoice, provider, json)


@cli.command()
def deactivate(invoice: Annotated[str, typer.Option("--invoice")], provider: ProviderName = None, json: Json = False) -> None:
    """Takes an Active invoice out of billing, so that it can be synced anew; refused while its usage is invoiced."""
    _transition("deactivate", invoice, provider, json)


@cli.command()
def delete(invoice: Annotated[str, typer.Option("--invoice")], provider: ProviderName = None, json: Json = False) -> None:
    """Removes an invoice and its lines here (never at the provider); refused while its usage is invoiced."""
    _transition("delete", invoice, provider, json)


def _transition(action: str, invoice: str, provider: str | None, as_json: bool) -> None:
    from w365core.store import ledger, transitions
    from w365core.store.engine import guarded

    context = _context()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice)
        with context.engine.begin() as connection:
            getattr(transitions, action)(connection, provider_invoice_id=found.provider_invoice_id, who=context.who)
    told = {"invoice": found.invoice_number, "provider": found.provider, "done": action}
    printing.answer(told, f"Invoice {found.invoice_number}: {action} done.", as_json)


# --- reading what was typed ----------------------------------------------------------------------------------------------------------------


def _amount(text: str | None, option: str, *, least: Decimal | None = None) -> Decimal | None:
    if text is None:
        return None
    number = money.readable(text.strip())
    if number is None or (least is not None and number < least):
        raise CallRefused(
            f"{option} is {text!r}; write a number{f' of at least {least}' if least is not None else ''} with a point, such as 1330 or 0.05."
        )
    return number


def _header_and_column(text: str) -> tuple[str, str]:
    """ "Their Header=subtotal": a header may hold = itself, a column never does."""
    header, equals, column = text.rpartition("=")
    if not equals or not header.strip():
        raise CallRefused(f'--set is {text!r}; write it as "Their Header=subtotal".')
    return header.strip(), column.strip().lower()


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise CallRefused(f"{option} is {text!r}; write it as 2026-11-30.") from None


def _month(text: str | None) -> None:
    if text is not None:
        _day(f"{text}-01", "--period") if len(text) == 7 else _day(text or "?", "--period (a month such as 2026-11)")


def _currency(text: str | None) -> str | None:
    if text is not None and not (len(text.strip()) == 3 and text.strip().isalpha()):
        raise CallRefused(f"--currency is {text!r}; write a code of three letters, such as EUR.")
    return text.strip().upper() if text else None


def _decimal_comma(text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() not in ("point", "comma"):
        raise CallRefused(f"--decimal is {text!r}; write point (1.234 is little more than one) or comma (it is one thousand two hundred).")
    return text.lower() == "comma"


def _order(text: str | None) -> DateOrder | None:
    if text is None:
        return None
    said = text.upper().replace("/", "").replace("-", "").replace("YYYY", "Y")
    if said not in tuple(DateOrder):
        raise CallRefused(f"--date-order is {text!r}; write MDY (11/3/2026 is 3 November) or DMY (it is 11 March).")
    return DateOrder(said)
