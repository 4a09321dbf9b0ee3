"""Do the columns give what plain Python gives, row by row? Groups, places, exact numbers and products, of any size."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from w365core import money
from w365core.reconcile import columns, exact, groups, places, products
from w365core.reconcile.columns import NOWHERE, Maybe
from w365core.reconcile.exact import Scaled

WHOLE = st.integers(-(10**6), 10**6)
LONG = st.one_of(WHOLE, st.integers(-(10**40), 10**40))
SIZES = st.lists(st.integers(0, 4), max_size=8)
AMOUNTS = st.one_of(
    st.none(),
    st.decimals(-(10**6), 10**6, places=2).map(str),
    st.integers(-1000, 1000).map(str),
    st.sampled_from(["1E+3", "-2.50e-4", "0.000", ".5", "5.", "+4", "", " ", "-0", "1" + 22 * "0" + ".000000000000000000000000000001"]),
    st.decimals(-(10**21), 10**21, places=30, allow_nan=False).map(str),
)


def array(numbers: list[int]) -> np.ndarray:
    """As the columns hold them: the machine's integers, if they hold all."""
    return np.array(numbers, dtype=np.int64 if all(abs(one) < 2**62 for one in numbers) else object)


@given(SIZES, st.data())
def test_groups_come_to_what_their_rows_do(sizes, data):
    bounds = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
    rows = data.draw(st.lists(LONG, min_size=bounds[-1], max_size=bounds[-1]))
    mine = [rows[begin:end] for begin, end in zip(bounds, bounds[1:], strict=False)]
    found = groups.Groups(np.array(bounds))
    assert found.of_row.tolist() == [number for number, size in enumerate(sizes) for _ in range(size)]
    assert found.sum(array(rows)).tolist() == [sum(group) for group in mine]
    assert found.sum(np.array([array(rows), array(rows)])).tolist() == 2 * [[sum(group) for group in mine]]
    assert found.any(array(rows) > 0).tolist() == [any(one > 0 for one in group) for group in mine]
    assert found.count(array(rows) > 0).tolist() == [sum(one > 0 for one in group) for group in mine]
    short = np.array([one % 1000 for one in rows], dtype=np.int64)
    assert found.most(short, -1).tolist() == [max((one % 1000 for one in group), default=-1) for group in mine]
    assert found.least(short, 1000).tolist() == [min((one % 1000 for one in group), default=1000) for group in mine]
    chosen = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=6)) if sizes else []
    place, again = groups.within(found.bounds, np.array(chosen, dtype=np.int64))
    assert place.tolist() == [row for one in chosen for row in range(bounds[one], bounds[one + 1])]
    assert again.sizes.tolist() == [sizes[one] for one in chosen]


@given(st.lists(st.integers(-3, 3)))
def test_equal_keys_side_by_side_are_a_group(keys):
    keys = sorted(keys)
    found = groups.of_sorted(np.array(keys, dtype=np.int64))
    assert [keys[begin] for begin in found.bounds[:-1]] == sorted(set(keys))
    assert found.bounds[-1] == len(keys)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None, ""]), st.one_of(st.none(), st.integers(0, 2)), st.just("same")), min_size=1))
def test_rows_of_the_same_combination_share_a_place(rows):
    cells = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), (pa.string(), pa.int64(), pa.string()), strict=True)]
    first, place = places.combinations(cells)
    assert [rows[number] for number in first.tolist()] == list(dict.fromkeys(rows[number] for number in first.tolist()))
    assert [rows[first[number]] for number in place] == rows
    assert len(first) == len(set(rows))


@given(st.lists(st.integers(0, 50)), st.sampled_from([50, 2**62]))
def test_numbers_are_put_in_order_each_with_its_place(numbers, most):
    found, place = places.in_order(np.array(numbers, dtype=np.int64), most=most)
    assert found.tolist() == sorted(numbers)
    assert [numbers[number] for number in place] == found.tolist()
    assert sorted(place.tolist()) == list(range(len(numbers)))
    known, rank = places.ranked(np.array(numbers, dtype=np.int64))
    assert known.tolist() == sorted(set(numbers))
    assert known[rank].tolist() == numbers


