"""Usage to correct, a row at a time: a provider invoice with usage summaries of customers that our records know.

Usage(engine)         `add` makes rows; `rows` tells what is stored; `bill` puts some on a customer invoice
table, written        a file that came back from a spreadsheet: its rows as mappings, and back to bytes
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, insert, select, update

from w365core import money
from w365core.correction import COLUMNS
from w365core.jobs import correcting
from w365core.jobs.correcting import Chosen
from w365core.store.tables import account, customer_invoice, provider_invoice, subscription, usage_summary

NOW = datetime(2026, 11, 12, 6, tzinfo=UTC)
NAMES = {"A-1": "Contoso", "A-2": "Fabrikam", "A-3": "Almjoch"}


class Usage:
    """One provider invoice in a database with the schema; more rows by `add`."""

    def __init__(self, engine: Engine, number: str = "G1") -> None:
        self.engine, self.number = engine, number
        sums = dict.fromkeys(("header_total", "license_total", "usage_total", "tax_total", "rounding", "overridden"), 0)
        head = {
            "provider": "csp",
            "invoice_number": number,
            "currency": "EUR",
            "source": "synced",
            "state": "Active",
            "status_reason": "Active",
        }
        with engine.begin() as connection:
            known = connection.execute(select(account.c.account_id)).scalars().all()
            for account_id, name in NAMES.items():
                if account_id not in known:
                    connection.execute(insert(account).values(account_id=account_id, name=name))
                    mine = {
                        "subscription_id": f"U-{account_id[-1]}",
                        "account_id": account_id,
                        "provider": "csp",
                        "kind": "Usage",
                        "name": f"{name} Azure",
                    }
                    connection.execute(insert(subscription).values(**mine, markup_pct=15))
            made = insert(provider_invoice).values(**head, first_seen_at=NOW, invoice_date=date(2026, 11, 8), **sums)
            self.invoice_id = connection.execute(made.returning(provider_invoice.c.provider_invoice_id)).scalar_one()
        self.count = 0

    def add(
        self, cost: str = "10.00", markup: str | None = "15", *, account_id: str | None = "A-1", currency: str = "EUR", **said: Any
    ) -> str:
        """One usage summary; returns its id."""
        self.count += 1
        usage_id = said.pop("usage_id", f"u{self.number}x{self.count:06}")
        selling = None if markup is None else money.selling_amount(Decimal(cost), Decimal(markup), currency)
        row = {
            "usage_id": usage_id, "provider_invoice_id": self.invoice_id, "account_id": account_id, "product": "Azure plan", "quantity": "1",
            "subscription_id": None if account_id is None else f"U-{account_id[-1]}", "charge_start": date(2026, 10, 1),
            "charge_end": date(2026, 10, 31), "cost": cost, "markup_pct": markup, "stamped_markup_pct": markup, "selling_amount": selling,
            "currency": currency, "lines": 1, "created_at": NOW,
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(usage_summary).values(**row | said))
        return usage_id

    def rows(self, *names: str) -> dict[str, Mapping[str, Any]]:
        """What is stored, by usage id, without the version."""
        with self.engine.connect() as connection:
            found = connection.execute(select(usage_summary).order_by(usage_summary.c.usage_id)).mappings()
            return {row["usage_id"]: {name: row[name] for name in names or row if name != "version"} for row in found}

    def markups(self) -> dict[str, Decimal | None]:
        return {usage_id: row["markup_pct"] for usage_id, row in self.rows("markup_pct").items()}

    def bill(self, *usage_ids: str, on: str = "I-1") -> None:
        head = {"invoice_number": on, "account_id": "A-1", "currency": "EUR", "status": "Draft", "invoice_date": date(2026, 11, 12)}
        with self.engine.begin() as connection:
            connection.execute(insert(customer_invoice).values(**head, cycle_start=date(2026, 10, 1), cycle_end=date(2026, 10, 31)))
            mine = usage_summary.c.usage_id.in_(usage_ids)
            billed = {"status": "Invoiced", "invoice_number": on, "version": usage_summary.c.version + 1}
            assert connection.execute(update(usage_summary).where(mine).values(**billed)).rowcount == len(usage_ids)

    def export(self, *, excel: bool = False) -> bytes:
        return correcting.export(self.engine, Chosen(invoices=(self.invoice_id,)), excel=excel)[0]


def table(content: bytes, separator: str = ",") -> list[dict[str, str]]:
    """The rows of a CSV as mappings."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=separator))


def written(rows: Sequence[Mapping[str, str]], *, separator: str = ",", columns: Sequence[str] = COLUMNS) -> bytes:
    """And back to a file."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, delimiter=separator, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
