"""What do we pay and sell a subscription for? Subscriptions of the same prices share one offer, which is looked at once."""

from __future__ import annotations

import polars as pl

from w365core.reconcile import exact, places, prices

_TERMS = ("selling_price", "cost_price", "unit", "comparable")


def offered(subscriptions: pl.DataFrame, currency: str) -> pl.DataFrame:
    """Subscriptions with `our_currency`, `offer`, a number, and whether its prices are `comparable`: in the invoice's currency."""
    own = pl.col("currency").str.strip_chars().str.to_uppercase().alias("our_currency")
    subscriptions = subscriptions.with_columns(own).with_columns((pl.col("our_currency") == currency).fill_null(False).alias("comparable"))
    return subscriptions.with_columns(places.combinations(subscriptions, _TERMS)[1].alias("offer"))


def distinct(subscriptions: pl.DataFrame) -> pl.DataFrame:
    """Each offer in the place of its number: its terms, `own_selling_price` and `own_cost_price`, and both prices per month as they are shown."""
    found = subscriptions.select("offer", *_TERMS).unique("offer").sort("offer")
    shown = [
        exact.each_combination(found, [name, "unit"], prices.monthly_text, name=name, kind=pl.String)
        for name in ("cost_price", "selling_price")
    ]
    own = [pl.col(name).alias(f"own_{name}") for name in ("cost_price", "selling_price")]
    return found.with_columns(*own).with_columns(*shown)
