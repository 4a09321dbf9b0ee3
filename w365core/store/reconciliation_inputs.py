"""What does a reconciliation of one invoice read? Its license lines, the subscriptions they are for or that should be on it, their change logs.

Every row comes as the text that Postgres prints of it, so that no digit is lost and no object is made per cell. Each brings its own hash, so that two
runs can say whose rows may differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import Connection, Row

from w365core import arrays, frames
from w365core.reconciliation import CHANGE_LOG_IN, LINE_IN, SUBSCRIPTION_IN
from w365core.store import currencies, stage
from w365core.store.engine import driver_cursor

_LINE_NUMBER, _HASH = "line_number", "row_hash"
_LOST = "nothing was stored. Reconcile it again."
# Which of our subscriptions a printed id is: the provider's own, then its aliases, then those of manual providers; the least of ours on a tie.
_KNOWN = """
    select distinct on (key) key, subscription_id from (
        select lower(btrim(s.provider_subscription_id)) as key, s.subscription_id, 1 as place from subscription s
        where lower(s.provider) = lower(%(provider)s) and s.provider_subscription_id is not null
        union all
        select lower(btrim(a.provider_subscription_id)), a.subscription_id, 2 from subscription_alias a where lower(a.provider) = lower(%(provider)s)
        union all
        select lower(btrim(s.provider_subscription_id)), s.subscription_id, 3 from subscription s join provider m on lower(m.name) = lower(s.provider)
        where m.type = 'manual' and s.provider_subscription_id is not null
    ) every_id order by key, place, subscription_id
