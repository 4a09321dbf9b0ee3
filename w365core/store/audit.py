"""Who did what, when and why: an append-only log in which every row seals the one before it.

A row's hash covers its own values and the hash before, so that a changed, removed or inserted row breaks the chain where it stands. Rows are
written in the transaction of the change they tell of; values inside `before` and `after` are text, whole numbers, booleans or null.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, text

from w365core.store.tables import audit_log

_FIRST = "0" * 64
_AT_ONCE = 1000
_CHAIN_LOCK = 3650002


@dataclass(frozen=True)
class Verified:
    """`rows` fit, one after the other, the last of them sealed as `hash`; `broken` is the first that does not, None where all do, and `why`."""

    rows: int
    broken: int | None
    why: str
    hash: str
    last_at: datetime | None


def append(
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    target_kind: str,
    target: str,
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> int:
    """Seals one event into the chain, in the caller's transaction; returns its number."""
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _CHAIN_LOCK})
    last = connection.execute(select(audit_log.c.audit_id, audit_log.c.hash).order_by(audit_log.c.audit_id.desc()).limit(1)).first()
    row = {
        "audit_id": last.audit_id + 1 if last else 1,
        "at": at.astimezone(UTC),
        "actor": actor,
        "action": action,
        "target_kind": target_kind,
        "target": target,
        "reason": reason,
        "before": None if before is None else json.loads(json.dumps(before, default=str)),
        "after": None if after is None else json.loads(json.dumps(after, default=str)),
        "previous_hash": last.hash if last else _FIRST,
    }
    connection.execute(insert(audit_log).values(**row, hash=_seal(row)))
    return row["audit_id"]


def last_said(connection: Connection, *, target_kind: str, target: str) -> str:
    """What happened to it last, by whom and when, for a sentence: "deactivate provider invoice by ana, 2026-11-12 06:00 UTC"; blank where nothing did."""
    last = connection.execute(
        select(audit_log.c.action, audit_log.c.actor, audit_log.c.at)
        .where(audit_log.c.target_kind == target_kind, audit_log.c.target == target)
        .order_by(audit_log.c.audit_id.desc())
        .limit(1)
    ).first()
    return f"{last.action} by {last.actor}, {last.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if last else ""


def last_actor(connection: Connection, *, target_kind: str, targets: Sequence[str]) -> str | None:
    """Who did the last thing to any of them; None where nobody has done any."""
    said = select(audit_log.c.actor).where(audit_log.c.target_kind == target_kind, audit_log.c.target.in_(targets))
    return connection.execute(said.order_by(audit_log.c.audit_id.desc()).limit(1)).scalar()


def first_broken(connection: Connection) -> int | None:
    """The number of the first row that does not fit the chain, or None where every row does."""
    return verify(connection).broken


def verify(connection: Connection, *, known: tuple[int, str] | None = None) -> Verified:
    """Goes through the whole log. `known` is a row that was noted elsewhere, by number and hash: it shows whether rows were taken off the end, or the
    whole log was sealed anew."""
    previous, expected, last_at = _FIRST, 1, None
    holds_known = known is None
    asked = (
        select(audit_log).order_by(audit_log.c.audit_id).execution_options(yield_per=_AT_ONCE)
    )  # of this statement: the connection would keep it
    for row in connection.execute(asked).mappings():
        values = dict(row)
        if values["audit_id"] != expected:
            return Verified(expected - 1, values["audit_id"], f"row {expected} is missing before it", previous, last_at)
        if values["previous_hash"] != previous:
            return Verified(expected - 1, expected, "it does not continue the row before it", previous, last_at)
        if _seal(values) != values["hash"]:
            return Verified(expected - 1, expected, "its values are not those that were sealed", previous, last_at)
        holds_known = holds_known or (expected, values["hash"]) == known
        previous, expected, last_at = values["hash"], expected + 1, values["at"]
    if not holds_known:
        return Verified(expected - 1, known[0], "it is not the row that was noted, or is gone", previous, last_at)
    return Verified(expected - 1, None, "", previous, last_at)


def _seal(row: Mapping[str, Any]) -> str:
    sealed = {name: value for name, value in row.items() if name != "hash"}
    sealed["at"] = sealed["at"].astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(json.dumps(sealed, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
