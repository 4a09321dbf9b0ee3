"""What may each account do in the database itself? Tried as each of them, whatever the application believes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests import estates, postgres
from tests.conftest import NOW
from tests.estates import Estate
from w365core.jobs import deciding, syncing
from w365core.jobs.context import Context
from w365core.model import Secret, Seen
from w365core.providers.vault import Vault
from w365core.reports import connection as reading
from w365core.store import audit, database_roles, ledger, schema, tokens
from w365core.store.database_roles import PAGES, WORKER
from w365core.store.engine import pooled
from w365core.store.tokens import StoredToken


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """An entry of the log, something that landed, a stored token."""
    with engine.begin() as connection:
        audit.append(connection, at=NOW, actor="ann", action="do", target_kind="thing", target="1")
        connection.execute(
            text(
                "insert into landed_answer (provider, purpose, method, url, fingerprint, size, received_at) values ('p', 'q', 'GET', 'u', 'f', 1, now())"
            )
        )
        tokens.keep(connection, "p", StoredToken(Vault(Secret("k")).seal(Secret("t")), None, NOW, None, None))
    return engine


def refusal(engine: Engine, role: str, statement: str) -> str:
    """What the database says to it as that role; blank where it lets it."""
    try:
        with engine.begin() as connection:
            connection.execute(text(f"set local role {role}"))
            connection.execute(text(statement))
    except DBAPIError as error:
        assert error.orig is not None
        return f"{error.orig.sqlstate} {error.orig}"
    return ""


@pytest.mark.parametrize("table", database_roles.ONLY_GROW)
@pytest.mark.parametrize(
    "statement",
    ["update {0} set provider = 'x'", "delete from {0}", "truncate {0}", "alter table {0} disable trigger all", "drop table {0}"],
)
@pytest.mark.parametrize("role", [WORKER, PAGES])
def test_history_only_grows_for_everybody_but_the_owner(filled: Engine, role: str, statement: str, table: str) -> None:
    told = statement.format(table).replace("provider = 'x'", "actor = 'x'" if table == "audit_log" else "provider = 'x'")
    assert refusal(filled, role, told).startswith("42501")


def test_the_worker_adds_to_the_log_and_cannot_put_the_triggers_to_sleep(filled: Engine) -> None:
    with filled.begin() as connection:
        connection.execute(text(f"set local role {WORKER}"))
        assert audit.append(connection, at=NOW, actor="ann", action="do", target_kind="thing", target="2") == 2
    with filled.connect() as connection:
        assert connection.execute(text("select rolsuper from pg_roles where rolname = :name"), {"name": WORKER}).scalar() is False


@pytest.mark.parametrize(
    "statement",
    [
        "insert into installation (name, value) values ('x', 'y')",
        "update preference set value = 'x'",
        "delete from person",
        "create table x (a int)",
        "select encrypted from stored_token",
    ],
)
def test_the_pages_account_can_write_nothing_and_read_no_token(filled: Engine, statement: str) -> None:
    assert refusal(filled, PAGES, statement).startswith("42501")


def test_the_pages_account_reads_every_other_table(filled: Engine) -> None:
    with filled.connect() as connection:
        names = (
            connection.execute(text("select tablename from pg_tables where schemaname = 'public' and tablename <> 'stored_token'"))
            .scalars()
            .all()
        )
    assert len(names) > 40
    assert [name for name in names if refusal(filled, PAGES, f"select * from {name} limit 1")] == []
    assert refusal(filled, PAGES, "select provider, given, expires_at from stored_token") == ""


def test_a_page_reads_as_that_account(filled: Engine) -> None:
    with reading.reading(filled) as connection:
        assert connection.execute(text("select current_user")).scalar() == PAGES
    with filled.connect() as connection:
        assert connection.execute(text("select current_user")).scalar() != PAGES, "a connection comes back as a new one"


def test_making_the_roles_again_changes_nothing(filled: Engine) -> None:
    with filled.begin() as connection:
        assert database_roles.are_there(connection) and database_roles.settle(connection)


# --- a worker with no more than its own rights ------------------------------------------------------------------------------------------


def name_of(url: str) -> str:
    return url.split("://")[1].split("@")[0]


@contextmanager
def login(url: str, role: str) -> Iterator[str]:
    """A login of its own; a member of `role` that wears it, where one is named."""
    name, owner = f"t_{secrets.token_hex(6)}", url.replace("+psycopg", "")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        if role:
            connection.execute(sql.SQL("grant {}, {} to {}").format(sql.Identifier(role), sql.Identifier(PAGES), sql.Identifier(name)))
            connection.execute(sql.SQL("alter role {} set role = {}").format(sql.Identifier(name), sql.Literal(role)))
    try:
        yield url.replace("://w365@", f"://{name}@")
    finally:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(
                sql.SQL("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = {}").format(sql.Literal(name))
            )
            connection.execute(sql.SQL("reassign owned by {} to w365").format(sql.Identifier(name)))
            connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def test_an_account_that_may_make_no_roles_goes_on_without() -> None:
    with postgres.fresh_database() as url, login(url, "") as mine:
        owner, engine = pooled(url), pooled(mine)
        with owner.begin() as connection:
            connection.execute(text(f"alter schema public owner to {name_of(mine)}"))
        assert schema.upgrade(engine) is True
        with reading.reading(engine) as connection:
            assert connection.execute(text("select count(*) from audit_log")).scalar() == 0
        engine.dispose()
        owner.dispose()


def test_imports_reconciliation_and_decisions_need_no_more_than_the_workers_rights(
    context: Context, database_url: str, tmp_path: Path
) -> None:
    with estates.serve(Estate(tmp_path / "estate")) as served, login(database_url, WORKER) as mine:
        estates.two_invoices_worth(served.estate)
        engine = pooled(mine)
        working = replace(estates.configure(context, served.url, records=served.estate.records(tmp_path / "records")), engine=engine)
        assert [one.status for one in syncing.sync_daily(working, provider_name=None).outcomes if one.invoice == "G1"] == ["Active/Active"]
        known = ledger.named(engine, provider_name=estates.PROVIDER, invoice_number="G1")
        seen = Seen(known.status_reason, known.version, known.import_run_id)
        deciding.deactivate(engine, provider_invoice_id=known.provider_invoice_id, seen=seen, actor="ann", now=NOW)
        assert (
            syncing.sync_invoice(working, provider_name=estates.PROVIDER, invoice_number="G1", override=None).outcomes[0].status
            == "Active/Active"
        )
        with reading.reading(engine) as connection:
            assert connection.execute(text("select current_user")).scalar() == PAGES
            assert connection.execute(text("select count(*) from usage_line")).scalar() > 0
        with engine.connect() as connection:
            assert audit.first_broken(connection) is None
        engine.dispose()