"""
_PRINTED = tuple(column.name for column in LINE_IN if column.name not in ("line_number", "subscription_id", "account_id"))


@dataclass(frozen=True)
class Inputs:
    """What one invoice's reconciliation is made of. `fingerprints` is of each table's whole content, `by_subscription` of all that is about one
    subscription of ours; `foreign` counts lines in another currency, which are left out."""

    lines: pa.Table
    subscriptions: pa.Table
    change_logs: pa.Table
    fingerprints: Mapping[str, str]
    by_subscription: Mapping[str, str]
    foreign: int


def read(connection: Connection, invoice: Row, *, period: tuple[date, date], staged: bool) -> Inputs:
    """Reads it, in the caller's transaction. With `staged` the lines are those of the failed import's stage, resolved against our records of now where
    they were not."""
    table = stage.table_of(stage.LICENSE, invoice.import_run_id) if staged else stage.LICENSE
    bound = {
        "id": invoice.provider_invoice_id,
        "provider": invoice.provider,
        "currency": invoice.currency,
        "first": period[0],
        "last": period[1],
    }
    with driver_cursor(connection, lost=_LOST) as cursor:
        cursor.execute("create temporary table reconciled_line on commit drop as " + _lines(table, staged=staged), bound)
        cursor.execute("analyze reconciled_line (subscription_id)")  # nothing else is joined by
        foreign = cursor.execute(
            f"select count(*) from reconciled_line where {currencies.code('currency')} is distinct from upper(%(currency)s)", bound
        )
        skipped = foreign.fetchone()[0]
        lines = _printed(cursor, f"select * from reconciled_line where {currencies.code('currency')} = upper(%(currency)s)", bound, LINE_IN)
        cursor.execute("create temporary table reconciled_subscription on commit drop as " + _SUBSCRIPTIONS, bound)
        cursor.execute("analyze reconciled_subscription (subscription_id)")
        ours = _printed(cursor, "select * from reconciled_subscription", bound, SUBSCRIPTION_IN)
        logs = _printed(cursor, _CHANGE_LOGS, bound, CHANGE_LOG_IN)
    read = {"lines": lines, "subscriptions": ours, "change_logs": logs}
    tables = {
        name: _table(content, columns)
        for (name, content), columns in zip(read.items(), (LINE_IN, SUBSCRIPTION_IN, CHANGE_LOG_IN), strict=True)
    }
    prints = {name: _fingerprint(found) for name, found in tables.items()}
    whole = {name: found.drop_columns([_HASH]) for name, found in tables.items()}
    return Inputs(**whole, fingerprints=prints, by_subscription=_by_subscription(tuple(tables.values())), foreign=skipped)


def _lines(table: str, *, staged: bool) -> str:
    printed = ", ".join(f"line.{name}" for name in _PRINTED)
    if not staged:
        return (
            f"select line.line_number, line.subscription_id, line.account_id, {printed} from {table} line "
            "where line.provider_invoice_id = %(id)s and line.kind = 'license'"
        )
    return (
        f"with known as materialized ({_KNOWN}) "
        f"select line.line_number, coalesce(line.subscription_id, known.subscription_id) as subscription_id, "
        f"coalesce(line.account_id, s.account_id, mapped.account_id) as account_id, {printed} from {table} line "
        "left join known on line.subscription_id is null and known.key = lower(btrim(line.provider_subscription_id)) "
        "left join subscription s on s.subscription_id = known.subscription_id "
        "left join (select distinct on (lower(btrim(provider_account_id))) lower(btrim(provider_account_id)) as key, account_id from provider_account "
        "where lower(provider) = lower(%(provider)s) order by 1, account_id) mapped on mapped.key = lower(btrim(line.provider_customer_id)) "
        "where line.kind = 'license'"
    )


# Those that the lines name, and those that belong on the invoice by everything but the lines: by `except`, since an anti-join of what the planner takes for
# one row is a nested loop over all of them. An invoice's own period is its header's billing period,
# else the calendar month before its date; another document is of this period where the two overlap.
_SUBSCRIPTIONS = """
    with named as (select distinct subscription_id from reconciled_line where subscription_id is not null),
    documents as (
        select p.provider_invoice_id, case when p.period_start <= p.period_end then p.period_start
                else (date_trunc('month', p.invoice_date) - interval '1 month')::date end as first,
            case when p.period_start <= p.period_end then p.period_end else (date_trunc('month', p.invoice_date) - interval '1 day')::date end as last
        from provider_invoice p
        where lower(p.provider) = lower(%(provider)s) and p.status_reason in ('Active', 'Active Usage') and p.provider_invoice_id <> %(id)s
    ),
    charged as (
        select distinct line.subscription_id from documents d join license_line line using (provider_invoice_id)
        where line.subscription_id is not null
            and (d.first <= %(last)s and d.last >= %(first)s or line.kind = 'license' and line.charge_start <= %(last)s and line.charge_end >= %(last)s)
    ),
    wanted as (
        select subscription_id, false as expected from named
        union all
        select missing.subscription_id, true from (select s.subscription_id from subscription s
        where lower(s.provider) = lower(%(provider)s) and s.kind = 'License' and coalesce(s.status, 'Active') = 'Active'
            and s.contract_id is not null and s.quantity > 0 and upper(s.currency) = upper(%(currency)s)
            and (s.start_date is null or s.start_date <= %(last)s) and (s.end_date is null or s.end_date >= %(last)s)
        except (select subscription_id from named union all select subscription_id from charged)) missing
    ),
    ids as (
        select s.subscription_id, lower(btrim(s.provider_subscription_id)) as key from wanted join subscription s using (subscription_id)
        where lower(s.provider) = lower(%(provider)s) and s.provider_subscription_id is not null
        union
        select a.subscription_id, lower(btrim(a.provider_subscription_id)) from wanted join subscription_alias a using (subscription_id)
        where lower(a.provider) = lower(%(provider)s)
    ),
    now as (
        select ids.subscription_id,
            sum(case when p.gone_at is not null or lower(p.status) in ('deleted', 'expired', 'cancelled', 'canceled') then 0 else p.quantity end) as seats
        from ids join provider_subscription p on lower(p.provider) = lower(%(provider)s) and p.provider_subscription_id = ids.key
        where p.kind = 'License' and p.quantity is not null group by 1
    )
    select s.subscription_id, s.account_id, s.provider_subscription_id, s.product_id, s.name, coalesce(s.status, 'Active') as status, s.quantity,
        s.cost_price, s.selling_price, s.currency, coalesce(p.unit, 'Monthly') as unit,
        case when c.contract_id is not null then coalesce(c.prorate_unit, 'Days') end as prorate_unit, c.frequency, c.start_date as contract_start,
        wanted.expected, now.seats as provider_quantity_now
    from wanted join subscription s using (subscription_id) left join product p on p.product_id = s.product_id
    left join billing_contract c on c.contract_id = s.contract_id left join now on now.subscription_id = s.subscription_id
