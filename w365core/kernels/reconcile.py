"""What is to be said of an invoice's lines, held against our subscriptions and their change logs? One bucket of subscriptions: a pure function, Arrow in and out.

All lines of a subscription are in one bucket; lines without subscription may be in any. The order of the input never matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from w365core import frames
from w365core.frames import Column
from w365core.reconcile import findings, rows
from w365core.reconcile.shown import shown
from w365core.reconciliation import CHANGE_LOG_IN, EXPLANATION, FINDING, LINE_IN, ROW, SUBSCRIPTION_IN

_UNUSED = ("subscription_id", "currency")  # columns of lines that are not converted, as most of the change logs' are not
_REPLAYED = ("event", "quantity", "effective_date")


@dataclass(frozen=True)
class Reconciled:
    """Rows in the order of `line_id`, the change logs outside their views, and findings."""

    rows: pa.Table
    change_logs: pa.Table
    findings: pa.Table


def reconcile(lines: pa.Table, subscriptions: pa.Table, change_logs: pa.Table, *, currency: str) -> Reconciled:
    """Reconciles one invoice's lines of a bucket of subscriptions, in the columns of LINE_IN, SUBSCRIPTION_IN and CHANGE_LOG_IN.

    `currency` is the invoice's. Numbers are text of any number of digits; a text that is no number is an AssertionError.
    """
    currency = currency.strip().upper()
    ours = _in_order(_frame(subscriptions, SUBSCRIPTION_IN), "subscription_id")
    ids = ours.get_column("subscription_id").to_arrow()
    judged = rows.judged(
        _frame(_compared(lines), [column for column in LINE_IN if column.name not in _UNUSED]).with_columns(_places(lines, ids)),
        ours,
        _frame(change_logs, [column for column in CHANGE_LOG_IN if column.name in _REPLAYED]).with_columns(_places(change_logs, ids)),
        printed=lambda places, names: _frame(
            change_logs.select(names).take(places.to_arrow()), [c for c in CHANGE_LOG_IN if c.name in names]
        ),
        currency=currency,
    )
    return Reconciled(
        _shown(shown(judged, currency=currency), ROW),
        _table(judged.change_logs.sort("line_id", "change_log_id"), EXPLANATION),
        _table(findings.found(judged, currency=currency).sort("line_id", "line_number", "kind"), FINDING),
    )


def _frame(table: pa.Table, columns: Sequence[Column]) -> pl.DataFrame:
    """In one piece: much of what is done to several at once costs more than putting them together."""
    return pl.DataFrame(pl.from_arrow(table.select([column.name for column in columns]).combine_chunks()))


def _compared(lines: pa.Table) -> pa.Table:
    """The lines with the provider's ids as they compare: without blanks around them, in lower case."""
    for name in ("provider_subscription_id", "provider_customer_id"):
        printed = lines[name].combine_chunks()
        same = pc.ascii_lower(pc.ascii_trim_whitespace(printed)) if _is_ascii(printed) else pc.utf8_lower(pc.utf8_trim_whitespace(printed))
        lines = lines.set_column(lines.column_names.index(name), name, same)
    return lines


def _is_ascii(text: pa.Array) -> bool:
    """Whether no byte of it is beyond ASCII, or of what lies in the same buffer: looked at in a tenth of the time that asking each text takes."""
    letters = text.buffers()[2]
    return letters is None or int(np.frombuffer(letters, dtype=np.int8).min(initial=0)) >= 0


def _in_order(frame: pl.DataFrame, by: str) -> pl.DataFrame:
    """Sorted; what comes so already, as the store gives it, is left alone."""
    return frame if frame.get_column(by).is_sorted() else frame.sort(by)


def _places(table: pa.Table, ids: pa.Array) -> pl.Series:
    """The place of each row's subscription among ours; null where it is none of them. Its id is needed for nothing else, so that it stays in Arrow."""
    named = table["subscription_id"].combine_chunks()
    return pl.Series("subscription", pl.from_arrow(pc.index_in(named, value_set=ids.cast(named.type)))).cast(pl.Int64)


def _table(frame: pl.DataFrame, columns: tuple[Column, ...]) -> pa.Table:
    return _shown(frame.get_column, columns)


def _shown(column: Callable[[str], pl.Series], columns: tuple[Column, ...]) -> pa.Table:
    """Each column is in Arrow before the next one is made."""
    schema = frames.arrow_schema(columns)
    arrays = (column(field.name).to_arrow(compat_level=pl.CompatLevel.newest()).cast(field.type) for field in schema)
    return pa.Table.from_arrays(list(arrays), schema=schema)
