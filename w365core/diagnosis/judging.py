"""When is an explanation proven? When it alone accounts for the gap to the cent, and chance would hardly ever have brought it about.

Of many amounts that are tried, one may hit any gap: twenty tax rates on a base of ten euros hit one gap in fifty. So what rests on its amount alone
counts as proven only where so many amounts of that size were tried that fewer than one in a hundred gaps would be hit. What the files themselves
show (a line that is in one and not in the other, while every other line agrees) needs no such doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations

from w365core import money
from w365core.difference import Fit, Gap, Hypothesis, Selection

MOST_IN_PART = 6
MOST_EXACT = 6
_ONE_IN, _PAIRS_ONE_IN = 100, 50


@dataclass(frozen=True)
class Candidate:
    """A possible explanation. `members` are the lines it rests on, in any naming that candidates share; `tried` the amounts that were looked at to
    find it. `shown_by_files`: more than its amount speaks for it. `hints`: worth saying where it explains a part."""

    code: str
    sentence: str
    amount: Decimal
    members: frozenset[object] = frozenset()
    lines: int = 0
    selection: Selection | None = None
    document: str | None = None
    tried: tuple[Decimal, ...] = ()
    shown_by_files: bool = False
    may_be_proven: bool = True
    hints: bool = False
    fit: Fit | None = None  # where it is no matter of the amount


def judged(gap: Gap, difference: Decimal, currency: str, candidates: Sequence[Candidate], *, slack: Decimal) -> tuple[Hypothesis, ...]:
    """The hypotheses on one gap: proven, exact, all but rounding (`slack`), in part; earlier candidates first. Two that explain it exactly and have
    nothing to do with each other prove nothing: both are said."""
    fitted = [(one, one.fit or _fit(difference, one.amount, currency, slack)) for one in candidates if one.amount]
    exact = _distinct([one for one, fit in fitted if fit is Fit.EXACT])[:MOST_EXACT]
    is_proven = bool(exact) and _proves(exact[0], exact[1:], difference, currency)
    close = [one for one, fit in fitted if fit is Fit.ROUNDING][:MOST_IN_PART]
    part = [one for one, fit in fitted if fit is Fit.PART and one.hints and _is_part(one.amount, difference)]
    part = sorted(part, key=lambda one: -one.amount.copy_abs())[:MOST_IN_PART]
    found = [_hypothesis(gap, difference, one, Fit.EXACT, proven=is_proven and one is exact[0]) for one in exact]
    if not exact:
        found += _pairs(gap, difference, currency, [one for one, _ in fitted])
    found += [_hypothesis(gap, difference, one, Fit.ROUNDING) for one in close]
    return tuple(found + [_hypothesis(gap, difference, one, Fit.PART) for one in part])


def is_to_the_cent(difference: Decimal, amount: Decimal, currency: str) -> bool:
    """Whether what is left rounds to nothing at the currency's minor unit."""
    return money.in_currency(money.EXACT.subtract(difference, amount), currency) == 0


def is_likely_chance(difference: Decimal, tried: Iterable[Decimal], currency: str, *, one_in: int = _ONE_IN) -> bool:
    """Whether amounts so many and so large would hit more than one in `one_in` gaps of this size: counted are those from half of it to twice."""
    size = difference.copy_abs()
    near = {one.copy_abs() for one in tried if size <= 2 * one.copy_abs() and one.copy_abs() <= 2 * size}
    room = size.scaleb(money.minor_units(currency), context=money.EXACT)  # how many gaps there are up to this one
    return 2 * one_in * max(len(near), 1) > 3 * room


def _proves(leader: Candidate, others: Sequence[Candidate], difference: Decimal, currency: str) -> bool:
    if not leader.may_be_proven or any(not _are_related(leader, other) for other in others):
        return False
    return leader.shown_by_files or not is_likely_chance(difference, leader.tried, currency)


def _are_related(one: Candidate, other: Candidate) -> bool:
    """Whether the lines of one contain those of the other: then both tell the same story."""
    return bool(one.members and other.members) and (one.members <= other.members or other.members <= one.members)


def _distinct(exact: Sequence[Candidate]) -> list[Candidate]:
    """Without those that rest on the very lines of an earlier one."""
    kept: list[Candidate] = []
    for one in exact:
        if not any(one.members and one.members == other.members for other in kept):
            kept.append(one)
    return kept


def _fit(difference: Decimal, amount: Decimal, currency: str, slack: Decimal) -> Fit:
    if is_to_the_cent(difference, amount, currency):
        return Fit.EXACT
    near = money.EXACT.subtract(difference, amount).copy_abs() <= slack and amount.copy_abs() > slack
    return Fit.ROUNDING if near else Fit.PART


def _is_part(amount: Decimal, difference: Decimal) -> bool:
    return (amount > 0) == (difference > 0) and amount.copy_abs() < difference.copy_abs()


def _pairs(gap: Gap, difference: Decimal, currency: str, candidates: Sequence[Candidate]) -> list[Hypothesis]:
    """Two that add up to it: a suggestion, never a proof. Where so many pairs were tried that one would fit by chance, nothing is said."""
    named = [one for one in candidates if one.fit is None]
    pairs = [(a, b, money.EXACT.add(a.amount, b.amount)) for a, b in combinations(named, 2) if not (a.members & b.members)]
    fitting = [pair for pair in pairs if is_to_the_cent(difference, pair[2], currency)]
    if not fitting or is_likely_chance(difference, [summed for _, _, summed in pairs], currency, one_in=_PAIRS_ONE_IN):
        return []
    first, second, summed = fitting[0]
    sentence = f"Two things together come to exactly the difference. First: {first.sentence} Second: {second.sentence}"
    both = Candidate("combination", sentence, summed, lines=first.lines + second.lines)
    halves = [_hypothesis(gap, difference, one, Fit.PART) for one in (first, second) if not one.hints]
    return [_hypothesis(gap, difference, both, Fit.EXACT), *halves]


def _hypothesis(gap: Gap, difference: Decimal, one: Candidate, fit: Fit, *, proven: bool = False) -> Hypothesis:
    rest = money.EXACT.subtract(difference, one.amount)
    told = {"code": one.code, "sentence": one.sentence, "amount": one.amount, "rest": rest, "lines": one.lines}
    return Hypothesis(gap, **told, fit=fit, proven=proven, selection=one.selection, document=one.document)


def with_tried(candidates: Sequence[Candidate], more: Iterable[Decimal] = ()) -> list[Candidate]:
    """The same, each knowing that all of them were tried, and `more`."""
    tried = tuple([*(one.amount for one in candidates), *more])
    return [replace(one, tried=tried) for one in candidates]
