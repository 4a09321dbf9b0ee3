"""Where the database is, and how to reach it: DATABASE_URL, else the embedded Postgres, started where it does not run.

Every failure to reach it is one sentence: ConfigurationMissing when it could not be reached at all, StoreUnavailable when it went away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Executable, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.pool import PoolResetState, QueuePool

from w365core.errors import ConfigurationMissing, StoreUnavailable
from w365core.settings import Settings
from w365core.store import embedded

OLDEST_POSTGRES = 15
_NO_SCHEMA = "The database has no schema of this version; run `python -m w365core init`."
_DISCONNECTS = ("08", "57P01", "57P02", "57P03")
logging.getLogger("sqlalchemy.pool").setLevel(
    logging.CRITICAL
)  # a stop in the middle of a reset is no error, and its traceback is for nobody


def engine(settings: Settings, *, report: Callable[[str], None] = lambda text: None) -> Engine:
    """An engine whose database answers and is new enough. ConfigurationMissing in one sentence where it does not."""
    if settings.database_url:
        url = _given_url(settings.database_url)
        where = f"the database of DATABASE_URL ({_shown(url)})"
    else:
        url = make_url(embedded.start(home=settings.home, osuser=settings.pg_osuser, report=report))
        where = "the embedded database"
    made = pooled(url, connect_timeout=8, application_name="w365")
    try:
        with made.connect() as connection:
            version = connection.dialect.server_version_info[0]
    except DBAPIError as error:  # an unknown option of the address is a ProgrammingError
        raise ConfigurationMissing(
            f"Could not reach {where}: {_reason(error)}. Check that it runs and that the address is right."
        ) from None
    except ArgumentError as error:
        raise ConfigurationMissing(f"Could not use {where}: {_reason(error)}.") from None
    if version < OLDEST_POSTGRES:
        raise ConfigurationMissing(f"{where[0].upper()}{where[1:]} is Postgres {version}; Postgres {OLDEST_POSTGRES} or newer is needed.")
    return made


def pooled(url: URL | str, **connect_args: object) -> Engine:
    """An engine that keeps up to two connections open, since a new one costs more than most transactions, and opens as many more as are wanted at
    once. One that comes back is as a new one, without locks, temporary tables and settings; one that has died meanwhile is replaced. Statements are not
    prepared: each is planned for what it is asked."""
    told = {"prepare_threshold": None, **connect_args}
    made = create_engine(
        url, poolclass=QueuePool, pool_size=2, max_overflow=-1, pool_pre_ping=True, pool_reset_on_return=None, connect_args=told
    )
    event.listen(made, "reset", _as_new)
    return made


def _as_new(driver: psycopg.Connection, _record: object, state: PoolResetState) -> None:
    if state.terminate_only or driver.closed:
        return
    try:
        driver.rollback()
        driver.autocommit = True  # outside of a transaction, as DISCARD wants it
        driver.execute("discard all")
        driver.autocommit = False
    except psycopg.Error:  # what it ran for has said so already; it is found closed and replaced when somebody wants it
        driver.close()


def _given_url(given: str) -> URL:
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # a port that is no number is a ValueError
        raise ConfigurationMissing(
            "DATABASE_URL is not a database address; write it as postgresql://user:password@host:5432/database, or unset it."
        ) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigurationMissing(
            f"DATABASE_URL names {url.drivername}; only Postgres is supported: postgresql://user:password@host/database."
        )
    return url.set(drivername="postgresql+psycopg")


def _shown(url: URL) -> str:
    """The address without what may be secret: a password can stand among the options too."""
    places = {name: value for name, value in url.query.items() if name in ("host", "port", "dbname")}
    return url.set(query=places).render_as_string(hide_password=True)


@contextmanager
def guarded() -> Iterator[None]:
    """Turns the loss of the database into StoreUnavailable; a missing schema and a missing right into what a person has to do."""
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):  # of the driver itself, where it is asked without SQLAlchemy
        raise ConfigurationMissing(_NO_SCHEMA) from None
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None) or ""
        if error.connection_invalidated or code.startswith(_DISCONNECTS) or (isinstance(error, OperationalError) and not code):
            raise StoreUnavailable(
                f"The database went away in mid-run ({_reason(error)}); nothing half-done was stored. Run the command again."
            ) from None
        if isinstance(error, ProgrammingError) and code in ("42P01", "42703"):
            raise ConfigurationMissing(_NO_SCHEMA) from None
        if code == "42501":
            raise ConfigurationMissing(
                f"The account of DATABASE_URL may not do that ({_reason(error)}); nothing half-done was stored. Let it own the database, "
                "or name another account."
            ) from None
        raise


def rows(connection: Connection, query: Executable, **bound: object) -> list[dict[str, Any]]:
    """The answer's rows by column name: plain dictionaries, made of the columns at once, much faster than SQLAlchemy's mappings."""
    answer = connection.execute(query, bound)
    names = tuple(answer.keys())
    return [dict(zip(names, row, strict=True)) for row in answer.all()]


@contextmanager
def driver_cursor(connection: Connection, *, lost: str = "nothing was changed. Do it again.") -> Iterator[psycopg.Cursor]:
    """A cursor of the driver inside the connection's transaction, for COPY, which SQLAlchemy has not, and for streams. `lost` ends the sentence of the
    StoreUnavailable that a loss of the database becomes."""
    if not connection.in_transaction():
        connection.begin()
    driver = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor:
            yield cursor
    except psycopg.OperationalError as error:
        if driver.broken:
            connection.invalidate(error)  # else the caller's rollback fails in its turn and hides this
        raise StoreUnavailable(f"The database failed in the middle ({_reason(error)}); {lost}") from None


def _reason(error: Exception) -> str:
    """The driver's first line, without the address and its credentials."""
    lines = [line.strip() for line in str(getattr(error, "orig", None) or error).splitlines() if line.strip()]
    said = next(
        (line for line in lines if not line.startswith(("Multiple connection attempts", "- host"))), lines[0] if lines else "no answer"
    )
    return said.removeprefix("connection failed: ").rstrip(".")


def lock(connection: Connection, *names: str) -> bool:
    """Takes the session's advisory lock on these names; False when somebody else holds it. It ends with the connection."""
    found = connection.execute(text("select pg_try_advisory_lock(hashtextextended(:name, 0))"), {"name": "\x1f".join(names)})
    return bool(found.scalar_one())


def unlock(connection: Connection, *names: str) -> None:
    connection.execute(text("select pg_advisory_unlock(hashtextextended(:name, 0))"), {"name": "\x1f".join(names)})
