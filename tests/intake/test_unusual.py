"""Is an invoice that is unlike those before it said aloud, with the numbers, and an ordinary one not?"""

from __future__ import annotations

from decimal import Decimal

import pytest

from w365core.intake.unusual import Breadth, Earlier, Usual, sentences

D = Decimal


def month(name: str, *, total: str = "1000", customers: int | None = 20, usage_days: int | None = 31, days: int = 31) -> Earlier:
    return Earlier(f"G-{name}", name, D(total), customers, usage_days, days)


def usual(*months: Earlier, days: int = 30, drop: str = "50") -> Usual:
    return Usual("2026-10", days, months or tuple(map(month, ("2026-10", "2026-09", "2026-08"))), D(drop))


def said(known: Usual | None, *, total: str = "1000", customers: int = 20, usage_days: int | None = 30) -> list[str]:
    return list(sentences(known, Breadth(customers, usage_days), header_total=D(total), currency="EUR"))


def test_an_ordinary_month_passes_in_silence():
    assert said(usual(), total="900", customers=19, usage_days=30) == []
    assert said(None, total="1") == []


@pytest.mark.parametrize(("total", "warns"), [("500", False), ("499.99", True), ("500.01", False)])
def test_a_header_more_than_the_set_per_cent_below_the_month_before_is_said_with_both_numbers(total: str, warns: bool):
    found = said(usual(), total=total)
    assert bool(found) is warns
    if warns:
        assert found == [
            "The header is 50 % below that of the month before (G-2026-10, 1,000.00 EUR), more than 50 %: see whether everything is published."
        ]


def test_the_per_cent_is_the_policys():
    assert said(usual(drop="10"), total="899") and not said(usual(drop="10"), total="900")


def test_only_the_month_right_before_counts_for_a_drop():
    assert said(usual(month("2026-09", total="9000")), total="10") == []


@pytest.mark.parametrize(
    ("customers", "before", "warns"),
    [
        (16, (20, 21, 22), False),
        (15, (20, 21, 22), True),
        (7, (10, 10, 10), True),
        (8, (10, 10, 10), False),
        (2, (4, 4, 4), False),
        (1, (4, 4, 4), True),
    ],
)
def test_fewer_customers_than_four_fifths_of_the_smallest_month_and_at_least_three_fewer(
    customers: int, before: tuple[int, ...], warns: bool
):
    months = [month(name, customers=number) for name, number in zip(("2026-10", "2026-09", "2026-08"), before, strict=True)]
    found = said(usual(*months), customers=customers)
    assert bool(found) is warns
    if warns:
        assert f"for {customers} customer" in found[0] and f"{before[0]} in 2026-10, {before[1]} in 2026-09" in found[0]


@pytest.mark.parametrize(("usage_days", "before", "warns"), [(29, 31, False), (28, 31, True), (28, 30, False), (None, 31, False)])
def test_fewer_days_with_usage_are_measured_by_the_days_of_the_month(usage_days: int | None, before: int, warns: bool):
    months = [month(name, usage_days=before) for name in ("2026-10", "2026-09", "2026-08")]
    found = said(usual(*months), usage_days=usage_days)
    assert bool(found) is warns
    if warns:
        assert found == [
            "It has usage on 28 of 30 days, the months before had 31 of 31 in 2026-10, 31 of 31 in 2026-09, 31 of 31 in 2026-08: see whether days are missing."
        ]


def test_one_month_is_no_habit():
    assert said(usual(month("2026-09")), customers=1, usage_days=1) == []


def test_an_invoice_of_licences_alone_misses_no_days():
    assert said(usual(*(month(name, usage_days=0) for name in ("2026-10", "2026-09"))), usage_days=0) == []


def test_a_total_of_zero_has_its_own_sentence():
    assert said(usual(), total="0", customers=1, usage_days=0) == []
