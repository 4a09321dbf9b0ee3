"""Is usage that is charged without the partner earned credit it has elsewhere found, with the money that is lost?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, insert, text

from tests.usage_rows import Usage
from w365core.store import credit_lost, tables

Line = tuple[str, str, str, str | None]  # entitlement, meter, cost, credit in per cent


def invoice(engine: Engine, lines: list[Line], number: str = "G1", dated: date = date(2026, 11, 8)) -> int:
    made = Usage(engine, number).invoice_id
    with engine.begin() as connection:
        connection.execute(
            text("update provider_invoice set invoice_date = :dated where provider_invoice_id = :id"), {"dated": dated, "id": made}
        )
        connection.execute(text(f"create table usage_line_r{900 + made} partition of usage_line for values in ({made})"))
        for place, (entitlement, meter, cost, credit) in enumerate(lines, 1):
            row = {
                "provider_invoice_id": made, "line_number": place, "entitlement_id": entitlement, "meter_id": meter, "meter_name": f"the {meter}",
                "billing_pre_tax_total": Decimal(cost), "billing_currency": "EUR", "partner_earned_credit_percentage": credit and Decimal(credit),
            }  # fmt: skip
            connection.execute(insert(tables.usage_line).values(**row))
    return made


def found(engine: Engine, made: int) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return credit_lost.of_invoice(connection, made)


def test_lines_without_the_credit_that_others_of_their_meter_have_are_found_with_the_money(engine: Engine) -> None:
    lines = [
        ("E-1", "disk", "85", "15"),
        ("e-1", "disk", "100", "0"),
        ("E-1", "disk", "20.10", None),
        ("E-1", "other", "50", "0"),
        ("E-2", "disk", "9", "0"),
    ]
    (one,) = found(engine, invoice(engine, lines))
    assert (one["kind"], one["found"], one["amount"], one["expected"], one["currency"]) == (
        "credit_lost", Decimal("120.10"), Decimal("18.02"), Decimal("102.08"), "EUR",
    )  # fmt: skip
    assert "the disk: 2 usage lines" in one["reason"] and "15 % on other lines of this invoice" in one["reason"]


def test_a_meter_that_had_it_the_month_before_is_found_and_one_that_had_it_earlier_is_not(engine: Engine) -> None:
    invoice(engine, [("E-1", "net", "85", "0.15")], "G8", date(2026, 9, 8))
    invoice(engine, [("E-1", "disk", "85", "0.15")], "G9", date(2026, 10, 8))
    made = invoice(engine, [("E-1", "disk", "100", "0"), ("E-1", "net", "100", "0"), ("E-1", "cpu", "85", "0.15")])
    (one,) = found(engine, made)
    assert one["amount"] == Decimal("15.00") and "the disk" in one["reason"] and "the month before" in one["reason"]


def test_a_file_that_says_nothing_of_the_credit_has_nothing_lost(engine: Engine) -> None:
    invoice(engine, [("E-1", "disk", "85", "15")], "G9", date(2026, 10, 8))
    assert found(engine, invoice(engine, [("E-1", "disk", "100", None)])) == []


def test_free_lines_and_credits_lose_nothing(engine: Engine) -> None:
    assert found(engine, invoice(engine, [("E-1", "disk", "85", "15"), ("E-1", "disk", "0", "0"), ("E-1", "disk", "-5", "0")])) == []
