"""Which documents of a provider bill a cycle, and whose usage do they hold? The store's answers by what they are looked up with, row by row as values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from w365core import lifecycle, money
from w365core.diagnosis import lateness
from w365core.diagnosis.lateness import Usual
from w365core.diagnosis.missing_usage_facts import Document, Missing, Month, Source, Subscription
from w365core.jobs.usage_cycles import Span, month_ends
from w365core.model import ReferenceKind, StatusReason

Row = Mapping[str, Any]


@dataclass
class Facts:
    """The answers of the store, by what they are looked up with."""

    usage: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    before: dict[str, Row] = field(default_factory=dict)
    documents: list[Row] = field(default_factory=list)
    missing: dict[int, list[Row]] = field(default_factory=lambda: defaultdict(list))
    staged: dict[int, list[Row] | None] = field(default_factory=dict)
    estimates: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    aliases: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    customers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    providers: dict[str, Row] = field(default_factory=dict)
    runs: dict[str, Row] = field(default_factory=dict)
    listed: dict[str, datetime] = field(default_factory=dict)
    late_before: dict[str, int] = field(default_factory=dict)
    usual: dict[str, Usual] = field(default_factory=dict)
    invoices: dict[str | None, Row] = field(default_factory=dict)


def months_of(span: Span, documents: Iterable[Document]) -> tuple[Month, ...]:
    """The months that end in the cycle, each with the documents that bill it; one that bills none of them stands with the last."""
    ends = list(month_ends(span.cycle))
    by_month: dict[date, list[Document]] = {end: [] for end in ends}
    for last_day, document in documents:
        found = next((end for end in ends if (end.year, end.month) == (last_day.year, last_day.month)), ends[-1])
        by_month[found].append(document)
    return tuple(Month(end, *lateness.expected(end), tuple(by_month[end])) for end in ends)


def documents_of(
    subscription: Subscription, source: Source, span: Span, rows: Sequence[Row], facts: Facts
) -> Iterator[tuple[date, Document]]:
    """The documents of the source that bill the cycle, and any other one that holds its usage, each with the last day that it bills."""
    holding = {one["provider_invoice_id"] for one in rows}
    months = {(end.year, end.month) for end in month_ends(span.cycle)}
    for row in facts.documents:
        lines = [
            one
            for one in facts.staged.get(row["provider_invoice_id"]) or ()
            if is_of(one, subscription) and span.holds(one["day"] or row["last_day"])
        ]
        is_mine = _is_mine(row, row["provider_invoice_id"] in holding, lines, facts)
        of_source = row["provider"].lower() == (source.provider or "").lower() and (row["last_day"].year, row["last_day"].month) in months
        if of_source or is_mine:
            yield row["last_day"], _document(row, is_mine, lines, facts)


def is_of(line: Row, subscription: Subscription) -> bool:
    """Whether a staged line is the subscription's: resolved to it, or of an id that is its by now."""
    if line["subscription_id"] is not None:
        return line["subscription_id"] == subscription.subscription_id
    return line["provider_id"] in subscription.provider_ids


def _is_mine(row: Row, has_rows: bool, staged_lines: Sequence[Row], facts: Facts) -> bool | None:
    if has_rows or staged_lines:
        return True
    if row["status_reason"] == StatusReason.ERROR:
        return None if facts.staged.get(row["provider_invoice_id"]) is None else False
    return None if row["status_reason"] is None or row["imported_at"] is None else False


def _document(row: Row, is_mine: bool | None, staged_lines: Sequence[Row], facts: Facts) -> Document:
    held = [one["cost"] for one in staged_lines if one["currency"] == row["currency"].upper()]
    same = ("invoice_date", "message", "difference", "tolerance", "proven_cause", "source", "currency", "provider")
    return Document(
        **{name: row[name] for name in same},
        number=row["invoice_number"],
        status=row["status_reason"],
        invoice_id=row["provider_invoice_id"],
        failures=tuple(row["failures"] or ([row["failure"]] if row["failure"] else ()))
        if row["status_reason"] == StatusReason.ERROR
        else (),
        total=row["header_total"],
        usage=row["usage_lines"],
        lines=row["usage_lines"] + row["license_lines"],
        listed_on=day_of(row["first_listed_at"]),
        seen_on=day_of(row["first_seen_at"]),
        attempted_on=day_of(row["last_attempt_at"]),
        arrived_on=day_of(row["imported_at"]),
        deleted_on=day_of(row["deleted_at"]),
        retried_until=lifecycle.last_retry(row["first_seen_at"]) if row["first_seen_at"] and row["source"] == "synced" else None,
        mine=is_mine,
        held_cost=money.total(held) if held else None,
        missing=tuple(_missing(row["provider_invoice_id"], facts)),
    )


def _missing(invoice_id: int | None, facts: Facts) -> Iterator[Missing]:
    """What blocks the document, each subscription with the customer that its staged lines print."""
    staged = facts.staged.get(invoice_id) or ()
    customers = {one["provider_id"]: one["customer_id"] for one in staged if one["subscription_id"] is None}
    for row in facts.missing.get(invoice_id, ()):
        kind, key = ReferenceKind(row["kind"]), row["key"].strip().lower()
        whose = customers.get(key) if kind is ReferenceKind.SUBSCRIPTION else None
        found = Missing(
            kind, row["key"], row["name"], Decimal(row["amount"]), row["currency"], whose, row["suggestion"], is_supplied=row["is_supplied"]
        )
        if kind is ReferenceKind.CURRENCY:
            mine = [one for one in staged if one["currency"] == key.upper()]
            ids = frozenset(text for one in mine for text in (one["provider_id"], one["subscription_id"]) if text)
            found = replace(found, printed_for=ids, printed_customers=frozenset(one["customer_id"] for one in mine if one["customer_id"]))
        yield found


def day_of(moment: datetime | None) -> date | None:
    """The day of a moment, in UTC."""
    return None if moment is None else moment.astimezone(UTC).date()
