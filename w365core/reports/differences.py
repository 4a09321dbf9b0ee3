"""What is the difference of an invoice made of, may it be overridden, and what would that do? The explanations that its import found, and their lines.

Explained is what does not agree within the default tolerance, whether it is held up by it or an override let it pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from w365core import difference, money, tolerance
from w365core.difference import TO_BE_AWAITED, TO_BE_FETCHED_AGAIN, UNPUBLISHED, Explanation, Fit, Gap, Hypothesis
from w365core.frames import Kind
from w365core.lifecycle import RETRY_DAYS
from w365core.model import Failure, StatusReason
from w365core.reports import export, wording
from w365core.reports.line_columns import LICENSE_COLUMNS, USAGE_COLUMNS
from w365core.reports.provider_invoice import Invoice
from w365core.reports.tables import Column, Table, amount
from w365core.store import breakdowns, differences as store_differences, policies, queries
from w365core.store.differences import Lines
from w365core.tolerance import Allowed

DIMENSIONS = ("customer", "product", "charge type")
MOST_BARS, MOST_LISTED = 10, store_differences.MOST_LISTED
_ABOUT = {Gap.HEADER: "Header against lines, with tax", Gap.USAGE: "Reconciliation against daily-rated usage, before tax"}
_EXPLAINS = {
    Fit.EXACT: "explains it to the cent",
    Fit.ROUNDING: "explains it but for rounding",
    Fit.PART: "explains a part of it",
}

_COLUMNS = (
    Column("about", "Compared", width=210),
    Column("customer_name", "Customer", width=180),
    Column("product_name", "Product", width=220),
    Column("charge_type", "Charge type", width=100),
    amount("billed", "Reconciliation before tax", width=120),
    amount("daily", "Daily-rated before tax", width=120),
    amount("difference", "Difference", width=110),
    amount("tax", "Tax", width=90),
    amount("total", "Total", width=110),
    Column("currency", "Currency", width=70),
    Column("lines", "Lines", Kind.WHOLE, width=70),
    Column("customer", "CustomerId", Kind.ID, shown=False),
    Column("subscription", "SubscriptionId", Kind.ID, shown=False),
    Column("product_id", "ProductId", Kind.ID, shown=False),
    Column("sku_id", "SkuId", Kind.ID, shown=False),
)


@dataclass(frozen=True)
class Explained:
    """One explanation as people read it; `place` is where it stands in the list."""

    place: int
    about: str
    sentence: str
    amount: str
    explains: str
    rest: str | None
    proven: bool
    is_exact: bool
    lines: str | None
    document: str | None


@dataclass(frozen=True)
class Proposal:
    """An override that may be asked for: how large, why it is proposed, what it takes and what it will do."""

    override: Decimal
    because: str
    effect: str
    needs_reason: bool
    refused: str | None = None


@dataclass(frozen=True)
class Difference:
    """The differences of an invoice; `overridden` says who let it pass, when and why."""

    gaps: tuple[tuple[str, str], ...]
    explanations: tuple[Explained, ...]
    proposal: Proposal | None
    overridden: str | None
    instead: str | None  # what is to be done rather than override it
    of_usage: bool


@dataclass(frozen=True)
class Bar:
    """What one customer, product or charge type has of it: `amount`, and with tax what that is; the last one may be what all others come to."""

    label: str
    amount: Decimal
    tax: Decimal
    lines: int


def load(connection: Connection, invoice: Invoice, *, now: datetime) -> Difference | None:
    """The differences of an invoice; None where everything agrees within the default tolerance."""
    row = queries.provider_invoice_by_id(connection, invoice.id)
    if row is None or row["explanation"] is None:
        return None
    found = difference.from_dict(row["explanation"])
    return Difference(
        gaps=tuple((_ABOUT[gap], wording.amount(size, invoice.currency)) for gap, size in found.gaps),
        explanations=tuple(_explained(place, one, invoice.currency) for place, one in enumerate(found.hypotheses)),
        proposal=_proposal(connection, row, found, now=now),
        overridden=_overridden(connection, row),
        instead=instead(row, found, now=now) if row["status_reason"] == StatusReason.ERROR else None,
        of_usage=found.header_gap is None and not _is_unpublished(found),
    )


def instead(row: Mapping[str, Any], found: Explanation, *, now: datetime) -> str | None:
    """What is to be done rather than override it, where lines are wrong or still to come; None where nothing is."""
    codes = {one.code for one in found.proven}
    if codes & TO_BE_FETCHED_AGAIN:
        return "Sync it again, so that its lines are fetched anew. An override would import what is missing or stands twice as it is."
    last_day = (row["first_seen_at"] + timedelta(days=RETRY_DAYS)).date()
    if codes & TO_BE_AWAITED and now.date() <= last_day:
        return f"The daily usage is not complete. The daily job tries again up to {wording.day(last_day)}; an override would leave that usage unsold."
    return None


def proposal(row: Mapping[str, Any], found: Explanation, policy: tolerance.Policy, *, now: datetime) -> Proposal | None:
    """The override that would let the invoice pass, where its cause is proven or the difference is within one click; None where nothing is to be
    overridden: something else holds it up as well, or the cause mends itself."""
    if row["status_reason"] != StatusReason.ERROR or (row["failures"] or [row["failure"]]) != [Failure.CHECKSUM_FAILED] or not found.gaps:
        return None
    if instead(row, found, now=now):
        return None
    currency = row["currency"]
    size = max((gap for _, gap in found.gaps), key=lambda gap: gap.copy_abs())
    override = money.override_for(size)
    ruling = tolerance.may_override(policy, difference=size, header=row["header_total"], override=override)
    is_small = ruling.allowed is Allowed.ONE_CLICK
    if not (found.is_proven or is_small):
        return None
    because = "Its cause is proven." if found.is_proven else f"The difference of {wording.amount(size, currency)} is small."
    said = ruling.sentence if ruling.allowed is not Allowed.REFUSED else ""
    return Proposal(
        override,
        f"{because} {said}".strip(),
        _effect(found, override, currency),
        needs_reason=not is_small,
        refused=ruling.sentence if ruling.allowed is Allowed.REFUSED else None,
    )


def lines(connection: Connection, invoice: Invoice, place: int) -> Table:
    """The lines of the explanation at that place, biggest money first."""
    row = queries.provider_invoice_by_id(connection, invoice.id)
    found = difference.from_dict(row["explanation"]).hypotheses
    if place >= len(found) or found[place].selection is None:
        return Table(f"{invoice.number} explained", LICENSE_COLUMNS, [])
    selection = found[place].selection
    rows = store_differences.selected(connection, store_differences.lines_of(connection, invoice.id), selection)
    if selection.daily:
        return Table(f"{invoice.number} {found[place].code}", USAGE_COLUMNS, [{**row, "currency": row["billing_currency"]} for row in rows])
    return Table(f"{invoice.number} {found[place].code}", LICENSE_COLUMNS, rows)


def bars(connection: Connection, invoice: Invoice, dimension: str, *, of_usage: bool) -> tuple[Bar, ...]:
    """The biggest of a dimension and what all others come to: of usage how much the two files differ, else what the lines come to."""
    found = breakdowns.by_dimension(
        connection,
        store_differences.lines_of(connection, invoice.id),
        dimension,
        currency=invoice.currency,
        of_usage=of_usage,
        most=MOST_BARS,
    )
    return tuple(_bar(row, of_usage) for row in found)


def table(invoice: Invoice) -> Table:
    """What differences.csv is called and its columns, for `rows`."""
    return Table(f"{invoice.number} differences", _COLUMNS, [])


def rows(connection: Connection, invoice: Invoice) -> Iterator[Mapping[str, Any]]:
    """The differing groups, biggest first: what differences.csv holds."""
    row = queries.provider_invoice_by_id(connection, invoice.id)
    found, of = difference.from_dict(row["explanation"]), store_differences.lines_of(connection, invoice.id)
    return _rows(connection, of, found, currency=invoice.currency)


def csv_of(connection: Connection, of: Lines, found: Explanation, *, currency: str) -> bytes:
    """differences.csv: reconciliation against daily-rated by customer, subscription and product where those differ, the lines by customer, product
    and charge type where the header does; the biggest first."""
    return export.csv_bytes(_COLUMNS, _rows(connection, of, found, currency=currency))


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _rows(connection: Connection, of: Lines, found: Explanation, *, currency: str) -> Iterator[Mapping[str, Any]]:
    usage = breakdowns.compared(connection, of, currency=currency) if found.usage_gap is not None else ()
    if _is_unpublished(found):  # the daily lines that are there are the reconciliation file's own
        usage = ({**row, "daily": None, "difference": row["billed"]} for row in usage)
    header = breakdowns.summed(connection, of, currency=currency) if found.header_gap is not None else ()
    return chain(
        ({**row, "tax": None, "about": _ABOUT[Gap.USAGE]} for row in usage), ({**row, "about": _ABOUT[Gap.HEADER]} for row in header)
    )


def _is_unpublished(found: Explanation) -> bool:
    """Whether no daily-rated file is published at all."""
    return any(one.code == UNPUBLISHED and one.gap is Gap.USAGE for one in found.hypotheses)


def _explained(place: int, one: Hypothesis, currency: str) -> Explained:
    return Explained(
        place=place,
        about=_ABOUT[one.gap],
        sentence=one.sentence,
        amount=wording.amount(one.amount, currency),
        explains=_EXPLAINS[one.fit],
        rest=None if one.fit is Fit.EXACT else wording.amount(one.rest, currency),
        proven=one.proven,
        is_exact=one.fit is Fit.EXACT,
        lines=wording.counted(one.lines, "line") if one.selection is not None and one.lines else None,
        document=one.document,
    )


def _proposal(connection: Connection, row: Mapping[str, Any], found: Explanation, *, now: datetime) -> Proposal | None:
    named = {"provider": row["provider"], "currency": row["currency"]}
    return proposal(row, found, tolerance.in_force(policies.find(connection, **named), **named, today=now.date()), now=now)


def _effect(found: Explanation, override: Decimal, currency: str) -> str:
    said = [f"Imports it with a tolerance of {override:,} {currency}: nothing is changed in any amount."]
    if found.header_gap is not None:
        said.append(f"{wording.amount(found.header_gap, currency)} stay visible as Overridden.")
    if found.usage_gap is not None and found.usage_gap < 0:
        more = wording.amount(found.usage_gap.copy_abs(), currency)
        said.append(
            f"Its usage is billed from the daily-rated file, which has {more} more than the provider charges; that stays visible here."
        )
    elif found.usage_gap is not None:
        said.append(
            f"Its usage is billed from the daily-rated file, so {wording.amount(found.usage_gap, currency)} of the reconciliation file are in no usage "
            "that you sell, and stay visible here."
        )
    return " ".join(said)


def _overridden(connection: Connection, row: Mapping[str, Any]) -> str | None:
    if row["status_reason"] == StatusReason.ERROR or row["override_tolerance"] is None:
        return None
    entries = queries.history(connection, provider=row["provider"], invoice_number=row["invoice_number"])
    last = next((entry for entry in entries if entry["action"] == "import provider invoice"), None)
    by = f" by {last['actor']}, {wording.zoned(last['at'])}" if last else ""
    why = f": {row['override_reason']}" if row["override_reason"] else ", without a reason"
    return f"Overridden with a tolerance of {wording.amount(row['override_tolerance'], row['currency'])}{by}{why}."


def _bar(row: Mapping[str, Any], of_usage: bool) -> Bar:
    label = row["label"] or f"{row['values']:,} others"
    billed, daily = row["billed"] or money.ZERO, row["daily"] or money.ZERO
    if of_usage:
        return Bar(label, money.EXACT.subtract(billed, daily), money.ZERO, int(row["lines"]))
    return Bar(label, billed, row["tax"] or money.ZERO, int(row["lines"]))


def said(bars_of: Sequence[Bar], currency: str) -> str:
    """The chart for somebody who hears it."""
    return "; ".join(f"{bar.label}: {wording.amount(money.EXACT.add(bar.amount, bar.tax), currency)}" for bar in bars_of)
