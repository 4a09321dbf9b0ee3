"""Does /metrics say how the installation is, in the form that Prometheus reads, and nothing of anybody's customers?"""

from __future__ import annotations

import re
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, insert

from tests.browser.conftest import running_app
from tests.reports import builders as b
from w365core.jobs import measuring
from w365core.model import Provider, ProviderType
from w365core.store import audit, health, providers
from w365core.store.tables import sync_run

DAY = timedelta(days=1)


def read(said: str) -> dict[tuple, float]:
    return {
        (one.name, *sorted(one.labels.values())): one.value for family in text_string_to_metric_families(said) for one in family.samples
    }


@pytest.fixture
def filled(engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("W365_HOME", str(tmp_path))
    with engine.begin() as connection:
        b.customer(connection, "A-1", "Planted Customer")
        for number, status in (("PLANTED-1", "Active"), ("PLANTED-2", "Error"), ("PLANTED-3", "Error")):
            b.invoice(connection, number=number, provider="planted-provider", header="140", status=status)
    return engine


def test_it_counts_and_names_nobody(filled: Engine) -> None:
    said = measuring.exposition().decode()
    found = read(said)
    assert found["w365_up",] == found["w365_database_up",] == 1
    assert found["w365_provider_invoices", "Active", "Active"] == 1 and found["w365_provider_invoices", "Error", "Inactive"] == 2
    assert found["w365_workers",] == 0 and found["w365_unfinished_jobs", "queued"] == 0 and found["w365_disk_free_bytes",] > 0
    assert "planted" not in said.lower() and "140" not in said.split("w365_database_bytes")[0]


def ran(engine: Engine, command: str, provider: str, *, ago: timedelta, status: str = "done") -> None:
    at = datetime.now(UTC) - ago
    with engine.begin() as connection:
        told = {"command": command, "provider": provider, "actor": "ana", "status": status, "started_at": at, "finished_at": at}
        connection.execute(insert(sync_run).values(told))


def test_the_stalest_sync_is_that_of_a_provider_that_is_synced_and_of_no_other(filled: Engine) -> None:
    """Files that somebody brings by hand once a month are no sync that is late."""

    def age() -> float | None:
        return read(measuring.exposition().decode()).get(("w365_stalest_sync_age_seconds",))

    added = datetime.now(UTC) - 30 * DAY
    with filled.begin() as connection:
        providers.save(connection, Provider("shop", ProviderType.MANUAL), now=added)
    ran(filled, "import", "shop", ago=20 * DAY)
    assert age() is None
    with filled.begin() as connection:
        providers.save(connection, Provider("csp", ProviderType.PARTNER_CENTER), now=added)
    assert age() == pytest.approx(30 * DAY.total_seconds(), abs=60), "one that was never synced is as late as it is old"
    ran(filled, "sync", "csp", ago=3 * DAY)
    ran(filled, "sync", "csp", ago=DAY, status="failed")
    ran(filled, "import", "csp", ago=DAY)
    assert age() == pytest.approx(3 * DAY.total_seconds(), abs=60)


def test_the_age_of_the_backup_is_there_before_the_first_one(filled: Engine) -> None:
    def age() -> float:
        return read(measuring.exposition().decode())["w365_backup_age_seconds",]

    def done(action: str, ago: timedelta) -> None:
        with filled.begin() as connection:
            audit.append(connection, at=datetime.now(UTC) - ago, actor="ana", action=action, target_kind="installation", target="all data")

    assert age() == 0, "nothing is there that could be lost"
    done("add provider", 9 * DAY)
    assert age() == pytest.approx(9 * DAY.total_seconds(), abs=60)
    done(health.BACKED_UP, 2 * DAY)
    assert age() == pytest.approx(2 * DAY.total_seconds(), abs=60)


def test_every_measure_that_the_guide_would_alarm_on_is_there(filled: Engine) -> None:
    with filled.begin() as connection:
        providers.save(connection, Provider("csp", ProviderType.PARTNER_CENTER), now=datetime.now(UTC))
    guide = (Path(__file__).resolve().parents[1] / "docs" / "production.md").read_text()
    named = set(re.findall(r"^\| `(w365_\w+)", guide, re.MULTILINE))
    assert len(named) == 7 and named <= {key[0] for key in read(measuring.exposition().decode())}


def test_a_database_that_is_away_is_told_and_no_error(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    found = read(measuring.exposition().decode())
    assert (found["w365_up",], found["w365_database_up",]) == (1, 0) and ("w365_workers",) not in found


def test_the_app_serves_it(filled: Engine, database_url: str, tmp_path: Path) -> None:
    with running_app(database_url, tmp_path / "log") as address, urllib.request.urlopen(f"{address}/metrics", timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert read(answer.read().decode())["w365_provider_invoices", "Active", "Active"] == 1
