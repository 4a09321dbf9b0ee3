"""Commands for whoever runs an installation: what is wrong with it, backups, what is kept how long, rates and invoice dates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from w365core import money, printing, settings as w365settings
from w365core.commands import typed
from w365core.commands.typed import Json, opened

commands = typer.Typer()
currency_commands = typer.Typer(no_args_is_help=True, help="Currencies and their rates to base.")
contract_commands = typer.Typer(no_args_is_help=True, help="Contracts and the days on which they are invoiced.")
retention_commands = typer.Typer(no_args_is_help=True, help="What is kept how long.")
commands.add_typer(currency_commands, name="currency")
commands.add_typer(contract_commands, name="contract")
commands.add_typer(retention_commands, name="retention")
_MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


@commands.command()
def doctor(
    online: Annotated[bool, typer.Option("--online", help="Ask the providers themselves as well, one harmless question each.")] = False,
    json: Json = False,
) -> None:
    """Says what is wrong with this installation, and what cures it; changes nothing."""
    from w365core.jobs import doctoring
    from w365core.jobs.doctoring import Verdict

    checks = doctoring.examine(w365settings.read(), report=printing.progress, online=online)
    failed = any(check.verdict is Verdict.FAIL for check in checks)
    lines = [
        f"{_MARKS[check.verdict]}  {check.name}: {check.sentence}" + (f"\n      {check.cure}" if check.cure else "") for check in checks
    ]
    printing.answer({"healthy": not failed, "checks": [asdict(check) for check in checks]}, "\n".join(lines), json)
    raise typer.Exit(1 if failed else 0)


@commands.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="DIR|FILE", help="A folder, or a new file that ends in .tar; nothing is written over.")],
    keep: Annotated[int | None, typer.Option("--keep", help="With a folder: how many backups stay there, this one among them.")] = None,
    json: Json = False,
) -> None:
    """Writes database and landed files into one file, with a checksum of each; everybody goes on working meanwhile."""
    from w365core.jobs import backing_up

    done = backing_up.back_up(opened(), target, keep=keep)
    document = {"file": str(done.path), **_told(done.manifest), "removed": done.removed, "needs_key": bool(done.tokens)}
    printing.answer(document, done.sentence, json)


@commands.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` wrote.")],
    check: Annotated[bool, typer.Option("--check", help="Only see whether the file is whole; restore nothing.")] = False,
    json: Json = False,
) -> None:
    """Brings a backup back, into an empty home and an empty database, and compares every table with what it was."""
    from w365core.jobs import backing_up

    if check:
        manifest = backing_up.look(file)
        said = f"{file} is whole: {len(manifest.tables):,} tables with {manifest.rows:,} rows and {manifest.landed:,} landed files, of {manifest.made_at}."
        printing.answer({"file": str(file), **_told(manifest), "restored": False}, said, json)
        return
    done = backing_up.restore(w365settings.read(), file, report=printing.progress)
    document = {"file": str(file), **_told(done.manifest), "restored": True, "findings": done.findings, "needs_key": bool(done.tokens)}
    printing.answer(document, done.sentence, json)
    raise typer.Exit(done.exit_code)


def _told(manifest) -> dict:
    of = {"made_at": manifest.made_at, "revision": manifest.revision, "postgres": manifest.postgres, "rows": manifest.rows}
    return of | {"tables": {name: asdict(one) for name, one in manifest.tables.items()}, "landed": manifest.landed, "size": manifest.size}


# --- what is kept how long ---------------------------------------------------------------------------------------------------------------


@retention_commands.command("list")
def retention_list(json: Json = False) -> None:
    """What is kept how long, and how much of it is older than that."""
    from w365core.jobs import keeping

    _kept(keeping.look(opened()), json)


@retention_commands.command("apply")
def retention_apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False, json: Json = False
) -> None:
    """Removes what is older than it is to be kept; nothing that an invoice, a rebuild or the audit log needs."""
    from w365core.jobs import keeping

    context = opened()
    _kept(keeping.look(context) if dry_run else keeping.apply(context), json)
    if dry_run and not json:
        printing.progress("Nothing was removed: without --dry-run these would be.")


def _kept(found, json: bool) -> None:
    shown = ("what", "setting", "keeps", "before", "number", "size", "removed")
    printing.table([asdict(one) for one in found], shown, json, empty="There is nothing to keep.")


# --- rates and invoice dates -------------------------------------------------------------------------------------------------------------


@currency_commands.command("list")
def currency_list(json: Json = False) -> None:
    """Every currency with its rate, since when it is so, and whether that is too long ago."""
    from w365core.jobs import rates
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        found = rates.standing(connection, now=context.now)
    rows = [asdict(one.rate) | {"base": one.is_base, "stale": one.is_stale, "said": one.said} for one in found]
    printing.table(rows, ("code", "rate", "set_at", "set_by", "invoices", "contracts", "stale"), json, empty="No currency is known.")


@currency_commands.command("set")
def currency_set(code: str, rate: str, json: Json = False) -> None:
    """Sets a currency's rate to base, or confirms that it still is so: an amount times its rate is the amount in base currency."""
    from w365core.jobs import rates

    context, number = opened(), typed.amount(rate, "RATE")
    known, changed = rates.set_rate(context.engine, code, number, actor=context.actor, now=context.now)
    said = f"1 {known} is {money.plain(number)} in base currency{'' if changed else ', as before'}."
    printing.answer({"code": known, "rate": number, "changed": changed}, said, json)


@contract_commands.command("list")
def contract_list(json: Json = False) -> None:
    """Every contract with the day on which it is invoiced next, the soonest first."""
    from w365core.store import contracts
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        rows = [dict(row) for row in contracts.all_of_them(connection)]
    shown = ("contract_id", "name", "account", "frequency", "next_invoice_date", "last_invoice_date", "currency", "status")
    printing.table(rows, shown, json, empty="No contract is known; `load` brings them from billing_contracts.csv.")


@contract_commands.command("set-invoice-date")
def contract_set_invoice_date(
    contract: Annotated[str, typer.Option("--contract", help="The contract's id.")],
    date: Annotated[str, typer.Option("--date", help="The day on which it is invoiced next, YYYY-MM-DD.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the audit log.")] = None,
    json: Json = False,
) -> None:
    """Sets the day on which a contract is invoiced next; its cycles stay as they are."""
    from w365core.jobs import contracts

    context, day = opened(), typed.day(date, "--date")
    known, before, changed = contracts.set_invoice_date(context.engine, contract, day, actor=context.actor, now=context.now, reason=reason)
    said = (
        f"{known} is invoiced next on {day}, it was {before or 'not said'}." if changed else f"{known} is invoiced next on {day} already."
    )
    printing.answer({"contract_id": known, "next_invoice_date": day, "before": before, "changed": changed}, said, json)