"""
_CHANGE_LOGS = "select {} from license_change_log g join reconciled_subscription r on r.subscription_id = g.subscription_id".format(
    ", ".join(f"g.{column.name}" for column in CHANGE_LOG_IN)
)


def _printed(cursor, query: str, bound: Mapping[str, object], columns: Sequence[frames.Column]) -> bytes:
    """What the query gives, as lines of the columns in their order, and behind them a hash of each line that is the same for equal ones.

    Postgres prints a row as text once, for its hash and for us, as CSV whose backslashes are doubled; the driver hands it over whole, without a step per row
    as COPY has one. Rows come in any order.
    """
    names = ", ".join(column.name for column in columns if column.name != _LINE_NUMBER)
    number = f"{_LINE_NUMBER} || ',' || " if columns[0].name == _LINE_NUMBER else ""
    line = f"{number}substr(printed, 2, length(printed) - 2) || ',' || hashtextextended(printed, 365)"
    whole = ", ".join([f"row({names})::text as printed", *([_LINE_NUMBER] if number else [])])
    cursor.execute(f"select {line} from (select {whole} from ({query}) found offset 0) printed_once", bound)
    found = cursor.pgresult
    return b"\n".join(found.get_value(place, 0) for place in range(found.ntuples))


def _table(content: bytes, columns: tuple[frames.Column, ...]) -> pa.Table:
    schema = frames.arrow_schema(columns).append(pa.field(_HASH, pa.int64()))
    if not content:
        return arrays.no_rows(schema)
    convert = pa.csv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    return pa.csv.read_csv(
        pa.BufferReader(content),
        read_options=pa.csv.ReadOptions(column_names=schema.names, use_threads=False),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, escape_char="\\" if b"\\" in content else False),
        convert_options=convert,
    )


def _fingerprint(table: pa.Table) -> str:
    """Of the whole content, whatever the order: of the sorted hashes of its rows, each with its number where it has one."""
    numbers = [_whole(table[name]) for name in (_LINE_NUMBER, _HASH) if name in table.column_names]
    content = np.stack([numbers[-1], *numbers[:-1]])
    return hashlib.blake2b(content[:, np.lexsort(content)].tobytes(), digest_size=16).hexdigest()


def _whole(column: pa.ChunkedArray) -> np.ndarray:
    return np.concatenate([arrays.in_memory(chunk, np.int64) for chunk in column.chunks or [pa.nulls(0, pa.int64())]])


def _by_subscription(tables: Sequence[pa.Table]) -> dict[str, str]:
    """For each subscription the sum of the hashes of its rows: equal where nothing of it has changed, whatever the order. Blank is for lines without."""
    ids = pa.chunked_array([chunk for table in tables for chunk in table["subscription_id"].chunks], pa.string()).combine_chunks()
    hashes = np.concatenate([_whole(table[_HASH]) for table in tables])
    if not len(ids):
        return {}
    encoded = ids.dictionary_encode(null_encoding="encode")
    sums = np.zeros(len(encoded.dictionary), np.uint64)
    np.add.at(sums, arrays.in_memory(encoded.indices, np.int32), hashes.view(np.uint64))  # beyond the widest it begins again
    return {name or "": f"{total:016x}" for name, total in zip(encoded.dictionary.to_pylist(), sums.tolist(), strict=True)}
