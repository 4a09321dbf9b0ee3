"""What is shown of each row? All its columns, each gathered once, in the order of `line_id`."""

from __future__ import annotations

import polars as pl

from w365core.reconcile import places, quantities
from w365core.reconcile.rows import Judged

_WHOLE = ("line_id", "lines", "verdict", "fit", "changed_since", "residual_settles", "unbilled", "snapshot_day")
_QUANTITIES = ("provider_quantity", "ours", "ours_then", "residual")
# What a row prints of each table, and what it is called there.
_PRINTED = {
    "subscription": {name: name for name in ("subscription_id", "provider_quantity_now")}
    | {"our_account_id": "account_id", "our_product_id": "product_id"},
    "source": {
        name: name
        for name in (
            *("provider_subscription_id", "provider_customer_id", "account_id", "customer_name", "product_id", "product_name", "subtotal"),
        )
    },
    "window": {name: name for name in ("charge_start", "charge_end")},
    "offer": {"cost_price": "shown_cost_price", "selling_price": "shown_selling_price"},
    "cost": {"unit_cost": "unit_cost"},
    "price": {"price_verdict": "price_verdict"},
    "told": {"reason": "reason", "money_at_risk": "money_at_risk"},
}


def shown(judged: Judged, *, currency: str) -> pl.DataFrame:
    """Every row, in the columns of ROW."""
    rows = judged.rows.select(*_WHOLE, *_QUANTITIES, *_PRINTED)[_order(judged.rows)]
    parts = [rows.select(_WHOLE).with_columns(*quantities.as_text(rows, judged.scale))]
    for name, columns in _PRINTED.items():
        table = judged.tables[name].select(pl.col(there).alias(here) for here, there in columns.items())
        parts.append(places.at(table, rows.get_column(name)))
    return pl.concat(parts, how="horizontal").with_columns(
        pl.coalesce("our_account_id", "account_id").alias("account_id"),
        pl.coalesce("our_product_id", "product_id").alias("product_id"),
        pl.col("snapshot_day").cast(pl.Date).alias("snapshot"),
        pl.lit(currency).alias("currency"),
    )


def _order(rows: pl.DataFrame) -> pl.Series:
    """By `line_id`. Rows of subscriptions, which have numbers in the order of their ids, need no sorting of texts, unless one id begins another."""
    whose = rows.get_column("subscription")
    last = (whose.max() or 0) + 1
    _, order = places.in_order(whose.fill_null(last), most=last)
    return order if rows.get_column("line_id")[order].is_sorted() else rows.get_column("line_id").arg_sort()
