"""Every line of an attempt through the kernel and into the stage, batch by batch, and the sums of the whole.

Memory stays flat however large the invoice: a batch is read, rated, copied and forgotten; only sums, usage summaries and missing references stay.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pyarrow as pa
from sqlalchemy import Connection

from w365core import money
from w365core.intake.checksum import LineTotals
from w365core.intake.parse import TextForm
from w365core.intake.resolve import References
from w365core.intake.unusual import Breadth
from w365core.jobs.context import Context
from w365core.kernels.lines import rate_batch
from w365core.kernels.partials import SUMMARIES, Job, RatedBatch, least_names
from w365core.model import Feed, LineKind, MissingReference, Problem, ReferenceKind
from w365core.providers import files
from w365core.rating.summaries import UsageSummary, rated_summaries
from w365core.store import stage
from w365core.store.ledger import Attempt, Source

MOST_PROBLEMS = 100
_AT = {name: place for place, name in enumerate(SUMMARIES.names)}
_KEPT = 31 * 2**20  # just below the size that glibc does not learn from
BATCH_LINES = 2_500  # a quarter of what the kernel takes: 55 columns of text stay small in memory, for a third more CPU at worst


@dataclass
class Whole:
    """What an invoice's lines come to, put together from its batches."""

    totals: list[LineTotals] = field(default_factory=list)
    summaries: list[UsageSummary] = field(default_factory=list)
    missing: list[MissingReference] = field(default_factory=list)
    held_up: dict[str, Decimal] = field(default_factory=dict)  # by currency, what the lines come to that lack something that blocks
    problems: list[Problem] = field(default_factory=list)
    lines: int = 0
    used: References | None = None  # of our records those that the lines refer to
    staged: stage.Totals | None = None  # what the database says of them
    breadth: Breadth | None = None  # for how many customers the lines are, and on how many days there is usage


def rate_sources(context: Context, connection: Connection, attempt: Attempt, sources: Sequence[Source], references: References) -> Whole:
    """Rates and stages every source in order. What a source cannot give in whole raises; what a line cannot give is a problem."""
    _keep_what_is_freed()
    has_daily = any(source.feed == Feed.DAILY_RATED for source in sources)
    sums, used = Sums(), Used()
    whole = Whole()
    numbered: dict[bool, int] = {}
    known: dict = {}
    with connection.begin(), stage.Copying(connection, run_id=attempt.import_run_id) as copying:
        for source in sources:
            feed = Feed(source.feed)
            form = files.FileForm.from_dict(dict(source.form))
            job = Job(
                feed=feed,
                references=references,
                form=TextForm(decimal_comma=form.decimal_comma, date_order=form.date_order),
                usage_from_here=feed is not Feed.DAILY_RATED and not has_daily,
                known=known,
            )
            in_daily = feed is Feed.DAILY_RATED
            for batch in files.batches(context.landing.path(source.fingerprint), form, most=BATCH_LINES):
                rated = rate_batch(batch, first_line=numbered.get(in_daily, 0) + 1, job=job)
                numbered[in_daily] = numbered.get(in_daily, 0) + batch.num_rows
                copying.add(stage.LICENSE, rated.license_lines)
                copying.add(stage.USAGE, rated.usage_lines)
                whole.lines += batch.num_rows
                context.counted(batch.num_rows)
                whole.problems.extend(_problems(rated.rejected, source.name, MOST_PROBLEMS - len(whole.problems)))
                sums.add(rated)
                used.add(rated)
                if whole.lines % 100_000 < batch.num_rows and whole.lines >= 100_000:
                    context.report(f"{attempt.invoice_number}: {whole.lines:,} lines read")
    whole.used = used.of(references)
    with connection.begin():
        whole.staged = stage.totals(connection, run_id=attempt.import_run_id)
    whole.breadth = Breadth(len(used.customers), whole.staged.usage_days)
    return sums.into(whole)


def _keep_what_is_freed() -> None:
    """Freeing one large piece tells glibc to keep up to twice as much of what is freed later, instead of handing each batch's memory back to the
    system and asking for it anew: a tenth of the client's time."""
    bytearray(_KEPT)


@dataclass
class Used:
    """The ids that the lines print so far: what an import depended on is these of our records and no others."""

    customers: set[str] = field(default_factory=set)
    subscriptions: set[str] = field(default_factory=set)
    products: set[str] = field(default_factory=set)

    def add(self, rated: RatedBatch) -> None:
        for customer, entitlement, subscription, product, sku in zip(*(column.to_pylist() for column in rated.used.columns), strict=True):
            self.customers |= _keys(customer)
            self.subscriptions |= _keys(entitlement, subscription)
            self.products |= _keys(product, product and sku and f"{product}:{sku}")

    def of(self, references: References) -> References:
        """The part of our records that decides what these lines come to; everything else makes no difference to them."""
        subscriptions = {key: references.subscriptions[key] for key in sorted(self.subscriptions & references.subscriptions.keys())}
        products = self.products | {owned.product_id.lower() for owned in subscriptions.values() if owned.product_id}
        return replace(
            references,
            customers={key: references.customers[key] for key in sorted(self.customers & references.customers.keys())},
            subscriptions=subscriptions,
            products=references.products & products,
        )


def _keys(*printed: str | None) -> set[str]:
    """Ids as they are compared."""
    return {text.strip().lower() for text in printed if text}


