"""The same job in portable SQL (job.sql), asked with the same dicts as the oracle, on a Postgres connection."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Row = dict[str, object]
JOB = (Path(__file__).parent / "job.sql").read_text(encoding="utf-8")

COLUMNS = {
    "line_in": {
        "subscription_id": "text", "provider_customer_id": "text", "charge_start": "date", "charge_end": "date", "line_number": "bigint",
        "subtotal": "numeric", "unit_price": "numeric", "effective_unit_price": "numeric", "exchange_rate": "numeric", "order_date": "timestamp",
        "billable_quantity": "numeric", "quantity": "numeric", "charge_type": "text", "billing_frequency": "text", "term_and_billing_cycle": "text",
    },
    "subscription_in": {
        "subscription_id": "text", "status": "text", "quantity": "numeric", "cost_price": "numeric", "selling_price": "numeric", "currency": "text",
        "unit": "text", "expected": "boolean",
    },
    "change_log_in": {
        "change_log_id": "text", "subscription_id": "text", "event": "text", "quantity": "numeric", "effective_date": "date", "provisioned_on": "date",
        "provisioning_status": "text", "status_reason": "text", "invoice_number": "text",
    },
    "asked": {"currency": "text"},
}  # fmt: skip


def rows(connection: psycopg.Connection, lines: list[Row], subscriptions: list[Row], change_logs: list[Row], *, currency: str) -> list[Row]:
    """What the job says of these inputs, sorted by `line_id`."""
    given = {"line_in": lines, "subscription_in": subscriptions, "change_log_in": change_logs, "asked": [{"currency": currency}]}
    with connection.cursor(row_factory=dict_row) as cursor:
        for table, filled in given.items():
            _fill(cursor, table, filled)
        cursor.execute("set enable_nestloop = off")  # nobody tells the planner how many rows a step of the job has
        found = cursor.execute(JOB).fetchall()
    return sorted(found, key=lambda row: row["line_id"])


def _fill(cursor: psycopg.Cursor, table: str, filled: list[Row]) -> None:
    columns = COLUMNS[table]
    declared = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns.items())
    cursor.execute(sql.SQL("drop table if exists pg_temp.{}").format(sql.Identifier(table)))
    cursor.execute(sql.SQL("create temporary table {} ({})").format(sql.Identifier(table), declared))
    with cursor.copy(sql.SQL("copy {} from stdin").format(sql.Identifier(table))) as copy:
        for row in filled:
            copy.write_row([row[name] for name in columns])
    cursor.execute(sql.SQL("analyze {}").format(sql.Identifier(table)))
