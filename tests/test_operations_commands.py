"""Do the commands of whoever runs an installation set what the page sets, refuse what makes no sense, and say each change in the log?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.conftest import Command
from tests.estates import Estate
from w365core.preferences import PREFERENCES


@pytest.fixture
def shop(w365: Command, tmp_path: Path) -> Command:
    """With records of EUR, USD and one contract."""
    records = Estate(tmp_path / "estate").records(tmp_path / "records")
    (records / "currencies.csv").write_text("code,rate_to_base\nEUR,1\nUSD,0.9\n")
    (records / "billing_contracts.csv").write_text(
        "contract_id,frequency,start_date,next_invoice_date,currency,status\nC-1,Monthly,2026-01-01,2026-12-01,USD,Active\n"
    )
    done = w365("load", records)
    assert done.returncode == 0, done.stderr
    return w365


def answered(done) -> object:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def events(engine: Engine) -> list[tuple]:
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(text("select action, target from audit_log where action <> 'load records' order by audit_id"))
        ]


def test_every_setting_is_listed_set_and_cleared(w365: Command, engine: Engine) -> None:
    listed = answered(w365("settings", "list", "--json"))
    assert [one["name"] for one in listed] == [one.name for one in PREFERENCES]
    assert answered(w365("settings", "set", "time-zone", "Europe/Berlin", "--json")) == {
        "name": "time_zone",
        "value": "Europe/Berlin",
        "changed": True,
    }
    assert answered(w365("settings", "set", "time_zone", "Europe/Berlin", "--json"))["changed"] is False
    now = {one["name"]: one for one in answered(w365("settings", "list", "--json"))}["time_zone"]
    assert now["value"] == "Europe/Berlin" and now["set_by"] and now["set_at"].startswith("2026-11-12T06:00")
    assert answered(w365("settings", "clear", "time_zone", "--json")) == {"name": "time_zone", "value": "UTC", "changed": True}
    assert events(engine) == [("set setting", "time_zone"), ("clear setting", "time_zone")]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("time_zone", "Mars/Olympus", "is not known here"),
        ("keep_jobs_days", "many", "a whole number from 0"),
        ("default_markup_pct", "1001", "per cent"),
        ("default_markup_pct", "-0.5", "per cent"),
        ("webhook_url", "http://169.254.169.254/latest", "it is an IP address"),
        ("webhook_url", "https://10.0.0.7/hook", "it is an IP address"),
        ("webhook_url", "http://hooks.example.com/hook", "it is not https"),
        ("webhook_url", "https://hooks.example.com:8443/hook", "its port is 8443"),
        ("webhook_url", "https://ana:word@hooks.example.com/", "user name or password"),
        ("webhook_url", "https://[hooks", "not a plain http(s) address"),
        ("no_such", "1", "There is no setting"),
    ],
)
def test_what_is_no_value_is_refused_and_changes_nothing(w365: Command, engine: Engine, name: str, value: str, said: str) -> None:
    refused = w365("settings", "set", "--", name, value)
    assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr
    assert events(engine) == []


@pytest.mark.parametrize("url", ["https://hooks.example.com/hook?a=b", "http://127.0.0.1:8750/hook", "https://localhost/hook"])
def test_an_address_for_the_webhook_is_set_before_or_after_its_hosts(w365: Command, url: str) -> None:
    assert answered(w365("settings", "set", "webhook_url", url, "--json"))["value"] == url
    assert answered(w365("settings", "set", "webhook_url", "", "--json"))["value"] == ""


def test_a_rate_is_as_old_as_its_last_load_and_is_set_or_confirmed(shop: Command, engine: Engine) -> None:
    later = {"W365_NOW": "2026-12-31T06:00:00+00:00"}
    rows = {row["code"]: row for row in answered(shop("currency", "list", "--json", **later))}
    assert (rows["USD"]["stale"], rows["EUR"]["stale"], rows["EUR"]["base"]) == (True, False, True)
    assert rows["USD"]["said"] == "the rate of USD is 49 days old"
    assert answered(shop("currency", "set", "usd", "0.95", "--json", **later)) == {"code": "USD", "rate": "0.95", "changed": True}
    assert answered(shop("currency", "set", "USD", "0.95", "--json", **later))["changed"] is False
    assert not any(row["stale"] for row in answered(shop("currency", "list", "--json", **later)))
    assert events(engine) == [("set currency rate", "USD"), ("confirm currency rate", "USD")]


@pytest.mark.parametrize(
    ("code", "rate", "said"),
    [
        ("EUR", "2", "is the base currency"),
        ("USD", "1", "marks the base currency"),
        ("USD", "0", "above 0"),
        ("GBP", "1.1", "There is no currency"),
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(shop: Command, engine: Engine, code: str, rate: str, said: str) -> None:
    refused = shop("currency", "set", code, rate)
    assert refused.returncode == 2 and said in refused.stderr and events(engine) == []


def test_an_invoice_date_is_set_and_one_that_makes_no_sense_refused(shop: Command, engine: Engine) -> None:
    how = ("contract", "set-invoice-date", "--contract", "c-1", "--json", "--date")
    assert answered(shop(*how, "2026-12-15")) == {
        "contract_id": "C-1",
        "next_invoice_date": "2026-12-15",
        "before": "2026-12-01",
        "changed": True,
    }
    assert answered(shop("contract", "list", "--json"))[0]["next_invoice_date"] == "2026-12-15"
    for day, said in (("2025-12-31", "starts on"), ("2031-01-01", "two years"), ("15.12.2026", "write it as")):
        refused = shop(*how, day)
        assert refused.returncode == 2 and said in refused.stderr
    assert events(engine) == [("set invoice date", "C-1")]


def test_a_usage_subscription_that_is_added_gets_the_markup_that_is_set(shop: Command, engine: Engine) -> None:
    assert shop("settings", "set", "default_markup_pct", "17.65").returncode == 0
    assert shop("provider", "add", "mine", "--type", "manual").returncode == 0
    for name, kind in (("U-77", "Usage"), ("L-77", "License")):
        done = shop("add-subscription", "--provider", "mine", "--provider-subscription-id", name, "--kind", kind, "--quantity", "1")
        assert done.returncode == 0, done.stderr
    with engine.connect() as connection:
        found = connection.execute(
            text("select provider_subscription_id, markup_pct::text from subscription where provider_subscription_id like '%-77'")
        ).all()
    assert {tuple(row) for row in found} >= {("U-77", "17.65"), ("L-77", None)}


def test_retention_looks_and_removes(w365: Command) -> None:
    looked = answered(w365("retention", "list", "--json"))
    assert {one["setting"] for one in looked} == {"keep_jobs_days", "keep_runs_days", "keep_answers_days", None} and not any(
        one["removed"] for one in looked
    )
    assert not any(one["removed"] for one in answered(w365("retention", "apply", "--dry-run", "--json")))
    assert all(one["removed"] for one in answered(w365("retention", "apply", "--json")))
