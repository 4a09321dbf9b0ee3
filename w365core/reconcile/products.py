"""What does a quantity at a price come to, or a share of it, rounded once to the coin? In whole numbers where they hold it, else on decimals.

A quantity and a price that print few digits, as almost all do, are multiplied as integers, all rows at once. What prints more is worked out on Python's
decimals, each distinct combination once: slower, and to the same digit.
"""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from w365core import money
from w365core.reconcile import exact, places

_MOST_PLACES, _MOST = 12, 10**18  # of one factor that is multiplied as an integer
_FACTORS = ("quantity", "price", "numerator", "denominator")


def rounded(factors: pl.DataFrame, *, coin: int) -> pl.Series:
    """`quantity` x `price` x `numerator` / `denominator` of each row, half up at the places of a `coin`, as text without zeros at the end; null where one
    is null or blank. Quantity and price are texts, the others whole numbers."""
    (quantity, of_quantity), (price, of_price) = (_wholes(factors.get_column(name)) for name in _FACTORS[:2])
    whole = factors.select(quantity.alias("quantity"), price.alias("price"), *_FACTORS[2:])
    shift = of_quantity + of_price - coin
    kind = _holding(whole, shift)
    found = whole.select(exact.text(_half_up(shift, kind or pl.Int128), coin).alias("product")).to_series()
    is_short = pl.col("quantity").is_not_null() & pl.col("price").is_not_null() & (kind is not None)
    is_known = pl.all_horizontal(pl.col("quantity", "price").fill_null("") != "", pl.col("numerator").is_not_null())
    is_long = factors.select(is_known).to_series() & ~whole.select(is_short).to_series()
    if not is_long.any():
        return found
    asked = exact.each_combination(
        factors.filter(is_long), _FACTORS, lambda *cells: _asked(*cells, coin=coin), name="product", kind=pl.String
    )
    return found.scatter(is_long.arg_true(), asked)


def _wholes(texts: pl.Series) -> tuple[pl.Series, int]:
    """The numbers as integers of one scale, and the scale; null where one has more digits than are multiplied so."""
    printed, place = places.distinct(texts)
    numbers = [exact.number(text) if text else None for text in printed]
    behind = [max(0, -number.as_tuple().exponent) if number is not None else 0 for number in numbers]
    scale = max((digits for digits in behind if digits <= _MOST_PLACES), default=0)
    known = [
        int(number.scaleb(scale, money.EXACT)) if number is not None and digits <= scale else None
        for number, digits in zip(numbers, behind, strict=True)
    ]
    known = [whole if whole is not None and -_MOST < whole < _MOST else None for whole in known]
    return places.at(pl.Series(known, dtype=pl.Int64), place), scale


def _holding(whole: pl.DataFrame, shift: int) -> pl.DataType | None:
    """The integers that hold twice the largest product beside twice its divisor; None where none do."""
    quantity, price, numerator, denominator = (int(most or 0) for most in whole.select(pl.col(_FACTORS).abs().max()).row(0))
    most = 2 * quantity * price * numerator * 10 ** max(0, -shift) + 2 * denominator * 10 ** max(0, shift)
    return pl.Int64 if most < 2**63 else pl.Int128 if most < 2**127 else None


def _half_up(shift: int, kind: pl.DataType) -> pl.Expr:
    quantity, price, numerator, denominator = (pl.col(name).cast(kind) for name in _FACTORS)
    size = quantity * price * numerator * pl.lit(10 ** max(0, -shift), kind)
    share = denominator * pl.lit(10 ** max(0, shift), kind)
    two = pl.lit(2, kind)
    whole = (size.abs() * two + share) // (share * two)
    return whole * pl.when(size < 0).then(-1).otherwise(1)


def _asked(quantity: str, price: str, numerator: int, denominator: int, *, coin: int) -> str:
    size = money.EXACT.multiply(money.EXACT.multiply(exact.number(quantity), exact.number(price)), Decimal(numerator))
    return exact.plain(money.half_up(money.EXACT.divide(size, Decimal(denominator)), places=coin))
