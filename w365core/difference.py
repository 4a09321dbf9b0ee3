"""What are the nouns of a checksum difference? The two comparisons that can fail, lines in groups, and what each explanation says.

The store sums lines into groups, `diagnosis` looks for explanations among them, pages show those. All amounts are in the invoice's currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from w365core import money
from w365core.model import LineKind


class Gap(StrEnum):
    """Which comparison does not hold: header against lines, with tax; reconciliation against daily-rated usage, before tax."""

    HEADER = "header"
    USAGE = "usage"


class Trait(StrEnum):
    """What a line is beside license or usage: what tends to be in one of the provider's files and not in the other."""

    PLAIN = "plain"
    RESERVATION = "reservation"
    SAVINGS_PLAN = "savings plan"
    MARKETPLACE = "marketplace"
    CREDIT = "credit"


class Fit(StrEnum):
    """How much of the gap an amount explains: all of it to the cent, all but what rounding may leave, or a part."""

    EXACT = "exactly"
    ROUNDING = "within rounding"
    PART = "in part"


@dataclass(frozen=True, slots=True)
class LineGroup:
    """Lines that are alike, summed. Ids are lower-cased, None where blank. `unrounded` and `ruled` are what the lines would come to without any
    rounding and by the provider's own rule; None where a line does not say price, quantity and rate. Bit n of `days` is the n-th day. A credit is
    a group of its own, with its `line`. `is_rest`: the sum of what is too small to be told apart, so that sums agree."""

    kind: LineKind
    trait: Trait
    customer: str | None
    subscription: str | None
    product: str | None
    sku: str | None
    charge_type: str | None
    is_taxed: bool
    lines: int
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    unrounded: Decimal | None = None
    ruled: Decimal | None = None
    days: int = 0
    line: int | None = None
    customer_name: str | None = None
    product_name: str | None = None
    is_rest: bool = False

    @property
    def key(self) -> tuple[str | None, ...]:
        """What the reconciliation file and the daily-rated file both print."""
        return self.customer, self.subscription, self.product, self.sku


@dataclass(frozen=True)
class Repeat:
    """Lines that stand several times, equal in everything that is charged; `surplus` is what all but the first come to, tax included, `before_tax` the
    same without. `key` is theirs as that of a group."""

    lines: tuple[int, ...]
    surplus: Decimal
    customer_name: str | None
    product_name: str | None
    kind: LineKind = LineKind.LICENSE
    before_tax: Decimal = money.ZERO
    key: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Document:
    """Another document of the same provider and currency that might belong to this one."""

    number: str
    total: Decimal
    amends: bool


@dataclass(frozen=True)
class Facts:
    """What is known of an invoice that differs. A gap is None where it is within the tolerance; `daily` is empty without a daily-rated file."""

    currency: str
    header_gap: Decimal | None
    usage_gap: Decimal | None
    lines: tuple[LineGroup, ...]
    daily: tuple[LineGroup, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    documents: tuple[Document, ...] = ()
    taxed_per_line: tuple[tuple[Decimal, Decimal], ...] = ()  # a tax rate in per cent, and what it comes to rounded line by line
    first_day: date | None = None  # bit 0 of every `days`
    expected_days: int = 0  # the days that the daily-rated lines are charged for


@dataclass(frozen=True)
class Selection:
    """Which lines to list; what is None does not matter. `only_here`: their customer, subscription, product and SKU are not in the other file."""

    daily: bool = False
    kind: str | None = None
    trait: str | None = None
    taxed: bool | None = None
    customer: str | None = None
    product: str | None = None
    charge_type: str | None = None
    subscriptions: tuple[str, ...] = ()
    line_numbers: tuple[int, ...] = ()
    only_here: bool = False


@dataclass(frozen=True)
class Hypothesis:
    """One explanation: `amount` of the gap it accounts for, `rest` what it leaves. Proven: it alone, to the cent, and not by chance."""

    gap: Gap
    code: str
    sentence: str
    amount: Decimal
    rest: Decimal
    fit: Fit
    proven: bool = False
    lines: int = 0
    selection: Selection | None = None
    document: str | None = None


@dataclass(frozen=True)
class Explanation:
    """What a difference is made of, the best explanation of each gap first."""

    header_gap: Decimal | None
    usage_gap: Decimal | None
    hypotheses: tuple[Hypothesis, ...] = ()

    @property
    def gaps(self) -> tuple[tuple[Gap, Decimal], ...]:
        """The comparisons that do not hold, with what they are off by."""
        both = ((Gap.HEADER, self.header_gap), (Gap.USAGE, self.usage_gap))
        return tuple((gap, amount) for gap, amount in both if amount is not None)

    @property
    def proven(self) -> tuple[Hypothesis, ...]:
        """The proven ones, at most one of each gap."""
        return tuple(hypothesis for hypothesis in self.hypotheses if hypothesis.proven)

    @property
    def is_proven(self) -> bool:
        """Whether every gap has its proven cause."""
        return bool(self.gaps) and {hypothesis.gap for hypothesis in self.proven} == {gap for gap, _ in self.gaps}

    @property
    def cause(self) -> str | None:
        """The proven causes as sentences."""
        return " ".join(hypothesis.sentence for hypothesis in self.proven) or None


UNPUBLISHED, COUNTED_TWICE, DAILY_TWICE = "unpublished", "counted_twice", "daily_twice"
DAYS_MISSING, SUBSCRIPTION_MISSING, PRODUCT_MISSING = "days_not_in_daily", "subscription_not_in_daily", "usage_not_in_daily"
# Causes that an override would make worse: lines are missing altogether or came twice. They are fetched again instead.
TO_BE_FETCHED_AGAIN = frozenset({UNPUBLISHED, COUNTED_TWICE, DAILY_TWICE})
# Causes that mostly mend themselves with the next day's file: an override would leave usage unsold.
TO_BE_AWAITED = frozenset({DAYS_MISSING, SUBSCRIPTION_MISSING, PRODUCT_MISSING})


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """As JSON holds it: amounts as text."""
    return _plain(asdict(explanation))


def from_dict(stored: Mapping[str, Any]) -> Explanation:
    """What `as_dict` made."""
    hypotheses = tuple(_hypothesis(one) for one in stored["hypotheses"])
    return Explanation(_decimal(stored["header_gap"]), _decimal(stored["usage_gap"]), hypotheses)


def _hypothesis(stored: Mapping[str, Any]) -> Hypothesis:
    values = {field.name: stored[field.name] for field in fields(Hypothesis)}
    selection = values["selection"]
    if selection is not None:
        selection = Selection(**{name: tuple(value) if isinstance(value, list) else value for name, value in selection.items()})
    typed = {"gap": Gap(values["gap"]), "fit": Fit(values["fit"]), "selection": selection}
    return Hypothesis(**values | typed | {"amount": Decimal(values["amount"]), "rest": Decimal(values["rest"])})


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return money.plain(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, StrEnum) else value
