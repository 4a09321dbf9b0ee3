"""Do charts carry exact text and defused names?"""

from __future__ import annotations

from decimal import Decimal

from w365core.reports import figures
from w365core.reports.invoice_detail import Customer, Part
from w365core.reports.invoice_status import Month


def test_bars_are_exact_text_and_no_float():
    figure = figures.by_month([Month("2026-11", "EUR", Decimal("0.10"), Decimal("12345678901234567.89"))])
    assert [list(trace.y) for trace in figure.data] == [["0.10"], ["12345678901234567.89"]]


def test_two_novembers_are_two_bars():
    figure = figures.by_month([Month("2025-11", "EUR", Decimal(1), Decimal(0)), Month("2026-11", "EUR", Decimal(2), Decimal(0))])
    assert len(set(figure.data[0].x)) == 2


def test_the_markup_of_a_hostile_name_is_defused():
    figure = figures.by_customer([Customer("<a href='//x'>y</a>", Decimal(1), Decimal(0), Decimal(1), 1)], currency="EUR")
    assert "<" not in figure.data[0].y[0]


def test_two_customers_of_one_name_are_two_bars():
    twins = [Customer("Contoso", Decimal(n), Decimal(0), Decimal(n), 1) for n in (2, 1)]
    assert len(set(figures.by_customer(twins, currency="EUR").data[0].y)) == 2


def test_the_waterfall_ends_at_the_header_leaves_out_zeros_and_carries_exact_text():
    amounts = {"License": "80.00", "Usage": "0", "Rounding": "-0.01", "Header": "79.99"}
    parts = [Part(label, amount, "", "=" if label == "Header" else "+", Decimal(amount)) for label, amount in amounts.items()]
    bars = figures.by_part(parts).data[0]
    assert list(bars.x) == ["License", "Rounding", "Header"]
    assert list(bars.y) == ["80.00", "-0.01", "79.99"]
    assert list(bars.measure) == ["relative", "relative", "total"]
