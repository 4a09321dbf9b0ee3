"""Is a database that cannot be used said in one sentence, soon, and without its password?"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests import postgres
from w365core.errors import ConfigurationMissing, StoreUnavailable
from w365core.settings import Settings
from w365core.store import engine as store_engine
from w365core.store.engine import pooled

PASSWORD = "planted-password-77"


@pytest.fixture(scope="module")
def silent() -> Iterator[int]:
    """A port where a connection is taken and nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_keep, args=[listening], daemon=True).start()
        yield listening.getsockname()[1]


def _keep(listening: socket.socket) -> None:
    kept = []
    try:
        while True:
            kept.append(listening.accept())
    except OSError:
        pass


@pytest.fixture(scope="module")
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def engine_of(url: str) -> None:
    store_engine.engine(Settings(home=Path("/nowhere"), database_url=url))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"garbage {PASSWORD}", "not a database address; write it as postgresql://"),
        (f"postgresql://u:{PASSWORD}@host:not-a-port/db", "DATABASE_URL"),
        (f"mysql://u:{PASSWORD}@localhost/db", "only Postgres is supported"),
        (f"sqlite:///{PASSWORD}.db", "only Postgres is supported"),
        (f"postgresql://u:{PASSWORD}@no-such-host.invalid/db", "Could not reach"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:{{closed}}/db", "Connection refused"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:{{silent}}/db", "Could not reach"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:{{closed}}/db?sslmode=nonsense", "sslmode"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:{{closed}}/db?nonsense={PASSWORD}", "nonsense"),
    ],
)
def test_a_wrong_address_is_one_sentence_within_ten_seconds(url: str, said: str, closed: int, silent: int) -> None:
    begun = time.monotonic()
    with pytest.raises(ConfigurationMissing, match=said) as refused:
        engine_of(url.format(closed=closed, silent=silent))
    assert time.monotonic() - begun < 10
    assert refused.value.exit_code == 4
    assert PASSWORD not in str(refused.value) and "\n" not in str(refused.value)


def test_a_missing_database_is_named() -> None:
    with pytest.raises(ConfigurationMissing, match='database "nobody_made_it" does not exist'):
        engine_of(postgres.server().replace("@/w365?", "@/nobody_made_it?"))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_spelling_of_postgres_is_understood(database_url: str, scheme: str) -> None:
    engine_of(database_url.replace("postgresql+psycopg", scheme))


def test_a_missing_schema_says_what_makes_it() -> None:
    with postgres.fresh_database() as url:
        engine = pooled(url)
        said = pytest.raises(ConfigurationMissing, match="run `python -m w365core init`")
        with said, store_engine.guarded(), engine.connect() as connection:
            connection.execute(text("select * from provider_invoice"))


@pytest.mark.parametrize("how", ["statement", "copy", "commit"])
def test_a_lost_connection_is_the_store_gone_and_nothing_else(database_url: str, how: str) -> None:
    engine = pooled(database_url)
    with pytest.raises(StoreUnavailable, match="went away in mid-run") as lost, store_engine.guarded(), engine.connect() as connection:
        connection.execute(text("create table kept (x int)"))
        _end_session(database_url, connection.connection.driver_connection.info.backend_pid)
        if how == "statement":
            connection.execute(text("select 1"))
        elif how == "copy":
            with connection.connection.driver_connection.cursor() as cursor, cursor.copy("copy kept from stdin") as sink:
                sink.write("1\n")
        else:
            connection.commit()
    assert lost.value.exit_code == 3


def test_a_fault_of_ours_is_not_mistaken_for_a_lost_store(database_url: str) -> None:
    engine = pooled(database_url)
    with pytest.raises(DBAPIError), store_engine.guarded(), engine.connect() as connection:
        connection.execute(text("select 1 / 0"))


def test_a_lock_is_held_by_one_session_and_ends_with_it(database_url: str) -> None:
    engine = pooled(database_url)
    with engine.connect() as second:
        with engine.connect() as first:
            assert store_engine.lock(first, "provider invoice", "a", "b")
            assert not store_engine.lock(second, "provider invoice", "a", "b")
            assert store_engine.lock(second, "provider invoice", "ab", "")
        deadline = time.monotonic() + 20  # the session ends a moment after its connection is closed
        while not (taken := store_engine.lock(second, "provider invoice", "a", "b")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert taken


def _end_session(url: str, backend: int) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        assert other.execute("select pg_terminate_backend(%s, 5000)", [backend]).fetchone() == (True,)


def test_a_stop_while_a_connection_is_made_as_new_is_no_error_and_the_next_one_works(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = pooled(database_url)

    def stopped(_driver: psycopg.Connection, statement: str, *_more: object) -> None:
        raise KeyboardInterrupt(statement)

    with pytest.raises(KeyboardInterrupt), engine.connect() as connection:
        assert connection.execute(text("select 1")).scalar() == 1
        monkeypatch.setattr(psycopg.Connection, "execute", stopped)
    monkeypatch.undo()
    assert caplog.text == ""
    with engine.connect() as connection:
        assert connection.execute(text("select 1")).scalar() == 1
    engine.dispose()