@given(st.lists(AMOUNTS), st.integers(0, 5))
def test_numbers_are_whole_ones_of_a_scale_and_print_as_they_were(printed, begun):
    cells = pa.array(begun * ["1"] + printed, pa.string()).slice(begun)  # a part of a longer column is read as its own
    found = exact.scaled_as_one(cells)
    expected = [Decimal(text) if text and text.strip() else None for text in printed]
    assert [Fraction(one) / 10**found.scale if known else None for one, known in zip(found.numbers.values.tolist(), found.numbers.known, strict=True)] == [
        None if one is None else Fraction(one) for one in expected
    ]  # fmt: skip
    assert exact.texts(found.numbers, found.scale).to_pylist() == [None if one is None else exact.plain(one) for one in expected]
    assert exact.canonical(cells).to_pylist() == [None if one is None else exact.plain(one) for one in expected]


@pytest.mark.parametrize("printed", [["0x10"], ["1", "1-2"], ["--5"], ["1.5", "1.2.3"], ["NaN"]])
def test_a_text_that_is_no_number_is_never_read_as_one(printed):
    with pytest.raises(AssertionError):
        exact.scaled_as_one(pa.array(printed))


@given(
    st.lists(st.tuples(LONG, LONG, st.integers(0, 40), st.integers(1, 400), st.booleans()), min_size=1),
    st.integers(0, 6),
    st.integers(0, 30),
    st.integers(0, 3),
)
def test_a_product_is_rounded_once_half_away_from_zero(rows, of_quantity, of_price, coin):  # fmt: skip
    quantity, price, numerator, denominator, known = zip(*rows, strict=True)
    everything = np.ones(len(rows), dtype=bool)
    found = products.rounded(
        Scaled(Maybe(array(list(quantity)), np.array(known)), of_quantity),
        Scaled(Maybe(array(list(price)), everything), of_price),
        np.array(numerator),
        np.array(denominator),
        coin=coin,
    )
    assert found.known.tolist() == list(known)
    for one, value in zip(rows, found.values.tolist(), strict=True):
        if one[4]:
            due = Fraction(one[0] * one[1] * one[2], one[3] * 10 ** (of_quantity + of_price))
            size = int(abs(due) * 10**coin + Fraction(1, 2))
            assert value == (-size if due < 0 else size)


@given(st.lists(st.tuples(LONG, st.booleans())), st.integers(0, 9))
def test_numbers_print_without_the_zeros_of_their_scale(rows, scale):
    numbers = Maybe(array([value for value, _ in rows]), np.array([known for _, known in rows], dtype=bool))
    printed = [exact.plain(Decimal(value).scaleb(-scale, money.EXACT)) if known else None for value, known in rows]
    assert exact.texts(numbers, scale).to_pylist() == printed


@given(st.lists(st.tuples(st.booleans(), st.booleans(), WHOLE)))
def test_arrow_and_columns_say_the_same(rows):
    values, known = array([value for *_, value in rows]), np.array([is_known for is_known, *_ in rows], dtype=bool)
    flags = np.array([flag for _, flag, _ in rows], dtype=bool)
    assert columns.numbers(values, known).to_pylist() == [value if is_known else None for is_known, _, value in rows]
    assert columns.whole(columns.numbers(values, known), null=7).tolist() == [value if is_known else 7 for is_known, _, value in rows]
    assert columns.truths(flags, known).to_pylist() == [flag if is_known else None for is_known, flag, _ in rows]
    assert columns.flags(columns.truths(flags, known)).tolist() == [is_known and flag for is_known, flag, _ in rows]
    assert columns.valid(columns.numbers(values, known)).tolist() == known.tolist()
    half = len(rows) // 2
    assert columns.whole(columns.numbers(values, known).slice(half), null=7).tolist() == columns.whole(columns.numbers(values, known), null=7)[half:].tolist()  # fmt: skip
    assert columns.flags(columns.truths(flags, known).slice(half)).tolist() == columns.flags(columns.truths(flags, known))[half:].tolist()
    where = np.where(known, np.arange(len(rows)), NOWHERE)
    cells = columns.numbers(values)
    assert columns.at(cells, where).to_pylist() == columns.at(cells, columns.index(where)).to_pylist() == columns.numbers(values, known).to_pylist()  # fmt: skip
