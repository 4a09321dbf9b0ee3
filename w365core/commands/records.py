"""Commands for our own records: loading them from a folder of CSV files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from w365core import printing
from w365core.commands.typed import Json, opened

commands = typer.Typer()


@commands.command()
def load(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of CSV files.")], json: Json = False) -> None:
    """Loads our records from a folder of CSV files: all of it, or nothing."""
    from w365core.jobs import loading
    from w365core.store import audit, rates
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.begin() as connection:
        result = loading.load(connection, folder)
        rates.confirm(connection, result.rates, who=context.who)
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
