"""What does one batch of provider lines come to? Parse, validate, resolve and rate at most 10,000 lines: a pure function, Arrow in and out.

It returns the lines as they are stored, and partial sums that are combined afterwards: totals per kind and currency, usage summaries, missing
references, rejected lines. Sums are exact decimals (decimal256 with 30 places), so any split of the lines gives the same whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import pyarrow as pa

from w365core import frames, money
from w365core.intake import resolve, validate
from w365core.intake.parse import ROW_COLUMN, Parsed, Rejection, TextForm, parse
from w365core.intake.resolve import References, Referred, Resolution
from w365core.model import Feed, LineKind
from w365core.rating.summaries import UsageKey, usage_id

MOST_LINES = 10_000
EXACT_SUM = pa.decimal256(76, 30)

TOTALS = pa.schema(
    [
        ("feed", pa.string()),
        ("kind", pa.string()),
        ("currency", pa.string()),
        ("lines", pa.int64()),
        ("subtotal", EXACT_SUM),
        ("tax", EXACT_SUM),
        ("total", EXACT_SUM),
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
        ("quantity", EXACT_SUM),
        ("cost", EXACT_SUM),
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
        ("amount", EXACT_SUM),
    ]
)
REJECTED = pa.schema([("row", pa.int64()), ("column", pa.string()), ("value", pa.string()), ("expected", pa.string())])


_KIND_OF = {Feed.LEGACY_LICENSE: LineKind.LICENSE, Feed.LEGACY_USAGE: LineKind.USAGE}


@dataclass(frozen=True)
class Job:
    """What the kernel has to know beside the batch: which file it is of, how its cells are written, what the lines may refer to."""

    feed: Feed
    references: References
    form: TextForm = TextForm()
    usage_from_here: bool = False  # this reconciliation file's usage lines are the usage, as there is no daily-rated file


@dataclass(frozen=True)
class RatedBatch:
    license_lines: pa.RecordBatch
    usage_lines: pa.RecordBatch
    totals: pa.RecordBatch
    summaries: pa.RecordBatch
    missing: pa.RecordBatch
    rejected: pa.RecordBatch


@dataclass
class _Group:
    """Lines of one batch that refer to the same things: resolved once, summed together. `names` are the customer's, its domain, the
    subscription's and the product's."""

    resolution: Resolution
    referred: Referred
    names: tuple[str | None, ...]
    key: UsageKey | None = None
    usage_id: str | None = None
    lines: int = 0
    quantity: Decimal = money.ZERO
    cost: Decimal = money.ZERO
    amount: Decimal = money.ZERO


def rate_batch(batch: pa.RecordBatch, *, first_line: int, job: Job) -> RatedBatch:
    """Rates a batch whose first line is the invoice's `first_line`-th. Bad lines come back in `rejected`, never as an exception."""
    columns = frames.COLUMNS_OF[job.feed]
    needed = ("billing_pre_tax_total", "billing_currency") if job.feed is Feed.DAILY_RATED else ("subtotal", "currency")
    with localcontext(money.EXACT):
        parsed = parse(batch, columns, job.form)
        found = validate.rejections(parsed, columns, needed)
        rejected = _rejected(found, batch, first_line)
        parsed.rejections = found
        kept = {rejection.index for rejection in found}
        numbers = [first_line + index for index in range(parsed.rows) if index not in kept]
        parsed = parsed.without_rejected()
        if job.feed is Feed.DAILY_RATED:
            return _rate_daily(parsed, numbers, job, rejected)
        return _rate_reconciliation(parsed, numbers, job, rejected)


# --- the daily-rated file ----------------------------------------------------------------------------------------------------------------


