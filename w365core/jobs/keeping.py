"""What is kept how long, and what of it is older than that? A look that changes nothing, and the removal of just that.

Never removed: what an invoice was made of, the audit log, decisions, records. Files go after their rows, and not while a backup is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from w365core.jobs.context import Context
from w365core.jobs.handed import KEPT_DAYS
from w365core.store import audit, dumping, keeping as store, preferences
from w365core.store.engine import guarded
from w365core.store.landing import Landing

__all__ = ["Kept", "apply", "look"]

EXPORT_DAYS = 30  # a provider drops them long before
KEY_DAYS = 30  # nobody presses a button of a page that old
_FOR_EVER = "for ever"


@dataclass(frozen=True)
class Kept:
    """One kind: how long it is kept by which setting, and how many of it are from `before`. `size` in bytes where it is known; `removed` is False for a look."""

    what: str
    setting: str | None
    keeps: str
    before: datetime | None
    number: int
    size: int | None
    removed: bool


@dataclass(frozen=True)
class _Kind:
    what: str
    setting: str | None
    days: int
    count: Callable[[Connection, datetime], int]
    remove: Callable[[Connection, datetime], int]


def look(context: Context) -> tuple[Kept, ...]:
    """What `apply` would remove."""
    with guarded(), context.engine.connect() as connection:
        set_to = preferences.values(connection)
        found = [_kept(kind, connection, context, kind.count, removed=False) for kind in _kinds(set_to)]
        found.append(_answers(context, connection, int(set_to["keep_answers_days"]), removes=False)[0])
    return (*found, _uploads(context.settings.home / "uploads", removes=False))


def apply(context: Context) -> tuple[Kept, ...]:
    """Removes it, each kind whole or not at all, and says so in the log."""
    with guarded(), dumping.alone(context.engine):
        with context.engine.begin() as connection:
            set_to = preferences.values(connection)
            found = [_kept(kind, connection, context, kind.remove, removed=True) for kind in _kinds(set_to)]
            answers, fingerprints = _answers(context, connection, int(set_to["keep_answers_days"]), removes=True)
            found.append(answers)
            if removed := {one.what: one.number for one in found if one.number}:
                who = {"at": context.now, "actor": context.actor}
                audit.append(connection, **who, action="remove old data", target_kind="installation", target="all data", after=removed)
        _remove_files(context, fingerprints)
    return (*found, _uploads(context.settings.home / "uploads", removes=True))


def _kinds(set_to: dict[str, str]) -> tuple[_Kind, ...]:
    return (
        _Kind("ended jobs", "keep_jobs_days", int(set_to["keep_jobs_days"]), store.jobs, store.remove_jobs),
        _Kind("ended syncs", "keep_runs_days", int(set_to["keep_runs_days"]), store.runs, store.remove_runs),
        _Kind("exports that a provider owes", None, EXPORT_DAYS, store.exports, store.remove_exports),
        _Kind("keys of what was asked", None, KEY_DAYS, store.keys, store.remove_keys),
    )


def _kept(kind: _Kind, connection: Connection, context: Context, ask: Callable[[Connection, datetime], int], *, removed: bool) -> Kept:
    if kind.days == 0:
        return Kept(kind.what, kind.setting, _FOR_EVER, None, 0, None, removed)
    now = store.database_now(connection) if kind.setting == "keep_jobs_days" else context.now
    before = now - timedelta(days=kind.days)
    return Kept(kind.what, kind.setting, f"{kind.days:,} days", before, ask(connection, before), None, removed)


def _answers(context: Context, connection: Connection, days: int, *, removes: bool) -> tuple[Kept, list[str]]:
    what, setting = "answers that nothing is made of", "keep_answers_days"
    if days == 0:
        return Kept(what, setting, _FOR_EVER, None, 0, None, removes), []
    before = context.now - timedelta(days=days)
    number, size = store.answers(connection, before)
    fingerprints = store.remove_answers(connection, before, at=context.now) if removes else []
    return Kept(what, setting, f"{days:,} days", before, number, size, removes), fingerprints


def _remove_files(context: Context, fingerprints: list[str]) -> None:
    """But those that have come again meanwhile."""
    landing = Landing(context.settings.landing)
    with context.engine.connect() as connection:
        for fingerprint in fingerprints:
            if not store.is_back(connection, fingerprint):
                for path in (landing.path(fingerprint), landing.path(fingerprint).with_suffix(".gz")):
                    with suppress(OSError):
                        path.unlink(missing_ok=True)
            connection.rollback()


def _uploads(folder: Path, *, removes: bool) -> Kept:
    """Files that were handed in and not imported for a week; by the disk's own clock."""
    oldest, number, size = time.time() - KEPT_DAYS * 86_400, 0, 0
    for path in folder.glob("*") if folder.is_dir() else ():
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                number, size = number + 1, size + path.stat().st_size
                if removes:
                    path.unlink()
    return Kept("uploads that nobody imported", None, f"{KEPT_DAYS} days", None, number, size, removes)
