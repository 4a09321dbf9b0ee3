"""Commands for license change logs: the four checks, and the log that mends a mismatch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from w365core import printing
from w365core.commands import typed
from w365core.commands.typed import Json, opened

commands = typer.Typer()
change_logs = typer.Typer(no_args_is_help=True, help="License change logs that do not hold together, and their mending.")
commands.add_typer(change_logs, name="change-logs")
_TITLES = {
    "mismatch": "Do not come to what the subscription says",
    "missing_data": "Lack what billing needs",
    "archived_without_invoice": "Archived and never billed",
    "awaiting_or_failed": "Not through at the provider",
}
_MOST_SHOWN = 50


@change_logs.command()
def check(json: Json = False) -> None:
    """Which change logs do not hold together: mismatches, missing data, archived without an invoice, awaiting or failed."""
    from w365core.jobs import mending
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        found = mending.check(connection, today=context.now.date())
    if json:
        printing.answer(found, "", True)
    else:
        _tell(found)
    raise typer.Exit(1 if any(found.values()) else 0)


@change_logs.command()
def mend(
    subscription: Annotated[str, typer.Option("--subscription", help="Our subscription whose logs do not come to what it says.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it stays in the audit log.")] = None,
    effective_date: Annotated[
        str | None, typer.Option("--effective-date", help="YYYY-MM-DD, where the proposed day is not the right one.")
    ] = None,
    archived: Annotated[bool, typer.Option("--archived", help="It was billed elsewhere and is never to be billed again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be added.")] = False,
    json: Json = False,
) -> None:
    """Adds the log that makes a subscription's change logs come to what it says."""
    from w365core.jobs import mending

    context = opened()
    day = typed.day(effective_date, "--effective-date")
    how = {"actor": context.actor, "now": context.now, "effective_date": day, "archived": archived, "dry_run": dry_run}
    done = mending.mend(context.engine, subscription, reason=reason, **how)
    printing.answer(asdict(done.log) | {"dry_run": dry_run, "message": done.sentence}, done.sentence, json)


def _tell(found: dict[str, list[dict[str, Any]]]) -> None:
    for name, title in _TITLES.items():
        entries = found[name]
        printing.answer({}, f"{title}: {len(entries):,}", False)
        for entry in entries[:_MOST_SHOWN]:
            printing.answer({}, f"  {entry['customer'] or entry['subscription_id'] or '-'}: {entry['suggestion']}", False)
        if len(entries) > _MOST_SHOWN:
            printing.answer({}, f"  … and {len(entries) - _MOST_SHOWN:,} more; --json has them all.", False)
