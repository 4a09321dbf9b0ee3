"""Are usage lines held against the provider's own arithmetic, its list prices and the credit they had?"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import Engine, insert, text

from tests.usage_rows import Usage
from w365core.store import odd_usage, tables

PEC = '["15.0% Partner earned credit for services managed"]'


def invoice(engine: Engine, number: str = "G1", dated: date = date(2026, 11, 8), currency: str = "EUR") -> int:
    made = Usage(engine, number).invoice_id
    with engine.begin() as connection:
        told = {"dated": dated, "currency": currency, "id": made}
        connection.execute(
            text("update provider_invoice set invoice_date = :dated, currency = :currency where provider_invoice_id = :id"), told
        )
        connection.execute(text(f"create table if not exists usage_line_r{900 + made} partition of usage_line for values in ({made})"))
    return made


def printed(engine: Engine, made: int, *lines: dict[str, Any]) -> None:
    """Usage lines of the reconciliation file."""
    fixed = {
        "kind": "usage", "provider_customer_id": "c", "provider_subscription_id": "PLAN-1", "product_id": "DZH", "sku_id": "1", "meter_description": "Disk",
        "customer_name": "Contoso", "charge_type": "new", "currency": "EUR", "exchange_rate": Decimal(1), "tax_total": Decimal(0), "total": Decimal(0),
    }  # fmt: skip
    with engine.begin() as connection:
        for place, line in enumerate(lines, 1):
            connection.execute(
                insert(tables.license_line).values(**{**fixed, **_numbers(line)}, provider_invoice_id=made, line_number=place)
            )


def daily(engine: Engine, made: int, *lines: dict[str, Any]) -> None:
    fixed = {
        "entitlement_id": "E-1",
        "entitlement_description": "Contoso Azure",
        "meter_id": "disk",
        "meter_name": "Disk",
        "billing_currency": "EUR",
    }
    with engine.begin() as connection:
        for place, line in enumerate(lines, 1):
            connection.execute(insert(tables.usage_line).values(**fixed, provider_invoice_id=made, line_number=place, **_numbers(line)))


def _numbers(line: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Decimal(value) if isinstance(value, str) and name not in ("price_adjustment_description", "currency") else value
        for name, value in line.items()
    }


def charged(price: str, quantity: str, amount: str, *, listed: str | None = None, **said: Any) -> dict[str, Any]:
    return {"effective_unit_price": price, "billable_quantity": quantity, "subtotal": amount, "unit_price": listed or price, **said}


def used(price: str, quantity: str, amount: str, *, listed: str | None = None, **said: Any) -> dict[str, Any]:
    return {"effective_unit_price": price, "quantity": quantity, "billing_pre_tax_total": amount, "unit_price": listed or price, **said}


def found(engine: Engine, made: int) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(one[name] for name in ("kind", "expected", "found", "amount")) for one in odd_usage.of_invoice(connection, made)]


def test_an_amount_that_price_times_quantity_does_not_give_is_found_with_what_it_should_be(engine: Engine) -> None:
    made = invoice(engine)
    printed(engine, made, charged("0.1", "10", "7"), charged("0.1", "10", "1"))
    assert found(engine, made) == [("amount_off", Decimal("1.00"), Decimal(7), Decimal("6.00"))]


def test_the_same_holds_for_daily_usage_where_an_invoice_has_it(engine: Engine) -> None:
    made = invoice(engine)
    printed(engine, made, charged("0.1", "10", "7"))
    daily(engine, made, used("0.1", "10", "1.25"), used("0.1", "10", "1"), used("0.1", "10", "0.9999999"))
    assert found(engine, made) == [("amount_off", Decimal("1.00"), Decimal("1.25"), Decimal("0.25"))]


def test_a_price_above_the_list_price_is_found_with_the_money(engine: Engine) -> None:
    made = invoice(engine)
    printed(engine, made, charged("0.2", "100", "20", listed="0.1"), charged("0.2", "50", "10", listed="0.1"), charged("0.1", "9", "0.90"))
    assert found(engine, made) == [("above_list", Decimal("15.00"), Decimal(30), Decimal("15.00"))]


def test_a_price_below_the_list_is_a_discount_and_a_credit_is_no_charge(engine: Engine) -> None:
    made = invoice(engine)
    printed(engine, made, charged("0.085", "100", "8.50", listed="0.1"), charged("0.2", "10", "-2", listed="0.1"))
    assert found(engine, made) == []


def test_credit_that_a_plan_has_on_another_line_of_the_file_is_lost_on_this_one(engine: Engine) -> None:
    made = invoice(engine)
    lines = [
        charged("0.085", "100", "8.50", listed="0.1", price_adjustment_description=PEC),
        charged("0.1", "100", "10", price_adjustment_description="[]"),
    ]
    printed(engine, made, *lines)
    assert found(engine, made) == [("credit_lost", Decimal("8.50"), Decimal(10), Decimal("1.50"))]


def test_credit_that_a_plan_had_the_month_before_is_lost_without_a_word_of_it_this_month(engine: Engine) -> None:
    before = invoice(engine, "G0", date(2026, 10, 8))
    printed(engine, before, charged("0.085", "100", "8.50", listed="0.1", price_adjustment_description=PEC))
    made = invoice(engine)
    printed(engine, made, charged("0.1", "100", "10", price_adjustment_description=None))
    assert found(engine, made) == [("credit_lost", Decimal("8.50"), Decimal(10), Decimal("1.50"))]


@pytest.mark.parametrize("currency", ["EUR", "JPY"])
def test_what_the_provider_charges_by_either_of_its_rules_is_never_off(engine: Engine, currency: str) -> None:
    coin, made = Decimal(1) if currency == "JPY" else Decimal("0.01"), invoice(engine, currency=currency)
    number = st.decimals(min_value=0, max_value=9999, places=6)

    @settings(max_examples=40, deadline=None)
    @given(number, number, st.decimals(min_value="0.5", max_value="150", places=9))
    def holds(price: Decimal, quantity: Decimal, rate: Decimal) -> None:
        cut = ((price * quantity).quantize(Decimal("0.01"), ROUND_DOWN) * rate).quantize(coin, ROUND_DOWN)
        once = (price * quantity * rate).quantize(coin, ROUND_HALF_UP)
        with engine.begin() as connection:
            connection.execute(text("delete from license_line where provider_invoice_id = :id"), {"id": made})
        amounts = (cut, once, -cut)
        printed(engine, made, *(charged(str(price), str(quantity), str(one), exchange_rate=rate, currency=currency) for one in amounts))
        assert found(engine, made) == []

    holds()
