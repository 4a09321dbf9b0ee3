"""What do we pay and sell a subscription for? Subscriptions of the same prices share one offer, which is looked at once."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from w365core.reconcile import places, prices

_TERMS = ("selling_price", "cost_price", "unit", "comparable")


@dataclass(frozen=True)
class Ours:
    """Subscriptions with `our_currency` and `offer`, a number; and each offer in the place of its number: its prices, their `unit`, whether they are
    `comparable`, in the invoice's currency, and both per month, to the last digit (`monthly_`, null unless comparable) and as they are shown (`shown_`)."""

    subscriptions: pl.DataFrame
    offers: pl.DataFrame


def offered(subscriptions: pl.DataFrame, currency: str) -> Ours:
    """The subscriptions as they are priced for an invoice in this currency."""
    printed, of_each = places.distinct(subscriptions.get_column("currency"))
    codes = pl.Series("our_currency", printed, dtype=pl.String).str.strip_chars().str.to_uppercase()
    comparable = (codes == currency).fill_null(False).alias("comparable")
    subscriptions = subscriptions.with_columns(places.at(codes, of_each), places.at(comparable, of_each))
    found, offer = places.combinations(subscriptions, _TERMS)
    told: dict[str, list[str | None]] = {}
    for name in ("cost_price", "selling_price"):
        cells = found.select(name, "unit", "comparable").rows()
        told[f"monthly_{name}"] = [prices.exact_text(price, unit) if comparable else None for price, unit, comparable in cells]
        told[f"shown_{name}"] = [prices.shown_text(price, unit) for price, unit, _ in cells]
    return Ours(
        subscriptions.with_columns(offer.alias("offer")),
        found.with_columns(pl.Series(name, texts, pl.String) for name, texts in told.items()),
    )
