"""The smallest cases, tests/golden/<case>/: inputs with only the columns that matter, what is expected of the columns that matter, and why.

A blank cell is null. Columns that a file does not have take what is usual, below.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

Row = dict[str, object]
GOLDEN = Path(__file__).resolve().parents[1] / "golden"

USUAL_LINE = {
    "account_id": "A-1", "provider_customer_id": "C-1", "customer_name": "Contoso", "provider_subscription_id": "P-1", "product_id": "P",
    "product_name": "Product", "charge_type": "cycleCharge", "order_date": None, "charge_start": date(2026, 10, 1), "charge_end": date(2026, 10, 31),
    "unit_price": Decimal(10), "quantity": Decimal(1), "billable_quantity": None, "effective_unit_price": None, "exchange_rate": Decimal(1),
    "subtotal": Decimal(10), "currency": "EUR", "term_and_billing_cycle": None, "billing_frequency": "Monthly",
}  # fmt: skip
USUAL_SUBSCRIPTION = {
    "account_id": "A-1", "provider_subscription_id": "P-1", "product_id": "P", "name": "Product", "status": "Active", "quantity": Decimal(1),
    "cost_price": Decimal(10), "selling_price": Decimal(12), "currency": "EUR", "unit": "Monthly", "prorate_unit": "Days", "frequency": "Monthly",
    "contract_start": date(2026, 1, 1), "expected": False, "provider_quantity_now": None,
}  # fmt: skip
USUAL_LOG = {
    "event": "Update", "quantity": Decimal(1), "effective_date": None, "provisioned_on": None, "provisioning_status": "Provisioned",
    "status_reason": "Active", "source": "Portal", "initiated_by": "Kim", "selling_price": None, "currency": "EUR", "invoice_number": None,
}  # fmt: skip

_DAYS = {"charge_start", "charge_end", "snapshot", "effective_date", "provisioned_on", "contract_start"}
_NUMBERS = {
    *("quantity", "billable_quantity", "unit_price", "effective_unit_price", "exchange_rate", "subtotal", "cost_price", "selling_price"),
    *("provider_quantity", "our_quantity", "our_quantity_then", "quantity_difference", "residual", "unit_cost", "money_at_risk"),
}
_FLAGS = {"expected", "changed_since", "residual_settles"}


@dataclass(frozen=True)
class Case:
    """One folder of tests/golden."""

    name: str
    currency: str
    lines: list[Row]
    subscriptions: list[Row]
    change_logs: list[Row]
    expected: list[Row]
    outside: dict[str, set[tuple]] | None  # by line: the logs outside the fit or view with their billing; None where they do not matter


def names() -> list[str]:
    return sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


def read(name: str) -> Case:
    folder = GOLDEN / name
    lines = [{"line_number": number, **USUAL_LINE, **row} for number, row in enumerate(_rows(folder / "lines.csv"), 1)]
    (currency,) = {line["currency"] for line in lines} or {"EUR"}
    subscriptions = [{**USUAL_SUBSCRIPTION, **row} for row in _rows(folder / "subscriptions.csv")]
    logs = [{**USUAL_LOG, **row} for row in _rows(folder / "change_logs.csv")]
    return Case(name, currency, lines, subscriptions, logs, _rows(folder / "expected.csv"), _outside(folder / "expected_logs.csv"))


def _outside(path: Path) -> dict[str, set[tuple]] | None:
    if not path.exists():
        return None
    found: dict[str, set[tuple]] = {}
    for row in _rows(path):
        found.setdefault(row["line_id"], set()).add((row["outside"], row.get("billing")))
    return found


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: _value(name, cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def _value(name: str, cell: str) -> object:
    if cell == "":
        return None
    if name in _DAYS:
        return date.fromisoformat(cell)
    if name == "order_date":
        return datetime.fromisoformat(cell)
    if name in _FLAGS:
        return {"true": True, "false": False}[cell]
    if name == "lines":
        return int(cell)
    return Decimal(cell) if name in _NUMBERS else cell
