"""Which header is which column: what is obvious is read, what is said is kept, what is neither is asked for."""

from __future__ import annotations

import pytest

from w365core.frames import PLAIN
from w365core.intake.layouts import COLUMNS, NEEDED, fingerprint, layout_of

CONTRACT = [
    "customer_id",
    "subscription_id",
    "product_id",
    "charge_type",
    "charge_start",
    "charge_end",
    "quantity",
    "unit_price",
    "subtotal",
]
CONTRACT += ["tax", "total", "currency"]


def test_the_plain_file_itself_is_read_as_it_is():
    found = layout_of(CONTRACT)
    assert found.complete and found.columns == {name: name for name in CONTRACT} and list(COLUMNS) == CONTRACT
    assert NEEDED == ("customer_id", "subscription_id", "subtotal", "currency")
    assert {column.header for column in PLAIN} == set(CONTRACT)


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("Subscription ID", "subscription_id"),
        ("SUBSCRIPTIONID", "subscription_id"),
        ("Net Total", "subtotal"),
        ("Net Total (EUR)", "subtotal"),
        ("net_total [usd]", None),  # no currency in small letters
        ("Total incl. Tax", "total"),
        ("VAT", "tax"),
        ("Billing Start Date", "charge_start"),
        ("Amount", None),  # before or after tax? nobody knows
        ("Cost", None),
        ("Start Date", None),  # of what?
        ("Total (VAT)", None),  # a tax is no currency
    ],
)
def test_only_what_can_mean_one_thing_is_read_by_itself(header, column):
    assert layout_of([header]).columns.get(header) == column


def test_two_headers_for_one_column_are_a_question():
    found = layout_of(["Customer ID", "Subscription ID", "Net Total", "Net Amount", "Currency"])
    assert found.doubtful == {"subtotal": ("Net Total", "Net Amount")} and not found.complete
    assert "subtotal could be 'Net Total' or 'Net Amount'" in found.lacking
    said = layout_of(found.headers, {"net amount": "subtotal"})
    assert said.complete and said.columns["Net Amount"] == "subtotal" and "Net Total" not in said.columns
    assert layout_of(["Total", "Grand Total"]).columns == {"Total": "total"}  # the very name comes first


def test_what_was_said_comes_before_every_spelling_also_that_a_header_is_nothing():
    found = layout_of(["Subtotal", "Net Cost", "Tax"], {"Net Cost": "subtotal", "Tax": ""})
    assert found.columns == {"Net Cost": "subtotal"}


def test_the_currency_may_stand_in_the_headings_where_no_column_says_it():
    headers = ["Customer ID", "Subscription ID", "Seller Cost (EUR)", "Tax (EUR)"]
    said = {"Seller Cost": "subtotal"}
    assert layout_of(headers, said).currency == "EUR" and layout_of(headers, said).complete
    assert layout_of([*headers, "Currency"], said).currency is None
    mixed = layout_of([*headers[:3], "Tax (USD)"], said)
    assert (mixed.currency, mixed.needed) == (None, ("currency",))


def test_a_layout_is_known_again_in_any_order_case_and_currency():
    said = {"Seller Cost (EUR)": "subtotal", "Who": "customer_id", "What": "subscription_id"}
    first = ["Who", "What", "Seller Cost (EUR)"]
    later = ["SELLER COST (USD)", "what", "who "]
    assert fingerprint(first) == fingerprint(later) != fingerprint([*first, "More"])
    assert layout_of(later, said).columns == {"SELLER COST (USD)": "subtotal", "what": "subscription_id", "who ": "customer_id"}
    assert layout_of(later, said).currency == "USD"
