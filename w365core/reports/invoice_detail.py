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

from w365core import money
from w365core.model import StatusReason
from w365core.reports import chains, gap, invoice_files, provider_invoice, wording, worklist
from w365core.reports.invoice_files import Attached
from w365core.reports.line_columns import HISTORY_COLUMNS, LICENSE_COLUMNS, MISSING_COLUMNS, SUMMARY_COLUMNS, USAGE_COLUMNS
from w365core.reports.provider_invoice import BILLED, Invoice
from w365core.reports.tables import Table
from w365core.reports.worklist import Attention
from w365core.store import queries

LINES_A_PAGE = 200
MOST_CUSTOMERS = 8


# What the lines can be narrowed to, as the URL says it.
LICENSE, USAGE, TAXED = "license", "usage", "taxed"
NARROWED = {
    LICENSE: "The license lines of the reconciliation file, as the provider sent them.",
    USAGE: "The usage lines of the reconciliation file, as the provider sent them.",
    TAXED: "The lines of the reconciliation file that print a tax, the biggest tax first.",
}
GAP, RECEIVED = "gap", "received"


@dataclass(frozen=True)
class Part:
    """One figure of the identity; the last one is what the others add up to. `note` says what it is or how many lines it has, `leads` what it is
    made of: LICENSE, USAGE or TAXED lines, what is said of the GAP, the files that were RECEIVED."""

    label: str
    value: str
    note: str
    sign: str
    amount: Decimal
    leads: str = ""


@dataclass(frozen=True)
class InvoiceDetail:
    invoice: Invoice
    attention: Attention | None
    is_preview: bool
    facts: tuple[tuple[str, str], ...]
    identity: tuple[Part, ...]
    gap: tuple[str, ...]
    missing: int
    attached: tuple[Attached, ...]


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
    invoice = provider_invoice.invoice(row)
    is_settled = invoice.standing in (*BILLED, StatusReason.DEACTIVATED)
    return InvoiceDetail(
        invoice=invoice,
        attention=None if is_settled else worklist.attention(invoice, now=now),
        is_preview=queries.is_staged(connection, provider_invoice_id),
        facts=_facts(invoice, now) + _amended(row, chains.load(connection)),
        identity=identity(invoice),
        gap=gap.said(invoice),
        missing=len(queries.missing_references(connection, provider_invoice_id=provider_invoice_id)),
        attached=invoice_files.attached(connection, invoice),
    )


def identity(invoice: Invoice) -> tuple[Part, ...]:
    """License + usage + tax + rounding + overridden = header; nothing where no lines were ever read."""
    if invoice.license_total is None or invoice.header_total is None:
        return ()
    parts = [
        _part(invoice, "License", invoice.license_total, wording.counted(invoice.license_lines, "line"), LICENSE, ""),
        _part(invoice, "Usage", invoice.usage_total, wording.counted(invoice.usage_lines, "line"), USAGE),
        _part(invoice, "Tax", invoice.tax_total, "as the lines print it", TAXED),
        _part(invoice, "Rounding", invoice.rounding, "within the tolerance", GAP),
    ]
    if invoice.overridden:
        unaccepted = "its cause is proven" if invoice.proven_cause else "not explained"
        label, note = ("Difference", unaccepted) if invoice.status == StatusReason.ERROR else ("Overridden", "accepted")
        parts.append(_part(invoice, label, invoice.overridden, note, GAP))
    header = wording.amount(invoice.header_total, invoice.currency)
    return (*parts, Part("Header", header, "the provider's total", "=", invoice.header_total, RECEIVED))


def customers(connection: Connection, provider_invoice_id: int) -> tuple[Customer, ...]:
    """The biggest customers first."""
    rows = queries.lines_by_account(connection, provider_invoice_id, most=MOST_CUSTOMERS)
    return tuple(
        Customer(row["account_name"], row["license"] or money.ZERO, row["usage"] or money.ZERO, row["total"] or money.ZERO, row["lines"])
        for row in rows
    )


