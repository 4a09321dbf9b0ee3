"""What is wrong with this installation, and what cures it? One check after the other, each with a verdict, a sentence and a cure; nothing is changed.

A check that cannot be made is one that fails, with the reason; what needs the database is left out where that is away.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from w365core.errors import W365Error
from w365core.jobs import demo, proving, rates, signing_in, tokens
from w365core.jobs.context import Context, Report, open_context
from w365core.jobs.queue import SILENCE
from w365core.model import Provider, ProviderType
from w365core.providers import registry
from w365core.providers.vault import Vault, WrongKey
from w365core.settings import KEY_FILE, Settings, secret_variable
from w365core.store import audit, health, job_runs, preferences, providers as store_providers, queries, schema
from w365core.store.engine import guarded

MEBIBYTE, GIBIBYTE = 1 << 20, 1 << 30
LEAST_FREE, SCARCE = 500 * MEBIBYTE, 5 * GIBIBYTE
CLOCK_OFF, CLOCK_WRONG = timedelta(seconds=5), timedelta(minutes=5)
SYNC_IS_LATE = timedelta(hours=50)  # two days and some patience
MOST_NAMED = 3
AGAIN = "Put that right and run `python -m w365core doctor` again."


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `cure` is blank where nothing is to be done."""

    name: str
    verdict: Verdict
    sentence: str
    cure: str = ""


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
        found += _asked(context, connection, _OF_THE_ROWS)
        providers = store_providers.all_of_them(connection)
        connection.rollback()  # each check begins a transaction of its own
        for provider in providers:
            found += _asked(context, connection, (lambda *given, of=provider: _provider(*given, of),), name=f"provider {provider.name}")
    if online:
        found += _proved(context)
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
    said = f"{_size(space.free)} of {_size(space.total)} are free on the disk of {home}"
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
    yield Check("database", Verdict.OK, f"It is {which}, {server.version}, and holds {_size(server.size)}.")
    if not context.settings.database_url:
        files, size = health.unowned_files(connection)
        if size > 10 * MEBIBYTE:
            cure = "They are left by a crash in mid-import, or of an import that runs right now; `backup` and `restore` into a new home leave them behind."
            yield Check("database files", Verdict.WARN, f"{files:,} files of {_size(size)} belong to no table.", cure)


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


# --- what is in it -----------------------------------------------------------------------------------------------------------------------


def _worker(context: Context, connection: Connection) -> Iterator[Check]:
    living = job_runs.living_workers(connection, silence=SILENCE)
    waiting, since = health.waiting_jobs(connection)
    cure = "Start one with `python -m w365core worker`, or everything with `python -m w365core up`."
    if living:
        yield Check("worker", Verdict.OK, f"{_many(living, 'worker is', 'workers are')} alive; {_many(waiting, 'job waits', 'jobs wait')}.")
    elif waiting and since is not None:
        yield Check(
            "worker",
            Verdict.FAIL,
            f"No worker is alive, and {_many(waiting, 'job waits', 'jobs wait')}, the first since {since:%Y-%m-%d %H:%M} UTC.",
            cure,
        )
    else:
        yield Check("worker", Verdict.WARN, "No worker is alive: what the pages ask for and the daily schedule wait for one.", cure)


def _audit_log(context: Context, connection: Connection) -> Iterator[Check]:
    broken, last = audit.first_broken(connection), health.last_event(connection)
    if broken is not None:
        cure = "Find out who changed it, and restore the database from a backup of before."
        yield Check("audit log", Verdict.FAIL, f"The chain of the audit log is broken at row {broken}: somebody has changed it.", cure)
    elif last is not None and last > context.now + timedelta(days=1):
        said = f"The log's last event is of {last:%Y-%m-%d %H:%M} UTC, which is still to come."
        yield Check("audit log", Verdict.WARN, said, "Somebody worked with a clock that was ahead; see that this machine's is right.")
    else:
        yield Check("audit log", Verdict.OK, "Every row of the audit log seals the one before it.")


def _landing(context: Context, connection: Connection) -> Iterator[Check]:
    landing, gone, there = context.landing, [], 0
    for fingerprint in health.fingerprints(connection):
        plain = landing.path(fingerprint)
        if plain.exists() or plain.with_suffix(".gz").exists():
            there += 1
        else:
            gone.append(fingerprint)
    if gone:
        some = ", ".join(one[:12] for one in gone[:MOST_NAMED]) + (" …" if len(gone) > MOST_NAMED else "")
        said = f"{len(gone):,} of {len(gone) + there:,} landed files are not in {landing.folder}: {some}."
        yield Check(
            "landing", Verdict.FAIL, said, "Restore that folder from a backup, or set W365_HOME to the one that this database belongs to."
        )
    else:
        yield Check("landing", Verdict.OK, f"Each of the {there:,} landed files is in its place." if there else "Nothing has landed yet.")


def _backup(context: Context, connection: Connection) -> Iterator[Check]:
    last, days = health.last_backup(connection), int(preferences.values(connection)["backup_warn_days"])
    cure = "Run `python -m w365core backup FOLDER`, best every day from a timer: docs/production.md."
    if days == 0:
        yield Check("backup", Verdict.OK, "Nobody wants to be warned of old backups here.")
    elif last is None:
        verdict = Verdict.OK if demo.is_here(context) else Verdict.WARN
        yield Check("backup", verdict, "No backup was ever made by our command.", "" if verdict is Verdict.OK else cure)
    elif context.now - last > timedelta(days=days):
        yield Check("backup", Verdict.WARN, f"The last backup is of {last:%Y-%m-%d %H:%M} UTC, {(context.now - last).days} days ago.", cure)
    else:
        yield Check("backup", Verdict.OK, f"The last backup is of {last:%Y-%m-%d %H:%M} UTC.")


