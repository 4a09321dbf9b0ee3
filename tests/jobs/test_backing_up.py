"""Is what comes back from a backup what went into it, and is a backup that is not whole refused before anything is changed?"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests import estates, postgres
from tests.conftest import NOW, Command
from tests.estates import Estate
from tests.store.test_schema import OLDEST
from w365core.arrays import counting, text_array
from w365core.errors import AlreadyRunning, CallRefused, ConfigurationMissing, StoreUnavailable
from w365core.jobs import archive, backing_up, keeping, rebuilding, syncing
from w365core.jobs.backing_up import Restored
from w365core.jobs.context import Context
from w365core.model import InvoiceHeader
from w365core.settings import Settings
from w365core.store import audit, dumping, embedded, engine as store_engine, ledger, schema, stage
from w365core.store.rebuilding import Digest


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path / "estate")
    estates.two_invoices_worth(made)
    return made


@pytest.fixture
def filled(context: Context, estate: Estate, tmp_path: Path) -> Iterator[Context]:
    """An installation with one invoice in it, and the provider still there."""
    with estates.serve(estate) as served:
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        told = syncing.sync_invoice(configured, provider_name=None, invoice_number="G1", override=None)
        assert told.outcomes[0].status == "Active/Active"
        yield configured


@pytest.fixture
def backup(filled: Context, tmp_path: Path) -> Path:
    return backing_up.back_up(filled, tmp_path / "kept.tar").path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Settings]:
    """An empty home, and an empty database."""
    with postgres.fresh_database() as url:
        yield Settings(home=tmp_path / "elsewhere", database_url=url, http_timeout=5, http_tries=2, poll=0.02)


def restored(settings: Settings, source: Path) -> Restored:
    return backing_up.restore(settings, source, report=lambda sentence: None)


def opened(settings: Settings) -> Context:
    return Context(settings, store_engine.engine(settings), NOW, "tester", lambda sentence: None)


def rewritten(source: Path, to: Path, change) -> Path:
    """The same archive with other members: `change` gets (name, content) and returns such pairs."""
    with tarfile.open(source) as before, tarfile.open(to, "w") as after:
        for entry in before:
            for name, content in change(entry.name, before.extractfile(entry).read()):
                other = tarfile.TarInfo(name)
                other.size = len(content)
                after.addfile(other, io.BytesIO(content))
    return to


def is_empty(settings: Settings) -> bool:
    with store_engine.engine(settings).connect() as connection:
        return dumping.is_empty(connection) and not [path for path in settings.home.rglob("*") if path.is_file()]


def test_what_comes_back_is_the_same_to_the_last_row_and_its_ledger_can_be_made_again(
    filled: Context, backup: Path, elsewhere: Settings
) -> None:
    with filled.engine.connect() as connection:
        before = connection.execute(text("select count(*), max(audit_id) from audit_log where action <> 'back up installation'")).one()
    done = restored(elsewhere, backup)
    assert (done.exit_code, done.findings) == (0, ())
    back = opened(elsewhere)
    assert estates.digest(back.engine, but=("audit_log",)) == estates.digest(filled.engine, but=("audit_log",))
    assert rebuilding.rebuild(back, check=True).findings == ()
    with back.engine.connect() as connection:
        assert audit.first_broken(connection) is None
        events = connection.execute(text("select count(*), max(audit_id) from audit_log where action <> 'restore installation'")).one()
        assert events == before
        assert (
            connection.execute(text("select max(action) from audit_log where audit_id = (select max(audit_id) from audit_log)")).scalar()
            == "restore installation"
        )


def test_work_goes_on_where_the_backup_left_it(filled: Context, backup: Path, elsewhere: Settings, estate: Estate, tmp_path: Path) -> None:
    estate.invoice("G9", [estates.seat("10.00")], total="10.00")
    restored(elsewhere, backup)
    told = syncing.sync_invoice(
        replace(opened(elsewhere), settings=replace(elsewhere, environment=filled.settings.environment)),
        provider_name=None,
        invoice_number="G9",
        override=None,
    )
    assert told.outcomes[0].status == "Active/Active"


def test_what_happens_while_a_backup_is_made_is_not_in_it(filled: Context, tmp_path: Path, elsewhere: Settings) -> None:
    with dumping.holding(filled.engine) as held:
        with filled.engine.begin() as connection:
            connection.execute(text("insert into currency (code, rate_to_base) values ('CHF', 1.1)"))
        programs = dumping.clients(held.postgres, embedded=False)
        dumping.dump(filled.engine.url, held, tmp_path / "dump", programs=programs, environment={})
    engine = store_engine.engine(elsewhere)
    dumping.restore(engine.url, tmp_path / "dump", server=held.postgres, programs=programs, environment={})
    with engine.connect() as connection:
        assert dumping.digests(connection) == held.tables
        assert connection.execute(text("select count(*) from currency where code = 'CHF'")).scalar() == 0


def test_a_backup_does_not_wait_for_an_import_and_leaves_its_stage_out(filled: Context, tmp_path: Path, elsewhere: Settings) -> None:
    header = InvoiceHeader("G2", date(2026, 12, 8), "EUR", Decimal("0.00"), period_start=date(2026, 11, 1))
    lines = pa.RecordBatch.from_arrays(
        [counting(1, 1), *[text_array([value]) for value in ("u-1", "1.25", "EUR")]],
        names=["line_number", "usage_id", "billing_pre_tax_total", "billing_currency"],
    )
    with filled.engine.connect() as connection:
        with connection.begin():
            said = {"source": "synced", "sync_run_id": None, "override": None, "who": ledger.Who("ann", NOW)}
            attempt = ledger.begin(connection, provider="csp", header=header, **said)
        with connection.begin(), stage.Copying(connection, run_id=attempt.import_run_id) as copying:
            copying.add(stage.USAGE, lines)
            with filled.engine.connect() as watching:  # the stage cannot even be read now
                watching.execute(text("set lock_timeout = '100ms'"))
                with pytest.raises(DBAPIError, match="lock timeout"):
                    watching.execute(text(f"select from {stage.table_of(stage.USAGE, attempt.import_run_id)}"))
            backup = backing_up.back_up(filled, tmp_path / "meanwhile.tar").path
    assert restored(elsewhere, backup).findings == ()
    back = opened(elsewhere)
    with back.engine.connect() as connection:
        assert stage.all_runs(connection) == set()
    assert ledger.sweep(back.engine, landing=back.landing, who=ledger.Who("ann", NOW)) == 1, "the import that the backup saw running"


def test_a_backup_of_the_embedded_database_comes_back_into_an_empty_home(tmp_path: Path, w365: Command) -> None:
    homes = [postgres.reachable_home(), postgres.reachable_home()]
    told = {name: value for name, value in w365.environment.items() if name not in ("DATABASE_URL", "W365_NOW")} | {
        "W365_PG_OSUSER": postgres.OSUSER
    }
    try:
        first, second = (replace(w365, environment=told | {"W365_HOME": str(home)}) for home in homes)
        assert first("init").returncode == 0
        records = Estate(tmp_path / "estate").records(tmp_path / "records")
        assert first("load", records).returncode == 0
        done = first("backup", tmp_path / "backups", "--json")
        assert done.returncode == 0, done.stderr
        file = json.loads(done.stdout)["file"]
        back = second("restore", file, "--json")
        assert back.returncode == 0, back.stderr
        assert json.loads(back.stdout)["tables"] == json.loads(done.stdout)["tables"]
        again = second("restore", file)
        assert again.returncode == 2 and "holds a database already" in again.stderr
        assert "EUR" in second("currency", "list").stdout
        assert oct(Path(file).stat().st_mode & 0o777) == "0o600"
    finally:
        for home in homes:
            embedded.stop(home=home, osuser=postgres.OSUSER)
            shutil.rmtree(home, ignore_errors=True)


def test_postgres_15_is_backed_up_and_restored_by_programs_of_its_own(estate: Estate, tmp_path: Path) -> None:
    assert (OLDEST / "pg_dump").exists(), f"There is no Postgres 15 in {OLDEST}"
    with postgres.other_server(OLDEST, password="planted-password-15") as url:
        engine = store_engine.engine(Settings(home=tmp_path / "h", database_url=url))
        with engine.connect() as connection:
            connection.connection.driver_connection.autocommit = True
            connection.connection.driver_connection.execute("create database empty")
        schema.upgrade(engine)
        context = opened(Settings(home=tmp_path / "one", database_url=url))
        done = backing_up.back_up(context, tmp_path / "old.tar")
        assert done.manifest.postgres.startswith("15.")
        other = url.replace("/postgres", "/empty")
        assert restored(Settings(home=tmp_path / "two", database_url=other), done.path).findings == ()


@pytest.mark.parametrize("has_its_own", [True, False])
def test_a_backup_goes_from_one_version_to_another_also_by_the_embedded_servers_programs_alone(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_its_own: bool
) -> None:
    """Ours is version 18; what 18 dumps, the programs of 15 cannot read, and what those of 18 say to restore it, a server of 15 does not know."""
    if not has_its_own:
        monkeypatch.setattr(dumping, "_DEBIAN", tmp_path / "nothing")
        monkeypatch.setenv("PATH", str(tmp_path))
    with postgres.other_server(OLDEST, password="planted-password-15") as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("create database second")
        there = Settings(home=tmp_path / "one", database_url=url)
        assert restored(there, backup).findings == ()
        assert not list(there.home.rglob("*.sql"))
        again = backing_up.back_up(opened(there), tmp_path / "again.tar")
        assert again.manifest.postgres.startswith("15.")
        assert restored(Settings(home=tmp_path / "two", database_url=url.replace("/postgres", "/second")), again.path).findings == ()
        cluttered = Settings(home=tmp_path / "three", database_url=url.replace("/postgres", "/third"))
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("create database third")
        with psycopg.connect(cluttered.database_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("create type procrastinate_job_status as enum ('x')")
        with pytest.raises(StoreUnavailable, match='could not be restored: .*"procrastinate_job_status" already exists'):
            restored(cluttered, again.path)
        assert is_empty(cluttered), "whole, or nothing of it"


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "X.SQL"])
def test_a_name_of_another_kind_of_file_is_no_folder(filled: Context, tmp_path: Path, name: str) -> None:
    with pytest.raises(CallRefused, match=r"name a folder, or a file that ends in \.tar"):
        backing_up.back_up(filled, tmp_path / name)
    assert not (tmp_path / name).exists()
    (tmp_path / name).mkdir()
    assert backing_up.back_up(filled, tmp_path / name).path.parent == tmp_path / name, "a folder that is there is one whatever it is called"


def test_a_backup_that_is_cut_off_is_refused_and_nothing_is_changed(backup: Path, elsewhere: Settings) -> None:
    whole = backup.read_bytes()
    for size in (0, 700, len(whole) // 2, len(whole) - 12_000):
        backup.write_bytes(whole[:size])
        with pytest.raises(CallRefused, match="cut off|no backup"):
            restored(elsewhere, backup)
        assert is_empty(elsewhere)


def test_a_changed_byte_is_found_and_its_file_named(backup: Path, elsewhere: Settings, tmp_path: Path) -> None:
    def change(name: str, content: bytes):
        return [(name, content[:-1] + bytes([content[-1] ^ 1]) if name.startswith("landing/") else content)]

    with pytest.raises(CallRefused, match="is damaged: landing/"):
        restored(elsewhere, rewritten(backup, tmp_path / "changed.tar", change))
    assert is_empty(elsewhere)


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "landing/../../escaped", "landing/zz/escaped", "token.key"])
def test_a_file_that_no_backup_of_ours_holds_is_never_taken_out(backup: Path, elsewhere: Settings, tmp_path: Path, name: str) -> None:
    def smuggle(member: str, content: bytes):
        return [(name, b"x"), (member, content)] if member == archive.DATABASE else [(member, content)]

    hostile = rewritten(backup, tmp_path / "hostile.tar", smuggle)
    with pytest.raises(CallRefused, match="which no backup of ours does"):
        restored(elsewhere, hostile)
    assert is_empty(elsewhere) and not list(tmp_path.rglob("escaped")) and not Path("/tmp/escaped").exists()


def test_a_table_that_is_not_what_it_was_is_found(backup: Path, elsewhere: Settings, tmp_path: Path) -> None:
    def change(name: str, content: bytes):
        if name == archive.MANIFEST:
            told = json.loads(content)
            told["tables"]["currency"] = {"rows": 7, "hash": "0" * 32}
            change.content = json.dumps(told).encode()
            return [(name, change.content)]
        return [(name, hashlib.sha256(change.content).hexdigest().encode() if name == archive.SEAL else content)]

    done = restored(elsewhere, rewritten(backup, tmp_path / "other.tar", change))
    assert done.exit_code == 1 and len(done.findings) == 1 and done.findings[0].endswith("rows that are not the 7 of then")


def test_what_is_in_use_is_never_restored_over(filled: Context, backup: Path, elsewhere: Settings) -> None:
    with pytest.raises(CallRefused, match="holds tables already"):
        restored(replace(filled.settings, home=elsewhere.home), backup)
    with pytest.raises(CallRefused, match="is not empty"):
        restored(replace(elsewhere, home=filled.settings.home), backup)


def test_a_backup_is_never_written_over_and_old_ones_go_when_asked(filled: Context, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = [backing_up.back_up(filled, folder, keep=2) for _ in range(3)]
    assert [one.removed for one in made] == [(), (), (made[0].path.name,)]
    assert sorted(path.name for path in folder.iterdir()) == sorted(one.path.name for one in made[1:])
    with pytest.raises(CallRefused, match="exists already"):
        backing_up.back_up(filled, made[2].path)
    with pytest.raises(CallRefused, match="at least 1"):
        backing_up.back_up(filled, folder, keep=0)


def test_a_backup_and_the_removal_of_old_data_take_turns(filled: Context, tmp_path: Path) -> None:
    with dumping.alone(filled.engine):
        with pytest.raises(AlreadyRunning):
            backing_up.back_up(filled, tmp_path / "one.tar")
        with pytest.raises(AlreadyRunning):
            keeping.apply(filled)
    assert list(tmp_path.glob("*.tar")) == [] and list(tmp_path.glob(".w365*")) == []


def test_a_newer_backup_and_a_database_without_schema_are_refused(backup: Path, elsewhere: Settings, tmp_path: Path) -> None:
    def change(name: str, content: bytes):
        if name == archive.MANIFEST:
            change.content = json.dumps(json.loads(content) | {"revision": "9999"}).encode()
            return [(name, change.content)]
        return [(name, hashlib.sha256(change.content).hexdigest().encode() if name == archive.SEAL else content)]

    with pytest.raises(CallRefused, match="newer version"):
        restored(elsewhere, rewritten(backup, tmp_path / "newer.tar", change))
    assert is_empty(elsewhere)
    with pytest.raises(ConfigurationMissing, match="init"):
        backing_up.back_up(opened(elsewhere), tmp_path / "never.tar")


def test_the_look_at_a_backup_tells_what_is_in_it(filled: Context, backup: Path) -> None:
    manifest = backing_up.look(backup)
    assert isinstance(manifest.tables["license_line"], Digest) and manifest.tables["license_line"].rows > 0
    assert manifest.landed == len([path for path in filled.settings.landing.glob("??/*")])
