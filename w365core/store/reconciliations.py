"""How is a reconciliation kept? As a run: what it was made of, its totals, its rows with their change logs, and what is odd.

The same inputs are the same run: it is found again and becomes the latest, and nothing is written twice. Runs are derived from the invoice, named by
its provider and number; what people decided stands apart and outlives them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Engine, Row, text

from w365core.arrays import scalar, whole_array
from w365core.errors import AlreadyRunning
from w365core.reconciliation import EXPLANATION, FINDING, ROW
from w365core.store import engine as store_engine
from w365core.store.copy_text import copied
from w365core.store.engine import driver_cursor
from w365core.store.ledger import Who

SUMS = ("header", "lines", "usage", "tax", "rounding", "overridden", "confirmed", "explained", "unexplained")
KEPT = 10  # runs of an invoice, the latest; the run of a sign-off that stands is kept beside them
_AT_ONCE = 50_000  # rows
_LATEST = """
    select n.reconciliation_id, n.provider, n.invoice_number, n.currency, n.fingerprint, cast(n.inputs ->> 'import_run_id' as bigint) as import_run_id,
        n.header, n.lines, n.usage, n.tax, n.rounding, n.overridden, n.confirmed, n.explained, n.unexplained, n.rows, n.message, n.made_at, n.made_by,
        n.latest_at
    from reconciliation n where n.reconciliation_id = (
        select last.reconciliation_id from reconciliation last where last.provider = :provider and last.invoice_number = :invoice_number
        order by last.latest_at desc, last.reconciliation_id desc limit 1)
"""  # the inputs of this one run alone are unpacked
# Which runs are the latest of their invoice: to be joined as `latest`.
LATEST_RUNS = """
    select distinct on (provider, invoice_number) reconciliation_id, provider, invoice_number from reconciliation
    order by provider, invoice_number, latest_at desc, reconciliation_id desc
"""


@dataclass(frozen=True)
class Run:
    """A run that is to be kept. `inputs` says what it was made of, as JSON; `totals` are the `SUMS`."""

    provider: str
    invoice_number: str
    currency: str
    fingerprint: str
    inputs: Mapping[str, Any]
    totals: Mapping[str, Decimal]
    message: str


@contextmanager
def alone(engine: Engine, *, provider: str, invoice_number: str) -> Iterator[None]:
    """One reconciliation of an invoice at a time. AlreadyRunning while there is another."""
    with engine.connect() as connection:
        if not store_engine.lock(connection, "reconcile", provider.lower(), invoice_number.lower()):
            raise AlreadyRunning(f"Invoice {invoice_number} is being reconciled by somebody else right now; look again in a minute.")
        connection.commit()
        yield  # the lock ends with the connection


def is_being_imported(connection: Connection, provider_invoice_id: int) -> bool:
    """Whether an import of the invoice is under way, so that its lines are about to be others."""
    query = text("select exists (select from import_run where provider_invoice_id = :id and status = 'running')")
    return bool(connection.execute(query, {"id": provider_invoice_id}).scalar_one())


def latest(connection: Connection, *, provider: str, invoice_number: str) -> Row | None:
    """The run that holds now, without what it was made of; None where the invoice was never reconciled."""
    return connection.execute(text(_LATEST), {"provider": provider, "invoice_number": invoice_number}).first()


def made_of(connection: Connection, run_id: int) -> Mapping[str, Any]:
    """The inputs of a run as they were kept; they name every subscription of the invoice, so that no page asks for them."""
    return connection.execute(text("select inputs from reconciliation where reconciliation_id = :run"), {"run": run_id}).scalar_one()


def found_again(connection: Connection, run: Run, *, who: Who) -> int | None:
    """Makes the run of these inputs the latest and returns its number; None where there is none yet. Which import it is of may be another."""
    query = text(f"""
        update reconciliation set latest_at = {_next_moment()}, message = :message,
            inputs = inputs || jsonb_build_object('import_run_id', cast(:import_run_id as bigint), 'version', cast(:version as int))
        where provider = :provider and invoice_number = :invoice_number and fingerprint = :fingerprint returning reconciliation_id
    """)
    named = {"provider": run.provider, "invoice_number": run.invoice_number, "fingerprint": run.fingerprint, "message": run.message}
    import_of = {name: run.inputs[name] for name in ("import_run_id", "version")}
    return connection.execute(query, {**named, **import_of, "now": who.now}).scalar()


def keep(
    connection: Connection,
    run: Run,
    *,
    rows: pa.Table,
    change_logs: pa.Table,
    findings: pa.Table,
    more_findings: Sequence[Mapping[str, Any]] = (),
    who: Who,
) -> int:
    """Writes a new run whole, in the caller's transaction, and returns its number; `more_findings` are those over usage. The database checks the identity
    and the conservation again. Runs of the invoice beyond the latest `KEPT` are deleted."""
    query = text(f"""
        insert into reconciliation (provider, invoice_number, currency, fingerprint, inputs, {", ".join(SUMS)}, rows, message, made_at, made_by, latest_at)
        values (:provider, :invoice_number, :currency, :fingerprint, cast(:inputs as jsonb), {", ".join(f":{name}" for name in SUMS)}, :rows, :message,
            :now, :actor, {_next_moment()}) returning reconciliation_id
    """)
    run_id = connection.execute(query, _bound(run, who) | {"rows": rows.num_rows}).scalar_one()
    ordinals = whole_array(range(findings.num_rows))
    _copy(connection, "reconciliation_line", run_id, rows.select([column.name for column in ROW]))
    _copy(connection, "reconciliation_change_log", run_id, change_logs.select([column.name for column in EXPLANATION]))
    _copy(
        connection,
        "reconciliation_finding",
        run_id,
        findings.select([column.name for column in FINDING]).append_column("ordinal", ordinals),
    )
    names = ("reconciliation_id", "ordinal", *(column.name for column in FINDING))
    query = text(f"insert into reconciliation_finding ({', '.join(names)}) values ({', '.join(f':{name}' for name in names)})")
    further = [{"reconciliation_id": run_id, "ordinal": place, **one} for place, one in enumerate(more_findings, findings.num_rows)]
    if further:
        connection.execute(query, further)
    _prune(connection, run)
    return run_id


def forget(connection: Connection, *, provider: str, invoice_number: str) -> int:
    """Removes the runs of an invoice that is no more, in the caller's transaction; what people decided stays, for the day it comes again."""
    query = text("select reconciliation_id from reconciliation where provider = :provider and invoice_number = :invoice_number")
    return _delete(connection, connection.execute(query, {"provider": provider, "invoice_number": invoice_number}).scalars().all())


