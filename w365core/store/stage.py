"""The stage tables of an import run: created and committed before the first line, so that what a killed run leaves can be seen and swept.

`license_line_r7` and `usage_line_r7` are the stage of run 7. Publishing turns the usage stage into the invoice's partition under the same name.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, text

from w365core import frames
from w365core.frames import Column
from w365core.store.copy_text import copied

LICENSE, USAGE = "license_line", "usage_line"
ASIDE = 0  # no run: the stage of lines that are looked at and never published; a session's own, and gone with it however it ends
_DECLARED = {LICENSE: frames.LICENSE_LINE, USAGE: frames.USAGE_LINE}


def table_of(which: str, run_id: int) -> str:
    """The name of a run's stage table; made of our own integer alone."""
    return f"{which}_r{int(run_id)}"


def create(connection: Connection, *, run_id: int, provider_invoice_id: int) -> None:
    """Makes both stage tables. The invoice is a default of the column, so that no line carries it through the copy; its check lets the stage be
    attached without being read again. Nothing is vacuumed or analysed while it is filled."""
    for which in (LICENSE, USAGE):
        name, invoice = table_of(which, run_id), int(provider_invoice_id)
        connection.execute(text(f"create table {name} (like {which} including constraints) with (autovacuum_enabled = false)"))
        connection.execute(
            text(
                f"alter table {name} alter column provider_invoice_id set default {invoice}, "
                f"add constraint {name}_of_invoice check (provider_invoice_id = {invoice})"
            )
        )


def create_aside(connection: Connection, *, provider_invoice_id: int) -> None:
    """Makes the stage `ASIDE` in this session, in temporary tables that nobody else sees."""
    for which in (LICENSE, USAGE):
        name, invoice = table_of(which, ASIDE), int(provider_invoice_id)
        connection.execute(text(f"create temporary table {name} (like {which})"))
        connection.execute(text(f"alter table {name} alter column provider_invoice_id set default {invoice}"))


class Copying:
    """All the lines of a stage on their way into it, in the caller's transaction: batches with the same columns share one COPY, so that nothing else
    may be asked of the connection before the block ends. What ends with an exception copies nothing.

    Each table is emptied first. To a table emptied in this very transaction Postgres writes no log (where nothing else wants it), and its lines are
    frozen as they come: neither the first reader nor a vacuum has to write them again."""

    def __init__(self, connection: Connection, *, run_id: int) -> None:
        self._connection, self._run_id = connection, run_id
        self._begun, self._emptied, self._statement, self._sink = ExitStack(), set(), "", None

    def __enter__(self) -> Copying:
        return self

    def __exit__(self, *error: Any) -> None:
        self._begun.__exit__(*error)

    def add(self, which: str, lines: pa.RecordBatch) -> None:
        """A batch of lines, exactly as they are in Arrow; blank text becomes null, and so does a column that they lack."""
        if not lines.num_rows:
            return
        columns, options, content = copied(lines)
        table = table_of(which, self._run_id)
        statement = f"copy {table} ({columns}) from stdin ({options}, freeze)"
        if statement != self._statement:
            self._begun.close()
            if table not in self._emptied:
                self._connection.execute(text(f"truncate {table}"))
                self._emptied.add(table)
            cursor = self._begun.enter_context(self._connection.connection.driver_connection.cursor())
            self._statement, self._sink = statement, self._begun.enter_context(cursor.copy(statement))
        self._sink.write(content)


@dataclass(frozen=True)
class Totals:
    """What the database itself counts and sums in the stage: license lines and their totals; usage lines, their costs, and on how many days they
    are, which is None where they print none."""

    license_lines: int
    license_total: Decimal
    usage_lines: int
    usage_cost: Decimal
    usage_days: int | None


def totals(connection: Connection, *, run_id: int) -> Totals:
    """Reads each line once, in the caller's transaction."""
    # What was just written is in the system's memory: fetching it through Postgres' helpers costs half as much again, and takes longer.
    connection.execute(text("set local effective_io_concurrency = 0"))
    of_licenses = connection.execute(text(f"select count(*), coalesce(sum(total), 0) from {table_of(LICENSE, run_id)}")).one()
    by_day = f"select usage_date, count(*) as lines, sum(billing_pre_tax_total) as cost from {table_of(USAGE, run_id)} group by usage_date"
    lines, cost, days = connection.execute(
        text(f"select coalesce(sum(lines), 0)::bigint, coalesce(sum(cost), 0), count(usage_date) from ({by_day}) as by_day")
    ).one()
    return Totals(*of_licenses, lines, cost, days if days or not lines else None)


