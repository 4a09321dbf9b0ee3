"""An invoice of 40,000 lines in Postgres: reading what its reconciliation needs, the whole reconciliation, and the script of the page that shows it.

Used by benchmarks/reconcile.py, on one bucket of its data, in a throwaway home. The page is run by Streamlit's own test runner, again and again as a
click would, as benchmarks/waiting.py runs the others.
"""

from __future__ import annotations

import io
import os
import time
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from sqlalchemy import Engine, insert

from benchmarks.load import ROOT, command
from w365core import settings
from w365core.jobs import reconciling
from w365core.jobs.context import Context
from w365core.store import embedded, ledger, reconciliation_inputs, tables
from w365core.store.engine import driver_cursor

PERIOD = (date(2026, 10, 1), date(2026, 10, 31))
_PAGE = "reconciliation/reconciliation.py"


def measured(home: Path, lines: pl.DataFrame, subscriptions: pl.DataFrame, logs: pl.DataFrame) -> dict:
    """Seconds of each, and how many rows came out."""
    command({**{name: value for name, value in os.environ.items() if name != "DATABASE_URL"}, "W365_HOME": str(home)}, "init")
    try:
        os.environ["W365_HOME"] = str(home)
        from pages.components import cached

        cached.engine.clear()
        engine = cached.unguarded()  # nobody is signed in to a benchmark
        stored(engine, lines, subscriptions, logs)
        invoice = ledger.named(engine, provider_name="bench", invoice_number="G1")
        context = Context(settings.read(), engine, datetime(2026, 12, 1, tzinfo=UTC), "bench", lambda sentence: None)
        began = time.perf_counter()
        with engine.connect() as connection:
            reconciliation_inputs.read(connection, invoice, period=PERIOD, staged=False)
        read = time.perf_counter()
        rows = reconciling.carry_out(context, provider_name="bench", invoice_number="G1").rows
        kept = time.perf_counter()
        return {"rows": rows, "read": read - began, "reconciled": kept - read, "page": page()}
    finally:
        embedded.stop(home=home, osuser="w365pg")


def stored(engine: Engine, lines: pl.DataFrame, subscriptions: pl.DataFrame, logs: pl.DataFrame) -> None:
    """The invoice, Active, with the records it is held against."""
    with engine.begin() as connection:
        total = lines.get_column("subtotal").cast(pl.Decimal(38, 2)).sum()
        at = datetime(2026, 12, 1, tzinfo=UTC)
        connection.execute(insert(tables.provider).values(name="bench", type="partner_center", tolerance=0, added_at=at))
        connection.execute(insert(tables.currency).values(code="EUR", rate_to_base=1))
        connection.execute(insert(tables.account).values(account_id="A-1", name="Contoso"))
        contract = {"contract_id": "B-1", "account_id": "A-1", "frequency": "Monthly", "prorate_unit": "Days", "currency": "EUR"}
        connection.execute(insert(tables.billing_contract).values(**contract, start_date=date(2024, 10, 4)))
        sums = {"header_total": total, "license_total": total, "lines_total": total, "license_lines": len(lines)}
        sums |= dict.fromkeys(("usage_total", "tax_total", "rounding", "overridden"), 0)
        head = {
            "provider": "bench",
            "invoice_number": "G1",
            "currency": "EUR",
            "source": "synced",
            "state": "Active",
            "status_reason": "Active",
        }
        head |= {"period_start": PERIOD[0], "period_end": PERIOD[1], "invoice_date": date(2026, 11, 8), "first_seen_at": at}
        made = insert(tables.provider_invoice).values(**head, **sums).returning(tables.provider_invoice.c.provider_invoice_id)
        invoice = connection.execute(made).scalar_one()
        ours = pl.lit("bench").alias("provider"), pl.lit("License").alias("kind"), pl.lit("B-1").alias("contract_id")
        _copied(
            connection, "license_line", lines.with_columns(pl.lit(invoice).alias("provider_invoice_id"), pl.lit("license").alias("kind"))
        )
        _copied(connection, "subscription", subscriptions.with_columns(*ours))
        _copied(connection, "license_change_log", logs)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("analyze")


def _copied(connection, name: str, frame: pl.DataFrame) -> None:
    known = {column.name for column in tables.metadata.tables[name].columns}
    frame = frame.select(column for column in frame.columns if column in known)
    out = io.BytesIO()
    frame.write_csv(out, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S")
    with driver_cursor(connection) as cursor, cursor.copy(f"copy {name} ({', '.join(frame.columns)}) from stdin (format csv)") as sink:
        sink.write(out.getvalue())


def page() -> float:
    """Seconds of the page's script, p95 of its reruns; the first run, which fills the caches, is not counted."""
    from streamlit.testing.v1 import AppTest

    from benchmarks.waiting import p95

    return p95(lambda: AppTest.from_file(str(ROOT / "pages" / "frame.py"), default_timeout=120).run().switch_page(_PAGE), {})
