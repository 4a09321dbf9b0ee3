"""What can explain that the reconciliation file bills other usage than the daily-rated file has? Lines that only one has, days that are missing.

The gap is reconciliation less daily-rated, before tax. Both print customer, subscription, product and SKU: by these they are held side by side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from w365core import money
from w365core.diagnosis import words
from w365core.diagnosis.judging import Candidate, with_tried
from w365core.difference import (
    COUNTED_TWICE,
    DAILY_TWICE,
    DAYS_MISSING,
    PRODUCT_MISSING,
    SUBSCRIPTION_MISSING,
    UNPUBLISHED,
    Facts,
    Fit,
    LineGroup,
    Selection,
    Trait,
)
from w365core.model import LineKind

_APART = (Trait.RESERVATION, Trait.SAVINGS_PLAN, Trait.MARKETPLACE)
_OF = {Trait.RESERVATION: "reservation", Trait.SAVINGS_PLAN: "savings plan", Trait.MARKETPLACE: "marketplace"}
_REST = ("(rest)",)
_MOST_SUBSCRIPTIONS, _MOST_NUMBERS = 200, 500  # that are named to list their lines


@dataclass
class Pair:
    """What both files have of one customer, subscription, product and SKU."""

    key: tuple[str | None, ...]
    billed: list[LineGroup] = field(default_factory=list)
    daily: list[LineGroup] = field(default_factory=list)

    @property
    def difference(self) -> Decimal:
        return money.EXACT.subtract(_sum(self.billed), _sum(self.daily))

    @property
    def lines(self) -> int:
        return sum(group.lines for group in (*self.billed, *self.daily))

    def agrees(self, currency: str) -> bool:
        """Whether they differ by no more than a minor unit for each line."""
        return self.difference.copy_abs() <= Decimal(max(self.lines, 1)).scaleb(-money.minor_units(currency))


def candidates(facts: Facts) -> list[Candidate]:
    """Everything that could make the usage differ, what is most telling first."""
    pairs = paired(facts)
    if not facts.daily:
        billed = [group for pair in pairs for group in pair.billed]
        sentence = "The provider has published no daily usage of this invoice yet; it is all of its usage that differs."
        return [
            Candidate(UNPUBLISHED, sentence, _sum(billed), frozenset(billed), _lines(billed), Selection(kind="usage"), shown_by_files=True)
        ]
    found = [*_of_a_trait(facts, pairs), *_of_subscriptions(facts, pairs), *_repeated(facts, pairs)]
    found += [*_of_days(facts, pairs), *_in_daily_alone(facts, pairs)]
    values = [replace(one, may_be_proven=not _holds_another(one, found)) for one in _of_one_value(facts, pairs)]
    return [*with_tried(found), *values, *_within_rounding(facts)]


def _holds_another(value: Candidate, named: Sequence[Candidate]) -> bool:
    """Whether a cause with a name of its own is a part of it: then it is where two causes meet, and none itself."""
    return any(one.members < value.members for one in named)


def paired(facts: Facts) -> list[Pair]:
    """The usage of both files side by side; what is too small to be told apart is a pair of its own."""
    pairs: dict[tuple, Pair] = {}
    for group in facts.lines:
        if group.kind is LineKind.USAGE:
            key = _REST if group.is_rest else group.key
            pairs.setdefault(key, Pair(key)).billed.append(group)
    for group in facts.daily:
        key = _REST if group.is_rest else group.key
        pairs.setdefault(key, Pair(key)).daily.append(group)
    return list(pairs.values())


def _of_a_trait(facts: Facts, pairs: Sequence[Pair]) -> Iterator[Candidate]:
    """Reservations, savings plans, marketplace lines that the daily-rated file does not have."""
    for trait in _APART:
        mine = [pair for pair in pairs if not pair.daily and any(group.trait is trait for group in pair.billed)]
        if mine:
            billed = [group for pair in mine for group in pair.billed]
            whose = _whose(billed)
            yield Candidate(
                f"{trait.replace(' ', '_')}_not_in_daily",
                f"A {_OF[trait]} that the daily-rated file does not have: {words.counted(_lines(billed), 'line')} of {words.amount(_sum(billed), facts.currency)}"
                f"{f' ({whose})' if whose else ''} in the reconciliation file alone.",
                _sum(billed),
                members=frozenset(billed),
                lines=_lines(billed),
                selection=Selection(trait=str(trait), kind="usage", only_here=True),
                shown_by_files=_others_agree(facts, pairs, mine),
                hints=True,
            )


def _of_subscriptions(facts: Facts, pairs: Sequence[Pair]) -> Iterator[Candidate]:
    """Subscriptions that the daily-rated file does not have at all, and products of others: a part of it is not published. Reservations and their like
    are another cause, so they alone make no subscription missing."""
    daily = {group.subscription for group in facts.daily}
    alone = [pair for pair in pairs if not pair.daily and pair.billed and pair.key != _REST]
    plain = [pair for pair in alone if all(group.trait not in _APART for group in pair.billed)]
    gone = {pair.key[1] for pair in plain} - daily
    for mine, code, what in (
        ([pair for pair in alone if pair.key[1] in gone], SUBSCRIPTION_MISSING, "subscription"),
        ([pair for pair in plain if pair.key[1] not in gone], PRODUCT_MISSING, "product"),
    ):
        if mine:
            billed = [group for pair in mine for group in pair.billed]
            number = len({pair.key[:2] for pair in mine}) if what == "subscription" else len(mine)
            yield Candidate(
                code,
                f"Usage that is not in the daily-rated file: {words.counted(number, what)} with {words.counted(_lines(billed), 'line')} of "
                f"{words.amount(_sum(billed), facts.currency)} in the reconciliation file alone.",
                _sum(billed),
                members=frozenset(billed),
                lines=_lines(billed),
                selection=Selection(kind="usage", only_here=True, subscriptions=_named(billed) if what == "subscription" else ()),
                shown_by_files=_others_agree(facts, pairs, mine),
                hints=True,
            )


def _repeated(facts: Facts, pairs: Sequence[Pair]) -> Iterator[Candidate]:
    """Usage lines that stand several times in the reconciliation file, as where a blob of it came twice."""
    surplus: dict[tuple, Decimal] = defaultdict(lambda: money.ZERO)
    repeats = [repeat for repeat in facts.repeats if repeat.kind is LineKind.USAGE]
    for repeat in repeats:
        surplus[repeat.key] = money.EXACT.add(surplus[repeat.key], repeat.before_tax)
    mine = [pair for pair in pairs if pair.key in surplus]
    if mine:
        amount, numbers = money.total(surplus.values()), tuple(number for repeat in repeats for number in repeat.lines)
        accounts_for = all(pair.difference == surplus[pair.key] for pair in mine)
        yield Candidate(
            COUNTED_TWICE,
            f"Usage lines that stand several times: what is beyond the first of each comes to {words.amount(amount, facts.currency)}.",
            amount,
            members=frozenset(group for pair in mine for group in pair.billed),
            lines=len(numbers),
            selection=Selection(line_numbers=numbers[:_MOST_NUMBERS]),
            shown_by_files=accounts_for and _others_agree(facts, pairs, mine),
        )


def _of_days(facts: Facts, pairs: Sequence[Pair]) -> Iterator[Candidate]:
    """Days without daily lines: everything that differs lacks the same days, and by about as much as its other days come to. One that lacks a day which
    the others have may only have been idle."""
    mine = [pair for pair in pairs if pair.billed and pair.daily and not pair.agrees(facts.currency)]
    if not mine or not facts.expected_days:
        return
    lacking = facts.expected_days
    for pair in mine:
        lacking &= ~_days(pair.daily)
    if not lacking:
        return
    whole_file = lacking & ~_days(facts.daily) == lacking
    billed = [group for pair in mine for group in pair.billed]
    amount = money.total(pair.difference for pair in mine)
    likely = (whole_file or len(mine) > 1) and all(_is_of_days(pair, lacking) for pair in mine)
    yield Candidate(
        DAYS_MISSING,
        f"Days without daily usage: {words.days(lacking, facts.first_day)} {'are' if lacking.bit_count() > 1 else 'is'} missing for everything that differs "
        f"({words.counted(len(mine), 'product')}), {words.amount(amount, facts.currency)} in all.",
        amount,
        members=frozenset(billed),
        lines=_lines(billed),
        selection=Selection(kind="usage", subscriptions=_named(billed)),
        shown_by_files=likely and _others_agree(facts, pairs, mine),
        may_be_proven=likely,
        hints=True,
    )


def _is_of_days(pair: Pair, lacking: int) -> bool:
    """Whether what is missing is between half and twice of what so many days of it come to."""
    there = _days(pair.daily).bit_count()
    expected = money.EXACT.divide(money.EXACT.multiply(_sum(pair.daily), Decimal(lacking.bit_count())), Decimal(max(there, 1)))
    least, most = sorted((expected / 2, expected * 2))
    return least <= pair.difference <= most


def _in_daily_alone(facts: Facts, pairs: Sequence[Pair]) -> Iterator[Candidate]:
    mine = [pair for pair in pairs if pair.daily and not pair.billed]
    if mine:
        daily = [group for pair in mine for group in pair.daily]
        yield Candidate(
            "usage_not_in_reconciliation",
            f"Usage that only the daily-rated file has: {words.counted(_lines(daily), 'daily line')} of {words.amount(_sum(daily), facts.currency)} that the "
            "reconciliation file does not bill.",
            -_sum(daily),
            members=frozenset(("daily", group) for group in daily),
            lines=_lines(daily),
            selection=Selection(daily=True, only_here=True),
            shown_by_files=_others_agree(facts, pairs, mine),
            hints=True,
        )


def _of_one_value(facts: Facts, pairs: Sequence[Pair]) -> list[Candidate]:
    """One customer, subscription or product whose own difference is the whole gap: missing from one file, or twice in it."""
    if any(pair.key == _REST for pair in pairs):
        return []
    found, tried = [], []
    for place, name in ((2, "product"), (1, "subscription"), (0, "customer")):
        for value, mine in _by(pairs, place).items():
            billed, daily = [group for pair in mine for group in pair.billed], [group for pair in mine for group in pair.daily]
            of_billed, of_daily = _sum(billed), _sum(daily)
            own = money.EXACT.subtract(of_billed, of_daily)
            tried.append(own)
            how = _how(of_billed, of_daily)
            if own == facts.usage_gap and how and len(mine) < len(pairs):
                shown = next((getattr(group, f"{name}_name", None) for group in (*billed, *daily)), None) or value
                where = {"subscriptions": (value,)} if name == "subscription" else {name: value}
                sentence = f"All of the difference is the {name} {shown}: {words.amount(of_billed, facts.currency)} billed, {words.amount(of_daily, facts.currency)} daily, {how}."
                members, agree = frozenset(billed or (("daily", group) for group in daily)), _others_agree(facts, pairs, mine)
                lines = _lines(billed or daily)
                code = DAILY_TWICE if of_daily and of_daily == 2 * of_billed else f"one_{name}"
                found.append(Candidate(code, sentence, own, members, lines, Selection(**where), shown_by_files=agree))
    return [Candidate(**{**one.__dict__, "tried": tuple(tried)}) for one in found]


def _how(billed: Decimal, daily: Decimal) -> str | None:
    """What makes two amounts differ so plainly that it can be said."""
    if not daily:
        return "so the daily-rated file lacks it"
    if not billed:
        return "so the reconciliation file lacks it"
    if billed == 2 * daily:
        return "so it is billed twice, or half of its days are missing"
    return "so its daily lines stand twice" if daily == 2 * billed else None


def _within_rounding(facts: Facts) -> Iterator[Candidate]:
    """A minor unit for each daily line: plausible, not proven."""
    lines, unit = _lines(facts.daily), Decimal(1).scaleb(-money.minor_units(facts.currency))
    if facts.usage_gap.copy_abs() <= unit * lines:
        sentence = f"It may be rounding: {words.counted(lines, 'daily line')}, each cut by up to {words.amount(unit, facts.currency)}, may differ by up to {words.amount(unit * lines, facts.currency)}."
        yield Candidate("rounding_plausible", sentence, facts.usage_gap, lines=lines, may_be_proven=False, fit=Fit.ROUNDING)


# --- sums --------------------------------------------------------------------------------------------------------------------------------


def _others_agree(facts: Facts, pairs: Sequence[Pair], mine: Sequence[Pair]) -> bool:
    own = {id(pair) for pair in mine}
    return all(pair.agrees(facts.currency) and pair.key != _REST for pair in pairs if id(pair) not in own)


def _by(pairs: Sequence[Pair], place: int) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.key[place] is not None:
            found[pair.key[place]].append(pair)
    return found


def _whose(groups: Sequence[LineGroup]) -> str:
    named = [f"{group.product_name or group.product}, {group.customer_name or group.customer}" for group in groups[:1]]
    return named[0] if len(groups) == 1 else ""


def _named(groups: Iterable[LineGroup]) -> tuple[str, ...]:
    return tuple(sorted({group.subscription for group in groups if group.subscription})[:_MOST_SUBSCRIPTIONS])


def _days(groups: Iterable[LineGroup]) -> int:
    mask = 0
    for group in groups:
        mask |= group.days
    return mask


def _sum(groups: Iterable[LineGroup]) -> Decimal:
    return money.total(group.subtotal for group in groups)


def _lines(groups: Iterable[LineGroup]) -> int:
    return sum(group.lines for group in groups)