def _rates(context: Context, connection: Connection) -> Iterator[Check]:
    stale = [one for one in rates.standing(connection, now=context.now) if one.is_stale]
    if stale:
        said = "; ".join(one.said for one in stale[:MOST_NAMED]) + ("; …" if len(stale) > MOST_NAMED else "")
        yield Check("rates", Verdict.WARN, f"{said}.", "Load a new currencies.csv, or run `python -m w365core currency set CODE RATE`.")
    else:
        yield Check("rates", Verdict.OK, "Every rate that invoices or records use is of late.")


def _secrets(context: Context, connection: Connection) -> Iterator[Check]:
    """Whether stored tokens can be opened. A key that is not there is not made here."""
    sealed = health.sealed_tokens(connection)
    if not sealed:
        yield Check("secrets", Verdict.OK, "No token is stored, so none has to be opened.")
        return
    if not context.settings.environment.get("W365_KEY") and not (context.settings.home / KEY_FILE).exists():
        said = f"{_many(len(sealed), 'token is', 'tokens are')} stored, and their key is missing."
        yield Check("secrets", Verdict.FAIL, said, f"Set W365_KEY, or bring back {context.settings.home / KEY_FILE}.")
        return
    vault, closed = Vault(context.settings.token_key()), set()
    for provider, token in sealed:
        try:
            vault.open(token)
        except WrongKey:
            closed.add(provider)
    if closed:
        said = f"The stored token of {', '.join(sorted(closed))} cannot be opened with this key."
        yield Check("secrets", Verdict.FAIL, said, "Set W365_KEY to the key that it was stored with, or give a new token.")
    else:
        yield Check("secrets", Verdict.OK, f"{_many(len(sealed), 'stored token', 'stored tokens')} can be opened.")


_OF_THE_ROWS = (_worker, _audit_log, _landing, _backup, _rates, _secrets)


# --- the providers -----------------------------------------------------------------------------------------------------------------------


def _provider(context: Context, connection: Connection, provider: Provider) -> Iterator[Check]:
    """Its secret, its tokens and its last sync, as they are known here; nobody is asked."""
    name = f"provider {provider.name}"
    if not registry.capabilities(provider.type).invoices:
        yield Check(name, Verdict.OK, "Its invoices come as files by hand.")
        return
    variable = secret_variable(provider.name)
    if not context.settings.environment.get(variable):
        cure = f"Set {variable} for the worker and for whoever runs commands."
        yield Check(name, Verdict.FAIL, f"Its secret is not in the environment of this command ({variable}).", cure)
    for standing in (tokens.standing(context, connection, provider), signing_in.standing(context, connection, provider)):
        if standing is not None and standing.warning:
            yield Check(name, Verdict.WARN, standing.warning)
    if provider.type is ProviderType.STREAMONE and not _has_refresh_token(context, connection, provider):
        variable = secret_variable(provider.name, "REFRESH")
        yield Check(name, Verdict.WARN, "It has no refresh token: its invoices come in, its customers do not.", f"Set {variable}.")
    yield _last_sync(context, connection, provider, name)


def _has_refresh_token(context: Context, connection: Connection, provider: Provider) -> bool:
    return bool(context.settings.refresh_token(provider.name)) or tokens.standing(context, connection, provider) is not None


def _last_sync(context: Context, connection: Connection, provider: Provider, name: str) -> Check:
    run = queries.last_runs(connection).get(provider.name)
    again = f"Run `python -m w365core sync --provider {provider.name}`."
    if run is None:
        return Check(name, Verdict.WARN, "It was never synced.", again)
    when = f"{run['started_at']:%Y-%m-%d %H:%M} UTC"
    if run["status"] in ("failed", "abandoned"):
        return Check(name, Verdict.WARN, f"Its last sync, of {when}, {run['status']}: {run['message']}", again)
    if context.now - run["started_at"] > SYNC_IS_LATE:
        return Check(
            name, Verdict.WARN, f"Its last sync is of {when}; the daily job should have run since.", f"See that a worker runs. {again}"
        )
    return Check(name, Verdict.OK, f"Its last sync began {when}{' and is running' if run['status'] == 'running' else ' and went well'}.")


def _proved(context: Context) -> Iterator[Check]:
    """Each right of each connection, asked of the providers themselves."""
    with context.engine.connect() as connection:
        connected = [one for one in store_providers.all_of_them(connection) if registry.capabilities(one.type).invoices]
    for provider in connected:
        name = f"connection {provider.name}"
        try:
            proved = proving.prove(replace(context, report=lambda sentence: None), provider_name=provider.name)
        except W365Error as error:
            yield Check(name, Verdict.FAIL, str(error), AGAIN)
            continue
        verdict = {0: Verdict.OK, 1: Verdict.WARN}.get(proved.exit_code, Verdict.FAIL)
        cure = "" if verdict is Verdict.OK else f"`python -m w365core provider test {provider.name}` says what has to be granted."
        yield Check(name, verdict, proved.sentence, cure)


def _size(size: int) -> str:
    return f"{size / GIBIBYTE:,.1f} GB" if size >= GIBIBYTE else f"{size / MEBIBYTE:,.0f} MB"


def _many(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
