"""What is the difference of this invoice made of? Every hypothesis on each gap, with its amount, whether it explains the gap, and its lines."""

from __future__ import annotations

from decimal import Decimal

from w365core import money
from w365core.diagnosis import header, usage
from w365core.diagnosis.judging import judged
from w365core.difference import Explanation, Facts, Gap, Hypothesis


def explained(facts: Facts) -> Explanation:
    """The explanations of the facts' gaps, the best of each first. A gap of None is no question."""
    unit = Decimal(1).scaleb(-money.minor_units(facts.currency))
    found: tuple[Hypothesis, ...] = ()
    if facts.header_gap is not None:
        slack = unit * sum(group.lines for group in facts.lines) / 2
        found += judged(Gap.HEADER, facts.header_gap, facts.currency, header.candidates(facts), slack=slack)
    if facts.usage_gap is not None:
        slack = unit * sum(group.lines for group in facts.daily)
        found += judged(Gap.USAGE, facts.usage_gap, facts.currency, usage.candidates(facts), slack=slack)
    return Explanation(facts.header_gap, facts.usage_gap, found)
