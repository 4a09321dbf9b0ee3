"""Is the schema what the tables declare, on the newest Postgres and on the oldest that we promise?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from tests import estates, postgres
from tests.conftest import NOW
from tests.estates import Estate
from w365core.errors import ConfigurationMissing
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.settings import Settings
from w365core.store import engine as store_engine, schema, tables

OLDEST = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def empty() -> Iterator[Engine]:
    with postgres.fresh_database() as url:
        yield create_engine(url, poolclass=NullPool)


@pytest.fixture(scope="module")
def oldest() -> Iterator[Engine]:
    """A database of Postgres 15. Its absence is a failure, so that nobody believes it was tried."""
    if not (OLDEST / "postgres").exists():
        if os.environ.get("W365_TEST_POSTGRES15") == "no":
            pytest.skip("W365_TEST_POSTGRES15=no: Postgres 15 was not tried")
        pytest.fail(f"There is no Postgres 15 in {OLDEST}: install Debian's postgresql-15, or set W365_TEST_POSTGRES15=no to do without.")
    with postgres.other_server(OLDEST, password="only-for-this-test") as url:
        yield create_engine(url, poolclass=NullPool)


def differences(engine: Engine) -> list:
    with engine.connect() as connection:
        ours = {"compare_type": True, "include_name": lambda name, *_: not str(name).startswith("procrastinate_")}
        return compare_metadata(MigrationContext.configure(connection, opts=ours), tables.metadata)


def test_the_migrations_make_what_the_tables_declare(empty: Engine) -> None:
    assert schema.current(engine=empty) is None
    assert schema.upgrade(empty) is True
    assert schema.current(engine=empty) == schema.newest()
    assert differences(empty) == []


def test_a_second_upgrade_does_nothing(empty: Engine) -> None:
    assert [schema.upgrade(empty), schema.upgrade(empty)] == [True, False]


def test_several_upgrades_at_once_end_as_one(empty: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(lambda _: schema.upgrade(empty), range(4)))
    assert sorted(changed) == [False, False, False, True]
    assert differences(empty) == []


def test_a_difference_would_be_seen(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("alter table product drop column family"))
    assert len(differences(engine)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "update provider_invoice set header_total = header_total + 1",
        "update provider_invoice set header_total = 'NaN'",
        "update provider_invoice set status_reason = 'Error'",
        "update usage_summary set status = 'Invoiced'",
        "update usage_summary set status = 'Done'",
        "update license_line set subtotal = 'NaN'",
        "update usage_line set billing_pre_tax_total = 'NaN'",
    ],
)
def test_the_store_refuses_what_cannot_be(context: Context, tmp_path: Path, statement: str) -> None:
    _import_one(context, tmp_path)
    with pytest.raises(Exception, match="violates check constraint"), context.engine.begin() as connection:
        connection.execute(text(statement))


def test_postgres_15_holds_a_whole_import(oldest: Engine, tmp_path: Path) -> None:
    with oldest.connect() as connection:
        assert connection.dialect.server_version_info[0] == 15
    assert schema.upgrade(oldest) is True
    assert schema.upgrade(oldest) is False
    assert differences(oldest) == []
    settings = Settings(home=tmp_path / "home", database_url=oldest.url.render_as_string(hide_password=False), poll=0.02)
    opened = store_engine.engine(settings)
    context = Context(settings, opened, NOW, "tester", lambda sentence: None)
    outcome = _import_one(context, tmp_path)
    assert outcome.status == "Active/Active"
    once = estates.digest(opened)
    with opened.begin() as connection:
        connection.execute(tables.provider_invoice.update().values(state="Inactive", status_reason="Deactivated"))
    assert _import_one(context, tmp_path).status == "Active/Active"
    assert (estates.digest(opened), estates.children(opened)) == (once, (4, 4, 1))
    assert estates.leftovers(opened, settings.home) == []


def test_a_wrong_password_is_said_without_it(oldest: Engine) -> None:
    url = oldest.url.set(password="wrong-and-secret").render_as_string(hide_password=False)
    with pytest.raises(ConfigurationMissing, match="password authentication failed") as refused:
        store_engine.engine(Settings(home=Path("/nowhere"), database_url=url))
    assert "wrong-and-secret" not in str(refused.value) and refused.value.exit_code == 4


def _import_one(context: Context, tmp_path: Path):
    estate = Estate(tmp_path / "estate")
    estates.two_invoices_worth(estate)
    with estates.serve(estate) as served:
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        return syncing.sync_invoice(configured, provider_name=None, invoice_number="G1", override=None).outcomes[0]