def _problems(rejected: pa.RecordBatch, name: str, most: int) -> list[Problem]:
    return [Problem(file=name, **row) for row in _rows(rejected.slice(0, max(most, 0)))]


def _rows(batch: pa.RecordBatch) -> Iterable[dict]:
    """The rows of a batch that mostly has few or none."""
    columns = (column.to_pylist() for column in batch.columns if batch.num_rows)
    return (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True))


@dataclass
class Sums:
    """The partial sums of the batches so far, put together as each one comes: memory grows with what is distinct, not with the lines."""

    totals: dict[tuple, dict] = field(default_factory=dict)
    missing: dict[tuple, dict] = field(default_factory=dict)
    summaries: dict[str, list] = field(default_factory=dict)  # by usage id, in the order of the kernel's columns
    seen: dict[str, str] = field(default_factory=dict, repr=False)  # ids and names, each kept once

    def add(self, rated: RatedBatch) -> None:
        for row in _rows(rated.totals):
            key = row["feed"], row["kind"], row["currency"]
            _add(self.totals, key, row, ("subtotal", "tax", "total"), ("lines", "odd_totals", "unassigned"))
        for row in _rows(rated.missing):
            key = row["feed"], row["kind"], row["key"].lower(), row["currency"]
            _add(self.missing, key, row, ("amount", "counted"), ("lines",), ("key", "name", "domain"))
        for row in zip(*(column.to_pylist() for column in rated.summaries.columns), strict=True):
            known = self.summaries.get(row[_AT["usage_id"]])
            if known is None:
                known = self.summaries[row[_AT["usage_id"]]] = [self.seen.setdefault(c, c) if isinstance(c, str) else c for c in row]
                known[_AT["quantity"]], known[_AT["cost"]] = Decimal(row[_AT["quantity"]]), Decimal(row[_AT["cost"]])
                continue
            for name in ("quantity", "cost"):
                known[_AT[name]] = money.EXACT.add(known[_AT[name]], Decimal(row[_AT[name]]))
            known[_AT["lines"]] += row[_AT["lines"]]
            for name in ("account_id", "provider_subscription_id", "product"):
                if known[_AT[name]] != row[_AT[name]]:
                    (known[_AT[name]],) = least_names((known[_AT[name]],), (row[_AT[name]],))

    def into(self, whole: Whole) -> Whole:
        for row in self.totals.values():
            row.update((name, money.trimmed(row[name], least=2)) for name in ("subtotal", "tax", "total"))
        whole.totals = [LineTotals(**row | {"feed": Feed(row["feed"]), "kind": LineKind(row["kind"])}) for row in self.totals.values()]
        whole.missing = _missing(self.missing.values())
        whole.held_up = _held_up(self.missing)
        whole.summaries = rated_summaries(self._handed_over())
        return whole

    def _handed_over(self) -> Iterator[dict]:
        """The summed usage, forgotten as it goes: an invoice may have a hundred thousand of them."""
        while self.summaries:
            row = dict(zip(SUMMARIES.names, self.summaries.popitem()[1], strict=True))
            yield row | {"markup_pct": None if row["markup_pct"] is None else Decimal(row["markup_pct"])}


def _add(into: dict, key: Hashable, row: dict, amounts: tuple[str, ...], counts: tuple[str, ...], named: tuple[str, ...] = ()) -> None:
    """Adds a partial row: amounts come as text and stay exact, of names the one that sorts first is kept."""
    known = into.setdefault(key, row)
    for name in amounts:
        amount = Decimal(row[name])
        known[name] = amount if known is row else money.EXACT.add(known[name], amount)
    if known is not row:
        for name in counts:
            known[name] += row[name]
        if any(known[name] != row[name] for name in named):
            known.update(zip(named, least_names((known[name] for name in named), (row[name] for name in named)), strict=True))


def _missing(rows: Iterable[dict]) -> list[MissingReference]:
    """One entry per missing thing. What both files name counts once, as the reconciliation file has it: it has every line, tax included."""
    found: dict[tuple, MissingReference] = {}
    for row in sorted(rows, key=lambda row: row["feed"] == Feed.DAILY_RATED):
        kind = ReferenceKind(row["kind"])
        found.setdefault(
            (kind, row["key"].lower(), row["currency"]),
            MissingReference(
                kind=kind,
                key=row["key"],
                name=row["name"] or None,
                lines=row["lines"],
                amount=money.trimmed(row["amount"], least=2),
                currency=row["currency"],
                suggestion=row["domain"] or "",
            ),
        )
    return sorted(found.values(), key=lambda reference: (-reference.amount.copy_abs(), reference.kind, reference.key, reference.currency))


def _held_up(missing: Mapping[tuple, dict]) -> dict[str, Decimal]:
    """What the lines come to, by currency, that lack something that blocks: each line once. A daily-rated line that lacks what the reconciliation file
    lacks too is counted there; its subscription is not, as that file prints the plan alone."""
    reconciled = {key[1:] for key in missing if key[0] != Feed.DAILY_RATED}
    sums: dict[str, Decimal] = {}
    for (feed, kind, key, currency), row in missing.items():
        is_counted_there = feed == Feed.DAILY_RATED and kind != ReferenceKind.SUBSCRIPTION and (kind, key, currency) in reconciled
        if ReferenceKind(kind).blocking and not is_counted_there:
            sums[currency] = money.EXACT.add(sums.get(currency, money.ZERO), row["counted"])
    return {currency: money.trimmed(amount, least=2) for currency, amount in sums.items()}
