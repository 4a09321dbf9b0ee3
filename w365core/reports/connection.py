"""How does a page read? In one read-only snapshot with a time limit, and every failure is one sentence for the person at the screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from w365core import settings
from w365core.errors import CallRefused, StoreUnavailable, W365Error
from w365core.store import database_roles, embedded, engine as store_engine, queries

SECONDS_TO_ANSWER = 30
TIME_ZONE = "time_zone"
_CANCELLED = "57014"


@dataclass(frozen=True)
class Installation:
    """What this installation says of itself. `stated_clock` is the demo's: it never ages."""

    is_demo: bool
    stated_clock: datetime | None
    now: datetime
    time_zone: str = "UTC"


def engine() -> Engine:
    """The engine of this process; starts the embedded database where it does not run. ConfigurationMissing where it cannot be reached."""
    return store_engine.engine(settings.read())


def is_embedded() -> bool:
    """Whether the database is ours to start; else somebody else runs the one that DATABASE_URL names."""
    return not settings.read().database_url


@contextmanager
def reading(engine: Engine, *, seconds: int = SECONDS_TO_ANSWER) -> Iterator[Connection]:
    """One snapshot. StoreUnavailable where the database is away, CallRefused where a question takes longer than `seconds` (0: no limit)."""
    try:
        with store_engine.guarded(), engine.connect() as connection:
            begin = "set transaction isolation level repeatable read, read only; set local statement_timeout = '{}s'"
            connection.execute(text(begin.format(int(seconds))))
            database_roles.read_as_pages(connection)
            yield connection
    except StoreUnavailable:
        raise StoreUnavailable(
            f"{_where(engine)} does not answer. Nothing is lost: see that it runs (`python -m w365core up` starts everything), then press Retry."
        ) from None
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _CANCELLED:
            raise
        raise CallRefused(f"The database took longer than {seconds} seconds over this; choose fewer invoices with the filters.") from None


def moment(connection: Connection) -> str:
    """What the snapshot sees: where this is the same text, every row is the same. It is another one as soon as anybody has written anything."""
    return queries.snapshot(connection)


def installation(connection: Connection) -> Installation:
    """Whether this is the demo, and what time it is: W365_NOW, else the clock that the installation states, else the real one."""
    facts = queries.installation_facts(connection)
    stated = datetime.fromisoformat(facts["clock"]) if "clock" in facts else None
    now = settings.read().now or stated or datetime.now(UTC)
    return Installation("demo" in facts or stated is not None, stated, now, facts.get(TIME_ZONE) or "UTC")


def database_answers() -> bool:
    """Whether the database answers; asking does not start the embedded one."""
    known = settings.read()
    if not known.database_url and not embedded.is_running(home=known.home):
        return False
    try:
        with reading(engine(), seconds=5) as connection:
            return connection.execute(text("select 1")).scalar() == 1
    except W365Error:
        return False


def _where(engine: Engine) -> str:
    if not is_embedded():
        return f"The database at {engine.url.set(query={}).render_as_string(hide_password=True)}"
    return "The embedded database"
