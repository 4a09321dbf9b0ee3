"""How much money is a row about, in the invoice's currency? Never negative; null where the price it takes is unknown or in another currency."""

from __future__ import annotations

import polars as pl

from w365core import money
from w365core.reconcile import exact, products
from w365core.reconciliation import Verdict

_RESIDUAL = (Verdict.PARTLY_EXPLAINED, Verdict.UNEXPLAINED, Verdict.CHANGE_LOG_MISMATCH)
_SUBTOTAL = (Verdict.SUSPENDED_BUT_BILLED, Verdict.NO_SUBSCRIPTION, Verdict.NOT_RECONCILABLE)
_DIFFERENCE = (Verdict.EXPLAINED_NOT_INVOICED, Verdict.EXCLUDED, Verdict.PROVISIONING_GAP)
_CALM = (Verdict.CONFIRMED, Verdict.EXPLAINED_INVOICED)


def _of(*verdicts: Verdict) -> pl.Expr:
    return pl.col("verdict").is_in([str(verdict) for verdict in verdicts])


def money_at_risk(rows: pl.DataFrame, currency: str) -> pl.Series:
    """As text at the coin of the invoice's currency: the whole subtotal, or the quantity in question at the price it would have.

    Needs the quantities, `subtotal` and `unit_cost` as text, and `monthly_selling_price` and `monthly_cost_price`, ours in the invoice's currency.
    """
    missing = _of(Verdict.NOT_ON_INVOICE)
    quantity = (
        pl.when(_of(*_RESIDUAL)).then("residual").when(_of(*_DIFFERENCE)).then("quantity_difference").when(missing).then("our_quantity")
    )
    price = pl.when(_of(*_RESIDUAL)).then("unit_cost").when(missing).then("monthly_cost_price").otherwise("monthly_selling_price")
    one = pl.lit(1, pl.Int64)
    factors = rows.select(quantity.alias("quantity"), price.alias("price"), one.alias("numerator"), one.alias("denominator"))
    found = products.rounded(factors, coin=money.minor_units(currency))
    whole = exact.canonical(rows.select(pl.when(_of(*_SUBTOTAL)).then("subtotal")).to_series())
    at_risk = pl.coalesce(whole, found).str.strip_prefix("-")
    return rows.select(pl.when(_of(*_CALM)).then(pl.lit("0")).otherwise(at_risk).alias("money_at_risk")).to_series()
