"""Which override passes, at its limits to the last digit, and until the end of which day?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from w365core import money, tolerance
from w365core.tolerance import Allowed, Policy, in_force, may_override

D = Decimal
DEFAULT = tolerance.default("csp", "EUR")


def allowed(policy: Policy, difference: str, header: str | None = "1000", override: str | None = None) -> Allowed:
    return may_override(
        policy, difference=D(difference), header=None if header is None else D(header), override=None if override is None else D(override)
    ).allowed


@pytest.mark.parametrize(
    ("difference", "takes"),
    [
        ("0.50", Allowed.ONE_CLICK),
        ("-0.50", Allowed.ONE_CLICK),
        ("0.5000000000000000000000000000001", Allowed.REASON),
        ("0.51", Allowed.REASON),
    ],
)
def test_up_to_half_a_unit_one_click_is_enough_and_above_it_a_reason(difference: str, takes: Allowed):
    assert allowed(DEFAULT, difference) is takes


def test_without_a_policy_no_override_is_refused():
    assert allowed(DEFAULT, "123456789") is Allowed.REASON


@pytest.mark.parametrize(("difference", "takes"), [("10", Allowed.ONE_CLICK), ("10.01", Allowed.REASON), ("-9.99", Allowed.ONE_CLICK)])
def test_an_amount_and_a_per_cent_of_the_header_both_have_to_hold(difference: str, takes: Allowed):
    policy = Policy("csp", "EUR", one_click_amount=D(50), one_click_percent=D(1))
    assert allowed(policy, difference) is takes
    assert allowed(policy, "50", header=None) is Allowed.ONE_CLICK, "a per cent of no header limits nothing"


@pytest.mark.parametrize(("override", "takes"), [("1330", Allowed.REASON), ("1331", Allowed.REFUSED)])
def test_above_the_most_no_override_passes_and_the_sentence_says_who_can_change_it(override: str, takes: Allowed):
    policy = Policy("csp", "EUR", most_amount=D(1330), owner="Ana", expires_on=date(2026, 12, 31))
    assert allowed(policy, "1329.75", override=override) is takes
    said = may_override(policy, difference=D("1330.10"), header=D(5000)).sentence
    assert (
        "An override of 1331 EUR is more than 1330 EUR" in said
        and "Ana can change it" in said
        and "policy set csp EUR" in said
        and "2026-12-31" in said
    )


@pytest.mark.parametrize(("override", "takes"), [("100", Allowed.REASON), ("101", Allowed.REFUSED)])
def test_the_most_may_be_a_per_cent_of_the_header_whatever_its_sign(override: str, takes: Allowed):
    policy = Policy("csp", "EUR", most_percent=D(1))
    assert allowed(policy, "99.5", header="-10000", override=override) is takes


def test_a_policy_holds_on_its_last_day_and_the_default_holds_on_the_next():
    policy = Policy("csp", "EUR", one_click_amount=D(100), expires_on=date(2026, 11, 30))
    for day, holds in ((date(2026, 11, 30), policy), (date(2026, 12, 1), DEFAULT)):
        assert in_force(policy, provider="csp", currency="EUR", today=day) == holds
    assert not policy.has_expired(date(2026, 11, 30)) and policy.has_expired(date(2026, 12, 1))
    assert in_force(None, provider="csp", currency="EUR", today=date(2026, 12, 1)) == DEFAULT


def test_the_override_that_is_proposed_is_the_difference_rounded_up_to_a_whole_number():
    """R34, A9: -1329.7525 -> 1330; an integer difference is not bumped."""
    policy = Policy("csp", "EUR", most_amount=D(1330))
    assert (money.override_for(D("-1329.7525")), money.override_for(D("1330"))) == (1330, 1330)
    assert allowed(policy, "-1329.7525") is Allowed.REASON and allowed(policy, "1330") is Allowed.REASON
    assert allowed(policy, "1330.01") is Allowed.REFUSED


@given(st.decimals("0", "10000", places=4), st.decimals("0", "10000", places=2), st.decimals("-100000", "100000", places=2))
def test_a_larger_difference_is_never_easier_to_override(difference: Decimal, limit: Decimal, header: Decimal):
    order = [Allowed.ONE_CLICK, Allowed.REASON, Allowed.REFUSED]
    policy = Policy("csp", "EUR", one_click_amount=limit, one_click_percent=D(5), most_amount=limit * 2, most_percent=D(10))
    lesser, larger = (may_override(policy, difference=size, header=header).allowed for size in (difference, difference + D("0.01")))
    assert order.index(lesser) <= order.index(larger)
