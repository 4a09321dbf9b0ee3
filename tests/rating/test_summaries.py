"""Usage summaries: ids that stay, selling amounts rounded once, and blanks that are no zeros."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from w365core.rating.summaries import UsageKey, rated_summaries, selling_amount, usage_id

D = Decimal
KEY = UsageKey("AZURE", "DZH1", "0001", date(2026, 11, 1), date(2026, 11, 30), "EUR")


def row(**values) -> dict:
    """The sums of one summary, stating only what matters."""
    return {
        "usage_id": "u1",
        "subscription_id": "AZURE",
        "account_id": "A-1",
        "provider_subscription_id": "ent-1",
        "product_id": "DZH1",
        "sku_id": "0001",
        "product": "Virtual machines",
        "charge_start": date(2026, 11, 1),
        "charge_end": date(2026, 11, 30),
        "quantity": D(1),
        "cost": D(10),
        "markup_pct": D(15),
        "currency": "EUR",
        "lines": 1,
    } | values


def test_a_usage_id_never_changes_between_releases():
    assert usage_id("csp-demo", "G1", KEY) == "u80b3b36e54cfbb17dc3c"


def test_everything_that_tells_two_summaries_apart_is_in_the_id():
    others = [
        replace(KEY, owner="OTHER"),
        replace(KEY, product_id=None),
        replace(KEY, product_id="DZH2"),
        replace(KEY, sku_id="1"),
        replace(KEY, charge_start=None),
        replace(KEY, charge_end=date(2026, 11, 29)),
        replace(KEY, currency="USD"),
    ]
    ids = [usage_id("csp-demo", "G1", key) for key in (KEY, *others)] + [usage_id("other", "G1", KEY), usage_id("csp-demo", "G2", KEY)]
    assert len(set(ids)) == len(ids)
    assert usage_id("csp-demo", "G1", replace(KEY)) == ids[0]


@pytest.mark.parametrize(
    ("cost", "markup", "currency", "sold"),
    [
        ("100", "15", "EUR", "115.00"),
        ("0.125", "0", "EUR", "0.13"),
        ("-0.125", "0", "EUR", "-0.13"),
        ("85", "17.647058", "EUR", "100.00"),
        ("100.5", "0", "JPY", "101"),
        ("-100.5", "0", "JPY", "-101"),
        ("1.0005", "0", "KWD", "1.001"),
        ("10", "1000", "EUR", "110.00"),
        ("0", "15", "EUR", "0.00"),
    ],
)
def test_selling_is_cost_and_markup_at_the_coin_of_the_currency(cost, markup, currency, sold):
    assert str(selling_amount(D(cost), D(markup), currency)) == sold


def test_a_blank_markup_sells_for_nothing_known_and_a_markup_of_0_for_the_cost():
    blank, none = rated_summaries([row(usage_id="u1", markup_pct=None), row(usage_id="u2", markup_pct=D(0))])
    assert (blank.selling_amount, none.selling_amount) == (None, D("10.00"))


def test_summaries_come_in_one_order_and_keep_every_digit_of_cost_and_quantity():
    rows = [row(usage_id="u2", cost=D("1.000000000000000000000000000100"), quantity=D("5.000")), row(usage_id="u1", cost=D("7.000"))]
    first, second = rated_summaries(rows)
    assert (first.usage_id, str(first.cost)) == ("u1", "7.00")
    assert (str(second.cost), str(second.quantity)) == ("1.0000000000000000000000000001", "5")
    assert rated_summaries(reversed(rows)) == [first, second]


@given(st.lists(st.decimals(-1000, 1000, places=4), min_size=1, max_size=20), st.integers(0, 100))
def test_one_rounding_for_the_sum_is_never_more_than_half_a_cent_from_exact(costs, markup):
    exact = sum(map(Fraction, costs)) * (100 + markup) / 100
    (summary,) = rated_summaries([row(cost=sum(costs), markup_pct=D(markup))])
    assert abs(Fraction(summary.selling_amount) - exact) <= Fraction(1, 200)
