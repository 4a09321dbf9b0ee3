"""A reconciled invoice, a row at a time: what a run would have stored, without the run.

Run(engine)        an invoice with a run; `row` adds a row, `log` a change log of it, `finding` a finding, `decided` what a person decided
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from w365core import money
from w365core.reconciliation import EXPLAINED
from w365core.store.tables import (
    account,
    license_change_log,
    license_line,
    provider,
    provider_invoice,
    reconciliation,
    reconciliation_change_log,
    reconciliation_finding,
    reconciliation_line,
    reconciliation_review,
    reconciliation_sign_off,
    subscription,
)

NOW = datetime(2026, 11, 12, 6, tzinfo=UTC)
START, END = date(2026, 10, 1), date(2026, 10, 31)


class Run:
    """One reconciled provider invoice; its totals are those of its rows."""

    def __init__(
        self,
        engine: Engine,
        number: str = "G1",
        *,
        of: str = "csp",
        kind: str = "partner_center",
        currency: str = "EUR",
        on: date = date(2026, 11, 8),
    ) -> None:
        self.engine, self.number, self.provider, self.currency = engine, number, of, currency
        self.rows: list[dict[str, Any]] = []
        self.logs = self.findings = 0
        sums = dict.fromkeys(("header_total", "license_total", "usage_total", "tax_total", "rounding", "overridden", "lines_total"), 0)
        head = {
            "provider": of,
            "invoice_number": number,
            "currency": currency,
            "source": "synced",
            "state": "Active",
            "status_reason": "Active",
        }
        with engine.begin() as connection:
            connection.execute(upsert(provider).values(name=of, type=kind, added_at=NOW).on_conflict_do_nothing())
            made = (
                insert(provider_invoice)
                .values(**head, first_seen_at=NOW, invoice_date=on, **sums)
                .returning(provider_invoice.c.provider_invoice_id)
            )
            self.invoice_id = connection.execute(made).scalar_one()
            self.run = connection.execute(
                insert(reconciliation).values(**self._head()).returning(reconciliation.c.reconciliation_id)
            ).scalar_one()

    def row(
        self, verdict: str = "unexplained", *, of: str = "S-1", customer: str = "Contoso", subtotal: str | None = "100.00", **said: Any
    ) -> str:
        """A row of a subscription; returns its id. Quantities are 12 and 10 unless said otherwise."""
        owner = said.pop("account_id", f"A-{customer}")
        start, end = said.pop("charge_start", START), said.pop("charge_end", END)
        line_id = said.pop("line_id", f"{of}/{start}/{end}")
        numbers = {
            "provider_quantity": 12,
            "our_quantity": 10,
            "quantity_difference": 2,
            "residual": 2,
            "money_at_risk": "20.00",
            "unit_cost": "10.00",
        }
        if verdict == "confirmed":
            numbers |= {"provider_quantity": 10, "quantity_difference": 0, "residual": None, "money_at_risk": 0}
        row = {
            "reconciliation_id": self.run, "line_id": line_id, "subscription_id": of, "account_id": owner, "customer_name": customer,
            "product_name": "Microsoft 365 E3", "product_id": "P-E3", "charge_start": start, "charge_end": end, "snapshot": start, "lines": 1,
            "our_quantity_then": 10, "verdict": verdict, "cost_price": 10, "selling_price": 12, "price_verdict": "price_ok", "changed_since": False,
            "subtotal": subtotal, "currency": self.currency, **numbers, **said,
        }  # fmt: skip
        self.rows.append(row)
        with self.engine.begin() as connection:
            if owner is not None:
                connection.execute(upsert(account).values(account_id=owner, name=customer).on_conflict_do_nothing())
            if of is not None:
                mine = {
                    "subscription_id": of,
                    "account_id": owner,
                    "provider": self.provider,
                    "kind": "License",
                    "name": f"{customer} E3",
                    "quantity": row["our_quantity"],
                }
                connection.execute(
                    upsert(subscription).values(**mine, status="Active", selling_price=12, cost_price=10).on_conflict_do_nothing()
                )
            connection.execute(insert(reconciliation_line).values(**row))
            connection.execute(update(reconciliation).where(reconciliation.c.reconciliation_id == self.run).values(**self._sums()))
            total = self._sums()["lines"]
            parts = {"header_total": total, "license_total": total, "lines_total": total, "license_lines": len(self.rows)}
            connection.execute(update(provider_invoice).where(provider_invoice.c.provider_invoice_id == self.invoice_id).values(**parts))
        return line_id

    def many(self, rows: int, **said: Any) -> None:
        """So many like rows in one statement, each of a subscription of its own."""
        first = self.row(of="S-0", **said)
        like = next(row for row in self.rows if row["line_id"] == first)
        more = [{**like, "line_id": f"S-{n}/like", "subscription_id": f"S-{n}"} for n in range(1, rows)]
        self.rows += more
        with self.engine.begin() as connection:
            connection.execute(insert(reconciliation_line), more)
            connection.execute(update(reconciliation).where(reconciliation.c.reconciliation_id == self.run).values(**self._sums()))

    def again(self) -> None:
        """Another run over the invoice, later than the one before; rows that are added are its."""
        self.rows = []
        with self.engine.begin() as connection:
            later = {"fingerprint": f"f-{self.number}-again", "latest_at": NOW + timedelta(hours=1)}
            made = insert(reconciliation).values(**self._head() | later).returning(reconciliation.c.reconciliation_id)
            self.run = connection.execute(made).scalar_one()

    def forget(self) -> None:
        """The invoice as it is before anybody reconciles it."""
        with self.engine.begin() as connection:
            connection.execute(delete(reconciliation).where(reconciliation.c.reconciliation_id == self.run))

    def log(
        self,
        line_id: str,
        quantity: str = "4",
        *,
        on: date = date(2026, 10, 12),
        outside: bool = True,
        billing: str = "not_invoiced",
        **said: Any,
    ) -> str:
        """A change log of a row, in our records as well."""
        self.logs += 1
        name = said.pop("change_log_id", f"L-{self.number}-{self.logs}")
        of = next(row["subscription_id"] for row in self.rows if row["line_id"] == line_id)
        worth = said.pop("worth", None)
        log = {
            "change_log_id": name, "event": "Update", "quantity": Decimal(quantity), "effective_date": on, "provisioned_on": on,
            "provisioning_status": "Provisioned", "status_reason": "Archived" if billing == "excluded" else "Active", "source": "Portal",
            "initiated_by": "ana@contoso.example", "invoice_number": "I-7" if billing == "invoiced" else None, **said,
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(license_change_log).values(subscription_id=of, currency=self.currency, selling_price=12, **log))
            of_run = {"reconciliation_id": self.run, "line_id": line_id, "billing": billing, "outside": outside, "worth": worth}
            connection.execute(insert(reconciliation_change_log).values(**of_run, worth_currency=self.currency, **log))
        return name

    def line(self, line_number: int, *, of: str = "S-1", quantity: str = "12", subtotal: str = "100.00", **said: Any) -> None:
        """A license line of the provider."""
        row = {
            "provider_invoice_id": self.invoice_id, "line_number": line_number, "kind": "license", "subscription_id": of, "account_id": "A-Contoso",
            "provider_customer_id": "c-1", "customer_name": "Contoso", "provider_subscription_id": "sub-1", "charge_type": "cycleCharge",
            "charge_start": START, "charge_end": END, "quantity": quantity, "unit_price": 10, "subtotal": subtotal, "tax_total": 0, "total": subtotal,
            "currency": self.currency, "product_name": "Microsoft 365 E3", "sku_name": "Microsoft 365 E3",
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(license_line).values(**row | said))

    def finding(self, line_id: str | None, kind: str = "amount_off", amount: str = "1.23", **said: Any) -> None:
        self.findings += 1
        row = {
            "reconciliation_id": self.run,
            "ordinal": self.findings,
            "line_id": line_id,
            "kind": kind,
            "amount": amount,
            "currency": self.currency,
        }
        with self.engine.begin() as connection:
            connection.execute(
                insert(reconciliation_finding).values(**row, **{"reason": "120.00 was expected, 121.23 is charged.", **said})
            )

    def decided(
        self, line_id: str, state: str = "accepted", *, reason: str = "seen", verdict: str | None = None, residual: Any = ..., **said: Any
    ) -> None:
        """A decision on the row as it is, unless a verdict or residual says otherwise."""
        row = next(row for row in self.rows if row["line_id"] == line_id)
        mine = {
            "provider": self.provider,
            "invoice_number": self.number,
            "line_id": line_id,
            "state": state,
            "reason": reason,
            "at": NOW,
            "actor": "ana",
        }
        on = {"verdict": verdict or row["verdict"], "residual": row["residual"] if residual is ... else residual}
        with self.engine.begin() as connection:
            connection.execute(insert(reconciliation_review).values(**mine, **on, **said))

    def signed(self, **said: Any) -> None:
        mine = {"provider": self.provider, "invoice_number": self.number, "reconciliation_id": self.run, "at": NOW, "actor": "ana"}
        with self.engine.begin() as connection:
            connection.execute(insert(reconciliation_sign_off).values(**mine, **said))

    def reviews(self) -> dict[str, Any]:
        """What is stored of people's decisions, by row."""
        with self.engine.connect() as connection:
            return {row["line_id"]: dict(row) for row in connection.execute(select(reconciliation_review)).mappings()}

    def _head(self) -> dict[str, Any]:
        made = {"made_at": NOW, "made_by": "tester", "latest_at": NOW, "fingerprint": f"f-{self.number}", "inputs": {}}
        return {"provider": self.provider, "invoice_number": self.number, "currency": self.currency, **made, **self._sums()}

    def _sums(self) -> dict[str, Any]:
        def total(*verdicts: str) -> Decimal:
            return money.total(Decimal(row["subtotal"]) for row in self.rows if row["verdict"] in verdicts and row["subtotal"] is not None)

        rest = [row["verdict"] for row in self.rows if row["verdict"] != "confirmed" and row["verdict"] not in EXPLAINED]
        sums = {"confirmed": total("confirmed"), "explained": total(*EXPLAINED), "unexplained": total(*rest)}
        lines = money.total(sums.values())
        return {**sums, "header": lines, "lines": lines, "usage": 0, "tax": 0, "rounding": 0, "overridden": 0, "rows": len(self.rows)}
