"""Does the page say what holds the usage of a month up, whose money it is and what starts the fix; and does a row open to its checks?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from tests import estates
from tests.estates import AZURE, FABRIKAM, Estate, daily, usage
from tests.pages.conftest import said, unmarked
from w365core.jobs import diagnosing, syncing
from w365core.jobs.context import Context
from w365core.reports import export, invoice_status, why_no_usage_invoice as report
from w365core.reports.why_no_usage_invoice import Found
from w365core.store import ledger, transitions

CONTRACTS = (
    "contract_id,account_id,frequency,start_date,next_invoice_date,currency,status\n"
    "BC-1,A-1,Monthly,2026-01-01,2026-11-12,EUR,Active\nBC-2,A-2,Monthly,2026-01-01,2026-11-05,EUR,Active\n"
)
SUBSCRIPTIONS = (
    "subscription_id,provider,provider_subscription_id,account_id,contract_id,product_id,kind,markup_pct,currency\n"
    f"U-1,csp,{AZURE},A-1,BC-1,DZH3,Usage,,EUR\nU-2,csp,azure-2,A-2,BC-2,DZH3,Usage,10,EUR\nU-3,csp,azure-3,A-2,BC-2,DZH3,Usage,10,EUR\n"
)


def theirs(cost: str, entitlement: str) -> dict:
    return daily(cost, EntitlementId=entitlement, CustomerId=FABRIKAM, CustomerName="Fabrikam")


@pytest.fixture
def month(context: Context, tmp_path: Path) -> Iterator[Context]:
    """U-1 of Contoso came in with a blank markup; U-2 and U-3 of Fabrikam after the invoice date."""
    estate = Estate(tmp_path / "estate")
    estate.invoice("G1", [usage("60.00")], [daily("20.00"), theirs("30.00", "azure-2"), theirs("10.00", "azure-3")])
    with estates.serve(estate) as served:
        records = estate.records(tmp_path / "records", billing_contracts=CONTRACTS, subscriptions=SUBSCRIPTIONS)
        made = estates.configure(context, served.url, records=records)
        assert syncing.sync_daily(made, provider_name=estates.PROVIDER, with_estimate=False).exit_code == 0
        yield made


@pytest.fixture
def why(frame: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, context: Context) -> Callable[..., AppTest]:
    """Opens the page at an address, on the morning of the 12th."""
    monkeypatch.setenv("W365_HOME", str(context.settings.home))

    def open_at(**query: str) -> AppTest:
        with context.engine.begin() as connection:
            connection.execute(
                text("insert into installation (name, value) values ('clock', :now) on conflict (name) do nothing"),
                {"now": context.now.isoformat()},
            )
        return frame(**query).switch_page("usage/why.py").run()

    return open_at


def found(context: Context, **chosen) -> report.Why:
    first_day, today = date(2026, 11, 1), context.now.date()
    with context.engine.connect() as connection:
        rows = diagnosing.diagnose(connection, period=first_day, today=today)
        late = diagnosing.lateness(connection, period=first_day, rows=rows)
        return report.build(Found("2026-11", today, rows, late, diagnosing.records(connection).rates), **chosen)


def test_a_month_without_usage_subscriptions_says_what_would_be_here(why, engine: Engine):
    app = why()
    assert not app.exception and app.title[0].value == "Why is there no usage invoice?"
    assert "No usage subscription has a cycle whose invoice date lies in this month." in said(app)


def test_the_biggest_money_stands_first_with_what_mends_it(why, month: Context):
    app = why()
    told = said(app)
    assert not app.exception
    assert "Blocked, EUR 20.00" in told and "Ready to bill, EUR 44.00" in told and "44.00 EUR of it due by now" in told
    titles = [element.value.strip("*") for element in app.markdown if element.value.startswith("**") and not element.value[2].isdigit()]
    assert titles[:2] == ["Due, and everything is there", "The markup is blank"]
    assert "The usage of 2 subscriptions of 1 contract is confirmed" in told
    assert "1 contract invoiced before the usage is usually here" in told


def test_the_filters_of_provider_invoices_are_not_asked_for_where_they_do_not_stand(why, month: Context, monkeypatch):
    app = why()
    asked = []
    monkeypatch.setattr(invoice_status, "choices", lambda connection: asked.append(1) or {})
    app.run()
    assert not asked and not app.exception and "Blocked, EUR 20.00" in said(app)


def test_what_is_written_meanwhile_is_there_at_the_next_run_and_nothing_is_asked_twice_before(why, month: Context, monkeypatch):
    asked = []
    monkeypatch.setattr(diagnosing, "diagnose", lambda *given, real=diagnosing.diagnose, **named: asked.append(1) or real(*given, **named))
    app = why()
    assert "Blocked, EUR 20.00" in said(app)
    for _ in range(20):  # other databases of the same server write as well
        before = len(asked)
        app.run()
        if len(asked) == before:
            break
    else:
        pytest.fail("each run asks anew")
    with month.engine.begin() as connection:
        connection.execute(text("update usage_summary set cost = cost + 5 where markup_pct is null"))
    assert "Blocked, EUR 25.00" in said(app.run())


def test_a_row_opens_to_its_sixteen_checks(why, month: Context):
    app = why()
    app.button("open_BC-1_U-1_2026-10-01").click().run()
    told = said(app)
    assert not app.exception
    assert "12. The markup is blank" in told and "Its invoice adds up." in told and "16. Can the contract be billed?" in told
    assert "The markup was blank when the usage came in on 2026-11-12" in told
    app.button("open_BC-1_U-1_2026-10-01").click().run()
    assert "16. Can the contract be billed?" not in said(app)


def test_outcome_customer_and_month_leave_the_others_out(why, month: Context):
    app = why(outcome="Blocked")
    assert "Contoso" in said(app) and "Fabrikam" not in said(app)
    app = why(of_customer="Fabrikam")
    assert "open_BC-1_U-1_2026-10-01" not in {button.key for button in app.button}
    app = why(period="2026-10")
    assert "No usage subscription has a cycle whose invoice date lies in this month." not in said(app)
    assert app.selectbox("period").value == "2026-10"


def test_a_month_that_is_not_there_is_said_until_another_is_chosen_and_the_present_one_is_shown(why, month: Context):
    app = why(period="2026-99")
    assert not app.exception and app.selectbox("period").value == "2026-11"
    told = "The address asks for the month 2026-99, which is none from Sep 2025 to Dec 2026; this is Nov 2026."
    assert told in unmarked(app) and told in unmarked(app.run())
    app.selectbox("period").select("2026-10").run()
    assert not app.exception and "The address asks for" not in said(app)
    for known in ({}, {"period": "2026-10"}, {"period": "Oct 2026"}):
        assert "The address asks for" not in said(why(**known))


def test_what_is_listed_and_not_here_is_synced_from_the_page(why, month: Context):
    invoice = ledger.named(month.engine, provider_name=None, invoice_number="G1")
    with month.engine.begin() as connection:
        transitions.delete(connection, provider_invoice_id=invoice.provider_invoice_id, who=month.who)
    app = why()
    assert "csp lists G1 of 2026-11-08" in said(app) and "Published, not fetched" in said(app)
    next(button for button in app.button if (button.key or "").startswith("start_blocked_not_pulled")).click().run()
    assert not app.exception and "sync_now" in {button.key for button in app.button}


def test_tiles_add_up_to_the_rows_currency_by_currency(month: Context):
    built = found(month)
    blocked = sum(row["cost_at_risk"] or 0 for row in built.rows if row["outcome"] == "blocked")
    assert [(tile.label, tile.value) for tile in built.tiles] == [("Blocked, EUR", f"{blocked:.2f}"), ("Ready to bill, EUR", "44.00")]
    assert sum(len(knot.rows) for knot in built.knots) == len(built.rows) == 3
    assert found(month, outcomes=("blocked",)).tiles == built.tiles


def test_the_table_leaves_as_csv_with_exact_amounts_and_codes(month: Context):
    table = found(month).table
    lines = export.csv_bytes(table.columns, table.rows).decode("utf-8-sig").splitlines()
    assert len(lines) == 4 and "markup_missing" in lines[1] and "BC-1" in "".join(lines)


def test_the_calendar_has_a_line_for_each_contract(month: Context):
    marked = found(month).calendar
    assert [(one.label, one.outcome, one.arrived_on > one.invoice_date) for one in marked] == [
        ("Fabrikam · BC-2", "ready", True), ("Contoso · BC-1", "blocked", False),
    ]  # fmt: skip


def test_what_starts_a_markup_is_about_just_the_subscriptions_without_one(month: Context) -> None:
    with month.engine.connect() as connection:
        rows = diagnosing.diagnose(connection, period=date(2026, 11, 1), today=month.now.date())
        late = diagnosing.lateness(connection, period=date(2026, 11, 1), rows=rows)
        found = report.build(Found("2026-11", month.now.date(), rows, late, diagnosing.records(connection).rates))
    [start] = [knot.start for knot in found.knots if knot.title == "The markup is blank"]
    assert start is not None and start.subscription_ids == ("U-1",)
