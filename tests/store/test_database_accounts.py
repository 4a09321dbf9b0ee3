"""What comes of an installation on a Postgres of one's own: as the guide for production makes its accounts, and where nobody may make roles?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from tests import estates, postgres
from tests.conftest import NOW, Command
from tests.estates import Estate
from tests.jobs import working
from tests.store.test_schema import OLDEST
from w365core.jobs import backing_up, deciding, doctoring, keeping, rebuilding, syncing
from w365core.jobs.context import Context
from w365core.jobs.doctoring import Check, Verdict
from w365core.model import Seen
from w365core.settings import Settings
from w365core.store import database_roles, embedded_account, ledger, schema
from w365core.store.database_roles import PAGES, WORKER
from w365core.store.engine import pooled

SNIPPET = Path(__file__).resolve().parents[2] / "deploy" / "roles.sql"
PASSWORD = "only-for-this-test"
SLEEP = "alter table audit_log disable trigger all"


@dataclass(frozen=True)
class Server:
    """A server that nobody has prepared; `url` is its superuser's."""

    url: str

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def login(self, name: str, database: str = "w365") -> str:
        """Its URL, once it has a password."""
        self.run(sql.SQL("alter role {} password {}").format(sql.Identifier(name), sql.Literal(PASSWORD)).as_string())
        return make_url(self.url).set(username=name, password=PASSWORD, database=database).render_as_string(hide_password=False)


