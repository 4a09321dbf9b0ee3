"""Does the log show what was done to it, and do the tables that only grow refuse to shrink?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import DBAPIError

from w365core.store import audit
from w365core.store.tables import audit_log, landed_answer

NOW = datetime(2026, 11, 12, 6, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def sealed(engine: Engine) -> Engine:
    """Five sealed rows, with every kind of value."""
    for number in range(1, 6):
        with engine.begin() as connection:
            more = {"reason": "Grün & gut", "before": {"b": None, "a": 1}, "after": {"total": "1.10", "active": True}} if number % 2 else {}
            written = audit.append(
                connection, at=NOW + timedelta(seconds=number), actor="ann", action="do", target_kind="thing", target=str(number), **more
            )
            assert written == number
    return engine


def first_broken(engine: Engine) -> int | None:
    with engine.connect() as connection:
        return audit.first_broken(connection)


def by_force(engine: Engine, statement: str) -> None:
    """As somebody who owns the database could: with the triggers off."""
    with engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        assert connection.execute(text(statement)).rowcount


def test_an_untouched_log_holds(sealed: Engine) -> None:
    assert first_broken(sealed) is None


def test_an_empty_log_holds(engine: Engine) -> None:
    assert first_broken(engine) is None


@pytest.mark.parametrize(
    "changed",
    [
        "actor = 'bob'",
        "action = 'undo'",
        "target = '9'",
        "reason = null",
        "at = at + interval '1 microsecond'",
        """after = '{"total": "1.11", "active": true}'""",
        "before = null",
        "previous_hash = repeat('0', 64)",
        "hash = repeat('0', 64)",
    ],
)
def test_a_changed_row_is_found(sealed: Engine, changed: str) -> None:
    by_force(sealed, f"update audit_log set {changed} where audit_id = 3")
    assert first_broken(sealed) == 3


def test_a_row_sealed_anew_is_found_by_the_next(sealed: Engine) -> None:
    with sealed.connect() as connection:
        row = dict(connection.execute(select(audit_log).where(audit_log.c.audit_id == 3)).mappings().one())
    forged = audit._seal(row | {"actor": "bob"})
    by_force(sealed, f"update audit_log set actor = 'bob', hash = '{forged}' where audit_id = 3")
    assert first_broken(sealed) == 4


@pytest.mark.parametrize(("removed", "found"), [(1, 2), (3, 4)])
def test_a_removed_row_is_found(sealed: Engine, removed: int, found: int) -> None:
    by_force(sealed, f"delete from audit_log where audit_id = {removed}")
    assert first_broken(sealed) == found


def test_an_inserted_row_is_found(sealed: Engine) -> None:
    by_force(
        sealed,
        "insert into audit_log (audit_id, at, actor, action, target_kind, target, previous_hash, hash) "
        "select 6, at, actor, 'forged', target_kind, target, hash, repeat('a', 64) from audit_log where audit_id = 5",
    )
    assert first_broken(sealed) == 6


def test_the_next_row_goes_on_after_what_is_there(sealed: Engine) -> None:
    with sealed.begin() as connection:
        assert audit.append(connection, at=NOW, actor="ann", action="do", target_kind="thing", target="6") == 6
    assert first_broken(sealed) is None


def test_a_row_whose_transaction_failed_leaves_no_gap(sealed: Engine) -> None:
    with sealed.connect() as connection:
        audit.append(connection, at=NOW, actor="ann", action="do", target_kind="thing", target="lost")
        connection.rollback()
    with sealed.begin() as connection:
        assert audit.append(connection, at=NOW, actor="ann", action="do", target_kind="thing", target="kept") == 6
    assert first_broken(sealed) is None


@pytest.mark.parametrize("table", ["audit_log", "landed_answer"])
@pytest.mark.parametrize("statement", ["update {} set {} = 'x'", "delete from {}", "truncate {}"])
def test_what_only_grows_refuses_to_change(sealed: Engine, table: str, statement: str) -> None:
    with sealed.begin() as connection:
        landed = {"provider": "p", "purpose": "q", "method": "GET", "url": "u", "fingerprint": "f", "size": 1, "received_at": NOW}
        connection.execute(insert(landed_answer).values(**landed))
    column = "actor" if table == "audit_log" else "url"
    with pytest.raises(DBAPIError, match=f"{table} only grows"), sealed.begin() as connection:
        connection.execute(text(statement.format(table, column)))
    with sealed.connect() as connection:
        assert connection.execute(text(f"select count(*) from {table}")).scalar_one() > 0


def test_looking_through_the_log_leaves_the_connection_as_it_was(sealed: Engine) -> None:
    with sealed.connect() as connection:
        assert audit.verify(connection).rows == 5
        connection.execute(text("set local time zone 'UTC'"))
        assert "yield_per" not in connection.get_execution_options()