def _rate_daily(parsed: Parsed, numbers: list[int], job: Job, rejected: pa.RecordBatch) -> RatedBatch:
    cells = parsed.columns
    subscriptions = [
        subscription if entitlement is None or resolve.blank(entitlement) else entitlement
        for entitlement, subscription in zip(cells["entitlement_id"], cells["provider_subscription_id"], strict=True)
    ]
    names = [a or b for a, b in zip(cells["entitlement_description"], cells["subscription_description"], strict=True)]
    groups = _usage_groups(
        job,
        zip(
            cells["provider_customer_id"],
            subscriptions,
            cells["product_id"],
            cells["sku_id"],
            cells["charge_start"],
            cells["charge_end"],
            cells["billing_currency"],
            strict=True,
        ),
        zip(cells["customer_name"], cells["customer_domain_name"], names, cells["product_name"], strict=True),
        zip(cells["quantity"], cells["billing_pre_tax_total"], strict=True),
    )
    lines = _usage_lines(parsed, numbers, groups)
    return RatedBatch(
        license_lines=_empty(frames.LICENSE_LINE),
        usage_lines=lines,
        totals=_totals(job.feed, [(LineKind.USAGE, g.referred.currency, g) for g in groups.distinct]),
        summaries=_summaries(groups.distinct),
        missing=_missing(job.feed, groups.distinct),
        rejected=rejected,
    )


@dataclass
class _Groups:
    of_line: list[_Group]
    distinct: list[_Group]


def _usage_groups(job: Job, keys: Iterable[tuple], names: Iterable[tuple], amounts: Iterable[tuple]) -> _Groups:
    """Every line's group; the group of a key is resolved when its first line is met."""
    known: dict[tuple, _Group] = {}
    of_line: list[_Group] = []
    for key, name, (quantity, cost) in zip(keys, names, amounts, strict=True):
        group = known.get(key)
        if group is None:
            group = known[key] = _usage_group(job, key, name)
        elif name != group.names:
            group.names = least_names(group.names, name)
        group.lines += 1
        group.cost += cost
        if quantity is not None:
            group.quantity += quantity
        of_line.append(group)
    for group in known.values():
        group.amount = group.cost
    return _Groups(of_line, _named(known.values(), job.references))


def least_names(some: Iterable[str | None], others: Iterable[str | None]) -> tuple[str | None, ...]:
    """Of each two names the one that sorts first, blanks last: what was renamed in mid-invoice is shown alike in any order of its lines."""
    return tuple(min(filter(None, pair), default=None) for pair in zip(some, others, strict=True))


def _named(groups: Iterable[_Group], references: References) -> list[_Group]:
    """The groups, with what is missing under the names that all their lines agreed on."""
    named = list(groups)
    for group in named:
        customer, _, subscription, product = group.names = least_names(group.names, group.names)
        referred = replace(group.referred, customer_name=customer, subscription_name=subscription, product_name=product)
        if referred != group.referred:
            group.referred, group.resolution = referred, resolve.resolve(referred, references)
    return named


def _usage_group(job: Job, key: tuple, name: tuple) -> _Group:
    customer_id, subscription_id, product_id, sku_id, charge_start, charge_end, currency = key
    customer_name, _, subscription_name, product_name = name
    currency = currency.strip().upper()
    referred = Referred(
        customer_id, customer_name, subscription_id, subscription_name, product_id, sku_id, product_name, currency, LineKind.USAGE
    )
    resolution = resolve.resolve(referred, job.references)
    if resolution.subscription:
        owner = resolution.subscription.subscription_id
    else:
        owner = "/".join("" if resolve.blank(text) else text.strip().lower() for text in (customer_id, subscription_id))
    usage_key = UsageKey(owner, product_id or None, sku_id or None, charge_start, charge_end, currency)
    named = usage_id(job.references.provider, job.references.invoice_number, usage_key)
    return _Group(resolution, referred, name, usage_key, named)


def _usage_lines(parsed: Parsed, numbers: list[int], groups: _Groups) -> pa.RecordBatch:
    resolved = {
        "line_number": numbers,
        "usage_id": [group.usage_id for group in groups.of_line],
        "subscription_id": _of_subscription(groups.of_line, "subscription_id"),
        "account_id": [group.resolution.account_id for group in groups.of_line],
        "markup_pct": _of_subscription(groups.of_line, "markup_pct"),
    }
    return _arrow(frames.USAGE_LINE, {**parsed.columns, **resolved, "extra": parsed.extra}, len(numbers))


# --- the reconciliation file, and those that land in its columns ----------------------------------------------------------------------------


