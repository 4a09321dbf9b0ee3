"""What is to be sent, was sent, or was withheld and why? Every message is written here before it is sent, once per channel and key.

A sender takes a message in a transaction of its own, which counts the attempt and puts the next one off; then it holds the row while it sends, so
that no other sender has it. Where it dies in between, the message waits for its next attempt, under the Message-ID that it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from w365core.store.tables import outbox, sync_run

STATES = ("waiting", "failed", "withheld", "sent", "discarded")


@dataclass(frozen=True)
class Message:
    """One message on one channel. `said` is how the last attempt went, or why there was none."""

    outbox_id: int
    channel: str
    key: str
    kind: str
    message_id: str
    subject: str
    body_text: str
    body_html: str
    facts: Mapping[str, Any]
    mail_to: str
    mail_cc: str
    state: str
    attempts: int
    said: str
    actor: str
    queued_at: datetime
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    sent_at: datetime | None


_COLUMNS = [outbox.c[name] for name in Message.__dataclass_fields__]
_BRIEF = [outbox.c[name] for name in Message.__dataclass_fields__ if name not in ("body_text", "body_html", "facts")]


def _fact(*path: str) -> Any:
    return outbox.c.facts[path].astext


_ABOUT = func.coalesce(_fact("invoice", "amount"), *(func.nullif(_fact(name), "") for name in ("held_up", "difference", "cost")), "")


def add(connection: Connection, **values: Any) -> int | None:
    """Queues a message; None where one of that channel and key is there already, whatever became of it."""
    statement = insert(outbox).values(**values).on_conflict_do_nothing(index_elements=["channel", "key"]).returning(outbox.c.outbox_id)
    return connection.execute(statement).scalar()


def find(connection: Connection, outbox_id: int) -> Message | None:
    return _first(connection, select(*_COLUMNS).where(outbox.c.outbox_id == outbox_id))


def briefs(
    connection: Connection, *, states: Sequence[str] = (), kinds: Sequence[str] = (), stuck: bool = False, most: int = 200
) -> Sequence[Mapping[str, Any]]:
    """The newest first, without their words; `about` is the money that a message is about, as it says it, and `total` its digits where it is of one
    invoice. `stuck`: those that failed, were withheld or were tried in vain."""
    query = select(*_BRIEF, _ABOUT.label("about"), _fact("invoice", "total").label("total")).order_by(outbox.c.outbox_id.desc()).limit(most)
    if states:
        query = query.where(outbox.c.state.in_(list(states)))
    if kinds:
        query = query.where(outbox.c.kind.in_(list(kinds)))
    if stuck:
        query = query.where(or_(outbox.c.state.in_(("failed", "withheld")), and_(outbox.c.state == "waiting", outbox.c.said != "")))
    return [dict(row) for row in connection.execute(query).mappings()]


def counted(connection: Connection) -> Mapping[str, int]:
    """How many there are in each state."""
    found = connection.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state)).all()
    return dict.fromkeys(STATES, 0) | {state: number for state, number in found}


def known_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the keys that something was queued for already."""
    return set(connection.execute(select(outbox.c.key).where(outbox.c.key.in_(list(keys)))).scalars())


def last_queued(connection: Connection, kind: str, *, but_key: str = "") -> datetime | None:
    """When a message of that kind was queued last, tests aside."""
    query = select(func.max(outbox.c.queued_at)).where(outbox.c.kind == kind, outbox.c.key != but_key, ~outbox.c.key.startswith("test:"))
    return connection.execute(query).scalar()


# --- sending -----------------------------------------------------------------------------------------------------------------------------


def due(connection: Connection, now: datetime, *, most: int = 100) -> Sequence[int]:
    """Those whose time has come, the oldest first."""
    query = select(outbox.c.outbox_id).where(outbox.c.state == "waiting", outbox.c.next_attempt_at <= now)
    return connection.execute(query.order_by(outbox.c.outbox_id).limit(most)).scalars().all()


def take(connection: Connection, outbox_id: int, *, now: datetime, pauses: Sequence[timedelta], forced: bool) -> bool:
    """Counts an attempt and puts the one after it off, by one of the `pauses` after another; False where somebody else has taken it or it waits no more.
    `forced` does not wait for its time."""
    query = select(outbox.c.attempts).where(outbox.c.outbox_id == outbox_id, outbox.c.state == "waiting")
    if not forced:
        query = query.where(outbox.c.next_attempt_at <= now)
    row = connection.execute(query.with_for_update(skip_locked=True)).first()
    if row is None:
        return False
    pause = pauses[min(row.attempts, len(pauses) - 1)]
    _change(connection, outbox_id, attempts=row.attempts + 1, last_attempt_at=now, next_attempt_at=now + pause)
    return True


def hold(connection: Connection, outbox_id: int) -> Message | None:
    """The message, for this transaction alone; waits for whoever looks at it or sends it just now, and is None where it waits no more then."""
    query = select(*_COLUMNS).where(outbox.c.outbox_id == outbox_id, outbox.c.state == "waiting")
    return _first(connection, query.with_for_update())


def mark_sent(connection: Connection, outbox_id: int, *, now: datetime, said: str) -> None:
    _change(connection, outbox_id, state="sent", sent_at=now, next_attempt_at=None, said=said)


def mark_failed(connection: Connection, outbox_id: int, *, said: str) -> None:
    """No further attempt is made by itself."""
    _change(connection, outbox_id, state="failed", next_attempt_at=None, said=said)


def mark_postponed(connection: Connection, outbox_id: int, *, said: str) -> None:
    """It stays in the queue, for the moment that `take` has set."""
    _change(connection, outbox_id, said=said)


# --- what people do with it ----------------------------------------------------------------------------------------------------------------


def release(connection: Connection, outbox_id: int, *, now: datetime, mail_to: str, mail_cc: str) -> None:
    """A failed or withheld message waits again, from its first attempt on."""
    again = {"state": "waiting", "attempts": 0, "next_attempt_at": now, "said": "", "mail_to": mail_to, "mail_cc": mail_cc}
    _change(connection, outbox_id, **again)


def discard(connection: Connection, outbox_id: int) -> None:
    """It is not sent any more; its key stays taken."""
    _change(connection, outbox_id, state="discarded", next_attempt_at=None)


def locked(connection: Connection, outbox_id: int) -> Message | None:
    """The message, for a change by a person; waits for a sender that has it in hand."""
    return _first(connection, select(*_COLUMNS).where(outbox.c.outbox_id == outbox_id).with_for_update())


def _change(connection: Connection, outbox_id: int, **values: Any) -> None:
    connection.execute(update(outbox).where(outbox.c.outbox_id == outbox_id).values(**values))


def _first(connection: Connection, query: Any) -> Message | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else Message(**row)


# --- what messages are about ---------------------------------------------------------------------------------------------------------------


def providers_not_asked(connection: Connection) -> list[Mapping[str, Any]]:
    """The providers whose last daily run failed, with its sentence and when."""
    last = (
        select(func.max(sync_run.c.sync_run_id))
        .where(sync_run.c.command == "sync", sync_run.c.provider.is_not(None), sync_run.c.status.in_(("failed", "done")))
        .group_by(sync_run.c.provider)
    )
    query = select(sync_run.c.provider, sync_run.c.message, sync_run.c.started_at).where(sync_run.c.sync_run_id.in_(last))
    return [dict(row) for row in connection.execute(query.where(sync_run.c.status == "failed").order_by(sync_run.c.provider)).mappings()]
