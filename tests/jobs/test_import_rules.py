"""Do the rules of importing hold that no other test is about? Each as people say it, from files and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests import estates
from tests.estates import Estate, Served, daily, seat, usage
from w365core.frames import RECORD_FILES
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.model import CAPABILITIES, ProviderType
from w365core.store import ledger, transitions
from w365core.store.tables import provider_invoice, usage_summary

OLD_ID = "a9b2c3d4-0000-4000-8000-0000000000dd"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate", client_secret=estates.SECRET)) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


def day_by_day(context: Context) -> syncing.SyncResult:
    return syncing.sync_daily(context, provider_name=estates.PROVIDER)


def records(context: Context) -> dict[str, list]:
    with context.engine.connect() as connection:
        return {one.table: connection.execute(text(f"select * from {one.table} order by 1, 2")).all() for one in RECORD_FILES.values()}


def invoices(context: Context) -> dict:
    with context.engine.connect() as connection:
        return {row.invoice_number: row for row in connection.execute(select(provider_invoice))}


def summaries(context: Context) -> list:
    with context.engine.connect() as connection:
        return connection.execute(select(usage_summary).order_by(usage_summary.c.cost)).all()


def test_usage_comes_by_itself_from_partner_center_alone() -> None:
    assert {kind for kind, able in CAPABILITIES.items() if able.usage} == {ProviderType.PARTNER_CENTER}


def test_importing_and_its_failures_change_no_record_of_ours(configured: Context, served: Served) -> None:
    before = records(configured)
    assert all(before[table] for table in ("subscription", "account", "provider_account", "currency"))
    estates.two_invoices_worth(served.estate)
    served.estate.invoice("G2", [seat("77.00", Quantity="99", UnitPrice="0.7777", ProductName="Renamed")], total="9.00")
    assert [one.status for one in day_by_day(configured).outcomes] == ["Active/Active", "Inactive/Error"]
    assert records(configured) == before


def test_what_is_deactivated_or_deleted_here_is_not_touched_at_the_provider(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    served.estate.invoice("G2", [seat()])
    day_by_day(configured)
    files = {path: path.read_bytes() for path in served.estate.folder.rglob("*") if path.is_file()}
    with configured.engine.begin() as connection:
        connection.execute(text("update provider set api_url = 'http://127.0.0.1:1', graph_url = 'http://127.0.0.1:1'"))
    for action, number in (("deactivate", "G1"), ("delete", "G2")):
        found = ledger.named(configured.engine, provider_name=None, invoice_number=number)
        with configured.engine.begin() as connection:
            getattr(transitions, action)(connection, provider_invoice_id=found.provider_invoice_id, who=configured.who)
    assert {number: row.status_reason for number, row in invoices(configured).items()} == {"G1": "Deactivated"}
    assert {path: path.read_bytes() for path in served.estate.folder.rglob("*") if path.is_file()} == files


def test_usage_of_an_unknown_product_keeps_the_name_that_the_provider_printed(configured: Context, served: Served, tmp_path: Path) -> None:
    nameless = served.estate.records(tmp_path / "nameless", products="product_id,name\nOTHER,Another\n")
    context = estates.configure(configured, served.url, records=nameless)
    with context.engine.begin() as connection:
        connection.execute(text("delete from product where product_id <> 'OTHER'"))
    served.estate.invoice("G1", [usage("20.00", ProductName="Azure plan")], [daily("20.00", ProductName="Azure plan")])
    (outcome,) = day_by_day(context).outcomes
    assert (outcome.status, "write-ins" in outcome.message) == ("Active/Active", True)
    (summary,) = summaries(context)
    assert (summary.product, summary.selling_amount) == ("Azure plan", Decimal("23.00"))


def test_usage_under_both_ids_of_a_migrated_subscription_is_that_one_subscriptions(
    configured: Context, served: Served, tmp_path: Path
) -> None:
    aliased = served.estate.records(
        tmp_path / "aliased",
        subscription_aliases=f"provider,provider_subscription_id,subscription_id\n{estates.PROVIDER},{OLD_ID},U-1\n",
    )
    context = estates.configure(configured, served.url, records=aliased)
    served.estate.invoice("G1", [usage("30.00")], [daily("10.00"), daily("20.00", EntitlementId=OLD_ID.upper())])
    (outcome,) = day_by_day(context).outcomes
    assert outcome.status == "Active/Active"
    assert {summary.subscription_id for summary in summaries(context)} == {"U-1"}
    assert sum(summary.cost for summary in summaries(context)) == 30


@pytest.mark.parametrize("quantity", ["1", "4000"])
def test_a_checksum_compares_the_provider_with_itself_whatever_our_records_say(
    configured: Context, served: Served, tmp_path: Path, quantity: str
) -> None:
    owned = (
        "subscription_id,provider,provider_subscription_id,account_id,product_id,kind,markup_pct,quantity,cost_price,selling_price\n"
        f"S-1,{estates.PROVIDER},{estates.SEATS},A-1,CFQ7,License,,{quantity},{quantity}.00,0.01\n"
    )
    context = estates.configure(configured, served.url, records=served.estate.records(tmp_path / "owned", subscriptions=owned))
    served.estate.invoice("G1", [seat("100.00", Quantity="7")])
    served.estate.invoice("G2", [seat("100.00", Quantity="7")], total="103.00")
    day_by_day(context)
    found = invoices(context)
    assert {number: (row.status_reason, row.difference) for number, row in found.items()} == {
        "G1": ("Active", Decimal(0)),
        "G2": ("Error", Decimal(3)),
    }


def test_an_adjustment_that_no_line_has_is_let_pass_by_an_override_alone(configured: Context, served: Served) -> None:
    served.estate.invoice("D1", [seat("500.00")], total="460.00")
    assert [one.failure for one in day_by_day(configured).outcomes] == ["checksum_failed"]
    for override, status in ((Decimal(39), "Inactive/Error"), (Decimal(40), "Active/Active")):
        (outcome,) = syncing.sync_invoice(configured, provider_name=None, invoice_number="D1", override=override).outcomes
        assert outcome.status == status
    found = invoices(configured)["D1"]
    assert (found.header_total, found.lines_total, found.overridden, found.rounding) == (460, 500, -40, 0)


def test_the_daily_job_names_every_invoice_that_came_in_and_every_one_that_did_not_with_its_reason(
    configured: Context, served: Served
) -> None:
    served.estate.invoice("G1", [seat()])
    served.estate.invoice("G2", [seat()], total="900.00")
    served.estate.invoice("G3", [seat(CustomerId=estates.FABRIKAM[:-1] + "9")])
    result = day_by_day(configured)
    assert result.exit_code == 1
    told = {one["invoice"]: (one["status"], one["failure"]) for one in map(asdict, result.outcomes)}
    assert told == {
        "G1": ("Active/Active", None),
        "G2": ("Inactive/Error", "checksum_failed"),
        "G3": ("Inactive/Error", "unresolved_references"),
    }
    said = {one.invoice: one.message for one in result.outcomes}
    assert "An override tolerance of 800 would pass." in said["G2"]
    assert "Add what is missing and sync again." in said["G3"]
    assert day_by_day(configured.at(configured.now + timedelta(days=1))).outcomes != []
