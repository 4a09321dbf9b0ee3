"""How many seats do all sides speak of? Quantities as whole numbers of one scale, so that a sum or an equality is one of integers; and as text again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from w365core.reconcile import exact


@dataclass(frozen=True)
class Seats:
    """Quantities of all sides as integers of one scale."""

    scale: int
    lines: pl.Series
    subscriptions: pl.Series
    logs: pl.Series


def billed() -> pl.Expr:
    """What a line charges for: the billable quantity, else the printed one."""
    return pl.when(pl.col("billable_quantity") != "").then("billable_quantity").otherwise("quantity")


def seats_of(lines: pl.DataFrame, subscriptions: pl.DataFrame, logs: pl.DataFrame) -> Seats:
    """The quantities of the three tables. Where no integer holds them all, a subscription with one of too many digits has none: that is said, not rounded."""
    whose = pl.int_range(pl.len(), dtype=pl.Int64).alias("subscription")
    billable = lines.get_column("billable_quantity")
    every = billable.null_count() == 0 and bool((billable != "").all())
    sides = [
        lines.select("subscription", pl.col("billable_quantity").alias("quantity") if every else billed().alias("quantity")),
        subscriptions.select(whose, "quantity"),
        logs.select("subscription", "quantity"),
    ]
    found = exact.scaled(*(side.get_column("quantity") for side in sides))
    if found is None:
        sides = [side.with_columns(exact.canonical(side.get_column("quantity"))) for side in sides]
        is_long = pl.col("quantity").str.contains(exact.TOO_LONG).fill_null(False)
        too_long = pl.concat([side.filter(is_long).get_column("subscription") for side in sides]).drop_nulls().unique()
        kept = pl.when(~is_long & ~pl.col("subscription").is_in(too_long.implode()).fill_null(False)).then(pl.col("quantity"))
        found = exact.scaled(*(side.select(kept).to_series() for side in sides))
    assert found is not None, "what is left has too many digits"
    return Seats(found[0], *found[1])


def as_text(rows: pl.DataFrame, scale: int) -> Iterator[pl.Series]:
    """The quantities of rows as they are shown: both sides, the difference, and what is left of it."""
    theirs, ours = rows.get_column("provider_quantity"), rows.get_column("ours")
    yield exact.texts(theirs - ours, scale).alias("quantity_difference")
    shown = {
        "provider_quantity": theirs,
        "residual": rows.get_column("residual"),
        "our_quantity": ours,
        "our_quantity_then": rows.get_column("ours_then"),
    }
    yield from (exact.texts(whole, scale).alias(name) for name, whole in shown.items())
