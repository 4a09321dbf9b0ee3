"""Is what the installation holds as it should be? Roles of the database, workers, the log, landed files, backups, rates and stored tokens, each by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection

from w365core.jobs import demo, rates
from w365core.jobs.checkup import Check, Verdict, many
from w365core.jobs.context import Context
from w365core.jobs.queue import SILENCE
from w365core.providers.vault import Vault, WrongKey
from w365core.settings import KEY_FILE
from w365core.store import audit, database_roles, health, job_runs, preferences

MOST_NAMED = 3


def _database_roles(context: Context, connection: Connection) -> Iterator[Check]:
    """Whether the roles are there, and what this very account may do to the log. The embedded server has one account, which is its superuser."""
    found, name = database_roles.standing(connection), "database roles"
    is_ours = not context.settings.database_url
    rank = "is a superuser of the server" if found.superuser else "owns the audit log" if found.may_change_log else "is no superuser"
    if not found.are_there:
        said = (
            f"w365_worker and w365_pages are not there: one account, {found.account}, does everything; it {rank}, and may change the log."
        )
        first = f"Let a superuser of the server run once: {found.mend} Then run" if found.mend else "Run"
        yield Check(name, Verdict.WARN, said, f"{first} `python -m w365core init`.")
    elif found.may_change_log and not is_ours:
        said = f"w365_worker and w365_pages are there, and this account, {found.account}, {rank}: it may put the audit log's triggers to sleep."
        cure = "That is right for `init` and `rebuild` alone: give web app and worker a login in w365_worker and w365_pages (docs/production.md)."
        yield Check(name, Verdict.WARN, said, cure)
    elif found.may_change_log:
        said = (
            f"w365_worker and w365_pages are there; {found.account} {rank}, which is our own: what it changed in the log, the seals show."
        )
        yield Check(name, Verdict.OK, said)
    else:
        said = f"w365_worker and w365_pages are there; {found.account} {rank}, and can add to the audit log and change nothing in it."
        yield Check(name, Verdict.OK, said)


def _worker(context: Context, connection: Connection) -> Iterator[Check]:
    living = job_runs.living_workers(connection, silence=SILENCE)
    waiting, since = health.waiting_jobs(connection)
    cure = "Start one with `python -m w365core worker`, or everything with `python -m w365core up`."
    if living:
        yield Check("worker", Verdict.OK, f"{many(living, 'worker is', 'workers are')} alive; {many(waiting, 'job waits', 'jobs wait')}.")
    elif waiting and since is not None:
        yield Check(
            "worker",
            Verdict.FAIL,
            f"No worker is alive, and {many(waiting, 'job waits', 'jobs wait')}, the first since {since:%Y-%m-%d %H:%M} UTC.",
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
        said = f"{many(len(sealed), 'token is', 'tokens are')} stored, and their key is missing."
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
        yield Check("secrets", Verdict.OK, f"{many(len(sealed), 'stored token', 'stored tokens')} can be opened.")


QUESTIONS = (_database_roles, _worker, _audit_log, _landing, _backup, _rates, _secrets)
