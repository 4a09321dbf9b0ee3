"""What is shown of each row? Column by column in the order of `line_id`, each made when it is asked for: only one at a time takes room."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import polars as pl

from w365core.reconcile import exact, names, places
from w365core.reconcile.rows import Judged
from w365core.reconciliation import ROW

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
_AS_THEY_ARE = tuple(
    column.name
    for column in ROW
    if column.name not in (*_PRINTED, *_QUANTITIES, *_OURS_FIRST, "quantity_difference", "currency", "line_id")
)
_PLACES = tuple(dict.fromkeys(_PRINTED.values()))  # in which many columns are looked up: in the integers that polars looks up by
_NEEDED = tuple(dict.fromkeys(("owner", *_AS_THEY_ARE, *_PLACES, *_QUANTITIES.values())))


def shown(judged: Judged, *, currency: str) -> Callable[[str], pl.Series]:
    """What makes the column of a name in ROW."""
    rows = _in_order(judged)
    return partial(_column, judged, rows.with_columns(pl.col("owner", *_PLACES).cast(pl.get_index_type())), currency)


def _column(judged: Judged, rows: pl.DataFrame, currency: str, name: str) -> pl.Series:
    if name == "line_id":
        return names.line_ids(rows, judged.keyed, judged.tables["subscription"])
    if name in _PRINTED:
        table = _PRINTED[name]
        return places.at(judged.tables[table][_CALLED.get(name, name)], rows.get_column(table))
    if name in _OURS_FIRST:
        ours = places.at(judged.tables["subscription"][name], rows.get_column("subscription"))
        if not ours.null_count():
            return ours
        unknown = ours.is_null().arg_true()
        return ours.scatter(unknown, places.at(judged.tables["source"][name], rows.get_column("source")[unknown]))
    if name in _QUANTITIES:
        return exact.texts(rows.get_column(_QUANTITIES[name]), judged.scale)
    if name == "quantity_difference":
        return exact.texts(rows.get_column("provider_quantity") - rows.get_column("ours"), judged.scale)
    if name == "currency":
        return pl.repeat(currency, len(rows), dtype=pl.String, eager=True)
    return rows.get_column(name)


def _in_order(judged: Judged) -> pl.DataFrame:
    """By `line_id`: by whose a row is and by its window, which have numbers in the order of their names. Texts are sorted only where one name begins another."""
    windows = len(judged.keyed.windows)
    number = judged.rows.select(pl.col("owner") * (windows + 1) + pl.col("window").fill_null(windows)).to_series()
    rows = judged.rows.select(_NEEDED)
    rows = rows[places.in_order(number, most=int(number.max() or 0))[1]]
    if names.are_apart(names.owners(judged.keyed, judged.tables["subscription"])):
        return rows
    return rows.with_columns(names.line_ids(rows, judged.keyed, judged.tables["subscription"])).sort("line_id")
