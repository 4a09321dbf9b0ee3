"""Which entries of the audit log are these? By who, what, about what and when; a page at a time, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from w365core.store.tables import audit_log

_AT_ONCE = 1000


@dataclass(frozen=True)
class Wanted:
    """Each that is given narrows it. `target` is a part of the target's name or of the reason, in any case; the days are inclusive, in UTC."""

    actors: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    target: str = ""
    since: date | None = None
    until: date | None = None


def page(connection: Connection, wanted: Wanted, *, most: int, before: int | None = None) -> Sequence[Mapping[str, Any]]:
    """The newest, or those older than entry `before`."""
    older = (audit_log.c.audit_id < before,) if before is not None else ()
    asked = select(*audit_log.columns).where(*_where(wanted), *older).order_by(audit_log.c.audit_id.desc()).limit(most)
    return connection.execute(asked).mappings().all()


def every(connection: Connection, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
    """All of them, the newest first, without holding them all."""
    asked = select(*audit_log.columns).where(*_where(wanted)).order_by(audit_log.c.audit_id.desc())
    yield from connection.execute(asked.execution_options(yield_per=_AT_ONCE)).mappings()


def count(connection: Connection, wanted: Wanted) -> int:
    """How many there are."""
    return connection.execute(select(func.count()).select_from(audit_log).where(*_where(wanted))).scalar_one()


def choices(connection: Connection) -> dict[str, list[str]]:
    """What there is to choose from: actors, actions and kinds of target, each by name."""
    named = {"actors": audit_log.c.actor, "actions": audit_log.c.action, "kinds": audit_log.c.target_kind}
    return {name: list(connection.execute(select(column).distinct().order_by(column)).scalars()) for name, column in named.items()}


def _where(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for chosen, column in (
        (wanted.actors, audit_log.c.actor),
        (wanted.actions, audit_log.c.action),
        (wanted.kinds, audit_log.c.target_kind),
    ):
        if chosen:
            found.append(column.in_(chosen))
    if text := wanted.target.strip():
        found.append(or_(audit_log.c.target.icontains(text, autoescape=True), audit_log.c.reason.icontains(text, autoescape=True)))
    if wanted.since is not None:
        found.append(audit_log.c.at >= _midnight(wanted.since))
    if wanted.until is not None:
        found.append(audit_log.c.at < _midnight(wanted.until + timedelta(days=1)))
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
