"""What does a batch of usage lines come to? Lines that refer to the same things are found together, resolved once, and summed exactly.

The columns come and go as Arrow: Python looks at each combination of ids once, and at each amount.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core import money
from w365core.arrays import batch_of, in_memory, indices, scalar, text_array, whole_array
from w365core.intake import resolve
from w365core.intake.resolve import Referred
from w365core.kernels import partials
from w365core.kernels.partials import Group, Job, Names, RatedBatch, Sums, least_names
from w365core.kernels.regular_lines import Beside
from w365core.model import LineKind
from w365core.rating.summaries import UsageKey, usage_id

COMBINED = (
    *("provider_customer_id", "entitlement_id", "provider_subscription_id", "product_id", "sku_id", "charge_start", "charge_end"),
    *("billing_currency", "customer_name", "customer_domain_name", "entitlement_description", "subscription_description", "product_name"),
)
_RESOLVED = ("usage_id", "subscription_id", "account_id", "markup_pct")
_FIXED = pa.decimal128(38, 20)  # as amounts are summed where they fit, which real ones do
_NOT_WRAPPED = 15 * 10**17  # x 10^20 is below 2^127: from there on Arrow casts to another number and says nothing
_NOUGHT = scalar("0")
_MOST_CODES = 2**62
_MOST_KNOWN = 5_000  # keys of one job: neighbouring batches mostly speak of the same ones


@dataclass(frozen=True)
class UsageLines:
    """Usage lines that are all valid: how they are stored once it is known what they refer to, and what rating looks at. A line has the values
    `combinations[of_line]` in the columns of COMBINED; numbers are text, a quantity may be null."""

    stored: Callable[[Beside], pa.RecordBatch]
    combinations: Sequence[tuple[str | date | None, ...]]
    of_line: np.ndarray
    quantity: pa.StringArray
    cost: pa.StringArray

    @staticmethod
    def of(lines: pa.RecordBatch) -> UsageLines:
        """Lines in the declared columns of a daily-rated file."""
        columns = dict(zip(lines.schema.names, lines.columns, strict=True))
        of_line, first = _combinations([columns[name] for name in COMBINED], lines.num_rows)
        combinations = list(zip(*(columns[name].take(indices(first)).to_pylist() for name in COMBINED), strict=True))
        return UsageLines(partial(_beside, columns), combinations, of_line, columns["quantity"], columns["billing_pre_tax_total"])


def _combinations(columns: Sequence[pa.Array], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """For each line the number of its combination of values, and for each combination a line that has it."""
    codes, most = np.zeros(rows, np.int64), 1
    for column in columns:
        encoded = column.dictionary_encode(null_encoding="encode")
        size = len(encoded.dictionary)
        if most * size >= _MOST_CODES:
            codes, most = np.unique(codes, return_inverse=True)[1], rows
        codes, most = codes * size + np.frombuffer(encoded.indices.buffers()[1], np.int32)[:rows], most * size
    _, first, combination = np.unique(codes, return_index=True, return_inverse=True)
    return combination, first


def rate(lines: UsageLines, numbers: Sequence[int], job: Job, rejected: pa.RecordBatch) -> RatedBatch:
    """Rates them; `numbers` are their places in the invoice."""
    of_line, groups = _groups(lines, job)
    sums: dict[tuple[LineKind, str], Sums] = {}
    for group in groups:
        whole = sums.setdefault((LineKind.USAGE, group.referred.currency), Sums())
        whole.add(group.amount, money.ZERO, group.amount, unassigned=partials.unassigned(group), lines=group.lines)
    return RatedBatch(
        license_lines=partials.NO_LICENSE_LINES,
        usage_lines=_lines(lines, numbers, of_line, groups),
        totals=partials.totals(job.feed, sums),
        summaries=_summaries(groups),
        missing=partials.missing(job.feed, groups),
        used=batch_of(list(dict.fromkeys(ids[:5] for ids in lines.combinations)), partials.USED),
        rejected=rejected,
    )


def _groups(lines: UsageLines, job: Job) -> tuple[np.ndarray, list[Group]]:
    """For each line the place of its group, and the groups, summed."""
    places: dict[tuple, int] = {}
    groups: list[Group] = []
    of_combination = np.empty(len(lines.combinations), np.int64)
    for at, (key, names) in enumerate(map(_key_and_names, lines.combinations)):
        place = places.get(key)
        if place is None:
            place = places[key] = len(groups)
            groups.append(_group(job, key, names))
        elif names != groups[place].names:
            groups[place].names = least_names(groups[place].names, names)
        of_combination[at] = place
    of_line = of_combination[lines.of_line]
    together = indices(np.argsort(of_line, kind="stable"))  # so that each group's amounts are summed in one go
    many = np.bincount(of_line, minlength=len(groups))
    costs, quantities = (_sums(amounts.take(together), many) for amounts in (lines.cost, lines.quantity))
    for group, lines_of_it, cost, quantity in zip(groups, many.tolist(), costs, quantities, strict=True):
        group.lines, group.amount, group.quantity = lines_of_it, cost, quantity
        partials.settle_names(group, job.references)
    return of_line, groups


def _sums(amounts: pa.StringArray, many: np.ndarray) -> list[Decimal]:
    """The exact sums of the first `many[0]` amounts, of the next `many[1]`, and so on; null is nothing."""
    ends = np.cumsum(many)
    if not len(many):
        return []
    fixed = _fixed(amounts)
    if fixed is None:  # one by one
        printed = amounts.to_pylist()
        runs = (printed[end - lines : end] for end, lines in zip(ends, many, strict=True))
        sums = [reduce(money.EXACT.add, map(Decimal, filter(None, run)), money.ZERO) for run in runs]
    else:  # 128 bits are four parts, of which the last has the sign: none of their sums overflows
        parts = in_memory(fixed, np.dtype((np.int32, 4))).astype(np.int64)
        parts[:, :3] &= 0xFFFFFFFF
        summed = np.add.reduceat(parts, ends - many).tolist()
        sums = [money.EXACT.scaleb(a + (b << 32) + (c << 64) + (d << 96), -_FIXED.scale) for a, b, c, d in summed]
    return [money.EXACT.normalize(amount) for amount in sums]


def _fixed(amounts: pa.StringArray) -> pa.Decimal128Array | None:
    """The amounts, null as nothing; None where one has more places, or more digits, than fit."""
    filled = pc.coalesce(amounts, _NOUGHT) if amounts.null_count else amounts
    try:
        fixed, about = filled.cast(_FIXED), in_memory(filled.cast(pa.float64()), np.float64)
    except pa.ArrowInvalid:
        return None
    return fixed if np.abs(about).max(initial=0) < _NOT_WRAPPED else None


def _key_and_names(combination: tuple) -> tuple[tuple, Names]:
    """What identifies the usage, and what is only shown."""
    customer, entitlement, subscription, product, sku, start, end, currency, customer_name, domain, called, plan, product_name = combination
    owner = subscription if resolve.blank(entitlement) else entitlement
    return (customer, owner, product, sku, start, end, currency), (customer_name, domain, called or plan, product_name)


def _group(job: Job, key: tuple, names: Names) -> Group:
    """An empty group of lines with this key; what it refers to is resolved once in a job."""
    known = job.known.get(key)
    if known is None:
        if len(job.known) >= _MOST_KNOWN:
            job.known.clear()
        known = job.known[key] = _resolved(job, key)
    return Group(known.referred, known.resolution, names, known.key, known.usage_id)


def _resolved(job: Job, key: tuple) -> Group:
    customer_id, subscription_id, product_id, sku_id, charge_start, charge_end, currency = key
    currency = currency.strip().upper()
    referred = Referred(customer_id, None, subscription_id, None, product_id, sku_id, None, currency, LineKind.USAGE)
    resolution = resolve.resolve(referred, job.references)
    if resolution.subscription:
        owner = resolution.subscription.subscription_id
    else:
        owner = "/".join("" if resolve.blank(text) else text.strip().lower() for text in (customer_id, subscription_id))
    of_usage = UsageKey(owner, product_id or None, sku_id or None, charge_start, charge_end, currency)
    named = usage_id(job.references.provider, job.references.invoice_number, of_usage)
    return Group(referred, resolution, (), of_usage, named)


# --- what is stored and what is summed ---------------------------------------------------------------------------------------------------


def _lines(lines: UsageLines, numbers: Sequence[int], of_line: np.ndarray, groups: Sequence[Group]) -> pa.RecordBatch:
    shared = []
    for group in groups:
        ours = group.resolution.subscription
        shared.append((group.usage_id, ours and ours.subscription_id, group.resolution.account_id, ours and ours.markup_pct))
    return lines.stored(Beside(whole_array(np.asarray(numbers)), _RESOLVED, shared, of_line))


def _beside(columns: Mapping[str, pa.Array], beside: Beside) -> pa.RecordBatch:
    """These columns, and those beside them."""
    at = indices(beside.of_line)
    values = zip(*beside.shared, strict=True) if beside.shared else [()] * len(beside.names)
    shared = {name: text_array(column).take(at) for name, column in zip(beside.names, values, strict=True)}
    whole = {"line_number": beside.numbers, **shared, **columns}
    return pa.RecordBatch.from_arrays(list(whole.values()), names=list(whole))


def _summaries(groups: Sequence[Group]) -> pa.RecordBatch:
    rows = []
    for group in groups:
        ours, key, printed = group.resolution.subscription, group.key, group.referred.subscription_id
        rows.append(
            (
                group.usage_id,
                ours.subscription_id if ours else None,
                group.resolution.account_id,
                None if resolve.blank(printed) else printed.strip(),
                key.product_id,
                key.sku_id,
                group.names[3] or key.product_id,
                key.charge_start,
                key.charge_end,
                group.quantity,
                group.amount,
                ours.markup_pct if ours else None,
                key.currency,
                group.lines,
            )
        )
    return batch_of(rows, partials.SUMMARIES)
