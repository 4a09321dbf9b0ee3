"""A store with invoices in it, stated by what matters alone: `invoice(connection, number="D-1", header="100.00")`."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Engine, insert, text

from w365core import frames
from w365core.store import schema, stage
from w365core.store.engine import pooled
from w365core.store.tables import (
    account,
    audit_log,
    currency,
    import_run,
    installation,
    landed_answer,
    missing_reference,
    provider_invoice,
    usage_summary,
)

NOW = datetime(2026, 11, 12, 8, 0, tzinfo=UTC)


def prepared(url: str) -> Engine:
    """An engine on a database with our schema."""
    engine = pooled(url)
    schema.upgrade(engine)
    return engine


def clock(connection: Connection, now: datetime = NOW) -> None:
    """This installation is the demo and states its time."""
    connection.execute(insert(installation), [{"name": "clock", "value": now.isoformat()}, {"name": "demo", "value": "filled"}])


def rates(connection: Connection, **by_code: str) -> None:
    connection.execute(insert(currency), [{"code": code, "rate_to_base": Decimal(rate)} for code, rate in by_code.items()])


def customer(connection: Connection, account_id: str, name: str) -> str:
    connection.execute(insert(account).values(account_id=account_id, name=name))
    return account_id


def invoice(
    connection: Connection,
    *,
    number: str = "D0300A1B2C",
    provider: str = "csp-demo",
    status: str = "Active",
    header: str | None = "100.00",
    difference: str = "0.00",
    currency: str = "EUR",
    on: date = date(2026, 11, 8),
    license: str | None = None,
    usage: str = "0",
    tax: str = "0",
    first_seen: datetime | None = None,
    run: int | None = None,
    **more: Any,
) -> int:
    """A provider invoice whose identity adds up; the license total takes what the other parts leave."""
    total = None if header is None else Decimal(header)
    parts = None if total is None else [Decimal(part) for part in (usage, tax, difference)]
    values = {
        "provider": provider,
        "invoice_number": number,
        "invoice_date": on,
        "period_start": (on.replace(day=1) - timedelta(days=1)).replace(day=1),
        "period_end": on.replace(day=1) - timedelta(days=1),
        "currency": currency,
        "source": "synced",
        "state": "Active" if status in ("Active", "Active Usage", "Populating") else "Inactive",
        "status_reason": status,
        "header_total": total,
        "first_seen_at": first_seen or NOW - timedelta(days=3),
        "imported_at": NOW - timedelta(hours=2) if status == "Active" else None,
        "attempts": 1,
        "import_run_id": run,
    }
    if parts is not None:
        small = abs(parts[2]) <= Decimal("0.05")
        values |= {
            "license_total": Decimal(license) if license else total - sum(parts),
            "usage_total": parts[0],
            "tax_total": parts[1],
            "rounding": parts[2] if small else Decimal(0),
            "overridden": Decimal(0) if small else parts[2],
            "lines_total": total - parts[2],
            "difference": parts[2],
            "tolerance": Decimal("0.05"),
        }
    made = insert(provider_invoice).values(**(values | more)).returning(provider_invoice.c.provider_invoice_id)
    return connection.execute(made).scalar_one()


def license_line(line_number: int, *, total: str = "10.00", **more: Any) -> dict[str, Any]:
    """A line of the reconciliation file; amounts as the provider prints them."""
    return {
        "line_number": line_number,
        "kind": "license",
        "provider_customer_id": "6a1d0b7e-0000-4000-8000-000000000001",
        "customer_name": "Contoso Ltd",
        "sku_name": "Microsoft 365 E3",
        "product_id": "CFQ7TTC0LFLX",
        "sku_id": "0001",
        "charge_type": "cycleCharge",
        "charge_start": date(2026, 10, 1),
        "charge_end": date(2026, 10, 31),
        "quantity": "1",
        "unit_price": total,
        "subtotal": total,
        "tax_total": "0",
        "total": total,
        "currency": "EUR",
        "provider_subscription_id": "0f5c3a52-0000-4000-8000-000000000009",
    } | more


def usage_line(line_number: int, *, cost: str = "1.25", **more: Any) -> dict[str, Any]:
    """A line of the daily-rated file."""
    return {
        "line_number": line_number,
        "usage_id": "u-1",
        "provider_customer_id": "6a1d0b7e-0000-4000-8000-000000000001",
        "customer_name": "Contoso Ltd",
        "usage_date": date(2026, 10, 1 + line_number % 31),
        "meter_category": "Virtual Machines",
        "meter_name": "D4s v5",
        "unit": "1 Hour",
        "quantity": "24",
        "unit_price": "0.052083",
        "billing_pre_tax_total": cost,
        "billing_currency": "EUR",
        "provider_subscription_id": "0f5c3a52-0000-4000-8000-000000000010",
    } | more


def lines(
    connection: Connection, invoice_id: int, *, run: int, license: list[dict] = (), usage: list[dict] = (), publish: bool = True
) -> None:
    """Stages the lines as an import does, and publishes them unless the import is to have failed."""
    stage.create(connection, run_id=run, provider_invoice_id=invoice_id)
    for which, declared, rows in ((stage.LICENSE, frames.LICENSE_LINE, license), (stage.USAGE, frames.USAGE_LINE, usage)):
        wanted = frames.arrow_schema(declared)
        filled = [{name: row.get(name) for name in wanted.names} for row in rows]
        with stage.Copying(connection, run_id=run) as copying:
            copying.add(which, pa.RecordBatch.from_pylist(filled, schema=wanted))
    if publish:
        stage.index(connection, run_id=run)
        stage.publish(connection, run_id=run, provider_invoice_id=invoice_id)


def summary(connection: Connection, invoice_id: int, *, usage_id: str = "u-1", cost: str = "1.25", **more: Any) -> None:
    values = {
        "usage_id": usage_id,
        "provider_invoice_id": invoice_id,
        "product": "Azure plan",
        "charge_start": date(2026, 10, 1),
        "charge_end": date(2026, 10, 31),
        "quantity": Decimal(1),
        "cost": Decimal(cost),
        "currency": "EUR",
        "lines": 1,
        "created_at": NOW,
    }
    connection.execute(insert(usage_summary).values(**(values | more)))


def missing(
    connection: Connection, invoice_id: int, *, key: str = "c-1", kind: str = "customer", amount: str = "10.00", **more: Any
) -> None:
    values = {
        "provider_invoice_id": invoice_id,
        "kind": kind,
        "key": key,
        "currency": "EUR",
        "name": "Fabrikam GmbH",
        "blocking": kind != "product",
        "lines": 3,
        "amount": Decimal(amount),
        "suggestion": "Map it to the account it belongs to.",
    }
    connection.execute(insert(missing_reference).values(**(values | more)))


def happened(connection: Connection, *, provider: str, number: str, invoice_id: int, action: str = "import provider invoice") -> None:
    """An attempt and an entry of the audit log."""
    connection.execute(
        insert(import_run).values(
            provider_invoice_id=invoice_id, status="done", started_at=NOW - timedelta(hours=2), finished_at=NOW, lines=7
        )
    )
    place = connection.execute(text("select count(*) from audit_log")).scalar_one() + 1
    connection.execute(
        insert(audit_log).values(
            audit_id=place,
            at=NOW,
            actor="ana",
            action=action,
            target_kind="provider invoice",
            target=f"{provider} {number}",
            after=json.loads('{"state": "Active", "status_reason": "Active"}'),
            previous_hash=f"{place - 1}",
            hash=f"{place}",
        )
    )


def landed(connection: Connection, *, number: str, purpose: str, fingerprint: str, method: str = "GET", **more: Any) -> None:
    """A file that was received."""
    values = {
        "provider": "csp-demo",
        "invoice_number": number,
        "purpose": purpose,
        "method": method,
        "url": f"{purpose}.json.gz",
        "size": 24080,
        "fingerprint": fingerprint,
        "received_at": NOW,
    }
    connection.execute(insert(landed_answer).values(**(values | more)))
