"""Which lines' amounts are plainly right: within a coin of effective price x rate x seats? All at once, in integers; the others are looked at one by one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from w365core import money
from w365core.reconcile import columns, exact, places
from w365core.reconcile.columns import Maybe


def plainly_right(
    subtotals: pa.Array, prices: pa.Array, rates: pa.Array, *, terms: np.ndarray, seats: Maybe, scale: int, currency: str
) -> np.ndarray:
    """Of lines with seats of this scale: near the second of the provider's rules. Prices and rates are those of each of the `terms`. Where machine integers cannot say
    it, of none."""
    printed, subtotal = places.encoded(subtotals)
    rate = columns.texts(rate or "1" for rate in exact.canonical(rates).to_pylist())
    cells = [exact.readable(prices), rate, exact.readable(printed)]
    found = [exact.digits(column) for column in cells]
    coin, most = money.minor_units(currency), int(np.abs(seats.values).max(initial=0))
    of_product = found[0][1] + found[1][1] + scale
    behind = max(of_product, found[2][1], coin)
    before = max(found[0][0] + found[1][0] + len(str(most)) - scale, found[2][0])
    if before + behind + 1 > exact.INT128_DIGITS:
        return np.zeros(len(subtotals), dtype=bool)
    kind = pl.Int128 if before + behind + 1 > exact.INT64_DIGITS else pl.Int64
    price, rate, amount = (exact.at_scale(column, behind, kind) for column, (_, behind) in zip(cells, found, strict=True))
    of_seat = (price * rate).abs() * pl.Series([10 ** (behind - of_product)], dtype=kind)
    due = of_seat[pl.Series(terms)] * columns.series(np.abs(seats.filled(0)), kind)
    amount = amount.abs() * pl.Series([10 ** (behind - found[2][1])], dtype=kind)
    apart = (due - amount.extend_constant(None, 1)[pl.Series(subtotal)]).abs()
    is_near = apart <= pl.Series([10 ** (behind - coin)], dtype=kind)
    return columns.are_true(is_near) & seats.known
