"""What is shown of each row? Column by column in the order of `line_id`, each made when it is asked for: only one at a time takes room."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import polars as pl

from w365core.reconcile import exact, places
from w365core.reconcile.rows import Judged

# What is printed of each table that a row names a place of, and what it is called there.
_PRINTED = {
    **dict.fromkeys(("provider_subscription_id", "provider_customer_id", "customer_name", "product_name", "subtotal"), "source"),
    **dict.fromkeys(("subscription_id", "provider_quantity_now"), "subscription"),
    **dict.fromkeys(("charge_start", "charge_end"), "window"),
    **{
        "cost_price": "offer",
        "selling_price": "offer",
        "unit_cost": "cost",
        "price_verdict": "price",
        "reason": "told",
        "money_at_risk": "told",
    },
}
_CALLED = {"cost_price": "shown_cost_price", "selling_price": "shown_selling_price"}
_QUANTITIES = {"provider_quantity": "provider_quantity", "our_quantity": "ours", "our_quantity_then": "ours_then", "residual": "residual"}
_OURS_FIRST = ("account_id", "product_id")


def shown(judged: Judged, *, currency: str) -> Callable[[str], pl.Series]:
    """What makes the column of a name in ROW."""
    return partial(_column, judged, _order(judged.rows), currency)


def _column(judged: Judged, order: pl.Series, currency: str, name: str) -> pl.Series:
    rows = judged.rows
    if name in _PRINTED:
        table = _PRINTED[name]
        return places.at(judged.tables[table][_CALLED.get(name, name)], rows.get_column(table)[order])
    if name in _OURS_FIRST:
        ours, theirs = (places.at(judged.tables[table][name], rows.get_column(table)[order]) for table in ("subscription", "source"))
        return ours.zip_with(ours.is_not_null(), theirs)
    if name in _QUANTITIES:
        return exact.texts(rows.get_column(_QUANTITIES[name])[order], judged.scale)
    if name == "quantity_difference":
        return exact.texts((rows.get_column("provider_quantity") - rows.get_column("ours"))[order], judged.scale)
    if name == "currency":
        return pl.repeat(currency, len(rows), dtype=pl.String, eager=True)
    return rows.get_column(name)[order]


def _order(rows: pl.DataFrame) -> pl.Series:
    """By `line_id`. Rows of subscriptions, which have numbers in the order of their ids, need no sorting of texts, unless one id begins another."""
    whose = rows.get_column("subscription")
    last = (whose.max() or 0) + 1
    _, order = places.in_order(whose.fill_null(last), most=last)
    return order if rows.get_column("line_id")[order].is_sorted() else rows.get_column("line_id").arg_sort()
