"""Which lines are not taken: each check by its smallest sample, and the completions that the provider's arithmetic allows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from w365core import frames
from w365core.intake import validate
from w365core.intake.parse import Parsed, Rejection

D = Decimal
NEEDED = ("subtotal", "currency")


def parsed(*rows: dict) -> Parsed:
    """Parsed reconciliation lines that state only what matters."""
    rows = tuple({"subtotal": D(1), "currency": "EUR", **row} for row in rows)
    return Parsed(len(rows), {column.name: [row.get(column.name) for row in rows] for column in frames.RECONCILIATION})


def found(*rows: dict) -> list[tuple]:
    rejections = validate.rejections(parsed(*rows), frames.RECONCILIATION, NEEDED)
    return [(rejection.index, rejection.column, rejection.value, rejection.expected) for rejection in rejections]


def test_a_whole_line_is_taken():
    assert found({}, {"subtotal": D("-9999999999999999999999.5"), "quantity": D("1E-28"), "currency": " eur "}) == []


@pytest.mark.parametrize("number", ["1E+22", "NaN", "sNaN", "Infinity", "-Infinity", "1E-31", "12345678901234567890123", "0E+99"])
def test_a_number_that_money_cannot_be_is_rejected_by_cell(number):
    assert found({}, {"quantity": D(number)}) == [(1, "Quantity", number, "a number of at most 22 digits before the point")]


@pytest.mark.parametrize(
    ("row", "column", "expected"), [({"subtotal": None}, "Subtotal", "a number"), ({"currency": None}, "Currency", "a value")]
)
def test_a_line_without_its_amount_or_currency_is_rejected(row, column, expected):
    assert found(row) == [(0, column, None, expected)]


def test_an_empty_currency_is_a_missing_value():
    assert found({"currency": ""}) == [(0, "Currency", "", "a value")]


@pytest.mark.parametrize("currency", ["EURO", "12.50", "E1R", "E R", "  "])
def test_a_currency_that_is_no_code_of_three_letters_is_a_shifted_column(currency):
    assert found({"currency": currency}) == [(0, "Currency", currency, "a currency code of three letters")]


def test_what_parsing_rejected_stays_rejected_and_such_lines_are_left_out():
    lines = parsed({"sku_id": "a"}, {"sku_id": "b"}, {"sku_id": "c"})
    lines.extra = ["{1}", "{2}", "{3}"]
    lines.rejections = [Rejection(1, "Quantity", "x", "a number"), Rejection(1, "Tax", "y", "a number")]
    assert validate.rejections(lines, frames.RECONCILIATION, NEEDED) == lines.rejections
    kept = lines.without_rejected()
    assert (kept.rows, kept.columns["sku_id"], kept.extra) == (2, ["a", "c"], ["{1}", "{3}"])


def test_a_blank_tax_or_total_follows_from_the_others_and_an_odd_total_is_counted_and_kept():
    lines = parsed(
        {"subtotal": D("10"), "tax_total": D("1.9")},
        {"subtotal": D("10"), "total": D("11.9")},
        {"subtotal": D("-10")},
        {"subtotal": D("10"), "tax_total": D("1.9"), "total": D("12")},
        {"subtotal": D("1234567890123456789012.1"), "tax_total": D("0.0000000000000000000000000001")},
    )
    assert validate.complete_totals(lines) == 1
    assert lines.columns["tax_total"][:4] == [D("1.9"), D("1.9"), 0, D("1.9")]
    assert lines.columns["total"][:4] == [D("11.9"), D("11.9"), D("-10"), D("12")]
    assert str(lines.columns["total"][4]) == "1234567890123456789012.1000000000000000000000000001"
