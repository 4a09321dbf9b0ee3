"""A reseller's books, a row at a time: contracts, subscriptions, usage and customer invoices, as billing finds them; and what billing did to them.

Books                 writes rows, bills, and says what came out
book (of conftest)    one on a database of its own
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select, text, update

from w365core import money
from w365core.jobs import invoicing, remaking
from w365core.jobs.context import Context
from w365core.jobs.invoicing import Period
from w365core.store import rebuilding
from w365core.store.tables import (
    account,
    billing_contract,
    customer_invoice,
    customer_invoice_line,
    provider_invoice,
    subscription,
    usage_invoice,
    usage_summary,
)

SUMS = dict.fromkeys(("header_total", "license_total", "usage_total", "tax_total", "rounding", "overridden"), 0)
CHARGED = {
    9: ("2026-09-01", "2026-09-30"),
    10: ("2026-10-01", "2026-10-31"),
    11: ("2026-11-01", "2026-11-30"),
    8: ("2026-08-01", "2026-08-31"),
}


def day(iso: str) -> date:
    return date.fromisoformat(iso)


def at(iso: str) -> datetime:
    return datetime.fromisoformat(iso).replace(tzinfo=UTC)


@dataclass
class Books:
    """One database. Without more, usage is of October 2026, in EUR, of subscription U-1 on contract C-1 of account A-1."""

    context: Context
    counted: int = 0
    invoices: dict[tuple, int] = field(default_factory=dict)

    def contract(self, contract_id: str = "C-1", *, next_invoice_date: str | None = None, **said: Any) -> None:
        owner = said.pop("account_id", "A-1")
        row = {"contract_id": contract_id, "account_id": owner, "frequency": "Monthly", "start_date": day("2025-09-01"), "status": "Active"}
        dated = {"next_invoice_date": next_invoice_date and day(next_invoice_date), "currency": "EUR"}
        with self.context.engine.begin() as connection:
            if owner and connection.execute(select(account).where(account.c.account_id == owner)).first() is None:
                connection.execute(insert(account).values(account_id=owner, name=f"Customer {owner}", currency="EUR", credit_hold=False))
            connection.execute(insert(billing_contract).values(**{**row, **dated, **said}))

    def subscription(self, subscription_id: str = "U-1", contract_id: str | None = "C-1", **said: Any) -> None:
        row = {"subscription_id": subscription_id, "contract_id": contract_id, "account_id": "A-1", "kind": "Usage", "provider": "csp"}
        more = {"name": f"Azure {subscription_id}", "status": "Active", "markup_pct": Decimal(0)}
        with self.context.engine.begin() as connection:
            connection.execute(insert(subscription).values(**{**row, **more, **said}))

    def used(
        self, cost: str = "100.00", *, month: int = 10, of: str = "U-1", markup: str | None = "0", currency: str = "EUR", **said: Any
    ) -> str:
        """One usage summary; its provider invoice is Active unless `state` and `status_reason` say otherwise. Returns its id."""
        state = (said.pop("state", "Active"), said.pop("status_reason", "Active"))
        self.counted += 1
        usage_id = said.pop("usage_id", f"u{self.counted:04}")
        start, end = (day(one) for one in CHARGED[month])
        pct = None if markup is None else Decimal(markup)
        sold = None if pct is None else money.selling_amount(Decimal(cost), pct, currency)
        row = {"usage_id": usage_id, "subscription_id": of, "account_id": "A-1", "product": "Azure plan", "lines": 1, "currency": currency}
        amounts = {"quantity": Decimal(2), "cost": Decimal(cost), "markup_pct": pct, "stamped_markup_pct": pct, "selling_amount": sold}
        window = {"charge_start": start, "charge_end": end, "created_at": at("2026-11-09")}
        with self.context.engine.begin() as connection:
            named = (*state, currency, said.pop("on", None))
            if named not in self.invoices:
                self.invoices[named] = self._provider_invoice(connection, *named)
            given = {**row, **amounts, **window, "provider_invoice_id": self.invoices[named], **said}
            connection.execute(insert(usage_summary).values(**given))
        return usage_id

    def _provider_invoice(self, connection, state: str, status_reason: str, currency: str, name: str | None) -> int:
        made = insert(provider_invoice).values(
            provider="csp", invoice_number=name or f"G{len(self.invoices) + 1}", currency=currency, source="synced", state=state,
            status_reason=status_reason, invoice_date=day("2026-11-08"), first_seen_at=at("2026-11-08"), **SUMS,
        )  # fmt: skip
        return connection.execute(made.returning(provider_invoice.c.provider_invoice_id)).scalar_one()

    def invoice(
        self, number: str, *amounts: str, month: int = 9, status: str = "Billed", of: str = "U-1", contract_id: str = "C-1"
    ) -> None:
        """A customer invoice of our records, loaded, with a line for each amount."""
        start, end = (day(one) for one in CHARGED[month])
        head = {"invoice_number": number, "contract_id": contract_id, "account_id": "A-1", "currency": "EUR", "status": status}
        with self.context.engine.begin() as connection:
            dated = {"invoice_date": day(f"2026-{month + 1:02}-05"), "cycle_start": start, "cycle_end": end}
            connection.execute(insert(customer_invoice).values(**head, **dated))
            for place, amount in enumerate(amounts, 1):
                line = {"invoice_number": number, "line_number": place, "subscription_id": of, "amount": Decimal(amount)}
                connection.execute(insert(customer_invoice_line).values(**line))

    # --- doing ---------------------------------------------------------------------------------------------------------------------------

    def bill(self, period: str = "2026-11", contract: str | None = None, *, now: str = "2026-11-12", **said: Any) -> invoicing.Billed:
        how = {"actor": "tester", "now": at(now), "landing": self.context.landing}
        return invoicing.bill(self.context.engine, Period.month(period), contract_id=contract, **how, **said)

    def regenerate(self, number: str, *, now: str = "2026-11-12", **said: Any):
        return remaking.regenerate(self.context.engine, number, actor="tester", now=at(now), landing=self.context.landing, **said)

    def unbill(self, number: str, **said: Any) -> tuple[str, int]:
        return invoicing.unbill(self.context.engine, number, actor="tester", now=self.context.now, landing=self.context.landing, **said)

    def mark(self, number: str, status: str) -> tuple[str, str, bool]:
        return invoicing.mark(self.context.engine, number, status, actor="tester", now=self.context.now)

    def change(self, table: Any, **values: Any) -> None:
        """Sets these values in every row of the table."""
        with self.context.engine.begin() as connection:
            connection.execute(update(table).values(**values))

    # --- what came out ---------------------------------------------------------------------------------------------------------------------

    def rows(self, question: str, **given: Any) -> list[tuple]:
        with self.context.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question), given)]

    def amounts(self, number: str) -> list[Decimal]:
        return [
            row[0] for row in self.rows("select amount from customer_invoice_line where invoice_number = :n order by line_number", n=number)
        ]

    def said(self, number: str) -> list[str]:
        return [
            row[0]
            for row in self.rows("select description from customer_invoice_line where invoice_number = :n order by line_number", n=number)
        ]

    def on(self) -> dict[str, str | None]:
        return dict(self.rows("select usage_id, invoice_number from usage_summary order by usage_id"))

    def next_date(self, contract_id: str = "C-1") -> date | None:
        return self.rows("select next_invoice_date from billing_contract where contract_id = :c", c=contract_id)[0][0]

    def digests(self) -> dict[str, Any]:
        """Of the ledger and of our records."""
        tables = (customer_invoice, customer_invoice_line, billing_contract, usage_invoice)
        with self.context.engine.begin() as connection:
            ours = {table.name: rebuilding.digest(connection, table.name) for table in tables}
            return rebuilding.digests(connection) | ours
