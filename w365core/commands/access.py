"""Commands for who may do what: people and their roles, the audit log, the key of what is stored encrypted. Whoever runs them holds the machine."""

from __future__ import annotations

from typing import Annotated

import typer

from w365core import printing
from w365core.commands import typed
from w365core.commands.typed import Json, opened
from w365core.errors import CallRefused

commands = typer.Typer()
people_commands = typer.Typer(no_args_is_help=True, help="Who has signed in, and what they may do.")
audit_commands = typer.Typer(no_args_is_help=True, help="Who did what, and whether the log of it holds.")
commands.add_typer(people_commands, name="people")
commands.add_typer(audit_commands, name="audit")

Named = Annotated[str, typer.Argument(help="The person's name, address or subject, as `people list` shows them.")]


@people_commands.command("list")
def people_list(json: Json = False) -> None:
    """Everybody who has signed in, with their role."""
    from w365core.jobs import peopling
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        rows = peopling.all_of_them(connection)
    empty = "Nobody has signed in yet. Without sign-in this installation is for one person at this machine (docs/security.md)."
    printing.table([dict(row) for row in rows], ("name", "role", "role_from", "email", "seen_at", "set_by", "subject"), json, empty=empty)


@people_commands.command("set")
def people_set(
    person: Named, role: Annotated[str, typer.Option("--role", help="viewer, analyst, approver or admin.")], json: Json = False
) -> None:
    """Gives somebody who has signed in a role."""
    from w365core.jobs import peopling

    context = opened()
    name, given, changed = peopling.give(context.engine, person, role, actor=context.actor, now=context.now)
    printing.answer({"name": name, "role": given, "changed": changed}, f"{name} is {given}{'' if changed else ' already'}.", json)


@people_commands.command("remove")
def people_remove(person: Named, json: Json = False) -> None:
    """Takes somebody's role away; their next click is refused."""
    from w365core.jobs import peopling

    context = opened()
    name, changed = peopling.remove(context.engine, person, actor=context.actor, now=context.now)
    printing.answer({"name": name, "role": None, "changed": changed}, f"{name} has no role{' any more' if changed else ''}.", json)


@audit_commands.command("list")
def audit_list(
    actor: Annotated[list[str] | None, typer.Option("--actor", help="Who; may be repeated.")] = None,
    action: Annotated[list[str] | None, typer.Option("--action", help="What was done; may be repeated.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="To what kind of thing; may be repeated.")] = None,
    target: Annotated[str, typer.Option("--target", help="A part of the thing's name, or of the reason.")] = "",
    since: Annotated[str | None, typer.Option("--since", help="From this day on, in UTC.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Up to this day, in UTC.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many, the newest first.")] = 50,
    json: Json = False,
) -> None:
    """Who did what, the newest first."""
    from w365core.reports import audit_log
    from w365core.store.engine import guarded

    days = typed.day(since, "--since"), typed.day(until, "--until")
    wanted = audit_log.Wanted(tuple(actor or ()), tuple(action or ()), tuple(kind or ()), target, *days)
    context = opened()
    with guarded(), context.engine.connect() as connection:
        found = audit_log.load(connection, wanted, most=most)
    shown = [dict(one) for one in found.entries] if json else [dict(one) for one in found.table.rows]
    printing.table(shown, ("audit_id", "at", "actor", "action", "target", "changed", "reason"), json, empty="No entry is like that.")


@audit_commands.command("verify")
def audit_verify(
    known: Annotated[
        str | None,
        typer.Option("--known", help="NUMBER:HASH of an entry noted earlier: shows whether the log was cut off or sealed anew since."),
    ] = None,
    json: Json = False,
) -> None:
    """Goes through the whole log; a broken link names the row, and ends with exit code 1."""
    from w365core.reports import audit_log
    from w365core.store.engine import guarded

    noted = _noted(known)
    context = opened()
    with guarded(), context.engine.connect() as connection:
        found = audit_log.verify(connection, known=noted)
    document = {"holds": found.broken is None, "entries": found.rows, "broken": found.broken, "why": found.why, "hash": found.hash}
    note = f" To note elsewhere: {found.rows}:{found.hash}" if found.broken is None and found.rows else ""
    printing.answer(document, f"{audit_log.said(found)}{note}", json)
    raise typer.Exit(0 if found.broken is None else 1)


@commands.command("rotate-key")
def rotate_key(json: Json = False) -> None:
    """Encrypts what is stored with another key: the one in W365_NEW_KEY, else a new key file."""
    from w365core.jobs import rekeying

    done = rekeying.rotate(opened())
    printing.answer({"tokens": done.tokens, "key": done.key}, done.sentence, json)


def _noted(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    number, colon, seal = text.strip().partition(":")
    if not (colon and number.isascii() and number.isdigit() and len(number) < 19 and len(seal) == 64):
        raise CallRefused("--known is written as NUMBER:HASH, as `audit verify` prints it.")
    return int(number), seal.lower()