def _rate_reconciliation(parsed: Parsed, numbers: list[int], job: Job, rejected: pa.RecordBatch) -> RatedBatch:
    cells = parsed.columns
    for column in frames.RECONCILIATION:
        cells.setdefault(column.name, [None] * parsed.rows)
    odd = validate.complete_totals(parsed)
    kinds = _kinds(cells, job)
    groups = _license_groups(cells, kinds, job)
    totals: dict[tuple[LineKind, str], _Sums] = {}
    for kind, group, subtotal, tax, total in zip(kinds, groups.of_line, cells["subtotal"], cells["tax_total"], cells["total"], strict=True):
        totals.setdefault((kind, group.referred.currency), _Sums()).add(subtotal, tax, total, resolve.blank(group.referred.subscription_id))
    resolved = {
        "line_number": numbers,
        "kind": [str(kind) for kind in kinds],
        "subscription_id": _of_subscription(groups.of_line, "subscription_id"),
        "account_id": [group.resolution.account_id for group in groups.of_line],
    }
    usage = _usage_of_reconciliation(parsed, numbers, kinds, job) if job.usage_from_here else None
    return RatedBatch(
        license_lines=_arrow(frames.LICENSE_LINE, {**cells, **resolved, "extra": parsed.extra}, len(numbers)),
        usage_lines=usage[0] if usage else _empty(frames.USAGE_LINE),
        totals=pa.RecordBatch.from_pylist(
            [
                {"feed": str(job.feed), "kind": str(kind), "currency": currency, "odd_totals": odd if number == 0 else 0, **vars(sums)}
                for number, ((kind, currency), sums) in enumerate(totals.items())
            ],
            TOTALS,
        ),
        summaries=usage[1] if usage else pa.RecordBatch.from_pylist([], SUMMARIES),
        missing=_missing(job.feed, groups.distinct),
        rejected=rejected,
    )


@dataclass
class _Sums:
    lines: int = 0
    subtotal: Decimal = money.ZERO
    tax: Decimal = money.ZERO
    total: Decimal = money.ZERO
    unassigned: int = 0

    def add(self, subtotal: Decimal, tax: Decimal, total: Decimal, unassigned: bool) -> None:
        self.lines += 1
        self.subtotal += subtotal
        self.tax += tax
        self.total += total
        self.unassigned += unassigned


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


def _license_groups(cells: dict[str, list], kinds: list[LineKind], job: Job) -> _Groups:
    """Usage lines of this file resolve their subscription only where no daily-rated file does: they print the plan, not the entitlement."""
    known: dict[tuple, _Group] = {}
    of_line: list[_Group] = []
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
            group = known[(key, currency)] = _Group(resolve.resolve(referred, job.references), referred, name)
        elif name != group.names:
            group.names = least_names(group.names, name)
        group.lines += 1
        group.amount += total
        of_line.append(group)
    return _Groups(of_line, _named(known.values(), job.references))


