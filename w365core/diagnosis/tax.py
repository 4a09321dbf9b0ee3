"""Is the difference a tax that stands on the header alone, or on the lines alone?

The rates are those that other lines of the invoice carry, then standing rates of countries. Some providers round the tax on the sum, some line by
line: both are tried, and the sentence says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from w365core import money
from w365core.diagnosis import words
from w365core.diagnosis.judging import Candidate, with_tried
from w365core.difference import Facts, LineGroup, Selection
from w365core.model import LineKind

# Value added and sales taxes of countries that cloud services are billed in, in per cent.
STANDING_RATES = tuple(
    Decimal(text)
    for text in (
        *(
            "5",
            "5.5",
            "6",
            "6.75",
            "7",
            "7.5",
            "7.7",
            "8",
            "8.1",
            "9",
            "10",
            "11",
            "12",
            "12.5",
            "13",
            "14",
            "14.975",
            "15",
            "15.5",
            "16",
            "17",
        ),
        *("18", "19", "20", "21", "22", "23", "24", "25", "25.5", "26", "27"),
    )
)


def candidates(facts: Facts) -> list[Candidate]:
    """Tax on the header that lines do not carry; tax on the lines that the header does not carry."""
    found = with_tried(list(_on_header(facts)))
    return [*found, *_on_lines(facts)]


def rates_to_round(facts: Facts) -> tuple[Decimal, ...]:
    """The rates, in per cent, that could explain the header's gap if the tax was rounded line by line: what the store is to add up."""
    if facts.header_gap is None:
        return ()
    untaxed = _untaxed(facts.lines)
    lines, base = sum(group.lines for group in untaxed), money.total(group.subtotal for group in untaxed)
    unit = Decimal(1).scaleb(-money.minor_units(facts.currency))
    reach = money.EXACT.multiply(unit, Decimal(lines + 1)) / 2
    return tuple(
        percent
        for percent, _ in _rates(facts)
        if base and money.EXACT.subtract(facts.header_gap, _of(base, percent)).copy_abs() <= reach and lines > 1
    )


def rates_seen(lines: Sequence[LineGroup]) -> tuple[Decimal, ...]:
    """The rates that taxed lines carry, in per cent at one place, where the tax agrees with the rate to a cent a line."""
    seen = []
    for group in lines:
        if group.subtotal and group.tax:
            percent = money.half_up(money.EXACT.divide(money.EXACT.multiply(group.tax, money.HUNDRED), group.subtotal), places=1)
            off = money.EXACT.subtract(group.tax, _of(group.subtotal, percent)).copy_abs()
            if percent > 0 and off <= Decimal(group.lines) / money.HUNDRED:
                seen.append(money.trimmed(percent))
    return tuple(dict.fromkeys(seen))


def _on_header(facts: Facts) -> Iterator[Candidate]:
    per_line = dict(facts.taxed_per_line)
    for what, groups, kind in _bases(facts):
        base, lines = money.total(group.subtotal for group in groups), sum(group.lines for group in groups)
        members = frozenset(groups)
        for percent, because in _rates(facts):
            on_sum = money.in_currency(_of(base, percent), facts.currency)
            ways = {on_sum: ""}
            if kind is None and percent in per_line:
                ways.setdefault(per_line[percent], ", rounded line by line")
            for amount, way in ways.items():
                yield Candidate(
                    "tax_on_header",
                    f"Tax on the header alone: {words.rate(percent)} of {words.amount(base, facts.currency)}, which "
                    f"{words.counted(lines, what)} {'prints' if lines == 1 else 'print'} without tax, is {words.amount(amount, facts.currency)}{way} "
                    f"({because}).",
                    amount,
                    members=members,
                    lines=lines,
                    selection=Selection(taxed=False, kind=kind),
                )


def _on_lines(facts: Facts) -> Iterator[Candidate]:
    taxed = [group for group in facts.lines if group.tax]
    tax, lines = money.total(group.tax for group in taxed), sum(group.lines for group in taxed)
    if tax:
        yield Candidate(
            "tax_on_lines",
            f"Tax on the lines alone: {words.counted(lines, 'line')} {'carries' if lines == 1 else 'carry'} {words.amount(tax, facts.currency)} of tax that the header "
            "does not count.",
            -tax,
            members=frozenset(taxed),
            lines=lines,
            selection=Selection(taxed=True),
            tried=(tax,),
        )


def _bases(facts: Facts) -> Iterator[tuple[str, list[LineGroup], str | None]]:
    """All lines without tax, then those of one kind where there are both."""
    untaxed = _untaxed(facts.lines)
    if untaxed:
        yield "line", untaxed, None
    kinds = {group.kind for group in untaxed}
    for kind in LineKind if len(kinds) > 1 else ():
        yield f"{kind} line", [group for group in untaxed if group.kind is kind], str(kind)


def _untaxed(lines: Sequence[LineGroup]) -> list[LineGroup]:
    return [group for group in lines if not group.is_taxed]


def _rates(facts: Facts) -> list[tuple[Decimal, str]]:
    seen = rates_seen(facts.lines)
    standing = [percent for percent in STANDING_RATES if percent not in seen]
    return [(percent, "other lines carry that rate") for percent in seen] + [(percent, "a country's rate") for percent in standing]


def _of(base: Decimal, percent: Decimal) -> Decimal:
    return money.EXACT.divide(money.EXACT.multiply(base, percent), money.HUNDRED)
