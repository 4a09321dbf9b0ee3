"""The kernel: what a batch of lines comes to, that no split or order changes it, and that a slow, obvious rating agrees to the cent."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from tests.kernels.batches import (
    AZURE,
    REFERENCES,
    SEATS,
    Line,
    Rated,
    as_cells,
    as_json,
    as_stored,
    daily,
    job_of,
    json_of,
    metered,
    rated,
    rated_daily,
    rated_recon,
    recon,
)
from w365core import frames
from w365core.kernels.lines import rate_batch
from w365core.model import Feed

D = Decimal
RECON, DAILY, PLAIN = Feed.RECONCILIATION, Feed.DAILY_RATED, Feed.PLAIN
LONG = "1234567890123456789012.1234567890123456789012345678"


# --- single lines ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "printed", [LONG, "-" + LONG, "1E-7", "1E-28", "0.1234567890123456789012345678", "9999999999999999999999", "-0.05"]
)
@pytest.mark.parametrize("write", [D, str], ids=["a number", "a text"])
def test_an_amount_survives_to_the_last_digit_from_the_bytes_to_the_stored_line_and_the_sums(printed, write):
    found = rated_daily(daily(write(printed), Quantity=write(printed)))
    (line,) = found.rows("usage_lines")
    assert D(line["billing_pre_tax_total"]).as_tuple() == D(printed).as_tuple()
    (summary,) = found.whole.summaries
    assert (summary.cost, summary.quantity) == (D(printed), D(printed))
    assert found.totals == {("usage", "EUR"): (1, D(printed), 0, D(printed))}


def test_a_sum_of_many_long_amounts_loses_nothing():
    found = rated_daily(*[daily(D(LONG)) for _ in range(50)], daily(D("1E-28")))
    assert str(found.whole.summaries[0].cost) == "61728394506172839450606.1728394506172839450617283901"


def test_identical_lines_all_count():
    found = rated_recon(*[recon(D("2.50"))] * 3)
    assert found.totals == {("license", "EUR"): (3, D("7.50"), 0, D("7.50"))}
    assert [row["line_number"] for row in found.rows("license_lines")] == [1, 2, 3]


def test_negative_amounts_and_corrections_are_lines_like_others():
    found = rated_daily(daily(D("10.005")), daily(D("-10.01"), Quantity=D(-1)), daily(D("-5"), EntitlementId="ent-2", Quantity=D(-3)))
    assert [(s.subscription_id, s.quantity, s.cost, s.selling_amount) for s in sorted(found.whole.summaries, key=lambda s: s.cost)] == [
        ("MOVED", -3, D("-5.00"), D("-5.88")),
        ("AZURE", 0, D("-0.005"), D("-0.01")),
    ]


@pytest.mark.parametrize(
    ("cost", "currency", "sold"),
    [
        ("0.125", "EUR", "0.13"),
        ("-0.125", "EUR", "-0.13"),
        ("2.5", "JPY", "3"),
        ("-2.5", "JPY", "-3"),
        ("0.0005", "KWD", "0.001"),
        ("-0.0005", "KWD", "-0.001"),
    ],
)
def test_selling_is_rounded_half_up_once_to_the_coin_of_the_currency(cost, currency, sold):
    at_cost = replace(REFERENCES, currency=currency, subscriptions={"ent-1": replace(AZURE, markup_pct=D(0))})
    (summary,) = rated_daily(daily(D(cost), BillingCurrency=currency), references=at_cost).whole.summaries
    assert str(summary.selling_amount) == sold


def test_a_blank_markup_is_not_a_markup_of_0():
    (summary,) = rated_daily(daily(EntitlementId="ent-4")).whole.summaries
    assert (summary.subscription_id, summary.markup_pct, summary.selling_amount) == ("BLANK-MARKUP", None, None)


def test_keys_in_any_case_are_the_same_line():
    shouted = json_of(daily()).replace(b'"CustomerId"', b'"CUSTOMERID"').replace(b'"BillingPreTaxTotal"', b'"billingpretaxtotal"')
    assert rated_daily(shouted).whole == rated_daily(daily()).whole


def test_unknown_columns_are_kept_with_their_line():
    found = rated_daily(daily(NewColumn="x", Other=D("1.10")), daily())
    assert [row["extra"] for row in found.rows("usage_lines")] == ['{"NewColumn":"x","Other":1.10}', None]
    cells = rated([(as_cells([recon(Colour="red"), recon(Colour="")]), job_of(RECON))])
    assert [row["extra"] for row in cells.rows("license_lines")] == ['{"Colour":"red"}', None]


@pytest.mark.parametrize("blank", [None, "", " ", "NULL", "(null)", "None", "n/a"])
def test_usage_resolves_by_its_entitlement_else_by_its_subscription(blank):
    assert rated_daily(daily(SubscriptionId="seats")).whole.summaries[0].subscription_id == "AZURE"
    assert rated_daily(daily(EntitlementId=blank, SubscriptionId="ent-2")).whole.summaries[0].subscription_id == "MOVED"


@pytest.mark.parametrize(("printed", "ours"), [("ENT-1", "AZURE"), ("Ent-2", "MOVED"), (" ent-3 ", "MOVED")])
def test_a_providers_own_id_wins_then_an_alias_then_a_manual_provider(printed, ours):
    found = rated_daily(daily(EntitlementId=printed))
    assert [summary.subscription_id for summary in found.whole.summaries] == [ours]
    assert not [key for key in found.missing if key[0] == "subscription"]


def test_two_ids_of_one_subscription_are_one_summary():
    found = rated_daily(daily(EntitlementId="ent-2", CustomerId="cust-2"), daily(EntitlementId="ent-3", CustomerId="cust-2"))
    assert [(s.subscription_id, s.lines, s.cost) for s in found.whole.summaries] == [("MOVED", 2, 20)]


def test_blank_ids_block_nothing_are_counted_and_stay_one_summary_a_customer():
    spelled = [None, "", "NULL", "(null)"]
    found = rated_daily(
        *[daily(EntitlementId=text, SubscriptionId=text) for text in spelled],
        daily(EntitlementId="", SubscriptionId="", CustomerId="cust-2"),
    )
    assert {kind for kind, _ in found.missing} <= {"product"}
    assert found.whole.totals[0].unassigned == 5
    assert sorted((s.account_id, s.subscription_id, s.lines) for s in found.whole.summaries) == [("A-1", None, 4), ("A-2", None, 1)]
    assert {summary.provider_subscription_id for summary in found.whole.summaries} == {None}
    assert [row["unassigned"] for row in rated_recon(recon(SubscriptionId="null"), recon()).rows("totals")] == [1]


def test_a_summary_is_one_row_per_product_sku_window_and_currency_as_printed():
    different = [
        {"ProductId": "DZH2"},
        {"SkuId": "1"},
        {"ChargeStartDate": "2026-10-01"},
        {"ChargeEndDate": "2026-11-29"},
        {"BillingCurrency": "JPY"},
        {},
    ]
    found = rated_daily(*[daily(**cells) for cells in different], *[daily(BillingCurrency="eur", CustomerName="Contoso Ltd")])
    assert sorted(summary.lines for summary in found.whole.summaries) == [1, 1, 1, 1, 1, 2]


def test_a_charge_window_is_days_whatever_the_time_and_zone():
    (summary,) = rated_daily(daily(ChargeStartDate="2026-11-01T00:00:00+11:00", ChargeEndDate="2026-11-30T23:59:59-08:00")).whole.summaries
    assert (summary.charge_start, summary.charge_end) == (date(2026, 11, 1), date(2026, 11, 30))


def test_what_is_missing_is_named_once_with_its_lines_and_money():
    found = rated_recon(
        recon(D("1.5"), CustomerId="NEW", CustomerName="Fabrikam", TaxTotal=D("0.3")),
        recon(D("-0.5"), CustomerId="new", CustomerName="Fabrikam"),
        recon(D(4), SubscriptionId="unknown", ProductName="Visio"),
        recon(D(7), Currency="CHF"),
        recon(D(9), CustomerId="unmapped"),
    )
    assert {key: value for key, value in found.missing.items() if key[0] != "product"} == {
        ("customer", "NEW"): ("Fabrikam", 2, D("1.30"), "EUR"),
        ("customer", "unmapped"): ("Contoso", 1, 9, "EUR"),
        ("subscription", "unknown"): ("Visio", 1, 4, "EUR"),
        ("currency", "CHF"): (None, 1, 7, "CHF"),
    }
    assert found.rows("license_lines")[2]["account_id"] == "A-1", "no line is dropped for what it lacks"


def test_amounts_of_two_currencies_are_never_added():
    found = rated_recon(recon(D(1)), recon(D(2), Currency="JPY"), recon(D(4), Currency="jpy"))
    assert found.totals == {("license", "EUR"): (1, 1, 0, 1), ("license", "JPY"): (2, 6, 0, 6)}
    assert found.missing[("currency", "JPY")] == (None, 2, 6, "JPY"), "not the header's currency"


def test_usage_of_a_reconciliation_file_waits_for_the_daily_file_where_there_is_one():
    found = rated_recon(recon(D(1)), metered(D(2)))
    assert found.totals == {("license", "EUR"): (1, 1, 0, 1), ("usage", "EUR"): (1, 2, 0, 2)}
    assert found.whole.summaries == []
    assert ("subscription", "plan") not in found.missing, "it prints the plan, which is nobody's subscription"
    assert [row["kind"] for row in found.rows("license_lines")] == ["license", "usage"]


def test_without_a_daily_file_the_reconciliation_lines_are_the_usage():
    lines = [
        recon(D(1)),
        metered(D("2.50"), SubscriptionId="ent-1", Quantity=D(9), BillableQuantity=D("9.5"), TaxTotal=D("0.5"), New="x"),
        metered(D("-1"), SubscriptionId="ent-1", Quantity=D(3)),
    ]
    found = rated_recon(*lines, usage_from_here=True)
    (summary,) = found.whole.summaries
    assert (summary.subscription_id, summary.quantity, summary.cost, summary.selling_amount) == ("AZURE", D("12.5"), D("1.50"), D("1.73"))
    assert found.totals[("usage", "EUR")] == (2, D("1.5"), D("0.5"), D("2.0"))
    assert [(row["line_number"], row["meter_name"], row["markup_pct"], row["extra"]) for row in found.rows("usage_lines")] == [
        (2, "D2 v3", "15", '{"New":"x"}'),
        (3, "D2 v3", "15", None),
    ]
    assert ("subscription", "plan") in rated_recon(metered(), usage_from_here=True).missing


def test_both_files_name_a_missing_customer_once_as_the_reconciliation_file_counts_it():
    found = rated(
        [
            (as_json([daily(D(2), CustomerId="new"), daily(D(2), CustomerId="new")]), job_of(DAILY)),
            (as_json([metered(D(4), CustomerId="new", TaxTotal=D(1)), recon(D(9), CustomerId="new")]), job_of(RECON)),
        ]
    )
    assert found.missing[("customer", "new")] == ("Contoso", 2, D(14), "EUR")


@pytest.mark.parametrize(
    ("reconciled", "daily_rated", "held_up"),
    [
        ([recon(D("59.5"), CustomerId="new"), recon(D("59.5"), SubscriptionId="unknown")], [], {"EUR": D(119)}),
        ([recon(D("59.5"), CustomerId="new", SubscriptionId="unknown"), recon(D(1))], [], {"EUR": D("59.5")}),
        ([recon(D(2), CustomerId="new"), recon(D(3), CustomerId="new", Currency="CHF")], [], {"EUR": 2, "CHF": 3}),
        ([recon(D(1)), recon(D(2), ProductId="else")], [], {}),
        ([], [daily(D(2), EntitlementId="unknown"), daily(D(3), CustomerId="new", EntitlementId="unknown")], {"EUR": 5}),
        ([metered(D(5))], [daily(D(2), EntitlementId="unknown"), daily(D(3))], {"EUR": 2}),
        ([metered(D(5), CustomerId="new", TaxTotal=D(1))], [daily(D(5), CustomerId="new", EntitlementId="unknown")], {"EUR": 6}),
        ([metered(D(5), Currency="CHF")], [daily(D(5), BillingCurrency="CHF", EntitlementId="unknown")], {"CHF": 5}),
        ([recon(D(7), SubscriptionId="plan")], [daily(D(2), EntitlementId=None)], {"EUR": 9}),
    ],
    ids=[
        *("a customer and a subscription", "both on one line", "two currencies", "a product blocks nothing", "daily lines alone"),
        *("an entitlement beside known lines", "a customer of both files", "a currency of both files", "a plan of both files"),
    ],
)
def test_each_line_that_waits_counts_once_whatever_it_lacks(reconciled, daily_rated, held_up):
    for parts in ([reconciled, daily_rated], [[line] for line in (*daily_rated, *reconciled)]):
        batches = [(as_json(lines), job_of(DAILY if lines[0] in daily_rated else RECON)) for lines in parts if lines]
        assert rated(batches).whole.held_up == held_up


def plain(**cells: str | Decimal | None) -> Line:
    return {
        "customer_id": "cust-1",
        "subscription_id": "seats",
        "subtotal": D(5),
        "tax": D(1),
        "currency": "EUR",
        "charge_type": "new",
    } | cells


def test_a_plain_file_tells_usage_by_our_subscription_or_by_its_charge_type():
    lines = [
        plain(),
        plain(subscription_id="ENT-1", subtotal=D(7)),
        plain(subscription_id="seats", charge_type="Usage", subtotal=D(11), tax=None),
    ]
    found = rated([(as_cells(lines), job_of(PLAIN, usage_from_here=True))])
    assert found.totals == {("license", "EUR"): (1, 5, 1, 6), ("usage", "EUR"): (2, 18, 1, 19)}
    assert sorted((s.subscription_id, s.cost) for s in found.whole.summaries) == [("AZURE", 7), ("SEATS", 11)]
    assert found.missing == {}


def test_a_blank_tax_or_total_follows_and_an_odd_one_is_counted_once_for_the_batch():
    found = rated_recon(
        recon(D(10), TaxTotal=D(2)),
        recon(D(10), TaxTotal=None, Total=D(13)),
        recon(D(10), TaxTotal=D(2), Total=D(15)),
        recon(Currency="JPY"),
    )
    assert found.totals[("license", "EUR")] == (3, 30, 7, 40)
    assert sum(total.odd_totals for total in found.whole.totals) == 1


def test_lines_that_cannot_be_taken_are_rejected_by_row_and_cell_and_the_others_keep_their_numbers():
    lines = [recon(), recon("1,5"), recon(), recon(Currency="EURO", Quantity="many"), recon()]
    found = rate_batch(as_cells(lines, first_row=40), first_line=101, job=job_of(RECON))
    assert found.license_lines.column("line_number").to_pylist() == [101, 103, 105]
    assert sorted((row["row"], row["column"], row["value"], row["expected"]) for row in found.rejected.to_pylist() if row["value"]) == [
        (41, "Subtotal", "1,5", "a number"),
        (43, "Currency", "EURO", "a currency code of three letters"),
        (43, "Quantity", "many", "a number"),
    ]
    unnumbered = rate_batch(as_json([recon(), b"{"]), first_line=101, job=job_of(RECON))
    assert unnumbered.rejected.column("row").to_pylist()[0] == 102


def test_an_empty_batch_comes_to_nothing_in_the_declared_shapes():
    found = rated_recon()
    assert (found.whole.totals, found.whole.summaries, found.whole.missing) == ([], [], [])
    assert found.batches[0].license_lines.schema == frames.arrow_schema(frames.LICENSE_LINE)
    assert found.batches[0].usage_lines.schema == frames.arrow_schema(frames.USAGE_LINE)


@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_what_was_renamed_in_mid_invoice_is_shown_alike_in_any_order_of_its_lines(order):
    names = [
        {"CustomerName": "Zoo", "ProductName": "Zebra"},
        {"CustomerName": "Ark", "ProductName": ""},
        {"CustomerName": None, "ProductName": "Ape"},
    ]
    used = rated_daily(*[daily(CustomerId="new", **named) for named in names[::order]])
    assert (used.whole.summaries[0].product, used.missing[("customer", "new")][0]) == ("Ape", "Ark")
    billed = rated_recon(*[recon(CustomerId="new", SubscriptionId="else", **named) for named in names[::order]])
    assert (billed.missing[("customer", "new")][0], billed.missing[("subscription", "else")][0]) == ("Ark", "Ape")


# --- any lines ---------------------------------------------------------------------------------------------------------------------------

money = st.one_of(
    st.integers(-500, 500).map(lambda cents: D(cents) / 1000),
    st.tuples(st.integers(-(10**20), 10**20), st.integers(0, 24)).map(lambda pair: D(f"{pair[0]}E-{pair[1]}")),
)
printed = st.builds(lambda amount, quoted: str(amount) if quoted else amount, money, st.booleans())
names = st.sampled_from(["Contoso", "Contoso Ltd", None, ""])
currencies = st.sampled_from(["EUR", "EUR", "JPY", "KWD", "eur", "CHF"])
days = st.sampled_from(["2026-11-01", "2026-11-30T23:59:00Z", "12/1/2026", None])
daily_lines = st.builds(
    lambda cost, **cells: daily(cost, **cells),
    printed,
    CustomerId=st.sampled_from(["cust-1", "CUST-2", "unmapped", "New", "new", None]),
    CustomerName=names,
    SubscriptionId=st.sampled_from(["plan", "seats", None, "NULL"]),
    EntitlementId=st.sampled_from(["ent-1", "ENT-1", "ent-2", "ent-3", "ent-4", "other", "Other", None, "(null)"]),
    ProductId=st.sampled_from(["DZH1", None]),
    ProductName=names,
    ChargeStartDate=days,
    Quantity=st.none() | printed,
    BillingCurrency=currencies,
)
recon_lines = st.builds(
    lambda subtotal, **cells: recon(subtotal, **cells),
    printed,
    CustomerId=st.sampled_from(["cust-1", "CUST-2", "New", "new", None]),
    CustomerName=names,
    SubscriptionId=st.sampled_from(["seats", "SEATS", "ent-1", "ent-2", "other", "Other", "", "null"]),
    SubscriptionDescription=st.sampled_from(["Azure plan", "Office"]),
    MeterDescription=st.sampled_from(["D2 v3", None]),
    ProductName=names,
    ChargeStartDate=days,
    Quantity=st.none() | printed,
    BillableQuantity=st.none() | printed,
    TaxTotal=st.none() | printed,
    Total=st.none() | printed,
    Currency=currencies,
)
broken = st.sampled_from(
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        recon("1,5"),
        recon(None),
        recon(Currency="EURO"),
        daily("one"),
        daily(None),
        daily(D("1E+30")),
        daily(BillingCurrency=None),
    ]
)


def sides(feed: Feed) -> st.SearchStrategy[list[Line]]:
    return st.lists(daily_lines if feed is DAILY else recon_lines, max_size=12)


def compared(found: Rated) -> tuple:
    """All that must not depend on how lines came: sums, summaries, what is missing, and the lines without their numbers."""
    lines = [{**row, "line_number": None} for name in ("license_lines", "usage_lines") for row in found.rows(name)]
    return (
        found.totals,
        sorted((t.kind, t.currency, t.odd_totals, t.unassigned) for t in found.whole.totals if t.lines),
        [asdict(summary) for summary in found.whole.summaries],
        found.whole.missing,
        Counter(map(repr, lines)),
    )


@pytest.mark.parametrize("feed", [DAILY, RECON])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_split_and_no_order_of_the_lines_changes_what_they_come_to(feed, data):
    lines = data.draw(sides(feed))
    shuffled = data.draw(st.permutations(lines))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=3)))
    parts = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    job = job_of(feed, usage_from_here=True)
    whole = compared(rated([(as_json(lines), job)]))
    one, *rest = compared(rated([(as_json(part), job) for part in parts]))
    assert (one, rest[1:]) == (whole[0], list(whole[2:]))
    assert sum(entry[2] for entry in rest[0]) == sum(entry[2] for entry in whole[1]), "odd totals"
    assert [(kind, currency, unassigned) for kind, currency, _, unassigned in rest[0]] == [(k, c, u) for k, c, _, u in whole[1]]


@pytest.mark.parametrize("feed", [DAILY, RECON])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_line_is_either_taken_or_rejected_and_never_both(feed, data):
    lines = data.draw(st.lists(st.one_of(daily_lines if feed is DAILY else recon_lines, broken, st.binary(max_size=30)), max_size=8))
    found = rate_batch(as_json(lines), first_line=1, job=job_of(feed, usage_from_here=True))
    taken = [line["line_number"] for line in as_stored(found.usage_lines if feed is DAILY else found.license_lines)]
    rejected = set(found.rejected.column("row").to_pylist())
    assert sorted([*taken, *rejected]) == list(range(1, len(lines) + 1))
    assert sum(found.totals.column("lines").to_pylist()) == len(taken)
    assert all(row["expected"] for row in found.rejected.to_pylist())


@given(st.lists(daily_lines, max_size=10))
@settings(max_examples=40, deadline=None)
def test_cells_and_json_of_the_same_lines_come_to_the_same(lines):
    lines = [{key: value for key, value in line.items()} for line in lines]
    cells = rated([(as_cells(lines), job_of(DAILY))]) if lines else rated_daily()
    assert compared(cells)[:3] == compared(rated_daily(*lines))[:3]
    assert [(m.kind, m.key, m.amount) for m in cells.whole.missing] == [
        (m.kind, m.key, m.amount) for m in rated_daily(*lines).whole.missing
    ]


# --- the oracle: the same rating, slow and obvious, with fractions and plain dicts ---------------------------------------------------------

OURS = {
    "seats": ("SEATS", "A-1", None),
    "ent-1": ("AZURE", "A-1", "15"),
    "ent-2": ("MOVED", "A-2", "17.647058"),
    "ent-3": ("MOVED", "A-2", "17.647058"),
    "ent-4": ("BLANK-MARKUP", "A-2", None),
}
CUSTOMERS = {"cust-1": "A-1", "cust-2": "A-2"}
COINS = {"EUR": 100, "JPY": 1, "KWD": 1000, "CHF": 100}


def slow_text(value: str | None) -> str:
    return "" if (value or "").strip().lower() in ("null", "(null)") else (value or "").strip().lower()


def slow_number(value: str | Decimal | None) -> Fraction:
    return Fraction(0) if value is None else Fraction(str(value))


def slow_day(value: str | None) -> date | None:
    return (
        {None: None, "12/1/2026": date(2026, 12, 1)}.get(value) if value in (None, "12/1/2026") else date(*map(int, value[:10].split("-")))
    )


def slow_sale(cost: Fraction, markup: str | None, currency: str) -> Fraction | None:
    if markup is None:
        return None
    coins = cost * (1 + Fraction(markup) / 100) * COINS[currency]
    whole = int(abs(coins) + Fraction(1, 2))
    return Fraction(whole if coins >= 0 else -whole, COINS[currency])


def slow_summaries(lines: list[tuple[str, Line, Fraction, Fraction, str]]) -> dict:
    """Out of (id, line, quantity, cost, currency): one entry per subscription or customer, product, window and currency."""
    found: dict[tuple, list] = {}
    for identity, line, quantity, cost, currency in lines:
        ours, account, markup = OURS.get(identity, (None, CUSTOMERS.get(slow_text(line["CustomerId"])), None))
        owner = ours or (slow_text(line["CustomerId"]), identity)
        window = slow_day(line["ChargeStartDate"]), slow_day(line["ChargeEndDate"])
        key = (owner, line.get("ProductId"), *window, currency)
        entry = found.setdefault(key, [ours, account, Fraction(0), Fraction(0), markup, 0])
        entry[2] += quantity
        entry[3] += cost
        entry[5] += 1
    return found


def as_slow(found: Rated) -> Counter:
    """The product's summaries as the oracle would write them, without the id."""
    return Counter(
        (
            *(s.subscription_id, s.account_id, s.product_id, s.charge_start, s.charge_end, s.currency, s.lines),
            *(Fraction(s.quantity), Fraction(s.cost), None if s.selling_amount is None else Fraction(s.selling_amount)),
        )
        for s in found.whole.summaries
    )


