"""Was this asked for before, with the same key? A key is written down before the action begins and marked when it has ended, so that it happens once.

While it runs its key is locked by a session: a key that was begun, is not done and not locked belongs to something that died.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from w365core.store import engine as store_engine
from w365core.store.tables_access import asked_action

_NAMES = "asked action"


@contextmanager
def held(engine: Engine, key: str) -> Iterator[Connection | None]:
    """A connection that holds the key, for the length of a block; None where somebody else holds it."""
    with engine.connect() as connection:
        got = store_engine.lock(connection, _NAMES, key)
        connection.commit()
        try:
            yield connection if got else None
        finally:
            if got and not connection.invalidated:
                connection.rollback()
                store_engine.unlock(connection, _NAMES, key)
                connection.commit()


def begin(connection: Connection, *, key: str, actor: str, action: str, asked: str, now: datetime) -> Row | None:
    """Writes it down; what was written down before, where it was."""
    values = {"key": key, "actor": actor, "action": action, "asked": asked, "begun_at": now}
    with connection.begin():
        if connection.execute(insert(asked_action).values(**values).on_conflict_do_nothing().returning(asked_action.c.key)).first():
            return None
        return connection.execute(select(asked_action).where(asked_action.c.key == key)).one()


def done(connection: Connection, key: str, *, now: datetime) -> None:
    """It has ended."""
    with connection.begin():
        connection.execute(update(asked_action).where(asked_action.c.key == key).values(done_at=now))


def forget(connection: Connection, key: str) -> None:
    """It was refused and changed nothing, so the same may be asked again."""
    with connection.begin():
        connection.execute(delete(asked_action).where(asked_action.c.key == key))