@pytest.fixture(params=["newest", "oldest"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    programs = OLDEST if request.param == "oldest" else embedded_account.wheel_programs()
    assert (programs / "initdb").exists(), f"There is no Postgres 15 in {OLDEST}"
    with postgres.other_server(programs, password=PASSWORD) as url:
        yield Server(url)


def statements(script: Path) -> list[str]:
    lines = [line for line in script.read_text().splitlines() if not line.startswith("--")]
    return [one.strip() for one in "\n".join(lines).split(";") if one.strip()]


def checked(settings: Settings) -> Check:
    return next(one for one in doctoring.examine(settings, report=lambda sentence: None) if one.name == "database roles")


def may(engine: Engine, statement: str) -> bool:
    try:
        with engine.connect() as connection:
            connection.execute(text("set role none"))  # as who has signed in
            connection.execute(text(statement))
    except Exception as error:
        assert "42501" in str(getattr(getattr(error, "orig", None), "sqlstate", "")), error
        return False
    return True


def test_an_owner_that_may_make_no_roles_is_told_so_and_what_mends_it(server: Server, w365: Command, tmp_path: Path) -> None:
    server.run("create role w365 login", "create database w365 owner w365")
    owner = server.login("w365")
    told = w365("init", DATABASE_URL=owner)
    mend = f"create role {WORKER}; create role {PAGES}; grant {WORKER}, {PAGES} to w365;"
    assert told.returncode == 0 and "roles are not there" in told.stdout and mend in told.stdout
    settings = Settings(home=tmp_path / "home", database_url=owner)
    found = checked(settings)
    assert found.verdict is Verdict.WARN and mend in found.cure and "not there" in found.sentence and "w365" in found.sentence
    server.run(*[one for one in mend.split(";") if one.strip()])
    assert "Run `python -m w365core init`" in checked(settings).cure, "they are made, and nobody has said yet what they may"
    again = w365("init", DATABASE_URL=owner)
    assert again.returncode == 0 and again.stdout.strip() == f"The schema is at {schema.newest()} already."
    mended = checked(settings)
    assert mended.verdict is Verdict.WARN and "owns the audit log" in mended.sentence and "docs/production.md" in mended.cure


def test_roles_of_another_database_of_the_server_are_only_to_be_given(server: Server, w365: Command) -> None:
    server.run(f"create role {WORKER}", f"create role {PAGES}", "create role w365 login", "create database w365 owner w365")
    told = w365("init", DATABASE_URL=server.login("w365"))
    assert f"run once: grant {WORKER}, {PAGES} to w365; Then" in told.stdout


def test_an_owner_that_may_make_roles_makes_them_and_wears_them(server: Server) -> None:
    server.run("create role w365 login createrole", "create database w365 owner w365")
    engine = pooled(server.login("w365"))
    try:
        schema.upgrade(engine)
        with engine.connect() as connection:
            found = database_roles.standing(connection)
            database_roles.read_as_pages(connection)
            assert connection.execute(text("select current_user")).scalar() == PAGES
        assert (found.are_there, found.may_change_log, found.superuser, found.mend) == (True, True, False, "")
    finally:
        engine.dispose()


def test_the_guides_accounts_keep_the_log_from_the_services_and_suffice_for_all_they_do(
    server: Server, context: Context, tmp_path: Path
) -> None:
    server.run(*statements(SNIPPET))
    owner, bills = pooled(server.login("w365")), pooled(server.login("bills"))
    try:
        assert schema.upgrade(owner) is True and may(owner, SLEEP)
        assert not any(may(bills, one) for one in (SLEEP, "delete from audit_log", "update landed_answer set url = ''", "create role x"))
        assert schema.upgrade(bills) is False, "`init` of a service that is up to date changes nothing"
        with installation(context, bills, server.login("bills"), tmp_path) as there:
            log = tmp_path / "worker.log"
            with working.worker(there, log):
                assert working.ended(there, working.queued(there, kind="sync", invoice=None), log).state == "done"
            keeping.apply(there)
            assert backing_up.back_up(there, tmp_path / "kept.tar").manifest.rows > 0
            found = {one.name: one for one in doctoring.examine(replace(there.settings, now=NOW), report=lambda sentence: None)}
        assert found["database roles"].verdict is Verdict.OK and "bills is no superuser" in found["database roles"].sentence
        assert found["backup"].verdict is found["audit log"].verdict is Verdict.OK
    finally:
        owner.dispose()
        bills.dispose()


@contextmanager
def installation(context: Context, engine: Engine, url: str, folder: Path) -> Iterator[Context]:
    """One whose account is the engine's, with an invoice that has come in."""
    mine = replace(context, settings=replace(context.settings, database_url=url), engine=engine)
    with estates.serve(Estate(folder / "estate")) as served:
        estates.two_invoices_worth(served.estate)
        there = estates.configure(mine, served.url, records=served.estate.records(folder / "records"))
        assert {one.status for one in syncing.sync_daily(there, provider_name=None).outcomes} == {"Active/Active"}
        yield there


def test_the_worker_takes_on_what_another_account_has_imported_rebuilt_or_restored(
    server: Server, context: Context, tmp_path: Path
) -> None:
    server.run("create role w365 login", "create database w365 owner w365", "create database second owner w365")
    owner = pooled(server.login("w365"))
    bills: Engine | None = None
    schema.upgrade(owner)
    try:
        with installation(context, owner, server.login("w365"), tmp_path) as there:
            kept = backing_up.back_up(there, tmp_path / "kept.tar").path
            made, changed = [one for one in statements(SNIPPET) if "bills" in one], []
            server.run(f"create role {WORKER}; create role {PAGES}; grant {WORKER}, {PAGES} to w365", *made)
            bills = pooled(server.login("bills"))
            for step in ("mended", "rebuilt", "imported by the owner"):
                if step == "mended":
                    schema.upgrade(owner)
                elif step == "rebuilt":
                    assert rebuilding.rebuild(there, check=False).exit_code == 0
                else:
                    again(there)
                    schema.upgrade(owner)
                changed.append(again(replace(there, settings=replace(there.settings, database_url=server.login("bills")), engine=bills)))
            assert changed == ["Active/Active"] * 3
            home = replace(there.settings, home=tmp_path / "restored", database_url=server.login("w365", "second"))
            assert backing_up.restore(home, kept, report=lambda sentence: None).findings == ()
            second = pooled(server.login("bills", "second"))
            assert (
                again(replace(there, settings=replace(home, database_url=server.login("bills", "second")), engine=second))
                == "Active/Active"
            )
            second.dispose()
    finally:
        owner.dispose()
        if bills is not None:
            bills.dispose()


def again(context: Context) -> str:
    """Imports G1 once more, which takes its lines away first."""
    known = ledger.named(context.engine, provider_name=estates.PROVIDER, invoice_number="G1")
    seen = Seen(known.status_reason, known.version, known.import_run_id)
    deciding.deactivate(context.engine, provider_invoice_id=known.provider_invoice_id, seen=seen, actor="ann", now=NOW)
    return syncing.sync_invoice(context, provider_name=estates.PROVIDER, invoice_number="G1", override=None).outcomes[0].status


def test_a_superuser_is_told_that_it_is_one(server: Server, tmp_path: Path) -> None:
    server.run("create database w365")
    url = make_url(server.url).set(database="w365").render_as_string(hide_password=False)
    engine = pooled(url)
    schema.upgrade(engine)
    engine.dispose()
    found = checked(Settings(home=tmp_path / "home", database_url=url))
    assert found.verdict is Verdict.WARN and "is a superuser of the server" in found.sentence


def test_the_embedded_servers_own_account_is_in_order(context: Context) -> None:
    ours = replace(context, settings=replace(context.settings, database_url=None))
    with context.engine.connect() as connection:
        (found,) = doctoring.doctoring_contents.QUESTIONS[0](ours, connection)
    assert found.name == "database roles" and found.verdict is Verdict.OK
