"""What are a row and its parts called? Names are gathered once, at the end: until then a row knows in which place its own stand."""

from __future__ import annotations

import polars as pl

from w365core.reconcile import exact, places
from w365core.reconcile.keys import Keyed

NOT_ON_INVOICE = "not-on-invoice"
_OF_LINES = ("provider_subscription_id", "provider_customer_id", "account_id", "customer_name", "product_id", "product_name")


def owners(keyed: Keyed, subscriptions: pl.DataFrame) -> pl.Series:
    """What all are called whose a row can be, in the order of their numbers."""
    ours = subscriptions.get_column("subscription_id")
    return pl.concat([ours, "customer:" + keyed.customers]) if len(keyed.customers) else ours


def are_apart(owners: pl.Series) -> bool:
    """Whether the names stand in their order, whatever comes after each: none begins the next."""
    each = pl.DataFrame({"name": owners.slice(1), "before": owners.head(-1)})
    return bool(each.select((pl.col("name") > pl.col("before")) & ~pl.col("name").str.starts_with(pl.col("before"))).to_series().all())


def line_ids(rows: pl.DataFrame, keyed: Keyed, subscriptions: pl.DataFrame) -> pl.Series:
    """What each row is called in every run: whose it is, and the window; a row without a line has no window."""
    whose = owners(keyed, subscriptions)
    windows = pl.concat([keyed.windows.get_column("printed_window"), pl.Series([f"/{NOT_ON_INVOICE}"])])
    owner, window = rows.get_column("owner"), rows.get_column("window").fill_null(len(windows) - 1)
    return (
        pl.DataFrame([whose[owner].alias("owner"), windows[window].alias("window")])
        .select(pl.concat_str("owner", "window").alias("line_id"))
        .to_series()
    )


def of_windows(rows: pl.DataFrame, keyed: Keyed, subscriptions: pl.DataFrame) -> pl.DataFrame:
    """The `line_id` of each row and the days of its window."""
    days = places.at(keyed.windows.select("charge_start", "charge_end"), rows.get_column("window"))
    return days.hstack([line_ids(rows, keyed, subscriptions)])


def printed(billed: pl.DataFrame, keyed: Keyed, absent: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The names and the subtotal of lines, of rows of several lines (the least names and the sum), and of subscriptions without a line; and in which place
    (`source`) each row's stand."""
    lines = billed.select(*_OF_LINES, "subtotal")
    several = keyed.lines.select("key", "line", "alone").filter(~pl.col("alone"))
    many = several.select("key").hstack(places.at(lines, several.get_column("line")))
    least = many.group_by("key", maintain_order=True).agg(pl.col(_OF_LINES).min())
    summed = least.join(exact.sums(many, by="key", of="subtotal"), on="key", how="left", maintain_order="left")
    ours = absent.select(pl.col("provider_subscription_id").str.to_lowercase(), pl.col("name").alias("product_name"))
    whole = pl.concat([lines, summed.drop("key"), ours], how="diagonal", rechunk=True)
    firsts = keyed.lines.select("line", "first").filter("first").get_column("line").cast(pl.Int64)
    of_many = pl.int_range(len(lines), len(lines) + len(least), dtype=pl.Int64, eager=True)
    of_absent = pl.int_range(len(lines) + len(least), len(whole), dtype=pl.Int64, eager=True)
    source = firsts.scatter(least.get_column("key"), of_many) if len(least) else firsts
    return whole, pl.concat([source, of_absent]).alias("source")
