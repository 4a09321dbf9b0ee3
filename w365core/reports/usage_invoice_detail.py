"""What stands on one usage invoice, down to the usage behind each line, and do its lines come together?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.reports import wording
from w365core.reports.headlines import Note, Tile
from w365core.reports.tables import Column, Table, amount, day
from w365core.store import usage_invoices as store

LINES = (
    Column("line_number", "Line", Kind.WHOLE, width=45),
    Column("description", "Description", width=345),
    Column("quantity", "Quantity", Kind.NUMBER, width=140),
    amount("unit_price", "Unit price", shown=False),
    amount("amount", "Amount", width=85),
    amount("cost_amount", "Cost", width=150),
    Column("markup_pct", "Markup %", Kind.NUMBER, width=75),
    Column("provider_invoice", "Provider invoice", Kind.ID, width=110),
    Column("usage_id", "Usage", Kind.ID, width=190),
    Column("subscription_id", "Subscription", Kind.ID, width=100),
    Column("currency", "Currency", shown=False),
    day("charge_start", "Charged from", shown=False),
    day("charge_end", "Charged to", shown=False),
)
LINKED = (
    Column("product", "Product", width=215),
    day("charge_start", "Charged from", width=95),
    day("charge_end", "to", width=90),
    Column("quantity", "Quantity", Kind.NUMBER, width=145),
    amount("cost", "Cost", width=150),
    Column("markup_pct", "Markup %", Kind.NUMBER, width=80),
    amount("selling_amount", "Sold for", width=90),
    Column("currency", "Currency", width=70),
    Column("subscription_id", "Subscription", Kind.ID, width=100),
    Column("provider_invoice", "Provider invoice", Kind.ID, width=110),
    Column("usage_id", "Usage", Kind.ID, width=190),
)


@dataclass(frozen=True)
class Opened:
    """One usage invoice, down to its usage. `sums` says how its lines come together, `reconciles` whether they do."""

    row: Mapping[str, Any]
    tiles: tuple[Tile, ...]
    sums: str
    reconciles: bool
    lines: Table
    linked: Table

    @property
    def number(self) -> str:
        return self.row["invoice_number"]


def load(connection: Connection, invoice_number: str) -> Opened | None:
    """The invoice of that number, or None."""
    row = store.named(connection, invoice_number)
    return None if row is None else build(row, store.lines(connection, invoice_number), store.linked(connection, invoice_number))


def build(row: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], linked: Sequence[Mapping[str, Any]]) -> Opened:
    """Out of its header, its lines and the usage on it."""
    currency, top_ups = row["currency"], row["top_up_total"] or money.ZERO
    usage = money.total(one["selling_amount"] or money.ZERO for one in linked)
    comes_to = money.EXACT.add(usage, top_ups)
    reconciles = row["total"] == comes_to
    cost, total = row["cost"], row["total"]
    margin = money.EXACT.subtract(total, cost)
    sums = (
        f"Lines {wording.amount(total, currency)} = usage {wording.amount(usage, currency)} + top-ups {wording.amount(top_ups, currency)}"
    )
    if not reconciles:
        off = money.EXACT.subtract(total, comes_to)
        sums = (
            f"Lines come to {wording.amount(total, currency)}, the usage on it and top-ups to {wording.amount(comes_to, currency)}: "
            f"{wording.amount(off, currency)} of its lines have no usage behind them."
        )
    tiles = (
        Tile("Total", wording.amount(total, currency), (Note(wording.counted(row["lines"], "line")),), currency),
        Tile("Usage", wording.amount(usage, currency), (Note(wording.counted(len(linked), "usage summary", "usage summaries")),), currency),
        Tile("Top-ups", wording.amount(top_ups, currency), (Note("minimum commitments"),), currency),
        Tile("Over cost", wording.rounded(margin, currency), (Note(f"cost {wording.rounded(cost, currency)}"),), currency),
    )
    shown = [dict(line) | {"currency": currency} for line in lines]
    return Opened(
        row,
        tiles,
        sums,
        reconciles,
        Table(f"{row['invoice_number']} lines", LINES, shown),
        Table(f"{row['invoice_number']} usage", LINKED, linked),
    )
