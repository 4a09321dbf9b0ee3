"""Who is billed for what in a test of reconciliation? A reseller's books and one invoice, both written as files and taken in through the commands.

Books             our records: `subscription` and `log` add a row, `load` hands them in;  `invoice` imports lines as a reconciliation CSV
seat              a line of that file: ten seats of October, unless said otherwise
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import Command

Row = dict[str, str]
CUSTOMER = "c1b2c3d4-0000-4000-8000-000000000001"
_FIXED = {
    "currencies.csv": [{"code": "EUR", "rate_to_base": "1"}, {"code": "USD", "rate_to_base": "0.5"}],
    "accounts.csv": [
        {"account_id": "A-1", "name": "Contoso", "currency": "EUR"},
        {"account_id": "A-2", "name": "Fabrikam", "currency": "EUR"},
    ],
    "provider_accounts.csv": [{"provider": "csp", "provider_account_id": CUSTOMER, "account_id": "A-1"}],
    "products.csv": [{"product_id": "CFQ7", "name": "Business Premium"}],
    "billing_contracts.csv": [
        {"contract_id": "B-1", "account_id": "A-1", "frequency": "Monthly", "start_date": "2026-01-01", "currency": "EUR"}
    ],
}


def seat(of: str = "S-1", quantity: str = "10", subtotal: str | None = None, **said: str) -> Row:
    """`of` is the subscription's id with us; the provider calls it `p-` and that id."""
    amount = subtotal if subtotal is not None else str(int(quantity) * 10)
    line = {
        "CustomerId": CUSTOMER, "CustomerName": "Contoso", "ProductId": "CFQ7", "SkuId": "0001", "ProductName": "Business Premium", "OrderId": "o",
        "OrderDate": "2026-10-01T00:00:00Z", "ChargeType": "cycleCharge", "UnitPrice": "10", "EffectiveUnitPrice": "10", "Quantity": quantity,
        "BillableQuantity": quantity, "Subtotal": amount, "TaxTotal": "0", "Total": amount, "Currency": "EUR", "SubscriptionId": f"p-{of}",
        "ChargeStartDate": "2026-10-01", "ChargeEndDate": "2026-10-31", "BillingFrequency": "Monthly", "PCToBCExchangeRate": "1",
        "TermAndBillingCycle": "One-Year commitment for monthly billing", "PriceAdjustmentDescription": "", "MeterDescription": "",
    }  # fmt: skip
    return line | said


@dataclass
class Books:
    """Our side of it, and the way in."""

    w365: Command
    folder: Path
    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: list(rows) for name, rows in _FIXED.items()})

    def subscription(self, of: str = "S-1", quantity: str = "10", **said: str) -> None:
        row = {
            "subscription_id": of, "provider": "csp", "provider_subscription_id": f"p-{of}", "account_id": "A-1", "contract_id": "B-1",
            "product_id": "CFQ7", "kind": "License", "name": f"Seats {of}", "quantity": quantity, "cost_price": "10", "selling_price": "14.40",
            "currency": "EUR", "start_date": "2026-01-01", "status": "Active",
        }  # fmt: skip
        self._put("subscriptions.csv", "subscription_id", row | said)

    def log(self, named: str, quantity: str, effective: str = "2026-01-01", of: str = "S-1", **said: str) -> None:
        row = {
            "change_log_id": named, "subscription_id": of, "event": "Update", "quantity": quantity, "effective_date": effective,
            "provisioned_on": effective, "provisioning_status": "Provisioned", "status_reason": "Active", "source": "Portal",
            "initiated_by": "Ana", "cost_price": "10", "selling_price": "14.40", "currency": "EUR", "invoice_number": "",
        }  # fmt: skip
        self._put("license_change_logs.csv", "change_log_id", row | said)

    def alias(self, printed: str, of: str = "S-1") -> None:
        row = {"provider": "csp", "provider_subscription_id": printed, "subscription_id": of}
        self.rows.setdefault("subscription_aliases.csv", []).append(row)

    def load(self) -> None:
        if self.w365("provider", "list", "--json").stdout.strip() in ("", "[]"):
            assert self.w365("provider", "add", "csp", "--type", "partner_center", "--tenant-id", "t", "--client-id", "c").returncode == 0
        folder = self.folder / "records"
        folder.mkdir(exist_ok=True)
        for name, rows in self.rows.items():
            _write(folder / name, rows)
        done = self.w365("load", folder)
        assert done.returncode == 0, done.stderr

    def invoice(self, lines: Sequence[Row], number: str = "G1", *, dated: str = "2026-11-08", code: int = 0, **options: str) -> str:
        """Imports it, and returns what the command said on standard error."""
        path = self.folder / f"{number}.csv"
        _write(path, lines, list(seat()))
        given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
        told = ("--provider", "csp", "--invoice", number, "--currency", "EUR", "--invoice-date", dated)
        done = self.w365("import", path, *told, *given, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr

    def reconciled(self, number: str = "G1", *, code: int | None = None) -> dict[str, Any]:
        done = self.w365("reconcile", "--invoice", number, "--json")
        assert "Traceback" not in done.stderr and done.returncode in ((0, 1) if code is None else (code,)), done.stdout + done.stderr
        return json.loads(done.stdout)

    def _put(self, name: str, key: str, row: Row) -> None:
        kept = [one for one in self.rows.get(name, []) if one[key] != row[key]]
        self.rows[name] = [*kept, row]


def _write(path: Path, rows: Sequence[Row], columns: Sequence[str] = ()) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys([*columns, *(name for row in rows for name in row)])))
        writer.writeheader()
        writer.writerows(rows)
