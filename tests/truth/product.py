"""The kernel, asked with the same dicts as the oracle, and its tables as dicts again."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa

from w365core import frames, reconciliation
from w365core.frames import Column, Kind
from w365core.jobs.two_at_once import two_at_once
from w365core.kernels.buckets import reconcile_all
from w365core.kernels.reconcile import Reconciled, reconcile

Row = dict[str, object]

# Every column of a row that the contract's section 5 speaks of.
SAID = (
    *(
        "line_id",
        "subscription_id",
        "charge_start",
        "charge_end",
        "snapshot",
        "lines",
        "provider_quantity",
        "our_quantity",
        "our_quantity_then",
    ),
    *("quantity_difference", "residual", "residual_settles", "verdict", "fit", "changed_since", "unit_cost"),
    *("price_verdict", "subtotal", "money_at_risk", "currency"),
)


def rows(lines: list[Row], subscriptions: list[Row], change_logs: list[Row], *, currency: str) -> list[Row]:
    """Rows as the oracle gives them, each with `outside`: the ids outside its fit or view with their billing, `worths`: what each of those is worth and in
    which currency, the kinds of its `findings`, and `odd`: what they say."""
    made = reconcile(*tables(lines, subscriptions, change_logs), currency=currency)
    outside: dict[object, set[tuple]] = defaultdict(set)
    worths: dict[object, dict[str, tuple]] = defaultdict(dict)
    for log in dicts(made.change_logs, reconciliation.EXPLANATION):
        if log["outside"]:
            outside[log["line_id"]].add((log["change_log_id"], log["billing"]))
            worths[log["line_id"]][log["change_log_id"]] = (log["worth"], log["worth_currency"])
    odd: dict[object, set[tuple]] = defaultdict(set)
    for finding in dicts(made.findings, reconciliation.FINDING):
        said = tuple(finding[name] for name in ("line_id", "line_number", "kind", "expected", "found", "amount"))
        assert said not in odd[finding["line_id"]] and finding["currency"] == currency
        odd[finding["line_id"]].add(said)
    found = dicts(made.rows, reconciliation.ROW)
    assert set(odd) <= {row["line_id"] for row in found}
    for row in found:
        name = row["line_id"]
        row |= {"outside": outside[name], "worths": worths[name], "odd": odd[name]}
        row["findings"] = tuple(sorted({kind for _, _, kind, *_ in odd[name]}))
    return found


def tables(lines: list[Row], subscriptions: list[Row], change_logs: list[Row]) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The three that the kernel is given."""
    columns = (reconciliation.LINE_IN, reconciliation.SUBSCRIPTION_IN, reconciliation.CHANGE_LOG_IN)
    return tuple(table(given, of) for given, of in zip((lines, subscriptions, change_logs), columns, strict=True))


def both_ways(
    lines: list[Row], subscriptions: list[Row], change_logs: list[Row], *, currency: str, buckets: int
) -> tuple[Reconciled, Reconciled]:
    """In one call of the kernel, and bucket by bucket as the job does it."""
    given = tables(lines, subscriptions, change_logs)
    most = -(-max(given[0].num_rows, given[2].num_rows) // buckets)
    return reconcile(*given, currency=currency), reconcile_all(*given, currency=currency, most=most, over=two_at_once)


def table(given: list[Row], columns: tuple[Column, ...]) -> pa.Table:
    return pa.Table.from_pylist([{c.name: _arrow(row[c.name]) for c in columns} for row in given], frames.arrow_schema(columns))


def dicts(made: pa.Table, columns: tuple[Column, ...]) -> list[Row]:
    assert made.schema.names == [column.name for column in columns]
    numbers = [column.name for column in columns if column.kind is Kind.NUMBER]
    found = made.to_pylist()
    for row in found:
        for name in numbers:
            row[name] = None if row[name] is None else Decimal(row[name])
    return found


def _arrow(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    assert value is None or isinstance(value, (str, bool, int, date, datetime))
    return value
