"""How does a reconciliation leave? Every row that the filter finds, with its sentence; and the provider's lines under the column names of FOCUS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from w365core.frames import Kind
from w365core.reconciliation import Verdict
from w365core.reports import export, verdict_words
from w365core.reports.reconciliation_scope import Scope
from w365core.reports.reconciliation_tables import ROWS
from w365core.reports.tables import Column, Table, number
from w365core.store import queries, reconciled
from w365core.store.reconciled import RowFilter

_AT_ONCE = 1_000
STATES = {"open": "To do", "confirmed": "Confirmed", "accepted": "Accepted"}
_PURCHASED, _USED, _CREDITED, _TAXED = "Purchase", "Usage", "Credit", "Tax"
_ONCE = ("onetime", "one-time", "one time")

# FinOps FOCUS names its columns in one word each; what FOCUS does not know begins with x_. Costs are before tax; a line's tax is a row of its own.
FOCUS = (
    *(Column(name, name) for name in ("BillingAccountId", "BillingAccountName", "SubAccountId", "SubAccountName", "InvoiceIssuerName", "ProviderName")),
    *(Column(name, name) for name in ("PublisherName", "InvoiceId", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")),
    *(Column(name, name) for name in ("ChargeCategory", "ChargeFrequency", "ChargeDescription", "ServiceName", "SkuId", "SkuPriceId", "ResourceId")),
    *(number(name, name) for name in ("PricingQuantity", "ListUnitPrice", "ContractedUnitPrice", "BilledCost")),
    *(Column(name, name) for name in ("PricingUnit", "PricingCurrency", "BillingCurrency", "x_SubscriptionId", "x_AccountId", "x_ChargeType")),
    Column("x_LineNumber", "x_LineNumber", Kind.WHOLE),
)  # fmt: skip


def table(scope: Scope) -> Table:
    """The columns and the name of the file."""
    one = scope.invoice
    return Table(f"reconciliation {one['invoice_number'] if one else scope.month}", ROWS, ())


def every_row(connection: Connection, scope: Scope, wanted: RowFilter) -> Iterator[Mapping[str, Any]]:
    """Every row that is wanted, as the files carry it, read as it is taken."""
    rows = iter(reconciled.every_row(connection, scope.runs, wanted))
    while batch := [dict(row) for row in islice(rows, _AT_ONCE)]:
        logs = reconciled.change_logs(
            connection, [(row["reconciliation_id"], row["line_id"]) for row in batch if row["verdict"] != "confirmed"]
        )
        for row in batch:
            yield written_row(
                row, logs.get((row["reconciliation_id"], row["line_id"]), ()), provider=scope.provider_of(row["reconciliation_id"])
            )


def written_row(row: Mapping[str, Any], logs: Sequence[Mapping[str, Any]], *, provider: str) -> dict[str, Any]:
    """A row with words beside its codes."""
    return {
        **row,
        "verdict_label": verdict_words.LABELS[row["verdict"]],
        "price_label": verdict_words.PRICE_LABELS.get(row["price_verdict"], ""),
        "our_currency": verdict_words.our_currency(row),
        "state_label": STATES[row["review_state"]],
        "sentence": verdict_words.sentence(row, logs, provider=provider),
    }


def excel(connection: Connection, scope: Scope, wanted: RowFilter) -> bytes:
    """A workbook with a sheet for each verdict that occurs, in the order of the verdicts."""
    found = {row["key"] for row in reconciled.groups(connection, scope.runs, wanted, by="verdict")}
    titles = [verdict_words.LABELS[verdict] for verdict in Verdict if verdict in found] or ["Reconciliation"]
    return export.excel_sheets_bytes(ROWS, every_row(connection, scope, wanted), sheet_of=lambda row: row["verdict_label"], titles=titles)


def csv(connection: Connection, scope: Scope, wanted: RowFilter) -> bytes:
    return export.csv_bytes(ROWS, every_row(connection, scope, wanted))


def focus(connection: Connection, scope: Scope) -> bytes:
    """The lines of the invoices that the page shows, license and usage, as a CSV under FOCUS' names; their sum is the header but for rounding.

    Of a month those in Error and those that nobody has reconciled are left out there; an invoice that was chosen by itself is written as it is.
    """
    shown = scope.chosen if scope.invoice is not None else scope.reconciled

    def rows() -> Iterator[Mapping[str, Any]]:
        for invoice in shown:
            for line in queries.every_license_line(connection, invoice["provider_invoice_id"]):
                yield from focus_rows(line, invoice)

    return export.csv_bytes(FOCUS, rows())


def focus_rows(line: Mapping[str, Any], invoice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One line of the reconciliation file; a second row for its tax where it has one."""
    is_usage = line["kind"] == "usage"
    charge = (line["charge_type"] or "").lower()
    issuer = verdict_words.provider_called(invoice["provider"], invoice["provider_type"])
    start = invoice["period_start"] or line["charge_start"]
    row = {
        "BillingAccountId": line["partner_id"],
        "BillingAccountName": invoice["provider"],
        "SubAccountId": line["provider_customer_id"],
        "SubAccountName": line["customer_name"],
        "InvoiceIssuerName": issuer,
        "ProviderName": issuer,
        "PublisherName": line["publisher_name"],
        "InvoiceId": invoice["invoice_number"],
        "BillingPeriodStart": _moment(start),
        "BillingPeriodEnd": _moment(_after(invoice["period_end"] or line["charge_end"])),
        "ChargePeriodStart": _moment(line["charge_start"]),
        "ChargePeriodEnd": _moment(_after(line["charge_end"])),
        "ChargeCategory": _USED if is_usage else _CREDITED if "credit" in charge else _PURCHASED,
        "ChargeFrequency": "Usage-Based" if is_usage else "One-Time" if (line["billing_frequency"] or "").lower() in _ONCE else "Recurring",
        "ChargeDescription": " · ".join(one for one in (line["sku_name"] or line["product_name"], line["charge_type"]) if one),
        "ServiceName": line["product_name"],
        "SkuId": line["sku_id"],
        "SkuPriceId": "/".join(one for one in (line["product_id"], line["sku_id"], line["availability_id"]) if one),
        "ResourceId": line["provider_subscription_id"],
        "PricingQuantity": line["quantity"] if line["billable_quantity"] is None else line["billable_quantity"],
        "ListUnitPrice": line["unit_price"],
        "ContractedUnitPrice": line["effective_unit_price"],
        "PricingUnit": line["unit_type"],
        "PricingCurrency": line["pricing_currency"],
        "BilledCost": line["subtotal"],
        "BillingCurrency": line["currency"],
        "x_SubscriptionId": line["subscription_id"],
        "x_AccountId": line["account_id"],
        "x_ChargeType": line["charge_type"],
        "x_LineNumber": line["line_number"],
    }
    if not line["tax_total"]:
        return [row]
    blank = dict.fromkeys(("PricingQuantity", "ListUnitPrice", "ContractedUnitPrice", "PricingUnit", "PricingCurrency"))
    return [
        row,
        {
            **row,
            **blank,
            "ChargeCategory": _TAXED,
            "ChargeDescription": f"Tax on {row['ChargeDescription']}",
            "BilledCost": line["tax_total"],
        },
    ]


def _after(day: date | None) -> date | None:
    """FOCUS' periods end before their last moment's next: the day after the last one."""
    return None if day is None else day + timedelta(days=1)


def _moment(day: date | None) -> str | None:
    return None if day is None else f"{datetime(day.year, day.month, day.day):%Y-%m-%dT%H:%M:%SZ}"
