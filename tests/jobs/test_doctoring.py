"""Does `doctor` find what is wrong, name it, and say what cures it, and does it find nothing where nothing is?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import estates, posted, postgres
from tests.conftest import NOW, Command
from tests.estates import Estate
from tests.jobs.working import until, worker
from w365core.jobs import backing_up, doctoring, syncing
from w365core.jobs.context import Context
from w365core.jobs.doctoring import Check, Verdict
from w365core.model import Provider, ProviderType, Secret
from w365core.providers.vault import Vault
from w365core.store import providers, tokens
from w365core.store.tokens import StoredToken

FAIL, WARN, OK = Verdict.FAIL, Verdict.WARN, Verdict.OK


def examined(context: Context, **more: object) -> dict[str, Check]:
    found = doctoring.examine(replace(context.settings, now=context.now), report=lambda sentence: None, **more)
    assert len({check.name for check in found}) == len(found), "one check, one line"
    return {check.name: check for check in found}


@pytest.fixture
def filled(context: Context, tmp_path: Path) -> Iterator[Context]:
    estate = Estate(tmp_path / "estate")
    estates.two_invoices_worth(estate)
    with estates.serve(estate) as served:
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        syncing.sync_daily(configured, provider_name=None)
        yield configured


def told(context: Context, statement: str, **values: object) -> None:
    with context.engine.begin() as connection:
        connection.execute(text(statement), values)


def test_a_healthy_installation_has_no_finding(filled: Context, tmp_path: Path) -> None:
    backing_up.back_up(filled, tmp_path / "kept.tar")
    with filled.engine.begin() as connection:
        for code, rate in connection.execute(text("select code, rate_to_base from currency")).all():
            connection.execute(text("insert into currency_rate values (:code, :rate, 'ana', :at)"), {"code": code, "rate": rate, "at": NOW})
    with worker(filled, tmp_path / "worker.log"):
        until(lambda: examined(filled)["worker"].verdict is OK, lambda: (tmp_path / "worker.log").read_text())
        found = examined(filled)
    # The tests' own server does not wait for its disk, their account is its superuser, and their clock is stated; that is said, and nothing else.
    found = {name: check.verdict for name, check in found.items() if check.verdict is not OK}
    assert found == {"database": FAIL, "clock": WARN, "database roles": WARN}


def test_a_server_that_does_not_wait_for_its_disk_is_found(context: Context) -> None:
    found = examined(context)["database"]
    assert found.verdict is FAIL and "may lose what it has confirmed" in found.sentence and "fsync" in found.cure


def test_without_a_worker_it_warns_and_fails_where_jobs_wait(context: Context) -> None:
    assert examined(context)["worker"].verdict is WARN
    told(context, "insert into job_run (job_id, kind, actor) values (1, 'sync', 'ana')")
    found = examined(context)["worker"]
    assert found.verdict is FAIL and "1 job waits" in found.sentence and "w365core worker" in found.cure


def test_a_landed_file_that_is_gone_is_named(filled: Context) -> None:
    assert examined(filled)["landing"].verdict is OK
    gone = next(path for path in filled.settings.landing.glob("??/*"))
    gone.unlink()
    found = examined(filled)["landing"]
    assert found.verdict is FAIL and gone.name.removesuffix(".gz")[:12] in found.sentence and "1 of" in found.sentence


def test_a_changed_row_of_the_audit_log_is_named(filled: Context) -> None:
    with filled.engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("update audit_log set actor = 'mallory' where audit_id = 1"))
    found = examined(filled)["audit log"]
    assert found.verdict is FAIL and "row 1" in found.sentence


def test_an_event_of_tomorrow_is_a_clock_that_was_ahead(filled: Context) -> None:
    found = examined(filled.at(NOW - timedelta(days=3)))["audit log"]
    assert found.verdict is WARN and "still to come" in found.sentence


def test_a_schema_that_is_not_there_or_of_another_version_is_told_apart(context: Context, tmp_path: Path) -> None:
    with postgres.fresh_database() as url:
        found = doctoring.examine(replace(context.settings, database_url=url), report=lambda sentence: None)
    assert found[-1].name == "migrations" and found[-1].verdict is FAIL and "no schema" in found[-1].sentence and "init" in found[-1].cure
    for revision, said in (("0001", "expects"), ("9999", "newer version")):
        told(context, "update alembic_version set version_num = :to", to=revision)
        found = doctoring.examine(context.settings, report=lambda sentence: None)
        assert found[-1].verdict is FAIL and said in found[-1].sentence
    told(context, "update alembic_version set version_num = :to", to=doctoring.schema.newest())


def test_a_missing_secret_and_a_failed_sync_are_the_providers(filled: Context) -> None:
    without = replace(filled, settings=replace(filled.settings, environment={}))
    found = doctoring.examine(without.settings, report=lambda sentence: None)
    assert "W365_SECRET_CSP" in next(check.cure for check in found if check.name == "provider csp" and check.verdict is FAIL)
    told(filled, "update sync_run set status = 'failed', message = 'It broke off.' where provider = 'csp'")
    found = examined(filled)["provider csp"]
    assert found.verdict is WARN and "It broke off." in found.sentence and "sync --provider csp" in found.cure


def test_a_sync_of_last_week_is_late(filled: Context) -> None:
    found = examined(filled.at(NOW + timedelta(days=7)))["provider csp"]
    assert found.verdict is WARN and "should have run since" in found.sentence


def test_a_token_that_the_key_does_not_open_and_a_key_that_is_gone(context: Context) -> None:
    with context.engine.begin() as connection:
        providers.save(connection, Provider("files", ProviderType.MANUAL), now=NOW)
        sealed = Vault(Secret("one key")).seal(Secret("planted-token"))
        tokens.keep(connection, "files", StoredToken(sealed, None, NOW, None, None))
    found = examined(context)["secrets"]
    assert found.verdict is FAIL and "key is missing" in found.sentence and not (context.settings.home / "token.key").exists()
    for key, verdict in (("another key", FAIL), ("one key", OK)):
        with_key = replace(context, settings=replace(context.settings, environment={"W365_KEY": key}))
        found = examined(with_key)["secrets"]
        assert found.verdict is verdict and "planted-token" not in found.sentence


def test_rates_and_backups_grow_old(filled: Context, tmp_path: Path) -> None:
    assert examined(filled)["backup"].verdict is WARN
    backing_up.back_up(filled, tmp_path / "kept.tar")
    assert examined(filled)["backup"].verdict is OK
    late = examined(filled.at(NOW + timedelta(days=8)))["backup"]
    assert late.verdict is WARN and "8 days ago" in late.sentence
    told(filled, "insert into preference values ('backup_warn_days', '0', 'ana', now())")
    assert examined(filled.at(NOW + timedelta(days=80)))["backup"].verdict is OK


@pytest.mark.parametrize(
    ("settings", "environment", "verdict", "said"),
    [
        ({}, {}, OK, "Nobody is told by mail"),
        ({"mail_to": "ana@x.example"}, {}, WARN, "No mail server is set"),
        ({"mail_server": "127.0.0.1"}, {}, WARN, "nobody is named"),
        ({"mail_server": "127.0.0.1", "mail_to": "ana@x.example", "mail_user": "w365"}, {}, WARN, "password is not in the environment"),
        (
            {"mail_server": "127.0.0.1", "mail_to": "ana@x.example", "mail_user": "w365"},
            {"W365_SMTP_PASSWORD": "planted-3"},
            OK,
            "127.0.0.1",
        ),
        ({"mail_server": "nowhere.invalid", "mail_to": "ana@x.example"}, {}, FAIL, "nowhere.invalid has no address"),
        ({"mail_server": "so..so", "mail_to": "ana@x.example"}, {}, FAIL, "so..so has no address"),
    ],
)
def test_mail_that_would_not_arrive_is_found(
    context: Context, settings: dict[str, str], environment: dict[str, str], verdict: Verdict, said: str
) -> None:
    posted.told(context, **settings)
    found = examined(replace(context, settings=replace(context.settings, environment=environment)))["mail"]
    assert found.verdict is verdict and said in found.sentence and bool(found.cure) is (verdict is not OK)
    assert "planted-3" not in found.sentence + found.cure


@pytest.mark.parametrize(
    ("url", "hosts", "secret", "verdict", "said"),
    [
        ("", "", "", OK, "No webhook is set"),
        ("http://127.0.0.1:9/planted-path", "", "planted-4", OK, "posted to 127.0.0.1, signed"),
        ("http://127.0.0.1:9/planted-path", "", "", WARN, "W365_WEBHOOK_SECRET"),
        ("https://hooks.x.invalid/planted-path", "", "planted-4", WARN, "no host is listed"),
        ("https://hooks.x.invalid/planted-path", "x.invalid", "planted-4", FAIL, "hooks.x.invalid has no address"),
    ],
)
def test_a_webhook_that_would_not_be_reached_is_found(
    context: Context, url: str, hosts: str, secret: str, verdict: Verdict, said: str
) -> None:
    posted.told(context, webhook_url=url, webhook_hosts=hosts)
    environment = {"W365_WEBHOOK_SECRET": secret}
    found = examined(replace(context, settings=replace(context.settings, environment=environment)))["webhook"]
    assert found.verdict is verdict and said in found.sentence and bool(found.cure) is (verdict is not OK)
    assert "planted" not in found.sentence + found.cure


def test_the_command_prints_one_document_and_ends_with_one_where_anything_fails(w365: Command, tmp_path: Path) -> None:
    done = w365("doctor", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1 and [one["name"] for one in document["checks"] if one["verdict"] == "fail"] == ["database"]
    assert {"name", "verdict", "sentence", "cure"} == set(document["checks"][0])
    away = w365("doctor", DATABASE_URL="postgresql://nobody:planted-password-9@127.0.0.1:1/none")
    assert away.returncode == 1 and "FAIL  database" in away.stdout and "planted-password-9" not in away.stdout + away.stderr
    closed = w365("doctor", W365_HOME=str(tmp_path / "file" / "home"), DATABASE_URL="") if (tmp_path / "file").write_text("x") else None
    assert closed is not None and closed.returncode == 1 and "FAIL  home" in closed.stdout


def test_online_asks_the_providers_themselves(filled: Context) -> None:
    found = examined(filled, online=True)["connection csp"]
    assert found.verdict in (OK, WARN) and "work" in found.sentence
    away = replace(filled, settings=replace(filled.settings, environment={}))
    said = [
        check for check in doctoring.examine(away.settings, report=lambda sentence: None, online=True) if check.name == "connection csp"
    ]
    assert said[0].verdict is FAIL and "W365_SECRET_CSP" in said[0].sentence