def expected(found: dict) -> Counter:
    return Counter(
        (ours, account, product, start, end, currency, lines, quantity, cost, slow_sale(cost, markup, currency))
        for (_, product, start, end, currency), (ours, account, quantity, cost, markup, lines) in found.items()
    )


@given(st.lists(daily_lines, max_size=15))
@settings(max_examples=80, deadline=None)
def test_a_slow_rating_of_daily_lines_agrees_to_the_cent(lines):
    slow = []
    for line in lines:
        identity = slow_text(line["EntitlementId"]) or slow_text(line["SubscriptionId"])
        slow.append(
            (identity, line, slow_number(line["Quantity"]), slow_number(line["BillingPreTaxTotal"]), line["BillingCurrency"].upper())
        )
    found = rated_daily(*lines)
    assert as_slow(found) == expected(slow_summaries(slow))
    stored = [(row["subscription_id"], Fraction(row["billing_pre_tax_total"])) for row in found.rows("usage_lines")]
    assert stored == [(OURS.get(identity, (None,))[0], cost) for identity, _, _, cost, _ in slow]


@given(st.lists(recon_lines, max_size=15))
@settings(max_examples=80, deadline=None)
def test_a_slow_rating_of_reconciliation_lines_agrees_to_the_cent(lines):
    totals: dict[tuple, list] = {}
    missing: dict[tuple, list] = {}
    usage, odd = [], 0
    for line in lines:
        currency, identity = line["Currency"].upper(), slow_text(line["SubscriptionId"])
        subtotal, tax, total = (slow_number(line[name]) for name in ("Subtotal", "TaxTotal", "Total"))
        if line["TaxTotal"] is None:
            tax = Fraction(0) if line["Total"] is None else total - subtotal
        total = subtotal + tax if line["Total"] is None else total
        odd += total != subtotal + tax
        kind = "usage" if line["MeterDescription"] or line["SubscriptionDescription"] == "Azure plan" else "license"
        entry = totals.setdefault((kind, currency), [0, Fraction(0), Fraction(0), Fraction(0)])
        for place, amount in enumerate((1, subtotal, tax, total)):
            entry[place] += amount
        if kind == "usage":
            quantity = line["Quantity"] if line["BillableQuantity"] is None else line["BillableQuantity"]
            usage.append((identity, line, slow_number(quantity), subtotal, currency))
        lacks = [("currency", currency)] * (currency != "EUR") + [("subscription", identity)] * (identity not in ("", *OURS))
        customer = slow_text(line["CustomerId"])
        if customer not in CUSTOMERS and (customer or identity not in OURS):
            lacks.append(("customer", customer or "(not given)"))
        for lacking in lacks:
            entry = missing.setdefault((*lacking, currency), [0, Fraction(0)])
            entry[0] += 1
            entry[1] += total
    found = rated_recon(*lines, usage_from_here=True)
    assert {key: [sums[0], *map(Fraction, sums[1:])] for key, sums in found.totals.items()} == totals
    assert sum(total.odd_totals for total in found.whole.totals) == odd
    assert as_slow(found) == expected(slow_summaries(usage))
    product = {
        (m.kind, m.key.lower() if m.kind != "currency" else m.key, m.currency): [m.lines, Fraction(m.amount)]
        for m in found.whole.missing
        if m.blocking
    }
    assert {(str(kind), key, currency): value for (kind, key, currency), value in product.items()} == missing


def test_the_oracle_notices_a_cent():
    line = daily(D("0.125"))
    slow = slow_summaries([("ent-1", line, Fraction(1), Fraction("0.135"), "EUR")])
    assert as_slow(rated_daily(line)) != expected(slow)


def test_the_builders_references_are_what_the_oracle_believes():
    assert {key: (s.subscription_id, s.account_id, s.markup_pct) for key, s in REFERENCES.subscriptions.items()} == {
        key: (ours, account, None if markup is None else D(markup)) for key, (ours, account, markup) in OURS.items()
    }
    assert SEATS.kind == "License"
