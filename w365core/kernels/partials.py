"""What does a batch hand on? Its lines as they are stored, and partial sums that are put together afterwards.

Sums are exact decimals, as text, so any split of the lines gives the same whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

from w365core import frames, money
from w365core.arrays import batch_of, empty
from w365core.intake import resolve
from w365core.intake.parse import TextForm
from w365core.intake.resolve import References, Referred, Resolution
from w365core.model import Feed, LineKind, ReferenceKind
from w365core.rating.summaries import UsageKey

Names = tuple[str | None, ...]
Lacking = tuple[ReferenceKind, str, str | None]  # kind, key, name

TOTALS = pa.schema(
    [
        ("feed", pa.string()),
        ("kind", pa.string()),
        ("currency", pa.string()),
        ("lines", pa.int64()),
        ("subtotal", pa.string()),
        ("tax", pa.string()),
        ("total", pa.string()),
        ("odd_totals", pa.int64()),  # lines whose printed total is not subtotal plus tax
        ("unassigned", pa.int64()),  # lines without a subscription id
    ]
)
SUMMARIES = pa.schema(
    [
        ("usage_id", pa.string()),
        ("subscription_id", pa.string()),
        ("account_id", pa.string()),
        ("provider_subscription_id", pa.string()),
        ("product_id", pa.string()),
        ("sku_id", pa.string()),
        ("product", pa.string()),
        ("charge_start", pa.date32()),
        ("charge_end", pa.date32()),
        ("quantity", pa.string()),
        ("cost", pa.string()),
        ("markup_pct", pa.string()),
        ("currency", pa.string()),
        ("lines", pa.int64()),
    ]
)
MISSING = pa.schema(
    [
        ("feed", pa.string()),
        ("kind", pa.string()),
        ("key", pa.string()),
        ("name", pa.string()),
        ("domain", pa.string()),
        ("currency", pa.string()),
        ("lines", pa.int64()),
        ("amount", pa.string()),
        ("counted", pa.string()),  # the part of the amount that counts here: of what blocks a line, it counts for one thing
    ]
)
# What the lines print of our records' ids, each combination once.
USED = pa.schema([(name, pa.string()) for name in ("customer", "entitlement", "subscription", "product", "sku")])
REJECTED = pa.schema([("row", pa.int64()), ("column", pa.string()), ("value", pa.string()), ("expected", pa.string())])

NO_LICENSE_LINES, NO_USAGE_LINES = (empty(frames.arrow_schema(columns)) for columns in (frames.LICENSE_LINE, frames.USAGE_LINE))


@dataclass(frozen=True)
class Job:
    """What the kernel has to know beside the batch: which file it is of, how its cells are written, what the lines may refer to.

    `known` remembers what other batches of the job resolved: it makes a batch quicker and changes no result.
    """

    feed: Feed
    references: References
    form: TextForm = TextForm()
    usage_from_here: bool = False  # this reconciliation file's usage lines are the usage, as there is no daily-rated file
    known: dict[tuple, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class RatedBatch:
    license_lines: pa.RecordBatch
    usage_lines: pa.RecordBatch
    totals: pa.RecordBatch
    summaries: pa.RecordBatch
    missing: pa.RecordBatch
    used: pa.RecordBatch
    rejected: pa.RecordBatch


@dataclass
class Group:
    """Lines of one batch that refer to the same things: resolved once, summed together. `names` are the customer's, its domain, the
    subscription's and the product's; `key` and `usage_id` are of usage only."""

    referred: Referred
    resolution: Resolution
    names: Names
    key: UsageKey | None = None
    usage_id: str | None = None
    lines: int = 0
    quantity: Decimal = money.ZERO
    amount: Decimal = money.ZERO


def least_names(some: Iterable[str | None], others: Iterable[str | None]) -> Names:
    """Of each two names the one that sorts first, blanks last: what was renamed in mid-invoice is shown alike in any order of its lines."""
    return tuple(min(filter(None, pair), default=None) for pair in zip(some, others, strict=True))


def settle_names(group: Group, references: References) -> None:
    """What is missing, under the names that all the lines of the group agreed on."""
    customer, _, subscription, product = group.names = tuple(name or None for name in group.names)
    if group.resolution.missing:
        group.referred = replace(group.referred, customer_name=customer, subscription_name=subscription, product_name=product)
        group.resolution = resolve.resolve(group.referred, references)


@dataclass
class Sums:
    """The sums of the lines of one kind and currency."""

    lines: int = 0
    subtotal: Decimal = money.ZERO
    tax: Decimal = money.ZERO
    total: Decimal = money.ZERO
    odd_totals: int = 0
    unassigned: int = 0

    def add(self, subtotal: Decimal, tax: Decimal, total: Decimal, *, unassigned: bool, lines: int = 1) -> None:
        self.lines += lines
        self.subtotal += subtotal
        self.tax += tax
        self.total += total
        self.unassigned += lines if unassigned else 0


def totals(feed: Feed, sums: dict[tuple[LineKind, str], Sums]) -> pa.RecordBatch:
    """One row per kind and currency."""
    return batch_of(
        [(feed, kind, currency, s.lines, s.subtotal, s.tax, s.total, s.odd_totals, s.unassigned) for (kind, currency), s in sums.items()],
        TOTALS,
    )


def missing(feed: Feed, groups: Sequence[Group]) -> pa.RecordBatch:
    """One row per missing thing and currency, with the lines and the money that wait on it."""
    found: dict[tuple, tuple] = {}
    for group in (one for one in groups if one.resolution.missing):
        counts_for = _counts_for(group.resolution.missing)
        for lacking in group.resolution.missing:
            kind, key, name = lacking
            place = (kind, key.lower(), group.referred.currency)
            names = (key, name, group.names[1])
            known_names, lines, amount, counted = found.get(place, (names, 0, money.ZERO, money.ZERO))
            more = group.amount if lacking is counts_for else money.ZERO
            found[place] = least_names(known_names, names), lines + group.lines, amount + group.amount, counted + more
    return batch_of([(feed, kind, *names, currency, *sums) for (kind, _, currency), (names, *sums) in found.items()], MISSING)


def _counts_for(lacking: Sequence[Lacking]) -> Lacking | None:
    """Of what blocks a line, the one thing that its money counts for: rather what every file prints of it than its subscription."""
    blocking = [one for one in lacking if one[0].blocking]
    return min(blocking, key=lambda one: one[0] is ReferenceKind.SUBSCRIPTION, default=None)


def unassigned(group: Group) -> bool:
    """Whether the lines name no subscription."""
    return resolve.blank(group.referred.subscription_id)
