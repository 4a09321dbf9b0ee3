"""Commands for this installation: starting and stopping it, its schema, its demo, its look-alike providers, its ledger made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from w365core import printing, settings as w365settings
from w365core.commands.typed import Json, opened
from w365core.errors import CallRefused

commands = typer.Typer()
db_commands = typer.Typer(no_args_is_help=True, help="The embedded database.")
commands.add_typer(db_commands, name="db")


@commands.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty database with the demo first.")] = False,
    port: Annotated[int, typer.Option("--port", help="Where the web app listens, on this machine only.")] = 8501,
) -> None:
    """Database, worker, sandbox (for the demo) and web app together, until stopped."""
    from w365core.jobs.up import up as bring_up

    bring_up(w365settings.read(), with_demo=demo, port=port, report=printing.progress)


@commands.command()
def worker() -> None:
    """Runs what was queued, one job at a time, until stopped."""
    from w365core.jobs.worker import work

    work(w365settings.read(), report=printing.progress)


@commands.command()
def init(json: Json = False) -> None:
    """Creates the schema or brings it up to date; safe to repeat. Says so where the database's own roles could not be made."""
    from w365core.store import database_roles, schema
    from w365core.store.engine import guarded

    context = opened()
    changed = schema.upgrade(context.engine)
    revision = schema.current(engine=context.engine)
    with guarded(), context.engine.connect() as connection:
        roles = database_roles.standing(connection)
    said = f"The schema is at {revision}{', just now' if changed else ' already'}."
    mend = "" if roles.are_there else roles.mend or f"alter schema public owner to {roles.account};"
    if mend:
        said += (
            f" The database's own roles are not there: {roles.account} could not make them, so one account does everything, and may put the audit log's "
            f"triggers to sleep. Let a superuser of the server run once: {mend} Then run `init` again; docs/security.md says who signs in as what."
        )
    printing.answer({"revision": revision, "changed": changed, "roles": roles.are_there, "mend": mend}, said, json)


@db_commands.command("stop")
def db_stop(json: Json = False) -> None:
    """Stops the embedded Postgres."""
    from w365core.store import embedded

    settings = w365settings.read()
    if settings.database_url:
        raise CallRefused("DATABASE_URL names a database that is not ours to stop; unset it to stop the embedded one.")
    stopped = embedded.stop(home=settings.home, osuser=settings.pg_osuser)
    printing.answer({"stopped": stopped}, "The database is stopped." if stopped else "The database was not running.", json)


@commands.command()
def demo(json: Json = False) -> None:
    """Fills an empty database with the demo estate, through the real connectors."""
    from w365core.jobs import demo as demo_job
    from w365core.sandbox.faults import Faults
    from w365core.sandbox.server import running
    from w365core.store import schema

    context = opened()
    schema.upgrade(context.engine)
    with running(demo_job.ESTATE, faults=Faults(())) as url:
        result = demo_job.fill(context, sandbox_url=url)
        demo_job.settle_port(context, demo_job.SANDBOX_PORT)
    if result is None:
        printing.answer({"filled": False}, "The demo is there already.", json)
        return
    said = f"The demo is there: {len(result.outcomes)} invoices. `python -m w365core up` shows it."
    printing.answer({"filled": True, "invoices": printing.outcomes(result.outcomes)}, said, json)


@commands.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", help="Where to listen, on this machine only.")],
    estate: Annotated[Path, typer.Option("--estate", help="The folder that says what the providers know.")],
    fault: Annotated[list[str] | None, typer.Option("--fault", help="KIND[@PLACE][xN]: what is to go wrong; may be repeated.")] = None,
    now: Annotated[str | None, typer.Option("--now", help="ISO time: answer as of it, not as of the estate's own clock.")] = None,
) -> None:
    """Serves look-alikes of Partner Center, Graph billing exports and StreamOne over HTTP from a folder, until stopped."""
    from w365core.sandbox.server import serve

    serve(estate=estate, port=port, faults=tuple(fault or ()), now=now)


@commands.command()
def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Makes the ledger again from what landed, without the network; refused where a decision comes out otherwise."""
    from w365core.jobs.rebuilding import rebuild as rebuild_ledger
    from w365core.store.engine import guarded

    with guarded():
        result = rebuild_ledger(opened(), check=check)
    printing.rebuilt(result, json)
    raise typer.Exit(result.exit_code)
