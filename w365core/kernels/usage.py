"""What does a batch of usage lines come to? Lines that refer to the same things are found together, resolved once, and summed exactly.

The columns come and go as Arrow: Python looks at each combination of ids once, and at each amount.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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

_CUSTOMER_AND_SUBSCRIPTION = ("provider_customer_id", "entitlement_id", "provider_subscription_id")
_KEY = (*_CUSTOMER_AND_SUBSCRIPTION, "product_id", "sku_id", "charge_start", "charge_end", "billing_currency")
_NAMES = ("customer_name", "customer_domain_name", "entitlement_description", "subscription_description", "product_name")
_SCHEMA = frames.arrow_schema(frames.USAGE_LINE)
_MOST_CODES = 2**62
_MOST_KNOWN = 5_000  # keys of one job: neighbouring batches mostly speak of the same ones

Cells = Mapping[str, pa.Array]


def rate(cells: Cells, numbers: Sequence[int], job: Job, rejected: pa.RecordBatch) -> RatedBatch:
    """Rates usage lines that are all valid: `cells` are their columns by name, `numbers` their places in the invoice."""
    of_line, groups = _groups(cells, len(numbers), job)
    sums: dict[tuple[LineKind, str], Sums] = {}
    for group in groups:
        whole = sums.setdefault((LineKind.USAGE, group.referred.currency), Sums())
        whole.add(group.amount, money.ZERO, group.amount, unassigned=partials.unassigned(group), lines=group.lines)
    return RatedBatch(
        license_lines=empty(frames.arrow_schema(frames.LICENSE_LINE)),
        usage_lines=_lines(cells, numbers, of_line, groups),
        totals=partials.totals(job.feed, sums),
        summaries=_summaries(groups),
        missing=partials.missing(job.feed, groups),
        rejected=rejected,
    )


def _groups(cells: Cells, rows: int, job: Job) -> tuple[np.ndarray, list[Group]]:
    """For each line the place of its group, and the groups, summed."""
    places: dict[tuple, int] = {}
    groups: list[Group] = []
    combination, first = _combinations([cells[name] for name in _KEY + _NAMES if name in cells], rows)
    of_combination = np.empty(len(first), np.int64)
    for at, (key, names) in enumerate(_distinct(cells, first)):
        place = places.get(key)
        if place is None:
            place = places[key] = len(groups)
            groups.append(_group(job, key, names))
        elif names != groups[place].names:
            groups[place].names = least_names(groups[place].names, names)
        of_combination[at] = place
    of_line = of_combination[combination]
    for place, quantity, cost in zip(
        of_line.tolist(), _printed(cells, "quantity", rows), _printed(cells, "billing_pre_tax_total", rows), strict=True
    ):
        group = groups[place]
        group.lines += 1
        group.amount += Decimal(cost)
        if quantity is not None:
            group.quantity += Decimal(quantity)
    for group in groups:
        partials.settle_names(group, job.references)
    return of_line, groups


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


def _distinct(cells: Cells, lines: np.ndarray) -> Iterator[tuple[tuple, Names]]:
    """(what identifies, what is only shown) of these lines."""
    at = indices(lines)
    columns = [cells[name].take(at).to_pylist() if name in cells else [None] * len(lines) for name in _KEY + _NAMES]
    for customer, entitlement, subscription, product, sku, start, end, currency, *names in zip(*columns, strict=True):
        owner = subscription if resolve.blank(entitlement) else entitlement
        customer_name, domain, called, plan, product_name = names
        yield (customer, owner, product, sku, start, end, currency), (customer_name, domain, called or plan, product_name)


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


def _printed(cells: Cells, name: str, rows: int) -> list[str | None]:
    return cells[name].to_pylist() if name in cells else [None] * rows


# --- what is stored and what is summed ---------------------------------------------------------------------------------------------------


def _lines(cells: Cells, numbers: Sequence[int], of_line: np.ndarray, groups: Sequence[Group]) -> pa.RecordBatch:
    at = indices(of_line)
    owned = [group.resolution.subscription for group in groups]
    resolved = {
        "usage_id": text_array([group.usage_id for group in groups]).take(at),
        "subscription_id": text_array([ours.subscription_id if ours else None for ours in owned]).take(at),
        "account_id": text_array([group.resolution.account_id for group in groups]).take(at),
        "markup_pct": text_array([ours.markup_pct if ours else None for ours in owned]).take(at),
        "line_number": whole_array(np.asarray(numbers)),
    }
    found = {**cells, **resolved}
    columns = [found[field.name] if field.name in found else pa.nulls(len(numbers), field.type) for field in _SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


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