def index(connection: Connection, *, run_id: int) -> None:
    """The usage stage's keys, once it is filled."""
    name = table_of(USAGE, run_id)
    connection.execute(text(f"alter table {name} add primary key (provider_invoice_id, line_number)"))
    connection.execute(text(f"create index on {name} (provider_invoice_id, usage_id, line_number)"))
    connection.execute(text(f"alter table {name} reset (autovacuum_enabled)"))


def analyse(connection: Connection, *, run_id: int) -> None:
    """Has the database look at a filled stage, so that it sums up a million lines by hashing: of a table it has never looked at it expects one row."""
    for which in (LICENSE, USAGE):
        connection.execute(text(f"analyze {table_of(which, run_id)}"))


def publish(connection: Connection, *, run_id: int, provider_invoice_id: int) -> None:
    """Makes the stage the invoice's lines, in the caller's transaction: old lines go, new ones come, as one set."""
    connection.execute(text("set local lock_timeout = '10s'"))
    withdraw(connection, provider_invoice_id=provider_invoice_id)
    names = ", ".join(["provider_invoice_id", *(column.name for column in frames.LICENSE_LINE)])
    license_stage = table_of(LICENSE, run_id)
    connection.execute(text(f"insert into license_line ({names}) select {names} from {license_stage} order by line_number"))
    connection.execute(text(f"drop table {license_stage}"))
    usage_stage = table_of(USAGE, run_id)
    if connection.execute(text(f"select exists (select 1 from {usage_stage})")).scalar_one():
        connection.execute(text(f"alter table usage_line attach partition {usage_stage} for values in ({int(provider_invoice_id)})"))
    else:
        connection.execute(text(f"drop table {usage_stage}"))


def withdraw(connection: Connection, *, provider_invoice_id: int) -> None:
    """Removes the invoice's published lines, in the caller's transaction."""
    connection.execute(text("delete from license_line where provider_invoice_id = :id"), {"id": provider_invoice_id})
    for partition in _partitions(connection, provider_invoice_id):
        connection.execute(text(f"alter table usage_line detach partition {partition}"))
        connection.execute(text(f"drop table {partition}"))


def drop(connection: Connection, *, run_id: int) -> None:
    """Drops a run's stage, where it still has one. A stage that was published is no stage any more and stays."""
    attached = set(_partitions(connection))
    for which in (LICENSE, USAGE):
        name = table_of(which, run_id)
        if name not in attached:
            connection.execute(text(f"drop table if exists {name}"))


def exists(connection: Connection, *, run_id: int) -> bool:
    """Whether the run's lines are still staged."""
    return bool(connection.execute(text("select to_regclass(:name) is not null"), {"name": table_of(LICENSE, run_id)}).scalar_one())


def all_runs(connection: Connection) -> set[int]:
    """Every run that has a stage table which is not attached to an invoice."""
    found = connection.execute(
        text(
            "select c.relname from pg_class c left join pg_inherits i on i.inhrelid = c.oid "
            "where c.relkind = 'r' and i.inhrelid is null and c.relnamespace = current_schema()::regnamespace "
            "and c.relname ~ '^(license|usage)_line_r[0-9]+$'"
        )
    )
    return {int(name.rpartition("_r")[2]) for (name,) in found}


def _partitions(connection: Connection, provider_invoice_id: int | None = None) -> list[str]:
    """The attached usage partitions, of one invoice or of all."""
    bound = (
        "" if provider_invoice_id is None else f"and pg_get_expr(c.relpartbound, c.oid) = 'FOR VALUES IN (''{int(provider_invoice_id)}'')'"
    )
    found = connection.execute(
        text(
            f"select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'usage_line'::regclass {bound}"
        )
    )
    return [name for (name,) in found]


def columns_of(which: str) -> tuple[Column, ...]:
    """The declared columns of a line table."""
    return _DECLARED[which]
