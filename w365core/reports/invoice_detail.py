"""What is one provider invoice made of, down to its lines? Its identity, its customers, its lines page by page, what is missing, what happened.

Every page of lines is one keyset read: `after` is the place of the last row of the page before. The lines of an invoice in Error are those that its
failed import staged: a preview, not imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import frames, money
from w365core.frames import Kind
from w365core.model import StatusReason
from w365core.reports import invoice_status, wording
from w365core.reports.invoice_status import Attention, Invoice
from w365core.reports.tables import Column, Table, amount, day, moment, number
from w365core.store import queries

LINES_A_PAGE = 200
MOST_CUSTOMERS = 8


@dataclass(frozen=True)
class Part:
    """One figure of the identity; the last one is what the others add up to. `note` says what it is or how many lines it has."""

    label: str
    value: str
    note: str
    sign: str


@dataclass(frozen=True)
class InvoiceDetail:
    invoice: Invoice
    attention: Attention | None
    is_preview: bool
    facts: tuple[tuple[str, str], ...]
    identity: tuple[Part, ...]
    missing: int


@dataclass(frozen=True)
class Customer:
    """A customer's lines on the invoice: license and usage before tax, total with tax."""

    name: str
    license: Decimal
    usage: Decimal
    total: Decimal
    lines: int


@dataclass(frozen=True)
class Page:
    """Rows of a longer list; `next` is where the following page begins, None on the last."""

    table: Table
    next: Any


def load(connection: Connection, provider_invoice_id: int, *, now: datetime) -> InvoiceDetail | None:
    """The head of the invoice, or None where there is no such invoice."""
    row = queries.provider_invoice_by_id(connection, provider_invoice_id)
    if row is None:
        return None
    invoice = invoice_status.invoice(row)
    is_settled = invoice.standing in (StatusReason.ACTIVE, StatusReason.DEACTIVATED)
    return InvoiceDetail(
        invoice=invoice,
        attention=None if is_settled else invoice_status.attention(invoice),
        is_preview=queries.is_staged(connection, provider_invoice_id),
        facts=_facts(invoice, now),
        identity=identity(invoice),
        missing=len(queries.missing_references(connection, provider_invoice_id=provider_invoice_id)),
    )


def identity(invoice: Invoice) -> tuple[Part, ...]:
    """License + usage + tax + rounding + overridden = header; nothing where no lines were ever read."""
    if invoice.license_total is None or invoice.header_total is None:
        return ()
    currency = invoice.currency
    parts = [
        Part("License", wording.digits(invoice.license_total, currency), wording.counted(invoice.license_lines, "line"), ""),
        Part("Usage", wording.digits(invoice.usage_total, currency), wording.counted(invoice.usage_lines, "line"), "+"),
        Part("Tax", wording.digits(invoice.tax_total, currency), "as the lines print it", "+"),
        Part("Rounding", wording.digits(invoice.rounding, currency), "within the tolerance", "+"),
    ]
    if invoice.overridden:
        in_error = invoice.status == StatusReason.ERROR
        parts.append(
            Part("Difference" if in_error else "Overridden", wording.digits(invoice.overridden, currency), "not explained" if in_error else "accepted", "+")
        )
    return (*parts, Part("Header", wording.amount(invoice.header_total, currency), "the provider's total", "="))


def customers(connection: Connection, provider_invoice_id: int) -> tuple[Customer, ...]:
    """The biggest customers first."""
    rows = queries.lines_by_account(connection, provider_invoice_id, most=MOST_CUSTOMERS)
    return tuple(
        Customer(row["account_name"], row["license"] or money.ZERO, row["usage"] or money.ZERO, row["total"] or money.ZERO, row["lines"])
        for row in rows
    )


def license_page(connection: Connection, invoice: Invoice, *, after: int | None = None) -> Page:
    """Lines of the reconciliation file after a line number."""
    rows = queries.license_lines(connection, invoice.id, after=after or 0, most=LINES_A_PAGE + 1)
    return _page(Table(f"{invoice.number} license lines", LICENSE_COLUMNS, rows), lambda row: row["line_number"])


