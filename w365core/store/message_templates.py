"""Which messages read otherwise than by default, who gets them, and who changed that? Every change is said in the log, and made on what its author saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from w365core.errors import CallRefused
from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables import message_template

WORDS = ("subject", "body_text", "body_html", "mail_to", "mail_cc")


def all_of_them(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """What was changed, by kind."""
    return {row["kind"]: dict(row) for row in connection.execute(select(*message_template.columns)).mappings()}


def save(connection: Connection, kind: str, words: Mapping[str, str], *, seen: int | None, who: Who) -> bool:
    """Keeps a template's `WORDS`; False where it reads so already. `seen` is the version that the author saw: CallRefused where it is another by now;
    None does not ask."""
    before = _locked(connection, kind)
    if before and {name: before[name] for name in WORDS} == dict(words):
        return False
    _refuse_changed(kind, before, seen)
    version = (before["version"] if before else 0) + 1
    written = {"kind": kind, **words, "version": version, "set_by": who.actor, "set_at": who.now}
    connection.execute(insert(message_template).values(**written).on_conflict_do_update(index_elements=["kind"], set_=written))
    _say(connection, "set template", kind, before, words, who)
    return True


def clear(connection: Connection, kind: str, *, seen: int | None, who: Who) -> bool:
    """Back to its default; False where nobody had changed it."""
    before = _locked(connection, kind)
    if before is None:
        return False
    _refuse_changed(kind, before, seen)
    connection.execute(delete(message_template).where(message_template.c.kind == kind))
    _say(connection, "clear template", kind, before, None, who)
    return True


def _locked(connection: Connection, kind: str) -> Mapping[str, Any] | None:
    """Also where there is no row yet, nobody else changes that template until the transaction ends."""
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"message template {kind}"})
    return connection.execute(select(*message_template.columns).where(message_template.c.kind == kind)).mappings().first()


def _refuse_changed(kind: str, before: Mapping[str, Any] | None, seen: int | None) -> None:
    if seen is not None and seen != (before["version"] if before else 0):
        by = f" by {before['set_by']}" if before else ""
        raise CallRefused(f"The template {kind} was changed{by} since you opened it; look at it again, then make your change.")


def _say(connection: Connection, action: str, kind: str, before: Mapping | None, after: Mapping | None, who: Who) -> None:
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=action,
        target_kind="message template",
        target=kind,
        before=None if before is None else {name: before[name] for name in WORDS},
        after=None if after is None else dict(after),
    )
