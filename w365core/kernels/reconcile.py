"""What is to be said of an invoice's lines, held against our subscriptions and their change logs? One bucket of subscriptions: a pure function, Arrow in and out.

All lines of a subscription are in one bucket; lines without subscription may be in any. The order of the input never matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from w365core import frames
from w365core.frames import Column
from w365core.reconcile import findings, rows
from w365core.reconciliation import CHANGE_LOG_IN, EXPLANATION, FINDING, LINE_IN, ROW, SUBSCRIPTION_IN


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
    billed, ours, logs = _frame(lines, LINE_IN), _frame(subscriptions, SUBSCRIPTION_IN), _frame(change_logs, CHANGE_LOG_IN)
    quantities = rows.numbers(billed, ours, logs)
    judged = rows.judged(billed, ours, logs, quantities=quantities, currency=currency.strip().upper())
    odd = findings.found(judged, currency=currency.strip().upper())
    return Reconciled(
        _table(judged.rows, ROW, _order(judged.rows)),
        _table(judged.change_logs, EXPLANATION, _by(judged.change_logs, "line_id", "change_log_id")),
        _table(odd, FINDING, _by(odd, "line_id", "line_number", "kind")),
    )


def _frame(table: pa.Table, columns: tuple[Column, ...]) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table.select([column.name for column in columns])))


def _table(frame: pl.DataFrame, columns: tuple[Column, ...], order: pl.Series) -> pa.Table:
    schema = frames.arrow_schema(columns)
    whole = frame.select(schema.names).rechunk()  # rows are gathered five times as fast from one piece
    return whole[order].to_arrow(compat_level=pl.CompatLevel.newest()).cast(schema)


def _by(frame: pl.DataFrame, *names: str) -> pl.Series:
    return frame.select(pl.arg_sort_by(names)).to_series()


def _order(rows: pl.DataFrame) -> pl.Series:
    """By `line_id`. Rows of subscriptions, which have numbers in the order of their ids, need no sorting of texts, unless one id begins another."""
    likely = rows.select(pl.arg_sort_by("subscription", nulls_last=True, maintain_order=True)).to_series()
    return likely if rows.get_column("line_id").gather(likely).is_sorted() else _by(rows, "line_id")
