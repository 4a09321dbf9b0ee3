"""Is a tolerance proposed only where it can be said why, and is any other explained by a person?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Engine

from tests.reports import builders as b
from w365core.reports import proposals, provider_invoice
from w365core.reports.proposals import Proposal


def proposed(engine: Engine, **said) -> Proposal | None:
    with engine.begin() as connection:
        b.invoice(connection, **({"status": "Error", "failure": "checksum_failed"} | said))
        return proposals.of(provider_invoice.named(connection, provider="csp-demo", number=" d0300a1b2c "))


@pytest.mark.parametrize(("difference", "small"), [("0.50", True), ("-0.50", True), ("0.500001", False)])
def test_half_a_unit_is_one_click_and_no_more_than_that(engine: Engine, difference: str, small: bool):
    found = proposed(engine, difference=difference)
    assert (found.is_small, found.amount) == (small, Decimal(1) if small else None)


def test_only_what_lets_the_small_difference_pass_needs_no_reason(engine: Engine):
    found = proposed(engine, difference="0.12")
    assert [found.needs_reason(Decimal(n)) for n in (1, 2, 1330)] == [False, True, True]


def test_a_proven_cause_proposes_the_whole_number_that_passes_and_still_needs_a_reason(engine: Engine):
    found = proposed(engine, difference="-1329.7525", proven_cause="A reservation is in the monthly file only.")
    assert (found.amount, found.needs_reason(found.amount)) == (Decimal(1330), True) and "A reservation" in found.why


def test_without_a_proven_cause_nothing_is_proposed_and_it_says_why(engine: Engine):
    found = proposed(engine, difference="1911.55")
    assert (found.amount, found.would_pass) == (None, Decimal(1912)) and "its cause is not proven" in found.why


def test_usage_that_the_daily_file_lacks_counts_as_the_difference(engine: Engine):
    assert proposed(engine, usage="50", daily_rated_total=Decimal(20)).would_pass == Decimal(30)


@pytest.mark.parametrize(
    "said", [{"status": "Active", "failure": None}, {"failure": "unresolved_references"}, {"message": "daily usage not published"}]
)
def test_where_no_tolerance_would_help_none_is_offered(engine: Engine, said: dict):
    assert proposed(engine, **said) is None
