"""Does /metrics say how the installation is, in the form that Prometheus reads, and nothing of anybody's customers?"""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from tests.browser.conftest import running_app
from tests.reports import builders as b
from w365core.jobs import measuring


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


def test_a_database_that_is_away_is_told_and_no_error(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    found = read(measuring.exposition().decode())
    assert (found["w365_up",], found["w365_database_up",]) == (1, 0) and ("w365_workers",) not in found


def test_the_app_serves_it(filled: Engine, database_url: str, tmp_path: Path) -> None:
    with running_app(database_url, tmp_path / "log") as address, urllib.request.urlopen(f"{address}/metrics", timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert read(answer.read().decode())["w365_provider_invoices", "Active", "Active"] == 1
