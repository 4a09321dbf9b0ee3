"""Commands for what can be set in an installation; the page Settings sets the same."""

from __future__ import annotations

import typer

from w365core import printing
from w365core.commands.typed import Json, opened

commands = typer.Typer()
settings_commands = typer.Typer(no_args_is_help=True, help="What is set in this installation: time zone, schedule, messages.")
commands.add_typer(settings_commands, name="settings")


@settings_commands.command("list")
def settings_list(json: Json = False) -> None:
    """Every setting with its value, and what it does."""
    from w365core.store import preferences
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        rows = preferences.all_of_them(connection)
    printing.table(rows, ("name", "value", "default", "set_by", "does"), json, empty="There is nothing to set.")


@settings_commands.command("set")
def settings_set(name: str, value: str, json: Json = False) -> None:
    """Sets one of them."""
    from w365core.jobs import preferring

    context = opened()
    stored, changed = preferring.change(context.engine, name, value, actor=context.actor, now=context.now)
    said = f"{preferring.named(name).name} is {stored or 'blank'}{'' if changed else ' already'}."
    printing.answer({"name": preferring.named(name).name, "value": stored, "changed": changed}, said, json)


@settings_commands.command("clear")
def settings_clear(name: str, json: Json = False) -> None:
    """Goes back to its default."""
    from w365core.jobs import preferring

    context = opened()
    default, changed = preferring.clear(context.engine, name, actor=context.actor, now=context.now)
    said = f"{preferring.named(name).name} has its default{f', {default}' if default else ', blank'}{'' if changed else ' already'}."
    printing.answer({"name": preferring.named(name).name, "value": default, "changed": changed}, said, json)
