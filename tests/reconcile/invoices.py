"""Small invoices for the reconciliation kernel: builders that say only what matters, and rows as they come back."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa

from w365core import frames
from w365core.kernels.reconcile import Reconciled, reconcile
from w365core.reconciliation import CHANGE_LOG_IN, LINE_IN, SUBSCRIPTION_IN

OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))


def day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def line(
    charge_type: str = "cycleCharge", quantity: str | None = "10", subtotal: str = "40", *, ordered: str | None = None, **more
) -> dict:
    start, end = more.pop("window", OCTOBER)
    said = {
        "subscription_id": "s1",
        "provider_customer_id": "C1",
        "provider_subscription_id": "P1",
        "charge_type": charge_type,
        "order_date": None if ordered is None else datetime.fromisoformat(ordered),
        "charge_start": start,
        "charge_end": end,
        "billable_quantity": quantity,
        "unit_price": "4",
        "effective_unit_price": "4",
        "exchange_rate": "1",
        "subtotal": subtotal,
        "currency": "EUR",
        "billing_frequency": "Monthly",
    }
    return said | more


def subscription(quantity: str | None = "10", **more) -> dict:
    said = {
        "subscription_id": "s1",
        "account_id": "a1",
        "provider_subscription_id": "p1",
        "status": "Active",
        "quantity": quantity,
        "cost_price": "4",
        "selling_price": "5",
        "currency": "EUR",
        "unit": "Monthly",
        "prorate_unit": "Days",
        "frequency": "Monthly",
        "contract_start": date(2026, 1, 1),
        "expected": False,
    }
    return said | more


def log(quantity: str | None, effective: str | None, **more) -> dict:
    provisioned = more.pop("provisioned", None)
    said = {
        "change_log_id": f"l-{effective}-{quantity}",
        "subscription_id": "s1",
        "event": "Update",
        "quantity": quantity,
        "effective_date": day(effective),
        "provisioned_on": day(provisioned),
        "provisioning_status": "Provisioned",
        "status_reason": "Active",
        "selling_price": "5",
        "currency": "EUR",
    }
    return said | more


def tables(lines: list[dict], subscriptions: list[dict], logs: list[dict]) -> tuple[pa.Table, pa.Table, pa.Table]:
    numbered = [{"line_number": number, **one} for number, one in enumerate(lines, 1)]
    return tuple(
        pa.Table.from_pylist(rows, frames.arrow_schema(columns))
        for rows, columns in ((numbered, LINE_IN), (subscriptions, SUBSCRIPTION_IN), (logs, CHANGE_LOG_IN))
    )


def reconciled(
    lines: list[dict], subscriptions: list[dict] | None = None, logs: list[dict] | None = None, *, currency: str = "EUR"
) -> Reconciled:
    return reconcile(*tables(lines, [subscription()] if subscriptions is None else subscriptions, logs or []), currency=currency)


def row(lines: list[dict], subscriptions: list[dict] | None = None, logs: list[dict] | None = None, *, currency: str = "EUR") -> dict:
    """The only row."""
    (only,) = reconciled(lines, subscriptions, logs, currency=currency).rows.to_pylist()
    return only