def usage_page(connection: Connection, invoice: Invoice, *, usage_id: str | None = None, after: int | None = None) -> Page:
    """Usage lines after a line number, of one usage summary or of all."""
    rows = queries.usage_lines(connection, invoice.id, after=after or 0, most=LINES_A_PAGE + 1, usage_id=usage_id)
    rows = [_with_currency(row) for row in rows]
    return _page(Table(f"{invoice.number} usage lines", USAGE_COLUMNS, rows), lambda row: row["line_number"])


def summary_page(connection: Connection, invoice: Invoice, *, after: tuple[Decimal, str] | None = None) -> Page:
    """Usage summaries, the dearest first."""
    rows = queries.usage_summaries_by_cost(connection, invoice.id, after=after, most=LINES_A_PAGE + 1)
    return _page(Table(f"{invoice.number} usage summaries", SUMMARY_COLUMNS, rows), lambda row: (row["cost"], row["usage_id"]))


def every_license_line(connection: Connection, invoice: Invoice) -> Iterator[Mapping[str, Any]]:
    """All of them, for an export."""
    return queries.every_license_line(connection, invoice.id)


def every_usage_line(connection: Connection, invoice: Invoice, *, usage_id: str | None = None) -> Iterator[Mapping[str, Any]]:
    """All of them, for an export."""
    return (_with_currency(row) for row in queries.every_usage_line(connection, invoice.id, usage_id=usage_id))


def every_summary(connection: Connection, invoice: Invoice) -> Sequence[Mapping[str, Any]]:
    """All of them, for an export."""
    return queries.usage_summaries_by_cost(connection, invoice.id)


def missing_references(connection: Connection, invoice: Invoice) -> Table:
    """What the lines refer to and our records lack, biggest money first."""
    rows = queries.missing_references(connection, provider_invoice_id=invoice.id)
    return Table(f"{invoice.number} missing references", MISSING_COLUMNS, rows)


def history(connection: Connection, invoice: Invoice) -> Table:
    """Attempts and entries of the audit log, latest first."""
    attempts = [
        {"at": row["started_at"], "what": f"Import run {row['import_run_id']}", "who": "", "result": row["status"], "said": _attempt(row)}
        for row in queries.import_runs(connection, invoice.id)
    ]
    entries = [
        {"at": row["at"], "what": row["action"], "who": row["actor"], "result": _after(row), "said": row["reason"] or ""}
        for row in queries.history(connection, provider=invoice.provider, invoice_number=invoice.number)
    ]
    return Table(f"{invoice.number} history", HISTORY_COLUMNS, sorted(attempts + entries, key=lambda row: row["at"], reverse=True))


# --- columns -----------------------------------------------------------------------------------------------------------------------------



def _line_columns(shown: tuple[Column, ...], declared: tuple[frames.Column, ...]) -> tuple[Column, ...]:
    """The columns people look at, then every other column of the file for the export, under its printed header."""
    seen = {column.name for column in shown}
    rest = [Column(c.name, c.header, c.kind, shown=False) for c in declared if c.name not in seen]
    return (*shown, *rest)


