"""Is what a provider lists stored whole, by every way it is asked, and does the command say what a sync would do?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests import estates
from tests.estates import Estate, Served, seat
from tests.jobs import working
from w365core.errors import CallRefused, ProviderError
from w365core.jobs import listing, queue, syncing
from w365core.jobs.context import Context
from w365core.store import listings, transitions


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    estate = Estate(tmp_path / "estate", client_secret=estates.SECRET)
    estate.invoice("G1", [seat()], dated="2026-11-08")
    estate.invoice("G2", [seat("20")], dated="2026-10-08")
    with estates.serve(estate) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


def listed(context: Context) -> list[tuple]:
    with context.engine.connect() as connection:
        rows = listings.of_provider(connection, estates.PROVIDER)
    return [(row["invoice_number"], row["total"], row["status_reason"]) for row in rows]


def moments(context: Context, number: str) -> tuple:
    with context.engine.connect() as connection:
        row = listings.listed_as(connection, provider_name=estates.PROVIDER, invoice_number=number)
    return (row["first_listed_at"], row["listed_at"])


def test_a_listing_is_stored_newest_first_and_imports_nothing(configured: Context):
    found = listing.list_invoices(configured, provider_name="CSP")
    assert found.sentence == "csp lists 2 invoices, 2 of them not here."
    assert listed(configured) == [("G1", Decimal(100), None), ("G2", Decimal(20), None)]


def test_what_is_listed_no_more_goes_and_what_stays_keeps_when_it_was_first_listed(configured: Context, served: Served):
    listing.list_invoices(configured, provider_name="csp")
    del served.estate.documents["G2"]
    served.estate.invoice("G1", [seat("101")], dated="2026-11-08")
    later = replace(configured, now=configured.now + timedelta(hours=5))
    listing.list_invoices(later, provider_name="csp")
    assert listed(configured) == [("G1", Decimal(101), None)]
    assert moments(configured, "g1") == (configured.now, later.now)


def test_a_daily_sync_and_one_by_hand_keep_what_was_listed_too(configured: Context, served: Served):
    syncing.sync_daily(configured, provider_name="csp")
    assert listed(configured) == [("G1", Decimal(100), "Active"), ("G2", Decimal(20), None)]
    later = replace(configured, now=configured.now + timedelta(hours=5))
    syncing.sync_invoice(later, provider_name="csp", invoice_number="G2", override=None)
    assert listed(later) == [("G1", Decimal(100), "Active"), ("G2", Decimal(20), "Active")]
    assert moments(later, "G1") == (configured.now, later.now)


def test_a_provider_that_does_not_answer_leaves_what_was_listed(configured: Context, served: Served):
    listing.list_invoices(configured, provider_name="csp")
    served.faults.replace(["500@invoices"])
    with pytest.raises(ProviderError):
        listing.list_invoices(configured, provider_name="csp")
    assert len(listed(configured)) == 2


def test_a_provider_that_lists_nothing_was_asked_all_the_same(configured: Context, served: Served):
    listing.list_invoices(configured, provider_name="csp")
    (served.estate.folder / "partner_center" / "invoices.json").write_text("[]")
    assert listing.list_invoices(configured, provider_name="csp").sentence == "csp lists no invoice."
    with configured.engine.connect() as connection:
        assert listings.listed_last(connection, "csp") == configured.now
        assert listings.listed_last(connection, "distributor") is None


def test_a_provider_of_files_is_refused(configured: Context):
    with pytest.raises(CallRefused, match="imported from files"):
        listing.list_invoices(configured, provider_name="distributor")
    with pytest.raises(CallRefused, match="imported from files"):
        queue.ask(configured.engine, kind=queue.LIST, provider="distributor", actor="ana")


def test_a_worker_lists_and_says_what_it_found(configured: Context, tmp_path: Path):
    job_id = queue.ask(configured.engine, kind=queue.LIST, provider="csp", actor="ana")
    with working.worker(configured, tmp_path / "worker.log"):
        done = working.ended(configured, job_id, tmp_path / "worker.log")
    assert (done.state, done.message, done.outcome) == ("done", "csp lists 2 invoices, 2 of them not here.", {"listed": 2, "absent": 2})


def test_the_command_says_what_a_sync_would_do(w365, configured: Context):
    said = json.loads(w365("list-invoices", "--provider", "csp", "--json").stdout)
    assert said == [] and "Nobody has asked csp yet" in w365("list-invoices", "--provider", "csp").stdout
    syncing.sync_daily(configured, provider_name="csp")
    done = w365("list-invoices", "--provider", "csp", "--refresh", "--json", W365_SECRET_CSP=estates.SECRET)
    assert done.returncode == 0 and "csp lists 2 invoices, 1 of them not here." in done.stderr
    names = ("invoice", "invoice_date", "total", "local_status", "sync", "daily_job")
    assert [tuple(one[name] for name in names) for one in json.loads(done.stdout)] == [
        ("G1", "2026-11-08", "100.00", "Active", "refused: deactivate it first", "compares it"),
        ("G2", "2026-10-08", "20", "Not here", "imports it", "leaves it: not its latest month"),
    ]
    assert w365("list-invoices", "--provider", "distributor").returncode == 2
    with configured.engine.begin() as connection:
        row = listings.of_provider(connection, "csp")[0]
        transitions.deactivate(connection, provider_invoice_id=row["provider_invoice_id"], who=configured.who)
    table = w365("list-invoices", "--provider", "csp").stdout
    assert "Deactivated" in table and "imports it again" in table and "leaves it" in table
