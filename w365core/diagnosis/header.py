"""What can explain that the header is not the sum of its lines? Tax, credits, documents, lines that only one of the two counts, rounding.

The gap is header less lines, tax included: above zero the header has more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from w365core import money
from w365core.diagnosis import tax, words
from w365core.diagnosis.judging import Candidate, with_tried
from w365core.difference import COUNTED_TWICE, UNPUBLISHED, Facts, Fit, LineGroup, Selection, Trait

_APART = (Trait.RESERVATION, Trait.SAVINGS_PLAN, Trait.MARKETPLACE)
_DIMENSIONS = (("charge_type", "charge type"), ("product", "product"), ("customer", "customer"), ("subscription", "subscription"))


def candidates(facts: Facts) -> list[Candidate]:
    """Everything that could make the header differ, what is most telling first."""
    nothing = list(_unpublished(facts))
    if nothing:
        return nothing
    return [
        *_documents(facts),
        *tax.candidates(facts),
        *with_tried(list(_credits(facts))),
        *with_tried(list(_in_daily_alone(facts))),
        *with_tried(list(_of_a_trait(facts))),
        *with_tried(list(_repeated(facts)), more=(repeat.surplus for repeat in facts.repeats)),
        *_of_one_dimension(facts),
        *with_tried(list(_rounded(facts))),
        *_within_rounding(facts),
    ]


def _unpublished(facts: Facts) -> Iterator[Candidate]:
    lines = money.total(group.total for group in facts.lines)
    if not facts.lines:
        yield Candidate(
            UNPUBLISHED,
            "The provider has published no lines of it yet, or none in its currency; it is its whole header that differs.",
            facts.header_gap,
        )
    elif money.EXACT.add(lines, facts.header_gap) == 0:
        sentence = "The provider's total is 0 while there are lines: the header is not published in full yet."
        yield Candidate(UNPUBLISHED, sentence, facts.header_gap, lines=sum(group.lines for group in facts.lines), selection=Selection())


def _documents(facts: Facts) -> Iterator[Candidate]:
    """A credit note or another document that the header has taken in and the lines have not."""
    tried = tuple(document.total for document in facts.documents)
    for document in facts.documents:
        how = "which amends this one," if document.amends else "a document of the same provider,"
        yield Candidate(
            "credit_not_in_lines" if document.total < 0 else "document_not_in_lines",
            f"{'A credit' if document.total < 0 else 'An amount'} that the lines do not have: {document.number}, {how} comes to "
            f"{words.amount(document.total, facts.currency)}.",
            document.total,
            members=frozenset([("document", document.number)]),
            document=document.number,
            tried=tried,
            shown_by_files=document.amends,
            hints=document.amends,
        )


def _credits(facts: Facts) -> Iterator[Candidate]:
    """Credits among the lines that the header does not count: all, or one of them."""
    groups = [group for group in facts.lines if group.trait is Trait.CREDIT]
    if not groups:
        return
    told = [(groups, "The credits among the lines"), *(([group], _one_credit(group)) for group in groups if len(groups) > 1)]
    for some, what in told:
        total, lines = money.total(group.total for group in some), sum(group.lines for group in some)
        numbers = tuple(group.line for group in some if group.line is not None) if len(some) == 1 else ()
        yield Candidate(
            "credit_not_on_header",
            f"{what}, {words.amount(total, facts.currency)} on {words.counted(lines, 'line')}, {'is' if len(some) == 1 else 'are'} not counted by the header.",
            -total,
            members=frozenset(some),
            lines=lines,
            selection=Selection(line_numbers=numbers) if numbers else Selection(trait=str(Trait.CREDIT)),
            hints=len(some) > 1 or len(groups) == 1,
        )


def _one_credit(group: LineGroup) -> str:
    return (
        f"One credit, for {group.product_name or group.product or 'no product'} of {group.customer_name or group.customer or 'no customer'}"
    )


def _in_daily_alone(facts: Facts) -> Iterator[Candidate]:
    """Usage of the daily-rated file that the lines do not have."""
    known = {group.key for group in facts.lines}
    alone = [group for group in facts.daily if group.key not in known and not group.is_rest]
    if alone and facts.lines:
        amount, lines = money.total(group.subtotal for group in alone), sum(group.lines for group in alone)
        yield Candidate(
            "usage_not_in_lines",
            f"Usage that only the daily-rated file has: {words.counted(lines, 'daily line')} of {words.amount(amount, facts.currency)} before tax, which the "
            "header counts and the reconciliation file lacks.",
            amount,
            members=frozenset(("daily", group) for group in alone),
            lines=lines,
            selection=Selection(daily=True, only_here=True),
            hints=True,
        )


def _of_a_trait(facts: Facts) -> Iterator[Candidate]:
    """Reservations, savings plans, marketplace: lines that the header leaves out."""
    for trait in _APART:
        groups = [group for group in facts.lines if group.trait is trait]
        if groups and len(groups) < len(facts.lines):
            total, lines = money.total(group.total for group in groups), sum(group.lines for group in groups)
            yield Candidate(
                f"{trait.replace(' ', '_')}_not_on_header",
                f"The lines of the kind {trait}, {words.amount(total, facts.currency)} on {words.counted(lines, 'line')}, are not counted by the header.",
                -total,
                members=frozenset(groups),
                lines=lines,
                selection=Selection(trait=str(trait)),
                hints=True,
            )


def _repeated(facts: Facts) -> Iterator[Candidate]:
    """Identical lines that stand several times, while the header counts them once. Identical lines are legal, so only the amount speaks for it."""
    if len(facts.repeats) > 1:
        numbers = tuple(number for repeat in facts.repeats for number in repeat.lines)
        yield _repeat(facts, numbers, money.total(repeat.surplus for repeat in facts.repeats), "Lines that stand several times")
    for repeat in facts.repeats:
        whose = f"{repeat.product_name or 'no product'} of {repeat.customer_name or 'no customer'}"
        yield _repeat(facts, repeat.lines, repeat.surplus, f"The line for {whose}, which stands {len(repeat.lines)} times")


def _repeat(facts: Facts, numbers: tuple[int, ...], surplus: Decimal, what: str) -> Candidate:
    sentence = f"{what}: counted once on the header, what is beyond that comes to {words.amount(surplus, facts.currency)}."
    members = frozenset(("line", number) for number in numbers)
    return Candidate(COUNTED_TWICE, sentence, -surplus, members, len(numbers), Selection(line_numbers=numbers[:500]))


def _of_one_dimension(facts: Facts) -> list[Candidate]:
    """All lines of one customer, product, subscription or charge type, where they come to exactly the gap: counted twice, or not at all."""
    if any(group.is_rest for group in facts.lines):
        return []  # the sums of what was told apart are not whole
    found, tried = [], []
    for name, label in _DIMENSIONS:
        for value, groups in _by(facts.lines, name).items():
            total = money.total(group.total for group in groups)
            tried.append(total)
            if len(groups) < len(facts.lines) and total and total.copy_abs() == facts.header_gap.copy_abs():
                found.append(_one_value(facts, name, label, value, groups, total))
    return [Candidate(**{**one.__dict__, "tried": tuple(tried)}) for one in found]


def _one_value(facts: Facts, name: str, label: str, value: str, groups: Sequence[LineGroup], total: Decimal) -> Candidate:
    shown = next((getattr(group, f"{name}_name") for group in groups if getattr(group, f"{name}_name", None)), None) or value
    lines = sum(group.lines for group in groups)
    how = "the header does not count them" if total == -facts.header_gap else "the header counts them twice, or the file has half of them"
    where = {"subscriptions": (value,)} if name == "subscription" else {name: value}
    return Candidate(
        f"one_{name}",
        f"All lines of the {label} {shown} come to exactly the difference, {words.amount(total, facts.currency)} on {words.counted(lines, 'line')}: {how}.",
        facts.header_gap,
        members=frozenset(groups),
        lines=lines,
        selection=Selection(**where),
    )


def _by(lines: Sequence[LineGroup], name: str) -> dict[str, list[LineGroup]]:
    groups: dict[str, list[LineGroup]] = defaultdict(list)
    for group in lines:
        if getattr(group, name) is not None:
            groups[getattr(group, name)].append(group)
    return groups


def _rounded(facts: Facts) -> Iterator[Candidate]:
    """What the lines would come to if they were rounded otherwise than they are."""
    for name, code, how in (
        ("ruled", "rounding_by_rule", "cut to the cent by the provider's own rule (price times quantity, then the exchange rate)"),
        ("unrounded", "rounding", "not rounded at all"),
    ):
        amounts = [getattr(group, name) for group in facts.lines]
        if None in amounts:
            continue
        printed = money.total(group.subtotal for group in facts.lines)
        amount = money.EXACT.subtract(money.total(amounts), printed)
        yield Candidate(
            code,
            f"Rounding: the lines, {how}, would come to {words.amount(money.EXACT.add(printed, amount), facts.currency)} before tax instead of "
            f"{words.amount(printed, facts.currency)}, a difference of {words.amount(amount, facts.currency)}.",
            amount,
            members=frozenset(facts.lines),
            lines=sum(group.lines for group in facts.lines),
            selection=Selection(),
        )


def _within_rounding(facts: Facts) -> Iterator[Candidate]:
    """Half a minor unit a line: plausible, not proven."""
    lines, places = sum(group.lines for group in facts.lines), money.minor_units(facts.currency)
    most = Decimal(lines).scaleb(-places) / 2
    if facts.header_gap.copy_abs() <= most:
        yield Candidate(
            "rounding_plausible",
            f"It may be rounding: {words.counted(lines, 'line')}, each rounded by up to half of {words.amount(Decimal(1).scaleb(-places), facts.currency)}, may "
            f"differ by up to {words.amount(most, facts.currency)}.",
            facts.header_gap,
            lines=lines,
            may_be_proven=False,
            fit=Fit.ROUNDING,
        )
