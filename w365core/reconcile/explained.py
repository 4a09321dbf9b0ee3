"""Which change logs explain a row, what is each of them worth, and what have we not invoiced of them?"""

from __future__ import annotations

import polars as pl

from w365core.reconcile import exact, places, prices, worth
from w365core.reconcile.our_side import Printed
from w365core.reconciliation import CHANGE_LOG_IN

_PRINTED = tuple(column.name for column in CHANGE_LOG_IN if column.name != "subscription_id")


def explained(outside: pl.DataFrame, rows: pl.DataFrame, subscriptions: pl.DataFrame, printed: Printed) -> pl.DataFrame:
    """The change logs outside their rows' views (`row`, `subscription`, `log`, and what its states mean), as printed, each with its `worth` and whether it is
    invoiced; `rows` says of each what its row is called, and the days of its window."""
    terms = subscriptions.select(
        *("unit", "prorate_unit", "frequency", "contract_start", "our_currency"), pl.col("selling_price").alias("own_selling_price")
    )
    logs = outside.drop("subscription").hstack(printed(outside.get_column("log"), _PRINTED))
    logs = logs.hstack(rows).hstack(places.at(terms, outside.get_column("subscription")))
    has_price, currency = pl.col("selling_price").is_not_null(), pl.col("currency").str.to_uppercase()
    billing = pl.when("invoiced").then(pl.lit("invoiced")).when("archived").then(pl.lit("excluded")).otherwise(pl.lit("not_invoiced"))
    logs = logs.with_columns(
        billing.alias("billing"),
        pl.coalesce("selling_price", "own_selling_price").alias("price"),
        pl.when(has_price).then(pl.coalesce(currency, "our_currency")).otherwise("our_currency").alias("worth_currency"),
    )
    logs = logs.with_columns(exact.each_combination(logs, ["price", "unit"], prices.exact_text, name="monthly", kind=pl.String))
    return logs.with_columns(worth.worths(logs))


def unbilled(explained: pl.DataFrame, looked_into: pl.Series, currency: str) -> pl.DataFrame:
    """`row` and `unbilled`, of the rows that were looked into: what its changes outside, neither invoiced nor archived, are worth in the invoice's currency; null
    where one is unknown."""
    still = explained.filter(pl.col("billing") == "not_invoiced").select("row", "worth", "worth_currency")
    is_unknown = pl.col("worth").is_null() | (pl.col("worth_currency") != currency)
    unknown = still.filter(is_unknown).get_column("row").unique()
    summed = exact.sums(still.filter(~pl.col("row").is_in(unknown.implode())), by="row", of="worth").rename({"worth": "unbilled"})
    told = looked_into.to_frame("row").join(summed, on="row", how="left")
    is_open = pl.col("row").is_in(still.get_column("row").unique().implode())
    return told.select("row", pl.when(is_open).then("unbilled").otherwise(pl.lit("0")).alias("unbilled"))
