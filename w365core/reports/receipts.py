"""What was done with many rows at once, in one sentence? With the counts and the money that were announced.

Seats that no invoice of a month has are a row on each of its invoices. Over several invoices they count once; their other rows are twins, which are decided
of with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.reports import wording
from w365core.store import reconciled
from w365core.store.reconciled import RowFilter

Twins = Sequence[Mapping[str, Any]]  # by currency: rows, their money at risk, and how many of them have money that nobody knows


@dataclass(frozen=True)
class Part:
    """What was done on one invoice: so many rows and their money at risk; `unknown` are those whose money nobody knows."""

    invoice: str
    rows: int
    money_at_risk: Decimal
    unknown: int
    currency: str


def twins(connection: Connection, runs: Sequence[int], rows: RowFilter, *, lines: Sequence[str] = ()) -> Twins:
    """The twins among the rows of a filter, or among `lines` of it."""
    return reconciled.twins(connection, runs, rows, lines=lines) if len(runs) > 1 else ()


def announced(of: Twins) -> tuple[str, ...]:
    """What is to be said of twins before they are decided of; nothing where there are none."""
    many = _count(of)
    if not many:
        return ()
    return (
        f"Seats that no invoice of the month has count once; {_twin_rows(of)} of theirs on its other invoices {'goes' if many == 1 else 'go'} with them.",
    )


def receipt(parts: Sequence[Part], of: Twins, *, done: str) -> str:
    """12 rows of 3 invoices, 345.00 EUR at risk: accepted. `done` says what."""
    rows = sum(part.rows for part in parts) - _count(of)
    sums = {part.currency: money.ZERO for part in parts}
    for part in parts:
        sums[part.currency] = money.EXACT.add(sums[part.currency], part.money_at_risk)
    for twin in of:
        sums[twin["currency"]] = money.EXACT.subtract(sums.get(twin["currency"], money.ZERO), twin["money_at_risk"])
    risk = wording.sums((money.in_currency(amount, currency), currency) for currency, amount in sums.items())
    unknown = sum(part.unknown for part in parts) - sum(twin["unknown"] for twin in of)
    more = f" and {unknown:,} without a known amount" if unknown else ""
    where = f"invoice {parts[0].invoice}" if len(parts) == 1 else wording.counted(len(parts), "invoice")
    said = f"{wording.counted(rows, 'row')} of {where}, {risk} at risk{more}: {done}."
    return f"{said} With them {_twin_rows(of)} of seats that no invoice of the month has." if _count(of) else said


def signed_off(invoice: Mapping[str, Any], *, rows: int) -> str:
    """Invoice G1 is signed off: 12 rows, 1,345.00 EUR of license lines. `invoice` with its latest run, as the store gives it."""
    lines = wording.rounded(invoice["lines"], invoice["currency"])
    said = f"Invoice {invoice['invoice_number']} is signed off: {wording.counted(rows, 'row')}, {lines} of license lines."
    return f"{said} {invoice['message'] or ''}".strip()


def _count(of: Twins) -> int:
    return sum(twin["rows"] for twin in of)


def _twin_rows(of: Twins) -> str:
    return wording.counted(_count(of), "twin row")
