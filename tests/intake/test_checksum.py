"""Does the invoice hold together: tolerance, daily usage, what is missing, and the identity that always holds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from w365core.intake.checksum import Claim, Decision, LineTotals, decide
from w365core.model import Failure, Feed, LineKind, MissingReference, Problem, ReferenceKind, StatusReason

D = Decimal
RECON, DAILY, LICENSE, USAGE = Feed.RECONCILIATION, Feed.DAILY_RATED, LineKind.LICENSE, LineKind.USAGE
CLAIM = Claim(currency="EUR", header_total=D(100), tolerance=D("0.05"), rate_to_base=D(1))


def totals(
    kind: LineKind = LICENSE,
    subtotal: str | Decimal = "100",
    *,
    feed: Feed = RECON,
    currency: str = "EUR",
    tax: str | Decimal = "0",
    lines: int = 1,
    **more,
) -> LineTotals:
    return LineTotals(feed, kind, currency, lines, D(subtotal), D(tax), **{"total": D(subtotal) + D(tax), **more})


def missing(
    kind: ReferenceKind = ReferenceKind.CUSTOMER,
    key: str = "c-1",
    name: str | None = "Contoso",
    amount: str = "10.00",
    currency: str = "EUR",
) -> MissingReference:
    return MissingReference(kind, key, name, 1, D(amount), currency)


def decided(
    *lines: LineTotals, missing: tuple = (), problems: tuple = (), held_up: dict[str, Decimal] | None = None, **claimed
) -> Decision:
    decision = decide(replace(CLAIM, **claimed), lines, missing, problems, held_up=held_up)
    parts = (decision.license_total, decision.usage_total, decision.tax_total, decision.rounding, decision.overridden)
    assert Fraction(decision.header_total) == sum(map(Fraction, parts)), "header = license + usage + tax + rounding + overridden"
    assert (decision.status is StatusReason.ERROR) == (decision.failure is not None)
    assert not (decision.failure and not decision.message)
    return decision


# --- header against lines ----------------------------------------------------------------------------------------------------------------


def test_lines_that_add_up_are_active_without_a_word():
    decision = decided(totals(subtotal="60", tax="10"), totals(USAGE, "30"), header_total=D("100.00"))
    assert (decision.status, decision.failure, decision.message) == (StatusReason.ACTIVE, None, "")
    assert (decision.license_total, decision.usage_total, decision.tax_total, decision.lines_total) == (60, 30, 10, 100)
    assert (decision.rounding, decision.overridden, decision.difference) == (0, 0, 0)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("100.0500001", "the lines add up to 100.0500001 EUR: a difference of -0.0500001 EUR, more than the tolerance of 0.05 EUR"),
        ("100.050000000000009", "the lines add up to 100.05000000000001 EUR: a difference of -0.05000000000001 EUR"),
        ("100.1234567890123", "the lines add up to 100.123457 EUR: a difference of -0.123457 EUR"),
    ],
)
def test_a_difference_is_said_with_as_many_digits_as_show_that_it_is_too_large(lines, said):
    assert said in decided(totals(subtotal=lines)).message
    usage = decided(totals(USAGE, "100"), totals(USAGE, lines, feed=DAILY)).message
    assert said.replace("the lines add up to", "comes to").partition(", more")[0] in usage


@pytest.mark.parametrize(
    ("header", "passes"),
    [
        ("100.05", True),
        ("99.95", True),
        ("100.0500000000000000000000000001", False),
        ("99.9499999999999999999999999999", False),
        ("100.06", False),
    ],
)
def test_the_tolerance_is_inclusive_to_the_last_digit(header, passes):
    decision = decided(totals(), header_total=D(header))
    assert (decision.failure is None) is passes
    assert decision.rounding == (D(header) - 100 if passes else 0)
    assert decision.overridden == (0 if passes else D(header) - 100)


@pytest.mark.parametrize(("header", "passes"), [("100.0543", True), ("100.0544", False), ("99.9457", True), ("99.9456", False)])
def test_the_tolerance_is_in_base_currency(header, passes):
    decision = decided(totals(currency="USD"), currency="USD", rate_to_base=D("0.92"), header_total=D(header))
    assert (decision.failure is None) is passes
    assert decision.tolerance == D("0.0543")


@given(st.decimals("0.01", "200", places=4), st.decimals("0", "5", places=2))
@settings(max_examples=60)
def test_the_tolerance_that_is_shown_passes_when_it_is_the_difference(rate, tolerance):
    shown = decided(totals(), rate_to_base=rate, tolerance=tolerance).tolerance
    assert decided(totals(), rate_to_base=rate, tolerance=tolerance, header_total=100 + shown).failure is None


def test_a_currency_without_a_rate_is_judged_as_if_it_were_the_base():
    assert decided(totals(), rate_to_base=None, header_total=D("100.05")).failure is None
    assert decided(totals(), rate_to_base=None, header_total=D("100.06")).failure is Failure.CHECKSUM_FAILED


def test_a_failed_checksum_says_both_sums_the_difference_and_the_override_that_would_pass():
    decision = decided(totals(subtotal="8670.2475"), header_total=D("7340.495"))
    assert decision.failure is Failure.CHECKSUM_FAILED
    assert decision.difference == D("-1329.7525")
    assert decision.message == (
        "The header says 7,340.495 EUR, the lines add up to 8,670.2475 EUR: a difference of -1,329.7525 EUR, more than the tolerance of "
        "0.05 EUR. An override tolerance of 1330 would pass."
    )


def test_an_override_lets_the_difference_pass_and_is_no_rounding():
    lines, header = totals(subtotal="8670.2475"), D("7340.495")
    assert decided(lines, header_total=header, override=D(1329)).failure is Failure.CHECKSUM_FAILED
    decision = decided(lines, header_total=header, override=D(1330))
    assert (decision.failure, decision.rounding, decision.overridden) == (None, 0, D("-1329.7525"))
    assert decision.tolerance == 1330
    assert (decision.license_total, decision.lines_total) == (D("8670.2475"), D("8670.2475")), "the tolerance changes no amount"


def test_an_override_that_was_not_needed_leaves_the_rest_as_rounding():
    decision = decided(totals(), header_total=D("100.04"), override=D(1))
    assert (decision.rounding, decision.overridden) == (D("0.04"), 0)


amounts = st.tuples(st.integers(-(10**22) + 1, 10**22 - 1), st.integers(0, 28)).map(lambda pair: D(f"{pair[0]}E-{pair[1]}"))
many = st.lists(
    st.builds(
        totals,
        st.sampled_from(LineKind),
        amounts,
        feed=st.sampled_from([RECON, DAILY]),
        currency=st.sampled_from(["EUR", "USD"]),
        tax=amounts,
    ),
    max_size=5,
)


@given(st.none() | amounts, many, st.none() | st.decimals("0", "10000", places=0))
@settings(max_examples=100)
def test_the_identity_of_an_invoice_holds_for_any_amounts(header, lines, override):
    decided(*lines, header_total=header, override=override)


@given(amounts, amounts)
@settings(max_examples=100)
def test_the_override_that_a_message_names_does_pass(header, subtotal):
    decision = decided(totals(subtotal=subtotal), header_total=header)
    if decision.failure:
        named = decision.message.partition("An override tolerance of ")[2].partition(" would")[0]
        assert decided(totals(subtotal=subtotal), header_total=header, override=D(named)).failure is None


def test_a_header_that_is_not_claimed_is_the_sum_of_its_lines():
    decision = decided(totals(subtotal="60", tax="1.23"), header_total=None)
    assert (decision.header_total, decision.difference, decision.failure) == (D("61.23"), 0, None)


def test_a_printed_total_that_is_not_subtotal_plus_tax_counts_as_printed_and_warns():
    decision = decided(totals(subtotal="99.97", total=D(100), odd_totals=1))
    assert (decision.failure, decision.rounding, decision.difference) == (None, D("0.03"), 0)
    assert decision.message == "1 line prints a total that is not subtotal plus tax."
    assert decided(totals(odd_totals=2)).message == "2 lines print totals that are not subtotal plus tax."


def test_a_credit_note_is_checked_by_the_size_of_its_difference():
    credit = totals(subtotal="-100")
    assert decided(credit, header_total=D("-100.05")).rounding == D("-0.05")
    decision = decided(credit, header_total=D("-101.50"))
    assert (decision.failure, decision.difference, decision.overridden) == (Failure.CHECKSUM_FAILED, D("-1.50"), D("-1.50"))
    assert decided(credit, header_total=D("-101.50"), override=D(2)).failure is None


# --- usage against the daily-rated file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("daily", "lines", "passes"),
    [("40.05", 1, True), ("40.0501", 1, False), ("40.0501", 6, True), ("40.06", 6, True), ("39.93", 7, True), ("39.9299", 7, False)],
)
def test_daily_usage_may_differ_by_the_tolerance_or_a_cent_a_line(daily, lines, passes):
    decision = decided(totals(subtotal="60"), totals(USAGE, "40"), totals(USAGE, daily, feed=DAILY, lines=lines))
    assert (decision.failure is None) is passes
    assert (decision.usage_total, decision.daily_rated_total, decision.usage_lines) == (40, D(daily), lines)
    if not passes:
        assert decision.message.startswith("The reconciliation file bills 40.00 EUR of usage before tax, the daily-rated file comes to ")
        assert "An override tolerance of 1 would pass." in decision.message


def test_an_override_lets_daily_usage_pass_too():
    assert decided(totals(USAGE, "100"), totals(USAGE, "90", feed=DAILY), override=D(10)).failure is None


def test_daily_usage_is_compared_before_tax():
    assert decided(totals(USAGE, "80", tax="20"), totals(USAGE, "80", feed=DAILY)).failure is None


def test_usage_without_published_daily_lines_fails_and_says_so():
    decision = decided(totals(USAGE), daily_usage_published=False)
    assert decision.failure is Failure.CHECKSUM_FAILED
    assert "daily usage not published" in decision.message
    assert "100.00 EUR" in decision.message


def test_an_invoice_without_usage_needs_no_daily_lines():
    assert decided(totals(), daily_usage_published=False).failure is None


def test_after_the_window_a_person_may_take_the_reconciliation_lines_with_a_warning():
    decision = decided(totals(USAGE, lines=3), daily_usage_published=False, reconciliation_usage_accepted=True)
    assert (decision.failure, decision.usage_lines, decision.daily_rated_total) == (None, 3, None)
    assert decision.message == "The daily usage was never published; the usage lines of the reconciliation file were taken instead."


def test_that_warning_is_not_given_where_daily_lines_came_after_all():
    assert decided(totals(USAGE), totals(USAGE, feed=DAILY), reconciliation_usage_accepted=True).message == ""


def test_a_daily_rated_file_alone_is_checked_against_the_header():
    decision = decided(totals(USAGE, "99.99", feed=DAILY, lines=4))
    assert (decision.failure, decision.usage_total, decision.rounding, decision.usage_lines) == (None, D("99.99"), D("0.01"), 4)
    assert decided(totals(USAGE, "90", feed=DAILY)).failure is Failure.CHECKSUM_FAILED


# --- what is missing or cannot be read -----------------------------------------------------------------------------------------------------


def test_one_missing_customer_blocks_and_is_named_with_its_money():
    decision = decided(totals(), missing=(missing(),), held_up={"EUR": D("10.00")})
    assert decision.failure is Failure.UNRESOLVED_REFERENCES
    assert decision.message == (
        "Our records lack 1 customer that the lines refer to (Contoso); 10.00 EUR of its lines wait on it, and with them the whole invoice. "
        "Add what is missing and sync again."
    )


def test_several_missing_things_are_counted_by_kind_and_what_waits_on_them_is_said_by_currency():
    lacking = (
        missing(),
        missing(key="c-2", name=None, amount="5.00"),
        *(missing(ReferenceKind.SUBSCRIPTION, f"s-{n}", None, "4.00") for n in range(2)),
        missing(ReferenceKind.CURRENCY, "USD", None, "-7.5", "USD"),
        missing(ReferenceKind.CURRENCY, "CHF", None, "1", "CHF"),
    )
    message = decided(totals(), missing=lacking, held_up={"CHF": D(1), "EUR": D(23), "USD": D("-7.5")}).message
    assert "lack 2 customers, 2 subscriptions, 2 currencies that" in message
    assert "(Contoso, c-2, s-0, …)" in message
    assert "23.00 EUR and -7.50 USD and 1.00 CHF" in message


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ReferenceKind.CUSTOMER, "lack 1 customer that the lines refer to (Contoso); 1.00 EUR and 1.00 USD of"),
        (ReferenceKind.SUBSCRIPTION, "lack 1 subscription that the lines refer to (Contoso); 1.00 EUR and 1.00 USD of"),
        (ReferenceKind.PRODUCT, "1 product is unknown; its lines"),
    ],
)
def test_one_thing_on_lines_of_two_currencies_is_one_thing(kind, said):
    lacking = (missing(kind, "E-1", amount="1"), missing(kind, "e-1", amount="1", currency="USD"))
    assert said in decided(totals(), missing=lacking, held_up={"EUR": D(1), "USD": D(1)}).message


def test_unknown_products_warn_and_do_not_block():
    product = missing(ReferenceKind.PRODUCT, "P-1")
    decision = decided(totals(), missing=(product,))
    assert (decision.failure, decision.message) == (None, "1 product is unknown; its lines are billed as write-ins.")
    assert (
        decided(totals(), missing=(product, replace(product, key="P-2"))).message
        == "2 products are unknown; their lines are billed as write-ins."
    )


def test_lines_in_another_currency_are_unresolved_and_never_added():
    decision = decided(
        totals(),
        totals(subtotal="999", currency="USD"),
        missing=(missing(ReferenceKind.CURRENCY, "USD", None, "999", "USD"),),
        held_up={"USD": D(999)},
    )
    assert (decision.failure, decision.lines_total, decision.difference) == (Failure.UNRESOLVED_REFERENCES, 100, 0)
    assert decision.message.startswith("999.00 USD of its lines are in another currency than the invoice, which is in EUR;")
    unknown = decided(totals(), missing=(missing(ReferenceKind.CURRENCY, "EUR", None, "100", "EUR"),))
    assert unknown.message.startswith("Our records lack 1 currency")


def test_a_line_that_cannot_be_read_is_said_with_its_place():
    problem = Problem("recon.json", 7, "Subtotal", "1,5", "a number")
    decision = decided(totals(), problems=(problem, problem, problem))
    assert decision.failure is Failure.INVALID_DATA
    assert (
        decision.message
        == "Lines of the provider cannot be read: recon.json, row 7, column Subtotal: found '1,5', expected a number and 2 more. "
        "Sync the invoice again; if they stay so, report them with the landed file."
    )
    assert "expected a number. Sync" in decided(totals(), problems=(problem,)).message


def test_sums_that_lack_lines_are_not_said_to_differ_and_no_override_is_promised():
    problem = Problem("recon.json", 7, "Subtotal", "1,5", "a number")
    decision = decided(totals(subtotal="1"), problems=(problem,))
    assert (decision.failure, decision.difference != 0) == (Failure.INVALID_DATA, True)
    assert "override" not in decision.message and "The header says" not in decision.message


def test_the_gravest_failure_gives_the_kind_and_all_of_them_are_said():
    problem = Problem("f", 1, None, None, "one JSON object on the line")
    lines = (totals(USAGE, "50"), totals(USAGE, "40", feed=DAILY))
    unreadable = decided(*lines, missing=(missing(),), problems=(problem,))
    unresolved = decided(*lines, missing=(missing(),))
    assert (unreadable.failure, unresolved.failure) == (Failure.INVALID_DATA, Failure.UNRESOLVED_REFERENCES)
    for decision, words in (
        (unreadable, ("cannot be read", "Our records lack")),
        (unresolved, ("Our records lack", "The header says", "The reconciliation file bills")),
    ):
        said = [decision.message.index(part) for part in words]
        assert said == sorted(said)
    assert decided(*lines).failure is Failure.CHECKSUM_FAILED


# --- what is only suspicious ---------------------------------------------------------------------------------------------------------------


def test_an_invoice_of_0_is_active_and_suspicious():
    decision = decided(header_total=D("0.00"))
    assert decision.status is StatusReason.ACTIVE
    assert decision.message.startswith("The provider's total is 0:")
    assert decided(totals(subtotal="0"), header_total=None).message.startswith("The provider's total is 0:")


def test_an_empty_invoice_with_a_total_fails_and_says_that_it_has_no_lines():
    decision = decided()
    assert decision.failure is Failure.CHECKSUM_FAILED
    assert (decision.lines_total, decision.overridden, decision.license_lines) == (0, 100, 0)
    assert decision.message.endswith("The invoice has no lines at all.")


def test_lines_without_a_subscription_are_counted_in_words():
    assert decided(totals(unassigned=1)).message == "1 line has no subscription id."
    assert decided(totals(unassigned=1), totals(USAGE, "0", unassigned=1)).message == "2 lines have no subscription id."


@pytest.mark.parametrize(
    ("currency", "header", "said"),
    [
        ("EUR", "102.5000000000000000000000000000", "The header says 102.50 EUR"),
        ("JPY", "1234567.000", "The header says 1,234,567 JPY"),
        ("KWD", "102.5", "The header says 102.500 KWD"),
        ("EUR", "102.123456789", "The header says 102.123457 EUR"),
        ("EUR", "102.0000000001", "The header says 102.00 EUR"),
        ("EUR", "1E+3", "The header says 1,000.00 EUR"),
    ],
)
def test_amounts_in_a_sentence_have_the_digits_that_a_person_wants(currency, header, said):
    assert decided(totals(currency=currency), currency=currency, header_total=D(header)).message.startswith(said)


def test_a_currency_in_small_letters_is_the_same_currency():
    assert decided(totals(), currency="eur").failure is None