def staged_sums(connection: Connection, table: str, currency: str) -> tuple[Decimal, Decimal]:
    """Of the lines of a failed import in the invoice's currency: what its usage comes to before tax, and the tax of all of them."""
    query = text(f"""
        select coalesce(sum(subtotal) filter (where kind = 'usage'), 0), coalesce(sum(tax_total), 0) from {table}
        where upper(currency) = upper(:currency)
    """)
    usage, tax = connection.execute(query, {"currency": currency}).one()
    return usage, tax


# --- reading a run -----------------------------------------------------------------------------------------------------------------------


def rows_of(connection: Connection, run_id: int) -> list[dict[str, Any]]:
    """Its rows, each with the customer's name, the biggest money at risk first; what is not known comes before nothing at risk."""
    names = ", ".join(f"l.{column.name}" for column in ROW)
    query = text(f"""
        select {names}, coalesce(a.name, l.customer_name) as customer from reconciliation_line l left join account a on a.account_id = l.account_id
        where l.reconciliation_id = :run
        order by l.money_at_risk is null and l.verdict <> 'confirmed' desc, l.money_at_risk desc nulls last, abs(coalesce(l.subtotal, 0)) desc, l.line_id
    """)
    return [dict(row) for row in connection.execute(query, {"run": run_id}).mappings()]


def change_logs_of(connection: Connection, run_id: int) -> dict[str, list[dict[str, Any]]]:
    """The change logs of each row, in the order of their days."""
    names = ", ".join(column.name for column in EXPLANATION)
    query = text(f"""
        select {names} from reconciliation_change_log where reconciliation_id = :run order by line_id, effective_date nulls first, change_log_id
    """)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(query, {"run": run_id}).mappings():
        found.setdefault(row["line_id"], []).append(dict(row))
    return found


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _prune(connection: Connection, run: Run) -> None:
    """Deletes what nobody goes back to: decisions are kept apart, by the row's own name, and need no run."""
    query = text("""
        select n.reconciliation_id from reconciliation n where n.provider = :provider and n.invoice_number = :invoice_number
            and not exists (select from reconciliation_sign_off s where s.reconciliation_id = n.reconciliation_id and s.reopened_at is null)
            and n.reconciliation_id not in (
                select latest.reconciliation_id from reconciliation latest where latest.provider = :provider and latest.invoice_number = :invoice_number
                order by latest.latest_at desc, latest.reconciliation_id desc limit :kept)
    """)
    bound = {"provider": run.provider, "invoice_number": run.invoice_number, "kept": KEPT}
    _delete(connection, connection.execute(query, bound).scalars().all())


def _delete(connection: Connection, runs: Sequence[int]) -> int:
    """Runs with all that hangs on them; returns how many."""
    if not runs:
        return 0
    for table in ("reconciliation_line", "reconciliation_change_log", "reconciliation_finding", "reconciliation"):
        connection.execute(text(f"delete from {table} where reconciliation_id = any(:runs)"), {"runs": list(runs)})
    return len(runs)


def _next_moment() -> str:
    """Now, and later than any run of the invoice: a demo's clock stands still."""
    return (
        "greatest(:now, (select max(latest_at) + interval '1 microsecond' from reconciliation other where other.provider = :provider "
        "and other.invoice_number = :invoice_number))"
    )


def _bound(run: Run, who: Who) -> dict[str, Any]:
    named = {"provider": run.provider, "invoice_number": run.invoice_number, "currency": run.currency, "fingerprint": run.fingerprint}
    now: datetime = who.now
    return named | {"inputs": json.dumps(run.inputs), "message": run.message, "now": now, "actor": who.actor, **run.totals}


def _copy(connection: Connection, table: str, run_id: int, rows: pa.Table) -> None:
    """All of it, whatever of the table's other columns there are; blank text is null."""
    if not rows.num_rows:
        return
    whole = rows.append_column("reconciliation_id", pa.repeat(scalar(str(run_id)), rows.num_rows))
    with driver_cursor(connection, lost="nothing was stored. Reconcile it again.") as cursor:
        for batch in _batches(whole):
            columns, options, content = copied(batch)
            with cursor.copy(f"copy {table} ({columns}) from stdin ({options})") as sink:
                sink.write(content)


def _batches(rows: pa.Table) -> Sequence[pa.RecordBatch]:
    return rows.combine_chunks().to_batches(max_chunksize=_AT_ONCE)
