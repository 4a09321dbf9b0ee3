"""Which lines' amounts are plainly right: within a coin of effective price x rate x seats? All at once, in integers; the others are looked at one by one."""

from __future__ import annotations

import polars as pl

from w365core import money
from w365core.reconcile import exact, places


def plainly_right(lines: pl.DataFrame, terms: pl.DataFrame, *, scale: int, currency: str) -> pl.Series:
    """`right` of lines with `seats`, of this scale, and `terms`: near the second of the provider's rules. Where integers cannot say it, of none."""
    rate = exact.canonical(terms.get_column("exchange_rate")).fill_null("1")
    subtotals, subtotal = places.distinct(lines.get_column("subtotal"))
    subtotals = pl.Series(subtotals, dtype=pl.String)
    printed = [exact.readable(terms.get_column("effective_unit_price")), rate, exact.readable(subtotals)]
    found = [exact.digits(column) for column in printed]
    coin, most = money.minor_units(currency), lines.get_column("seats").abs().max()
    of_product = found[0][1] + found[1][1] + scale
    behind = max(of_product, found[2][1], coin)
    before = max(found[0][0] + found[1][0] + len(str(most or 0)) - scale, found[2][0])
    if before + behind + 1 > exact.INT128_DIGITS:
        return pl.repeat(False, len(lines), dtype=pl.Boolean, eager=True).alias("right")
    kind = pl.Int128 if before + behind + 1 > exact.INT64_DIGITS else pl.Int64
    price, rate, amount = (exact.at_scale(column, behind).cast(kind) for column, (_, behind) in zip(printed, found, strict=True))
    of_seat = (price * rate).abs() * pl.Series([10 ** (behind - of_product)], dtype=kind)
    due = places.at(of_seat, lines.get_column("terms")) * lines.get_column("seats").cast(kind).abs()
    amount = places.at(amount.abs() * pl.Series([10 ** (behind - found[2][1])], dtype=kind), subtotal)
    apart = (due - amount).abs()
    return (apart <= 10 ** (behind - coin)).fill_null(False).alias("right")
