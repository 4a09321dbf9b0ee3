"""What does a batch of usage lines come to? Lines that refer to the same things are found together, resolved once, and summed exactly.

The columns come and go as Arrow: Python looks at each combination of ids once, and at each amount.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa

from w365core import frames, money
from w365core.arrays import batch_of, empty, indices, text_array, whole_array
from w365core.intake import resolve
from w365core.intake.resolve import Referred
from w365core.kernels import partials
from w365core.kernels.partials import Group, Job, Names, RatedBatch, Sums, least_names
from w365core.model import LineKind
from w365core.rating.summaries import UsageKey, usage_id

COMBINED = (
    *("provider_customer_id", "entitlement_id", "provider_subscription_id", "product_id", "sku_id", "charge_start", "charge_end"),
    *("billing_currency", "customer_name", "customer_domain_name", "entitlement_description", "subscription_description", "product_name"),
)
_MOST_CODES = 2**62
_MOST_KNOWN = 5_000  # keys of one job: neighbouring batches mostly speak of the same ones


@dataclass(frozen=True)
class UsageLines:
    """Usage lines that are all valid: `columns` as they are stored, and what rating looks at. A line has the values `combinations[of_line]` in the
    columns of COMBINED; numbers are text, a quantity may be null."""

    columns: Mapping[str, pa.Array]
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
        return UsageLines(columns, combinations, of_line, columns["quantity"], columns["billing_pre_tax_total"])


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
        license_lines=empty(frames.arrow_schema(frames.LICENSE_LINE)),
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
    costs, quantities = (amounts.take(together).to_pylist() for amounts in (lines.cost, lines.quantity))
    ends = np.cumsum(np.bincount(of_line, minlength=len(groups))).tolist()
    for group, start, end in zip(groups, [0, *ends], ends, strict=False):
        group.lines = end - start
        group.amount = sum(map(Decimal, costs[start:end]), money.ZERO)
        group.quantity = sum(map(Decimal, filter(None, quantities[start:end])), money.ZERO)
        partials.settle_names(group, job.references)
    return of_line, groups


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
    at = indices(of_line)
    owned = [group.resolution.subscription for group in groups]
    resolved = {
        "line_number": whole_array(np.asarray(numbers)),
        "usage_id": text_array([group.usage_id for group in groups]).take(at),
        "subscription_id": text_array([ours.subscription_id if ours else None for ours in owned]).take(at),
        "account_id": text_array([group.resolution.account_id for group in groups]).take(at),
        "markup_pct": text_array([ours.markup_pct if ours else None for ours in owned]).take(at),
    }
    columns = {**resolved, **lines.columns}
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


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
