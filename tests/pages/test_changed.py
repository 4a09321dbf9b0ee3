"""Does the page of an invoice say what the provider changed and what holds it, and do its two actions do what they say?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tests import billed_usage, estates
from tests.estates import Estate, Served, daily, seat, usage
from tests.pages.conftest import said
from w365core.errors import CallRefused
from w365core.jobs import queue, syncing, taking
from w365core.jobs.context import Context
from w365core.model import Seen
from w365core.store import ledger, transitions
from w365core.store.tables import usage_summary


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


def daily_job(context: Context) -> syncing.SyncResult:
    return syncing.sync_daily(context, provider_name=estates.PROVIDER, with_estimate=False)


@pytest.fixture
def changed(configured: Context, served: Served) -> Context:
    """G1, imported with 110.00 EUR and billed, says 141.00 EUR now."""
    served.estate.invoice("G1", [seat("10.00"), usage("100.00")], [daily("100.00")])
    daily_job(configured)
    billed_usage.bill(configured.engine, "G1", on="U-7")
    served.estate.invoice("G1", [seat("11.00"), usage("130.00")], [daily("130.00")])
    assert daily_job(configured).changed == ["G1"]
    return configured


def opened(frame, context: Context):
    found = ledger.named(context.engine, provider_name=None, invoice_number="G1")
    return frame(invoice=str(found.provider_invoice_id))


def test_a_changed_invoice_shows_both_totals_every_line_and_whom_it_concerns(frame, changed: Context) -> None:
    app = opened(frame, changed)
    told = said(app)
    assert "Imported 110.00" in told and "Provider says now 141.00" in told and "Changed +31.00" in told
    assert "1 customer was billed on it already: 34.50 EUR to charge." in told
    lines, customers = [table.value for table in app.dataframe if {"What", "Charge or credit"} & set(table.value.columns)]
    assert list(lines["What"]) == ["changed"] * 3 and list(lines["Difference"]) == ["30.00", "1.00", "30.00"]
    assert list(customers["Customer"]) == ["Contoso"] and list(customers["Charge or credit"]) == ["34.50"]


def test_while_usage_is_invoiced_the_new_version_cannot_be_taken_and_the_page_says_what_holds_it(frame, changed: Context) -> None:
    app = opened(frame, changed)
    assert app.button("taking_now").disabled
    told = said(app)
    assert "Its usage is billed on 1 customer invoice; take it off them first, below." in told
    held = next(table.value for table in app.dataframe if "Once its usage is taken off" in table.value.columns)
    assert list(held["Customer invoice"]) == ["U-7"] and list(held["Once its usage is taken off"]) == ["Credit 115.00 EUR"]


def test_taking_off_needs_a_reason_says_what_follows_before_and_what_was_done_after(frame, changed: Context) -> None:
    app = opened(frame, changed)
    app.multiselect("unlink_chosen").select("U-7").run()
    assert "The customer has been charged 115.00 EUR for it: credit that" in said(app)
    app.button("unlink_now").click().run()
    assert "Say why the usage is taken off" in said(app) and billed_usage.held_by(changed.engine, "G1") == ["U-7"]
    app.text_input("unlink_reason").input("wrong customer").run()
    app.button("unlink_now").click().run()
    assert "1 usage summary is off U-7 and billable again (115.00 EUR)" in said(app)
    with changed.engine.connect() as connection:
        assert connection.execute(select(usage_summary.c.status)).scalars().all() == ["Not invoiced"]
    assert not app.button("taking_now").disabled


def test_the_new_version_is_queued_with_what_the_person_saw_and_the_page_says_before_what_it_will_do(frame, changed: Context) -> None:
    with changed.engine.begin() as connection:
        connection.execute(usage_summary.update().values(status="Not invoiced", invoice_number=None))
    app = opened(frame, changed)
    assert "2 lines are replaced. If the new version fails its checks, the invoice is in Error" in said(app)
    app.text_input("taking_reason").input("corrected").run()
    app.button("taking_now").click().run()
    with changed.engine.connect() as connection:
        (job,) = queue.unfinished(connection)
    found = ledger.named(changed.engine, provider_name=None, invoice_number="G1")
    assert (job.kind, job.provider, job.invoice, job.reason) == ("take_new_version", "csp", "G1", "corrected")
    assert Seen(**job.asked) == Seen(found.status_reason, found.version, found.import_run_id)
    assert "New version of csp, invoice G1: waits for the worker" in said(app)


def test_an_invoice_that_nothing_happened_to_has_neither(frame, configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("10.00")])
    daily_job(configured)
    told = said(opened(frame, configured))
    assert "What the provider changed" not in told and "Held by" not in told


def test_once_it_is_taken_the_page_is_quiet_again(frame, changed: Context) -> None:
    with changed.engine.begin() as connection:
        connection.execute(usage_summary.update().values(status="Not invoiced", invoice_number=None))
    taking.take_new_version(changed, provider_name=None, invoice_number="G1")
    assert "What the provider changed" not in said(opened(frame, changed))


def test_a_decision_on_what_was_deactivated_meanwhile_is_refused_by_the_job(changed: Context) -> None:
    with changed.engine.begin() as connection:
        connection.execute(usage_summary.update().values(status="Not invoiced", invoice_number=None))
    found = ledger.named(changed.engine, provider_name=None, invoice_number="G1")
    seen = Seen(found.status_reason, found.version, found.import_run_id)
    with changed.engine.begin() as connection:
        transitions.deactivate(connection, provider_invoice_id=found.provider_invoice_id, who=changed.who)
    with pytest.raises(CallRefused, match="has changed since you looked at it: deactivate provider invoice by tester"):
        taking.take_new_version(changed, provider_name=None, invoice_number="G1", seen=seen)
