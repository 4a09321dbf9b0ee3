"""What does a batch of a reconciliation file come to, or of a file that lands in its columns? License lines, and the usage lines among them.

Usage lines of such a file print the Azure plan; they are the usage only where no daily-rated file has it in detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from w365core import frames
from w365core.arrays import batch_of, empty, lines_of
from w365core.intake import resolve, validate
from w365core.intake.parse import Parsed
from w365core.intake.resolve import Referred
from w365core.kernels import partials, usage
from w365core.kernels.partials import Group, Job, RatedBatch, Sums, least_names
from w365core.kernels.usage import UsageLines
from w365core.model import Feed, LineKind

_KIND_OF = {Feed.LEGACY_LICENSE: LineKind.LICENSE, Feed.LEGACY_USAGE: LineKind.USAGE}


@dataclass
class _Groups:
    of_line: list[Group]
    distinct: list[Group]


def rate(parsed: Parsed, numbers: list[int], job: Job, rejected: pa.RecordBatch) -> RatedBatch:
    """Rates lines that are all valid; `numbers` are their places in the invoice."""
    cells = parsed.columns
    for column in frames.RECONCILIATION:
        cells.setdefault(column.name, [None] * parsed.rows)
    odd = validate.complete_totals(parsed)
    kinds = _kinds(cells, job)
    groups = _groups(cells, kinds, job)
    totals: dict[tuple[LineKind, str], Sums] = {}
    for kind, group, subtotal, tax, total in zip(kinds, groups.of_line, cells["subtotal"], cells["tax_total"], cells["total"], strict=True):
        sums = totals.setdefault((kind, group.referred.currency), Sums(odd_totals=0 if totals else odd))
        sums.add(subtotal, tax, total, unassigned=partials.unassigned(group))
    owned = [group.resolution.subscription for group in groups.of_line]
    resolved = {
        "line_number": numbers,
        "kind": kinds,
        "subscription_id": [ours.subscription_id if ours else None for ours in owned],
        "account_id": [group.resolution.account_id for group in groups.of_line],
        "extra": parsed.extra,
    }
    of_usage = _usage(parsed, numbers, kinds, job, rejected) if job.usage_from_here else None
    return RatedBatch(
        license_lines=lines_of(frames.LICENSE_LINE, {**cells, **resolved}, len(numbers)),
        usage_lines=of_usage.usage_lines if of_usage else partials.NO_USAGE_LINES,
        totals=partials.totals(job.feed, totals),
        summaries=of_usage.summaries if of_usage else empty(partials.SUMMARIES),
        missing=partials.missing(job.feed, groups.distinct),
        used=batch_of(
            [(r.customer_id, None, r.subscription_id, r.product_id, r.sku_id) for r in (group.referred for group in groups.distinct)],
            partials.USED,
        ),
        rejected=rejected,
    )


def _kinds(cells: dict[str, list], job: Job) -> list[LineKind]:
    """License or usage, line by line. A legacy file is of one kind. A plain file has no meters: there the subscription's own kind says it."""
    if job.feed in _KIND_OF:
        return [_KIND_OF[job.feed]] * len(cells["currency"])
    if job.feed is not Feed.PLAIN:
        marks = zip(cells["meter_description"], cells["subscription_description"], cells["reservation_order_id"], strict=True)
        return [resolve.kind_of(*mark) for mark in marks]
    kinds = []
    for subscription_id, charge_type in zip(cells["provider_subscription_id"], cells["charge_type"], strict=True):
        ours = job.references.subscriptions.get((subscription_id or "").strip().lower())
        of_usage = (ours and ours.kind == "Usage") or (charge_type or "").strip().lower() in ("usage", "consumption")
        kinds.append(LineKind.USAGE if of_usage else LineKind.LICENSE)
    return kinds


def _groups(cells: dict[str, list], kinds: list[LineKind], job: Job) -> _Groups:
    """Usage lines of this file resolve their subscription only where no daily-rated file does: they print the plan, not the entitlement."""
    known: dict[tuple, Group] = {}
    of_line: list[Group] = []
    keys = zip(cells["provider_customer_id"], cells["provider_subscription_id"], cells["product_id"], cells["sku_id"], kinds, strict=True)
    plans, products = cells["subscription_description"], cells["product_name"]
    called = [plan if kind is LineKind.USAGE else product or plan for kind, plan, product in zip(kinds, plans, products, strict=True)]
    names = zip(cells["customer_name"], cells["customer_domain_name"], called, products, strict=True)
    for key, name, currency, total in zip(keys, names, cells["currency"], cells["total"], strict=True):
        group = known.get((key, currency))
        if group is None:
            customer_id, subscription_id, product_id, sku_id, kind = key
            customer_name, _, subscription_name, product_name = name
            referred = Referred(
                customer_id,
                customer_name,
                subscription_id,
                subscription_name,
                product_id,
                sku_id,
                product_name,
                currency.strip().upper(),
                kind,
                resolves_subscription=kind is LineKind.LICENSE or job.usage_from_here,
            )
            group = known[(key, currency)] = Group(referred, resolve.resolve(referred, job.references), name)
        elif name != group.names:
            group.names = least_names(group.names, name)
        group.lines += 1
        group.amount += total
        of_line.append(group)
    for group in known.values():
        partials.settle_names(group, job.references)
    return _Groups(of_line, list(known.values()))


def _usage(parsed: Parsed, numbers: list[int], kinds: list[LineKind], job: Job, rejected: pa.RecordBatch) -> RatedBatch:
    """The usage lines in the columns of the daily-rated file: cost is the subtotal, quantity the billable one."""
    places = [index for index, kind in enumerate(kinds) if kind is LineKind.USAGE]
    cells = {name: [values[index] for index in places] for name, values in parsed.columns.items()}
    cells["quantity"] = [b if b is not None else q for b, q in zip(cells["billable_quantity"], cells["quantity"], strict=True)]
    cells["billing_pre_tax_total"], cells["billing_currency"] = cells["subtotal"], cells["currency"]
    cells["meter_name"] = cells["meter_description"]
    cells["extra"] = None if parsed.extra is None else [parsed.extra[index] for index in places]
    lines = lines_of(frames.DAILY_RATED + frames.EXTRA, cells, len(places))
    return usage.rate(UsageLines.of(lines), [numbers[index] for index in places], job, rejected)
