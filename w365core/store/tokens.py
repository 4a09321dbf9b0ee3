"""Which tokens are kept for a provider? Encrypted before they come here; whoever exchanges one is alone with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from w365core.errors import AlreadyRunning
from w365core.store import engine as store_engine
from w365core.store.tables import stored_token

REFRESH = "refresh"  # of the interface itself: good for one use
USER = "user"  # of a person who signed in
SECONDS_TO_WAIT = 120


@dataclass(frozen=True)
class StoredToken:
    """`given`: fingerprint of the token a person gave, or who signed in; `exchanging_since`: its successor was asked for and has not been stored."""

    encrypted: bytes
    given: str | None
    issued_at: datetime
    expires_at: datetime | None
    exchanging_since: datetime | None


@contextmanager
def alone(engine: Engine, provider: str) -> Iterator[Connection]:
    """A connection that holds the provider's token lock; it waits while another process exchanges. AlreadyRunning where that takes too long."""
    names = "provider token", provider.lower()
    with store_engine.guarded(), engine.connect() as connection:
        try:
            with connection.begin():
                connection.execute(text(f"set local lock_timeout = '{SECONDS_TO_WAIT}s'"))
                connection.execute(text("select pg_advisory_lock(hashtextextended(:name, 0))"), {"name": "\x1f".join(names)})
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != "55P03":
                raise
            raise AlreadyRunning(
                f"Another process is signing in to {provider} and does not come to an end; try again in a minute."
            ) from None
        try:
            yield connection
        finally:
            if not connection.invalidated and not connection.closed:
                connection.rollback()
                store_engine.unlock(connection, *names)
                connection.commit()


def find(connection: Connection, provider: str, *, purpose: str = REFRESH) -> StoredToken | None:
    """The refresh token that is kept for the provider."""
    names = (stored_token.c[name] for name in StoredToken.__dataclass_fields__)
    row = connection.execute(select(*names).where(*_of(provider, purpose))).mappings().first()
    return None if row is None else StoredToken(**row)


def signed_in(connection: Connection) -> set[str]:
    """The providers at which a person has signed in."""
    return set(connection.execute(select(stored_token.c.provider).where(stored_token.c.purpose == USER)).scalars())


def every(connection: Connection) -> list[tuple[str, str, bytes]]:
    """All that are kept: provider, purpose, the encrypted token."""
    columns = stored_token.c.provider, stored_token.c.purpose, stored_token.c.encrypted
    return [tuple(row) for row in connection.execute(select(*columns).order_by(*columns[:2]).with_for_update())]


def seal_anew(connection: Connection, provider: str, purpose: str, encrypted: bytes) -> None:
    """The same token under another key."""
    connection.execute(update(stored_token).where(*_of(provider, purpose)).values(encrypted=encrypted))


def keep(connection: Connection, provider: str, token: StoredToken, *, purpose: str = REFRESH) -> None:
    """Puts the token in the place of the one before it."""
    values = {name: getattr(token, name) for name in StoredToken.__dataclass_fields__}
    statement = insert(stored_token).values(provider=provider, purpose=purpose, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["provider", "purpose"], set_=values))


def say_exchanging(connection: Connection, provider: str, since: datetime | None) -> None:
    """Says that its successor is being asked for, before it is."""
    connection.execute(update(stored_token).where(*_of(provider, REFRESH)).values(exchanging_since=since))


def _of(provider: str, purpose: str):
    return stored_token.c.provider == provider, stored_token.c.purpose == purpose
