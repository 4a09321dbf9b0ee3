"""What is shown of each row? All its columns, each gathered once, in the order of `line_id`."""

from __future__ import annotations

import polars as pl

from w365core.reconcile import places, quantities
from w365core.reconcile.rows import Judged

_OURS = ("subscription_id", "our_account_id", "our_product_id", "provider_quantity_now")


def shown(judged: Judged, *, currency: str) -> pl.DataFrame:
    """Every row, in the columns of ROW."""
    rows = judged.rows[_order(judged.rows)]
    ours = judged.ours.subscriptions.select(
        "subscription_id",
        pl.col("account_id").alias("our_account_id"),
        pl.col("product_id").alias("our_product_id"),
        "provider_quantity_now",
    )
    prices = judged.ours.offers.select(pl.col(f"shown_{name}").alias(name) for name in ("cost_price", "selling_price"))
    gathered = (
        places.at(judged.names, rows.get_column("source")),
        places.at(ours, rows.get_column("subscription")),
        places.at(prices, rows.get_column("offer")),
        places.at(judged.keyed.windows.select("charge_start", "charge_end"), rows.get_column("window")),
    )
    cost = places.at(judged.costs, rows.get_column("cost")).alias("unit_cost")
    return pl.concat([rows, *gathered, cost.to_frame()], how="horizontal").with_columns(
        *quantities.as_text(judged.scale),
        pl.coalesce("our_account_id", "account_id").alias("account_id"),
        pl.coalesce("our_product_id", "product_id").alias("product_id"),
        pl.col("snapshot_day").cast(pl.Date).alias("snapshot"),
        pl.lit(currency).alias("currency"),
    )


def _order(rows: pl.DataFrame) -> pl.Series:
    """By `line_id`. Rows of subscriptions, which have numbers in the order of their ids, need no sorting of texts, unless one id begins another."""
    place = pl.int_range(len(rows), dtype=pl.Int64, eager=True)
    number = (rows.get_column("subscription").fill_null(1 << 30) * (1 << 32) + place).arg_sort()
    return number if rows.get_column("line_id")[number].is_sorted() else rows.get_column("line_id").arg_sort()