def license_page(connection: Connection, invoice: Invoice, *, only: str | None = None, after: Any = None) -> Page:
    """Lines of the reconciliation file after a line number, all or those that `only` says; with tax after (size of the tax, line number)."""
    if only == TAXED:
        rows = queries.taxed_lines(connection, invoice.id, after=after, most=LINES_A_PAGE + 1)
        return _page(
            Table(f"{invoice.number} lines with tax", LICENSE_COLUMNS, rows), lambda row: (abs(row["tax_total"]), row["line_number"])
        )
    rows = queries.license_lines(connection, invoice.id, after=after or 0, most=LINES_A_PAGE + 1, kind=only)
    return _page(Table(f"{invoice.number} {only or 'invoice'} lines", LICENSE_COLUMNS, rows), lambda row: row["line_number"])


def usage_page(connection: Connection, invoice: Invoice, *, usage_id: str | None = None, after: int | None = None) -> Page:
    """Usage lines after a line number, of one usage summary or of all."""
    rows = queries.usage_lines(connection, invoice.id, after=after or 0, most=LINES_A_PAGE + 1, usage_id=usage_id)
    rows = [_with_currency(row) for row in rows]
    return _page(Table(f"{invoice.number} usage lines", USAGE_COLUMNS, rows), lambda row: row["line_number"])


def summary_page(connection: Connection, invoice: Invoice, *, after: tuple[Decimal, str] | None = None) -> Page:
    """Usage summaries, the dearest first."""
    rows = queries.usage_summaries_by_cost(connection, invoice.id, after=after, most=LINES_A_PAGE + 1)
    return _page(Table(f"{invoice.number} usage summaries", SUMMARY_COLUMNS, rows), lambda row: (row["cost"], row["usage_id"]))


def every_license_line(connection: Connection, invoice: Invoice, *, only: str | None = None) -> Iterator[Mapping[str, Any]]:
    """All of them, or those that `only` says, for an export."""
    return (
        queries.every_taxed_line(connection, invoice.id) if only == TAXED else queries.every_license_line(connection, invoice.id, kind=only)
    )


def every_usage_line(connection: Connection, invoice: Invoice, *, usage_id: str | None = None) -> Iterator[Mapping[str, Any]]:
    """All of them, for an export."""
    return (_with_currency(row) for row in queries.every_usage_line(connection, invoice.id, usage_id=usage_id))


def every_summary(connection: Connection, invoice: Invoice) -> Sequence[Mapping[str, Any]]:
    """All of them, for an export."""
    return queries.usage_summaries_by_cost(connection, invoice.id)


def missing_references(invoice: Invoice, rows: Sequence[Mapping[str, Any]]) -> Table:
    """What the lines refer to and our records lack; `rows` as the supplying door gives them, biggest money first."""
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


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _part(invoice: Invoice, label: str, amount: Decimal | None, note: str, leads: str, sign: str = "+") -> Part:
    return Part(label, wording.digits(amount, invoice.currency), note, sign, money.ZERO if amount is None else amount, leads)


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


def _amended(row: Mapping[str, Any], known: Mapping[chains.Key, chains.Chain]) -> tuple[tuple[str, str], ...]:
    """Whom it amends, and what the chain comes to; nothing for a document that stands alone."""
    chain = known.get(chains.key(row["provider"], row["invoice_number"]))
    if chain is None:
        return ()
    amends = (("Amends", row["amends_of"]),) if row["amends_of"] else ()
    if chain.net is None:
        return (*amends, ("Net with amendments", f"unknown: not all of it is here ({', '.join(chain.documents)})"))
    return (*amends, ("Net with amendments", f"{wording.amount(chain.net, row['currency'])} · {', '.join(chain.documents)}"))


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
    lines = wording.counted(row["lines"], "line") if row["lines"] else ""
    return " · ".join(said for said in (lines, row["message"]) if said)


def _after(row: Mapping[str, Any]) -> str:
    after = row["after"] or {}
    return " / ".join(str(after[name]) for name in ("state", "status_reason") if after.get(name))
