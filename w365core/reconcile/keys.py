"""Which row does a line belong to? Subscriptions and windows get numbers in the order of their ids, so that everything after is done on integers."""

from __future__ import annotations

import polars as pl

from w365core.reconcile import places
from w365core.reconcile.charge_types import Charge, charge_of

CHARGES = pl.Enum([str(charge) for charge in Charge])


def numbered(subscriptions: pl.DataFrame) -> pl.DataFrame:
    """Subscriptions with `subscription`, their place in the order of their ids, and `seats`, which are 0 where one is suspended."""
    suspended = (pl.col("status").str.strip_chars().str.to_lowercase() == "suspended").fill_null(False)
    seats = pl.when(suspended).then(0).otherwise(pl.col("seats")).cast(subscriptions.schema["seats"]).alias("seats")
    return (
        subscriptions.with_columns(suspended.alias("suspended"), seats)
        .sort("subscription_id")
        .with_row_index("subscription")
        .with_columns(pl.col("subscription").cast(pl.Int32))
    )


def subscription_of(frame: pl.DataFrame, subscriptions: pl.DataFrame) -> pl.Series:
    """The place of each row's subscription; null where it is none of ours."""
    known = subscriptions.select("subscription_id", "subscription")
    return frame.select("subscription_id").join(known, on="subscription_id", how="left", maintain_order="left").get_column("subscription")


def keyed(lines: pl.DataFrame, subscriptions: pl.DataFrame) -> pl.DataFrame:
    """Lines in the order of their rows, with the `key` of each, which is the row's place, whether they are `alone` there, their `charge`, `sign` and `moment`,
    and the ids as they compare."""
    types = lines.get_column("charge_type").unique().to_list()
    amount = pl.col("subtotal").fill_null("0")
    lines = lines.with_columns(
        subscription_of(lines, subscriptions),
        pl.col("charge_type").replace_strict(types, [str(charge_of(text)) for text in types], return_dtype=CHARGES).alias("charge"),
        pl.when(~amount.str.contains("^[^eE]*[1-9]")).then(0).when(amount.str.starts_with("-")).then(-1).otherwise(1).alias("sign"),
        pl.col("order_date").cast(pl.Datetime("us")).cast(pl.Int64).alias("moment"),
        _compared(lines, "provider_customer_id"),
        pl.col("provider_subscription_id").str.strip_chars().str.to_lowercase(),
    )
    customer = pl.when(pl.col("subscription").is_null()).then(pl.col("provider_customer_id").fill_null("")).alias("customer")
    return _in_order(lines.with_columns(customer), owners=len(subscriptions))


def _compared(lines: pl.DataFrame, name: str) -> pl.Series:
    """Ids of which there are few, without blanks around them and in lower case."""
    distinct, place = places.combinations(lines, [name])
    return places.at(distinct.select(pl.col(name).str.strip_chars().str.to_lowercase()), place).to_series()


def _in_order(lines: pl.DataFrame, *, owners: int) -> pl.DataFrame:
    """By one number for the owner (a subscription, else a customer behind them all) and the window, in the order of both."""
    days = ["charge_start", "charge_end"]
    windows, window = places.combinations(lines, days)
    windows = windows.with_row_index("number").sort(days, nulls_last=False).with_row_index("place").sort("number")
    printed = (pl.col(name).dt.to_string("%Y-%m-%d").fill_null("") for name in days)
    windows = windows.select(pl.col("place").cast(pl.Int64).alias("window"), pl.format("/{}/{}", *printed).alias("printed_window"))
    lines = lines.hstack(places.at(windows, window))
    customers = lines.select("customer").drop_nulls().unique().sort("customer").with_row_index("place", offset=owners)
    if customers.is_empty():
        owner = pl.col("subscription").cast(pl.Int64)
    else:
        lines = lines.join(customers, on="customer", how="left", maintain_order="left")
        owner = pl.coalesce(pl.col("subscription").cast(pl.Int64), pl.col("place").cast(pl.Int64))
    lines = lines.with_columns((owner * len(windows) + pl.col("window")).alias("key")).sort("key")
    is_first = pl.col("key").ne_missing(pl.col("key").shift())
    is_last = pl.col("key").ne_missing(pl.col("key").shift(-1))
    return lines.with_columns((is_first.cum_sum().cast(pl.Int64) - 1).alias("key"), (is_first & is_last).alias("alone"))
