"""Does the page say what is sold below cost, add up by customer and family, and take its days from the invoice?"""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import text

from tests.pages import conftest
from tests.pages.conftest import unmarked as said
from tests.reconciled_rows import Run
from w365core.reports import margin

PAGE = "reconciliation/margin.py"


@pytest.fixture
def page(frame):
    """The page at an address."""
    return conftest.page_at(frame, PAGE)


def test_without_an_invoice_the_page_says_where_rows_come_from(page) -> None:
    assert "There is no provider invoice yet" in said(page())


def test_what_is_sold_below_cost_comes_first_with_what_it_loses(page, engine) -> None:
    run = Run(engine)
    run.row("confirmed", subtotal="100.00")  # 10 seats that cost 10 and sell for 12
    run.row("confirmed", of="S-2", customer="Fabrikam", subtotal="100.00", selling_price="9.00", price_verdict="below_cost")
    told = said(page())
    assert "Lost below cost 10.00 EUR" in told and "Margin 10.00 EUR" in told and "Selling 210.00 EUR" in told
    assert "A seat costs 10.00 EUR a month and sells for 9.00 EUR." in told and "-10.00 EUR" in told.replace("−", "-")


def test_a_window_of_part_of_a_month_sells_for_its_days(page, engine) -> None:
    run = Run(engine)
    run.row("confirmed", subtotal="50.00", charge_start=date(2026, 11, 16), charge_end=date(2026, 11, 30))
    assert "Selling 60.00 EUR" in said(page())


def test_a_window_of_a_year_sells_for_twelve_months(page, engine) -> None:
    run = Run(engine)
    run.row("confirmed", subtotal="1200.00", charge_start=date(2026, 1, 31), charge_end=date(2027, 1, 30))
    assert "Selling 1,440.00 EUR" in said(page())


def test_the_days_are_those_of_the_invoice_and_others_are_warned_of(page, engine) -> None:
    Run(engine).row("confirmed")
    app = page()
    assert app.date_input[0].value == date(2026, 10, 1) and "left out" not in said(app)
    assert "left out" in said(page(since="2026-10-02"))


def test_costs_that_moved_over_the_months_are_drawn(page, engine) -> None:
    for number, on, cost in (("G0", date(2026, 10, 8), "9.50"), ("G1", date(2026, 11, 8), "10.00")):
        Run(engine, number, on=on).row("confirmed", unit_cost=cost)
    assert "the products that moved most, EUR" in said(page())


def test_customers_and_product_families_come_to_the_same_margin(engine) -> None:
    run = Run(engine)
    run.row("confirmed", subtotal="100.00"), run.row("confirmed", of="S-2", customer="Fabrikam", subtotal="100.00", selling_price="9.00")
    with engine.begin() as connection:
        connection.execute(text("insert into product (product_id, name, family) values ('P-E3', 'Microsoft 365 E3', 'Microsoft 365')"))
        connection.execute(text("update subscription set product_id = 'P-E3' where subscription_id = 'S-1'"))
        found = margin.load(connection, invoice_id=run.invoice_id, month=None, since=None, until=None)
    names = ("name", "selling", "cost", "margin")
    assert {tuple(row[name] for name in names) for row in found.customers.rows} == {("Contoso", 120, 100, 20), ("Fabrikam", 90, 100, -10)}
    assert {row["name"]: row["margin"] for row in found.families.rows} == {"Microsoft 365": 20, "No family": -10}
