"""Do the sums that a difference is explained from agree with the lines themselves, and is what is listed what was summed?"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from tests.reports import builders as b
from w365core import money
from w365core.difference import Selection, Trait
from w365core.store import breakdowns, differences
from w365core.store.differences import Lines

D = Decimal


@pytest.fixture
def connection(engine: Engine):
    with engine.connect() as opened:
        yield opened


def staged(connection: Connection, license: list[dict], usage: list[dict] = (), *, header: str = "0") -> Lines:
    """An invoice in Error with these lines in its stage."""
    number = len(license) + len(usage)
    invoice_id = b.invoice(connection, number=f"G-{number}", status="Error", header=header, run=7)
    b.lines(connection, invoice_id, run=7, license=license, usage=usage, publish=False)
    return differences.lines_of(connection, invoice_id)


def line(number: int, subtotal: str = "10.00", **said: Any) -> dict[str, Any]:
    return b.license_line(number, total=subtotal) | said


def metered(number: int, subtotal: str = "10.00", **said: Any) -> dict[str, Any]:
    """A usage line of the reconciliation file."""
    return line(
        number, subtotal, **{"kind": "usage", "product_id": "DZH3", "provider_subscription_id": "PLAN", "charge_type": "new", **said}
    )


def rated(number: int, cost: str = "10.00", *, day: int = 1, **said: Any) -> dict[str, Any]:
    return b.usage_line(
        number, cost=cost, usage_date=date(2026, 10, day), charge_start=date(2026, 10, 1), charge_end=date(2026, 10, 31),
        **{"product_id": "DZH3", "sku_id": "0001", "provider_subscription_id": "PLAN", **said},
    )  # fmt: skip


# --- what a line is ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "trait"),
    [
        ({}, Trait.PLAIN),
        ({"publisher_name": "Microsoft"}, Trait.PLAIN),
        ({"publisher_name": "Microsoft Corporation"}, Trait.PLAIN),
        ({"publisher_name": "NA"}, Trait.PLAIN),
        ({"publisher_name": "Others Inc."}, Trait.MARKETPLACE),
        ({"reservation_order_id": "49431608-397d"}, Trait.RESERVATION),
        ({"reservation_order_id": "n/a"}, Trait.PLAIN),
        ({"kind": "usage", "product_name": "Reserved VM Instance"}, Trait.RESERVATION),
        ({"kind": "license", "product_name": "Reserved seats of a third"}, Trait.PLAIN),
        ({"reservation_order_id": "49431608", "product_name": "Compute Savings Plan"}, Trait.SAVINGS_PLAN),
        ({"charge_type": "customerCredit"}, Trait.CREDIT),
        ({"charge_type": "Offset a line item"}, Trait.CREDIT),
        ({"credit_reason_code": "Azure Consumption Credit"}, Trait.CREDIT),
        ({"charge_type": "cancelImmediate"}, Trait.PLAIN),
    ],
)
def test_a_line_is_a_reservation_a_savings_plan_the_marketplace_or_a_credit_by_its_own_marks(connection: Connection, said, trait):
    (group,) = differences.reconciled(connection, staged(connection, [line(1, **said)]), currency="EUR")
    assert group.trait is trait


def test_each_credit_stands_alone_and_other_lines_that_are_alike_are_summed(connection: Connection):
    lines = [line(1, "5"), line(2, "7"), line(3, "-2", charge_type="customerCredit"), line(4, "-2", charge_type="customerCredit")]
    found = differences.reconciled(connection, staged(connection, lines), currency="EUR")
    assert sorted((group.lines, group.total, group.line) for group in found if group.line) == [(1, -2, 3), (1, -2, 4)]
    assert [(group.lines, group.total) for group in found if not group.line] == [(2, 12)]


def test_ids_are_compared_without_regard_to_case_and_lines_of_another_currency_are_left_out(connection: Connection):
    lines = [line(1, provider_customer_id="ABC "), line(2, provider_customer_id="abc"), line(3, currency="usd"), line(4, currency="eur")]
    found = differences.reconciled(connection, staged(connection, lines), currency="EUR")
    assert sorted((group.customer, group.lines) for group in found) == [(b.license_line(1)["provider_customer_id"], 1), ("abc", 2)]


def test_microsoft_cuts_each_usage_line_twice_where_the_plain_product_would_round_up(connection: Connection):
    """R40: 0.0457 x 123.4567 is 5.64, times 0.9213 is 5.19; the plain product is 5.1980 and would round to 5.20."""
    priced = {"effective_unit_price": "0.0457", "billable_quantity": "123.4567", "exchange_rate": "0.9213"}
    lines = staged(connection, [metered(1, "5.19", **priced)])
    (group,) = differences.reconciled(connection, lines, currency="EUR")
    assert (group.ruled, money.half_up(group.unrounded, places=2)) == (D("5.19"), D("5.20"))


def test_microsoft_cuts_the_price_of_a_seat_before_it_is_multiplied(connection: Connection):
    priced = {"effective_unit_price": "3.3399", "billable_quantity": "7", "exchange_rate": "0.9213"}
    (group,) = differences.reconciled(connection, staged(connection, [line(1, "21.49", **priced)]), currency="EUR")
    assert (group.ruled, group.unrounded) == (D("21.49"), D("3.3399") * 7 * D("0.9213"))  # 3.07 x 7


def test_a_currency_without_hundredths_is_cut_to_whole_units(connection: Connection):
    priced = {"effective_unit_price": "10.9", "billable_quantity": "3", "exchange_rate": "1.5", "currency": "JPY"}
    (group,) = differences.reconciled(connection, staged(connection, [metered(1, "48", **priced)]), currency="JPY")
    assert group.ruled == 48  # 32.7 -> 32, 48.0 -> 48


def test_a_line_without_a_price_says_nothing_of_rounding(connection: Connection):
    priced = {"effective_unit_price": "1.5", "billable_quantity": "2"}
    (group,) = differences.reconciled(connection, staged(connection, [line(1, **priced), line(2)]), currency="EUR")
    assert (group.unrounded, group.ruled) == (None, None)


# --- sums that agree -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("most", [3, 10_000])
def test_groups_are_the_sums_of_the_lines_whatever_is_told_apart(connection: Connection, seed: int, most: int):
    """Held against the same sums in Python; with few groups told apart, the rest keeps kind, trait and tax, and every sum."""
    chance = random.Random(seed)
    lines = [_random_line(chance, number) for number in range(1, 120)]
    found = differences.reconciled(connection, staged(connection, lines), currency="EUR", most=most)
    expected: dict[tuple, list[Decimal]] = defaultdict(lambda: [D(0), D(0), D(0), D(0)])
    for one in lines:
        sums = expected[one["kind"], bool(D(one["tax_total"]))]
        for place, value in enumerate((1, one["subtotal"], one["tax_total"], one["total"])):
            sums[place] += D(value)
    summed: dict[tuple, list[Decimal]] = defaultdict(lambda: [D(0), D(0), D(0), D(0)])
    for group in found:
        for place, value in enumerate((group.lines, group.subtotal, group.tax, group.total)):
            summed[str(group.kind), group.is_taxed][place] += value
    assert summed == expected
    assert sum(not group.is_rest for group in found) <= most
    assert any(group.is_rest for group in found) is (most == 3)
    if most > 3:
        keys = {
            (one["kind"], one["provider_customer_id"], one["product_id"].lower(), one["charge_type"], bool(D(one["tax_total"])))
            for one in lines
        }
        assert len(found) == len(keys)


def _random_line(chance: random.Random, number: int) -> dict[str, Any]:
    subtotal, tax = D(chance.randint(-500, 90_000)) / 100, D(chance.choice([0, 0, 1])) * D(chance.randint(1, 900)) / 100
    return line(
        number, str(subtotal), kind=chance.choice(["license", "usage"]), provider_customer_id=f"c{chance.randint(1, 4)}",
        product_id=chance.choice(["P1", "p1", "P2"]), charge_type=chance.choice(["new", "cyclecharge"]), tax_total=str(tax), total=str(subtotal + tax),
    )  # fmt: skip


def test_days_are_bits_from_the_first_day_on(connection: Connection):
    lines = staged(connection, [metered(1)], [rated(1, day=2), rated(2, day=5), rated(3, day=5)])
    (group,) = differences.daily_rated(connection, lines, currency="EUR")
    assert (group.lines, bin(group.days)) == (3, "0b1001")
    first, expected = differences.window(connection, lines)
    assert (first, expected.bit_length(), expected.bit_count()) == (date(2026, 10, 2), 30, 30)


def test_lines_that_stand_twice_are_told_with_what_is_beyond_the_first(connection: Connection):
    lines = staged(connection, [line(1, "40"), line(2, "40"), line(3, "40"), line(4, "40", quantity="2"), line(5, "0"), line(6, "0")])
    (repeat,) = differences.repeats(connection, lines, currency="EUR")
    assert (repeat.lines, repeat.surplus, repeat.before_tax, repeat.kind) == ((1, 2, 3), 80, 80, "license")
    assert repeat.key == tuple(differences.reconciled(connection, lines, currency="EUR")[0].key)


def test_tax_is_rounded_line_by_line_on_what_prints_none(connection: Connection):
    lines = staged(connection, [line(1, "10.03"), line(2, "10.03"), line(3, "50", tax_total="9.50", total="59.50")])
    assert differences.taxed_per_line(connection, lines, currency="EUR", rates=(D(19), D("5.5"))) == (
        (19, D("3.82")),
        (D("5.5"), D("1.10")),
    )
    assert differences.taxed_per_line(connection, lines, currency="EUR", rates=()) == ()


def test_documents_are_what_amends_the_invoice_and_credits_of_its_provider_and_currency(connection: Connection):
    lines = staged(connection, [line(1)])
    number = f"G-{1}"
    b.invoice(connection, number="CN-1", header="-40", amends_of=number.lower(), document_type="credit_note")
    b.invoice(connection, number="CN-2", header="-7")
    for other in ({"currency": "USD"}, {"provider": "other"}, {"on": date(2024, 1, 1)}):
        b.invoice(connection, number=f"X-{len(str(other))}", header="-9", **other)
    b.invoice(connection, number="G-2", header="99")
    found = differences.documents(connection, lines.provider_invoice_id)
    assert [(one.number, one.total, one.amends) for one in found] == [("CN-1", -40, True), ("CN-2", -7, False)]


# --- what is listed ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Selection(), [1, 2, 3, 4]),
        (Selection(taxed=True), [2]),
        (Selection(taxed=False, kind="usage"), [3, 4]),
        (Selection(trait="reservation", kind="usage", only_here=True), [4]),
        (Selection(kind="usage", only_here=True), [4]),
        (Selection(customer="c9"), [2]),
        (Selection(product="dzh3"), [3]),
        (Selection(charge_type="cyclecharge"), [1, 2]),
        (Selection(subscriptions=("plan",)), [3, 4]),
        (Selection(line_numbers=(4, 1)), [1, 4]),
        (Selection(daily=True), [1, 2]),
        (Selection(daily=True, only_here=True), [2]),
    ],
)
def test_the_lines_of_an_explanation_are_those_it_was_summed_from(connection: Connection, wanted: Selection, numbers: list[int]):
    lines = staged(
        connection,
        [
            line(1),
            line(2, provider_customer_id="C9", tax_total="1", total="11"),
            metered(3),
            metered(4, reservation_order_id="R", product_id="RI"),
        ],
        [rated(1), rated(2, product_id="ONLY")],
    )
    assert sorted(row["line_number"] for row in differences.selected(connection, lines, wanted)) == numbers


def test_published_lines_are_read_as_staged_ones_are(connection: Connection):
    invoice_id = b.invoice(connection, run=9)
    b.lines(connection, invoice_id, run=9, license=[line(1, "12")], usage=[rated(1)])
    lines = differences.lines_of(connection, invoice_id)
    assert lines.run_id is None
    assert [group.total for group in differences.reconciled(connection, lines, currency="EUR")] == [12]
    assert [group.total for group in differences.daily_rated(connection, lines, currency="EUR")] == [10]


# --- by customer, product and charge type --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", ["customer", "product", "charge type"])
@pytest.mark.parametrize("of_usage", [True, False])
@pytest.mark.parametrize("most", [1, 3, 50])
def test_the_biggest_and_all_others_together_come_to_the_whole(connection: Connection, dimension: str, of_usage: bool, most: int):
    chance = random.Random(most)
    many = [metered(n, str(chance.randint(1, 900)), provider_customer_id=f"c{n % 5}", customer_name=f"Name {n % 5}", product_id=f"P{n % 4}",
                    product_name=f"Product {n % 4}", charge_type=f"t{n % 3}") for n in range(1, 40)]  # fmt: skip
    daily = [rated(n, str(chance.randint(1, 900)), provider_customer_id=f"c{n % 6}", product_id=f"P{n % 4}") for n in range(1, 30)]
    lines = staged(connection, many, daily)
    found = breakdowns.by_dimension(connection, lines, dimension, currency="EUR", of_usage=of_usage, most=most)
    assert sum(row["billed"] or 0 for row in found) == sum(D(one["subtotal"]) for one in many)
    if of_usage:
        assert sum(row["daily"] or 0 for row in found) == sum(D(one["billing_pre_tax_total"]) for one in daily)
    told = [row for row in found if row["label"] is not None]
    assert len(told) <= most and len(found) - len(told) in (0, 1)
    sizes = [abs((row["billed"] or 0) - (row["daily"] or 0)) if of_usage else abs(row["billed"] + row["tax"]) for row in told]
    assert sizes == sorted(sizes, reverse=True)


def test_both_files_side_by_side_biggest_difference_first_and_an_absent_side_is_null(connection: Connection):
    """R30: the differing lines, sorted by the largest difference."""
    lines = staged(
        connection,
        [metered(1, "100"), metered(2, "50", product_id="RI", product_name="Reserved VM"), metered(3, "7", provider_subscription_id="P2")],
        [rated(1, "60"), rated(2, "40", day=2), rated(3, "6.5", provider_subscription_id="p2"), rated(4, "90", product_id="ONLY")],
    )
    found = [
        (row["product_id"], row["billed"], row["daily"], row["difference"])
        for row in breakdowns.compared(connection, lines, currency="EUR")
    ]
    assert found == [("ONLY", None, 90, -90), ("RI", 50, None, 50), ("DZH3", 7, D("6.5"), D("0.5")), ("DZH3", 100, 100, 0)]


def test_two_customers_of_one_name_stay_two(connection: Connection):
    lines = staged(connection, [line(1, "5", provider_customer_id="a"), line(2, "9", provider_customer_id="b")])
    found = breakdowns.by_dimension(connection, lines, "customer", currency="EUR", of_usage=False, most=10)
    assert [(row["label"], row["billed"]) for row in found] == [("Contoso Ltd", 9), ("Contoso Ltd", 5)]