def _usage_of_reconciliation(parsed: Parsed, numbers: list[int], kinds: list[LineKind], job: Job) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The usage lines of a reconciliation file in the columns of the daily-rated one: cost is the subtotal, quantity the billable one."""
    places = [index for index, kind in enumerate(kinds) if kind is LineKind.USAGE]
    cells = {name: [values[index] for index in places] for name, values in parsed.columns.items()}
    cells["quantity"] = [b if b is not None else q for b, q in zip(cells["billable_quantity"], cells["quantity"], strict=True)]
    cells["billing_pre_tax_total"], cells["billing_currency"] = cells["subtotal"], cells["currency"]
    cells["meter_name"] = cells["meter_description"]
    for column in frames.DAILY_RATED:
        cells.setdefault(column.name, [None] * len(places))
    extra = None if parsed.extra is None else [parsed.extra[index] for index in places]
    groups = _usage_groups(
        job,
        zip(
            *(cells[name] for name in ("provider_customer_id", "provider_subscription_id", "product_id", "sku_id")),
            *(cells[name] for name in ("charge_start", "charge_end", "billing_currency")),
            strict=True,
        ),
        zip(*(cells[name] for name in ("customer_name", "customer_domain_name", "subscription_description", "product_name")), strict=True),
        zip(cells["quantity"], cells["billing_pre_tax_total"], strict=True),
    )
    usage = Parsed(rows=len(places), columns=cells, extra=extra)
    return _usage_lines(usage, [numbers[index] for index in places], groups), _summaries(groups.distinct)


# --- into Arrow --------------------------------------------------------------------------------------------------------------------------


def _of_subscription(groups: list[_Group], name: str) -> list:
    return [getattr(group.resolution.subscription, name) if group.resolution.subscription else None for group in groups]


def _arrow(columns: tuple[frames.Column, ...], cells: dict[str, list | None], rows: int) -> pa.RecordBatch:
    """The cells in the declared columns; exact decimals leave as text."""
    arrays = []
    schema = frames.arrow_schema(columns)
    for column, wanted in zip(columns, schema, strict=True):
        values = cells.get(column.name)
        if values is None:
            arrays.append(pa.nulls(rows, wanted.type))
        elif column.kind is frames.Kind.NUMBER:
            arrays.append(pa.array([None if value is None else str(value) for value in values], wanted.type))
        else:
            arrays.append(pa.array(values, wanted.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _empty(columns: tuple[frames.Column, ...]) -> pa.RecordBatch:
    return _arrow(columns, {}, 0)


def _totals(feed: Feed, groups: list[tuple[LineKind, str, _Group]]) -> pa.RecordBatch:
    sums: dict[tuple[LineKind, str], _Sums] = {}
    for kind, currency, group in groups:
        whole = sums.setdefault((kind, currency), _Sums())
        whole.lines += group.lines
        whole.subtotal += group.cost
        whole.total += group.cost
        whole.unassigned += group.lines if resolve.blank(group.referred.subscription_id) else 0
    rows = [{"feed": str(feed), "kind": str(k), "currency": c, "odd_totals": 0, **vars(s)} for (k, c), s in sums.items()]
    return pa.RecordBatch.from_pylist(rows, TOTALS)


def _summaries(groups: list[_Group]) -> pa.RecordBatch:
    rows = []
    for group in groups:
        ours = group.resolution.subscription
        printed = group.referred.subscription_id
        rows.append(
            {
                "usage_id": group.usage_id,
                "subscription_id": ours.subscription_id if ours else None,
                "account_id": group.resolution.account_id,
                "provider_subscription_id": None if resolve.blank(printed) else printed.strip(),
                "product_id": group.key.product_id,
                "sku_id": group.key.sku_id,
                "product": group.referred.product_name or group.key.product_id,
                "charge_start": group.key.charge_start,
                "charge_end": group.key.charge_end,
                "quantity": group.quantity,
                "cost": group.cost,
                "markup_pct": None if ours is None or ours.markup_pct is None else str(ours.markup_pct),
                "currency": group.key.currency,
                "lines": group.lines,
            }
        )
    return pa.RecordBatch.from_pylist(rows, SUMMARIES)


def _missing(feed: Feed, groups: list[_Group]) -> pa.RecordBatch:
    rows: dict[tuple, dict] = {}
    for group in groups:
        for kind, key, name in group.resolution.missing:
            named = (kind, key.lower(), group.referred.currency)
            row = rows.setdefault(
                named,
                {
                    "feed": str(feed),
                    "kind": str(kind),
                    "key": key,
                    "name": name,
                    "domain": group.names[1],
                    "currency": group.referred.currency,
                    "lines": 0,
                    "amount": money.ZERO,
                },
            )
            row["key"], row["name"], row["domain"] = least_names((row["key"], row["name"], row["domain"]), (key, name, group.names[1]))
            row["lines"] += group.lines
            row["amount"] += group.amount
    return pa.RecordBatch.from_pylist(list(rows.values()), MISSING)


def _rejected(found: list[Rejection], batch: pa.RecordBatch, first_line: int) -> pa.RecordBatch:
    rows = batch.column(ROW_COLUMN).to_pylist() if ROW_COLUMN in batch.schema.names else None
    return pa.RecordBatch.from_pylist(
        [
            {
                "row": rows[rejection.index] if rows else first_line + rejection.index,
                "column": rejection.column,
                "value": None if rejection.value is None else str(rejection.value)[:200],
                "expected": rejection.expected,
            }
            for rejection in found
        ],
        REJECTED,
    )
