"""Are many things gone through two at a time, in their order, and no more of them taken than there is room for?"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from w365core.jobs.two_at_once import two_at_once


def test_it_gives_what_map_gives_in_the_same_order() -> None:
    assert list(two_at_once(lambda number: number * number, range(7))) == [number * number for number in range(7)]
    assert list(two_at_once(str, [])) == []


def test_two_are_worked_on_at_once() -> None:
    both = threading.Barrier(2, timeout=60)
    assert len(list(two_at_once(lambda _number: both.wait(), range(4)))) == 4


def test_a_third_is_taken_only_when_the_first_has_been_given() -> None:
    taken: list[int] = []

    def things() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    results = two_at_once(lambda number: number, things())
    assert next(results) == 0 and taken == [0, 1]
    assert next(results) == 1 and taken == [0, 1, 2]
    results.close()


def test_what_one_raises_is_raised_in_its_place() -> None:
    results = two_at_once(lambda number: 1 // number, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