LICENSE_COLUMNS = _line_columns(
    (
        Column("line_number", "Line", Kind.WHOLE, width=56),
        Column("kind", "Kind", width=62),
        Column("customer_name", "Customer", width=150, help="As the invoice prints it; our account stands further right"),
        Column("sku_name", "Product", width=170),
        Column("charge_type", "Charge", width=95),
        day("charge_start", "From", width=86),
        day("charge_end", "To", width=86),
        number("quantity", "Quantity", width=66),
        number("unit_price", "Unit price", width=74),
        amount("subtotal", "Subtotal", width=80),
        amount("total", "Total", width=80),
        amount("tax_total", "Tax", width=70),
        Column("currency", "Currency", width=70),
        Column("account_name", "Our account", width=150),
        Column("subscription_id", "Our subscription", Kind.ID, width=130),
        Column("provider_subscription_id", "Provider's subscription", Kind.ID, width=280),
    ),
    frames.LICENSE_LINE,
)
USAGE_COLUMNS = _line_columns(
    (
        Column("line_number", "Line", Kind.WHOLE, width=60),
        Column("customer_name", "Customer", width=150, help="As the invoice prints it; our account stands further right"),
        day("usage_date", "Day", width=86),
        Column("meter_category", "Category", width=125),
        Column("meter_name", "Meter", width=150),
        Column("resource_group", "Resource group", width=115),
        number("quantity", "Quantity", width=80),
        Column("unit", "Unit", width=70),
        number("unit_price", "Unit price", width=80),
        amount("billing_pre_tax_total", "Cost before tax", width=100),
        Column("billing_currency", "Currency", width=70),
        Column("account_name", "Our account", width=150),
        Column("subscription_id", "Our subscription", Kind.ID, width=130),
        Column("provider_subscription_id", "Provider's subscription", Kind.ID, width=280),
    ),
    frames.USAGE_LINE,
)
SUMMARY_COLUMNS = (
    Column("account_name", "Account", width=180),
    Column("product", "Product", width=220),
    day("charge_start", "From", width=90),
    day("charge_end", "To", width=90),
    number("quantity", "Quantity", width=100),
    amount("cost", "Cost", width=110),
    number("markup_pct", "Markup %", width=80),
    amount("selling_amount", "Selling amount", width=110),
    Column("currency", "Currency", width=75),
    Column("status", "Status", width=100),
    Column("invoice_number", "Our invoice", Kind.ID, width=110),
    Column("lines", "Lines", Kind.WHOLE, width=70),
    Column("subscription_id", "Subscription", Kind.ID, width=130),
    Column("usage_id", "Usage id", Kind.ID, shown=False),
    Column("provider_subscription_id", "Provider's subscription", Kind.ID, shown=False),
    Column("product_id", "ProductId", Kind.ID, shown=False),
    Column("sku_id", "SkuId", Kind.ID, shown=False),
)
MISSING_COLUMNS = (
    Column("kind", "Missing", width=100),
    Column("name", "Name", width=200),
    Column("key", "Key", Kind.ID, width=280),
    Column("blocking", "Blocks the import", Kind.FLAG, width=120),
    amount("amount", "Money it holds up", width=130),
    Column("currency", "Currency", width=75),
    Column("lines", "Lines", Kind.WHOLE, width=70),
    Column("suggestion", "Suggested fix", width=600),
)
HISTORY_COLUMNS = (
    moment("at", "When (UTC)", width=130),
    Column("what", "What", width=190),
    Column("who", "Who", width=100),
    Column("result", "Result", width=160),
    Column("said", "What it said", width=600),
)


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _facts(invoice: Invoice, now: datetime) -> tuple[tuple[str, str], ...]:
    period = f"{wording.day(invoice.period_start)} – {wording.day(invoice.period_end)}" if invoice.period_start else wording.ABSENT
    return (
        ("Invoice date", wording.day(invoice.date)),
        ("Billing period", period),
        ("Type", invoice.type),
        ("Lines total", wording.amount(invoice.lines_total, invoice.currency)),
        ("Difference", wording.amount(invoice.difference, invoice.currency)),
        ("Tolerance", wording.amount(invoice.tolerance, invoice.currency)),
        ("First seen", _ago(invoice.first_seen_at, now)),
        ("Imported", _ago(invoice.imported_at, now)),
        ("Attempts", f"{invoice.attempts} · version {invoice.version} · {'by hand' if invoice.source == 'file' else 'synced'}"),
    )


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return wording.ABSENT
    since = wording.age(at, now=now)
    return f"{wording.moment(at)} · {since if since == 'just now' else since + ' ago'}"


def _page(table: Table, place: Any) -> Page:
    rows = table.rows[:LINES_A_PAGE]
    more = len(table.rows) > LINES_A_PAGE
    return Page(Table(table.name, table.columns, rows), place(rows[-1]) if more else None)


def _with_currency(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "currency": row["billing_currency"]}


def _attempt(row: Mapping[str, Any]) -> str:
    return row["message"] or (wording.counted(row["lines"], "line") if row["lines"] else "")


def _after(row: Mapping[str, Any]) -> str:
    after = row["after"] or {}
    return " / ".join(str(after[name]) for name in ("state", "status_reason") if after.get(name))
