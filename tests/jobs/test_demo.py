"""Does the demo fill an empty database through the front door, once, with the planted errors and no others?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from tests import estates, postgres
from tests.conftest import Command
from w365core.jobs import demo
from w365core.store import audit
from w365core.store.engine import pooled
from w365core.store.tables import license_line, provider_invoice, usage_estimate, usage_line, usage_summary

# As data/demo/README.md tells them.
PLANTED = {
    "G052361813": ("unresolved_references", "Aurora Narrows Biotech"),
    "G052427346": ("checksum_failed", "1,911.55 EUR"),
    "G052231690": ("checksum_failed", "1,329.75 EUR"),
    "IONEU-1026-352": ("invalid_data", "Seller Cost (EUR)"),
}
WITHOUT_LINES = 1  # of an unknown layout nothing was read


@dataclass(frozen=True)
class Filled:
    w365: Command
    engine: Engine
    said: dict
    home: Path


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The demo, filled once for all tests here, on a database that had not even a schema."""
    home = tmp_path_factory.mktemp("demo") / "home"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("W365_") and name != "DATABASE_URL"}
    with postgres.fresh_database() as url:
        w365 = Command({**kept, "DATABASE_URL": url, "W365_HOME": str(home)})
        done = w365("demo", "--json")
        assert done.returncode == 0, done.stderr
        yield Filled(w365, pooled(url), json.loads(done.stdout), home)


def test_only_the_planted_errors_are_there(filled: Filled) -> None:
    assert filled.said["filled"] is True
    with filled.engine.connect() as connection:
        invoices = connection.execute(select(provider_invoice)).all()
        stated = demo.estate()
    failed = {row.invoice_number: row for row in invoices if row.status_reason == "Error"}
    assert {number: row.failure for number, row in failed.items()} == {number: failure for number, (failure, _) in PLANTED.items()}
    for number, (_, said) in PLANTED.items():
        assert said in failed[number].message
    populating = {row.invoice_number for row in invoices if row.status_reason == "Populating"}
    assert populating == {file["invoice"] for file in stated.manual["files"] if not file["activate"]}
    assert {row.status_reason for row in invoices} == {"Active", "Error", "Populating"}
    read = [row for row in invoices if row.failure != "invalid_data"]
    assert len(read) == len(invoices) - WITHOUT_LINES and all(row.header_total == row.lines_total + row.difference for row in read)


def test_everything_listed_is_told_and_nothing_is_half_there(filled: Filled) -> None:
    listed = json.loads((demo.ESTATE / "partner_center" / "invoices.json").read_text())
    numbers = {document["id"] for document in listed} | {a["id"] for document in listed for a in document.get("amendments", ())}
    numbers |= {file["invoice"] for file in demo.estate().manual["files"]}
    numbers |= {invoice["invoiceNumber"] for invoice in json.loads((demo.ESTATE / "streamone" / "invoices.json").read_text())}
    with filled.engine.connect() as connection:
        assert set(connection.execute(select(provider_invoice.c.invoice_number)).scalars()) == numbers
        broken = select(provider_invoice.c.provider_invoice_id).where(provider_invoice.c.status_reason == "Error")
        for table in (license_line, usage_line, usage_summary):
            assert connection.execute(select(table).where(table.c.provider_invoice_id.in_(broken))).first() is None
        assert connection.execute(select(usage_estimate)).first() is not None
        assert audit.first_broken(connection) is None
    previews = {name for name in estates.leftovers(filled.engine, filled.home) if name.startswith("table ")}
    assert len(previews) == 2 * (len(PLANTED) - WITHOUT_LINES)
    assert {left for left in estates.leftovers(filled.engine, filled.home) if left not in previews} == set()


def test_what_the_provider_knows_is_there_with_one_customer_proposed_and_not_mapped(filled: Filled) -> None:
    listed = json.loads(filled.w365("provider", "list", "--json").stdout)
    (told,) = [row for row in listed if row["name"] == "csp-demo"]
    assert (told["proposals_waiting"], told["evidence_gap"], told["last_account_sync"]) == (1, None, demo.estate().clock.isoformat())
    with filled.engine.connect() as connection:
        counted = "select count(*), count(distinct provider_customer_id), count(*) filter (where quantity is null) from {} where provider = 'csp-demo'"
        owned = connection.execute(text(counted.format("provider_subscription"))).one()
        proposed = connection.execute(
            text("select name, proposed_account_id, confidence from provider_customer where confidence is not null")
        )
        assert [tuple(row) for row in proposed] == [("Aurora Narrows Biotech", "A-1060", 1)]
        mapped = text("select account_id from provider_account where lower(provider_account_id) = '27bd64f9-36f1-4a3a-a77c-18aabbbe6d3c'")
        assert connection.execute(mapped).scalar_one() is None
        changes = connection.execute(text("select status, count(*) from provider_change where provider = 'csp-demo' group by 1")).all()
    assert owned[1] == 60 and owned[0] > 600 and owned[2] == 40  # the Azure subscriptions have no seats
    assert dict(tuple(row) for row in changes)["failed"] == 1


def test_a_second_demo_says_it_is_there_and_changes_nothing(filled: Filled) -> None:
    before = estates.digest(filled.engine)
    done = filled.w365("demo")
    assert (done.returncode, done.stdout) == (0, "The demo is there already.\n")
    assert estates.digest(filled.engine) == before


def test_the_demo_has_a_clock_of_its_own(filled: Filled, tmp_path: Path) -> None:
    path = tmp_path / "plain.json"
    path.write_text(json.dumps(estates.seat("3.00")) + "\n")
    told = filled.w365("import", path, "--provider", "csp-demo", "--invoice", "TODAY", "--json")
    assert told.returncode == 1  # nobody knows its customer
    with filled.engine.connect() as connection:
        dated = connection.execute(select(provider_invoice.c.invoice_date).where(provider_invoice.c.invoice_number == "TODAY")).scalar_one()
    assert dated == demo.estate().clock.date()


def test_a_database_with_other_data_is_refused(database_url: str, w365: Command) -> None:
    engine = pooled(database_url)
    with engine.begin() as connection:
        connection.execute(text("insert into account (account_id, name, credit_hold) values ('A-1', 'Ours', false)"))
    before = estates.stored(engine)
    done = w365("demo", "--json")
    assert done.returncode == 2 and "holds data already" in done.stderr
    assert estates.stored(engine) == before
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from installation")).scalar_one() == 0
