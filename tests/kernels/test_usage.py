"""Are amounts summed exactly, those that Arrow can hold and those that it cannot?"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import example, given, settings, strategies as st

from w365core.arrays import text_array
from w365core.kernels import usage

WHOLE, PLACES = 38 - usage._FIXED.scale, usage._FIXED.scale
SIGNED = st.sampled_from(["", "-"])


def amounts(whole: int, places: int) -> st.SearchStrategy[str]:
    """Numbers as JSON prints them, with at most so many digits before and after the point."""
    digits = st.text("0123456789", min_size=1, max_size=places)
    point = st.just("") | digits.map(lambda text: f".{text}") | st.just("." + "9" * places)
    return st.builds("{}{}{}".format, SIGNED, st.integers(0, 10**whole - 1) | st.just(10**whole - 1), point)


def summed(groups: list[list[str | None]]) -> list[Fraction]:
    flat = [amount for group in groups for amount in group]
    return [Fraction(total) for total in usage._sums(text_array(flat), np.array([len(group) for group in groups]))]


def expected(groups: list[list[str | None]]) -> list[Fraction]:
    return [sum((Fraction(amount) for amount in group if amount), Fraction(0)) for group in groups]


@given(st.lists(st.lists(st.none() | amounts(WHOLE, PLACES), min_size=1, max_size=40), max_size=8))
@settings(max_examples=200, deadline=None)
def test_amounts_of_a_size_that_arrow_holds_are_summed_exactly(groups: list[list[str | None]]) -> None:
    assert summed(groups) == expected(groups)


@given(st.lists(st.lists(st.none() | amounts(22, 30), min_size=1, max_size=5), min_size=1, max_size=4))
@example([["173544007129678616369"]])  # Arrow makes 2.67… of it
@example([["-1.73544007129678616369E20", "1500000000000000000"]])
@settings(max_examples=100, deadline=None)
def test_and_so_are_larger_and_finer_ones(groups: list[list[str | None]]) -> None:
    assert summed(groups) == expected(groups)


def test_the_largest_ten_thousand_do_not_overflow() -> None:
    largest = "9" * WHOLE + "." + "9" * PLACES
    groups = [[largest] * 10_000, [f"-{largest}"] * 10_000, [largest, f"-{largest}"]]
    assert summed(groups) == expected(groups)
