"""What is wrong with this installation, and what cures it? One check after the other, each with a verdict, a sentence and a cure; nothing is changed.

checkup                what a check says
doctoring_contents     roles of the database, workers, the log, landed files, backups, rates, stored tokens
doctoring_messages     mail and webhook
doctoring_providers    each provider's connection

A check that cannot be made is one that fails, with the reason; what needs the database is left out where that is away.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from w365core.errors import W365Error
from w365core.jobs import demo, doctoring_contents, doctoring_messages, doctoring_providers
from w365core.jobs.checkup import AGAIN, GIBIBYTE, MEBIBYTE, Check, Verdict, size_of
from w365core.jobs.context import Context, Report, open_context
from w365core.settings import Settings
from w365core.store import health, providers as store_providers, schema
from w365core.store.engine import guarded

__all__ = ["Check", "Verdict", "examine"]

LEAST_FREE, SCARCE = 500 * MEBIBYTE, 5 * GIBIBYTE
CLOCK_OFF, CLOCK_WRONG = timedelta(seconds=5), timedelta(minutes=5)


def examine(settings: Settings, *, report: Report, online: bool = False) -> tuple[Check, ...]:
    """Every check, in an order in which the first that fails may explain the later ones. `online` asks the providers themselves as well."""
    found = [_home(settings.home)]
    if found[0].verdict is not Verdict.FAIL:
        found.append(_disk(settings.home))
    try:
        context = open_context(settings, report=report)
    except W365Error as error:
        return (*found, Check("database", Verdict.FAIL, str(error), AGAIN))
    with context.engine.connect() as connection:
        found += _asked(context, connection, _OF_THE_SERVER)
        if found[-1].verdict is Verdict.FAIL:  # the last one is the schema
            return tuple(found)
        if demo.is_here(context):
            context = demo.settings_with_secret(context)
        found += _asked(context, connection, (*doctoring_contents.QUESTIONS, *doctoring_messages.QUESTIONS))
        providers = store_providers.all_of_them(connection)
        connection.rollback()  # each check begins a transaction of its own
        for provider in providers:
            found += _asked(
                context, connection, (lambda *given, of=provider: doctoring_providers.look(*given, of),), name=f"provider {provider.name}"
            )
    if online:
        found += doctoring_providers.ask(context)
    return tuple(found)


Question = Callable[[Context, Connection], Iterator[Check]]


def _asked(context: Context, connection: Connection, questions: tuple[Question, ...], *, name: str = "") -> list[Check]:
    found: list[Check] = []
    for question in questions:
        try:
            with guarded(), connection.begin():
                found += question(context, connection)
        except (W365Error, DBAPIError) as error:
            said = str(error).splitlines()[0] if isinstance(error, W365Error) else "the database refused the question"
            found.append(
                Check(name or question.__name__.strip("_").replace("_", " "), Verdict.FAIL, f"It could not be looked at: {said}", AGAIN)
            )
    return found


# --- the machine -------------------------------------------------------------------------------------------------------------------------


def _home(home: Path) -> Check:
    """A folder that we may write to; one that is not there yet is made by the first command."""
    there = next((folder for folder in (home, *home.parents) if folder.exists()), home)
    try:
        if there == home:
            with tempfile.TemporaryFile(dir=home):
                pass
        elif not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(13, f"nothing can be made in {there}")
    except OSError as error:
        cure = "Give this account access to it, or set W365_HOME to a folder of its own."
        return Check("home", Verdict.FAIL, f"W365_HOME ({home}) cannot be written to: {error.strerror}.", cure)
    return Check("home", Verdict.OK, f"W365_HOME is {home}{'' if there == home else ', which is made by the first command'}.")


def _disk(home: Path) -> Check:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    space = shutil.disk_usage(there)
    said = f"{size_of(space.free)} of {size_of(space.total)} are free on the disk of {home}"
    cure = "Make room there, or move W365_HOME to a larger disk; `python -m w365core retention apply --dry-run` says what may go."
    if space.free < LEAST_FREE:
        return Check("disk", Verdict.FAIL, f"Only {said}; an import needs several times the size of what it downloads.", cure)
    if space.free < SCARCE:
        return Check("disk", Verdict.WARN, f"{said}; a large import may fill it.", cure)
    return Check("disk", Verdict.OK, f"{said}.")


# --- the server --------------------------------------------------------------------------------------------------------------------------


def _database(context: Context, connection: Connection) -> Iterator[Check]:
    server = health.server(connection)
    which = "the Postgres of DATABASE_URL" if context.settings.database_url else "the embedded Postgres"
    if not server.durable:
        cure = "Set fsync, full_page_writes and synchronous_commit to on in its configuration."
        yield Check(
            "database",
            Verdict.FAIL,
            f"It is {which}, {server.version}, and may lose what it has confirmed: it does not wait for its disk.",
            cure,
        )
        return
    yield Check("database", Verdict.OK, f"It is {which}, {server.version}, and holds {size_of(server.size)}.")
    if not context.settings.database_url:
        files, size = health.unowned_files(connection)
        if size > 10 * MEBIBYTE:
            cure = "They are left by a crash in mid-import, or of an import that runs right now; `backup` and `restore` into a new home leave them behind."
            yield Check("database files", Verdict.WARN, f"{files:,} files of {size_of(size)} belong to no table.", cure)


def _clock(context: Context, connection: Connection) -> Iterator[Check]:
    ours = datetime.now(UTC)
    off = abs(health.server(connection).clock - ours)
    if off > CLOCK_OFF:
        verdict = Verdict.FAIL if off > CLOCK_WRONG else Verdict.WARN
        yield Check(
            "clock",
            verdict,
            f"This machine's clock and the database's differ by {off.total_seconds():,.0f} s.",
            "Let both follow a time server.",
        )
    elif context.settings.now is not None:
        said = f"The clock is stated by W365_NOW: {context.settings.now:%Y-%m-%d %H:%M} UTC."
        yield Check("clock", Verdict.WARN, said, "Unset W365_NOW wherever it is not a test.")
    else:
        yield Check("clock", Verdict.OK, "This machine's clock and the database's agree.")


def _migrations(context: Context, connection: Connection) -> Iterator[Check]:
    has, newest = schema.current(engine=None, connection=connection), schema.newest()
    if has == newest:
        yield Check("migrations", Verdict.OK, f"The schema is at {has}, as this version expects.")
    elif has is None:
        yield Check("migrations", Verdict.FAIL, "The database has no schema yet.", "Run `python -m w365core init`.")
    elif has in schema.known():
        yield Check(
            "migrations", Verdict.FAIL, f"The schema is at {has}, and this version expects {newest}.", "Run `python -m w365core init`."
        )
    else:
        said = f"The schema is at {has}, which this version does not know: a newer version was here."
        yield Check("migrations", Verdict.FAIL, said, "Install that newer version, or restore a backup from before.")


_OF_THE_SERVER = (_database, _clock, _migrations)
