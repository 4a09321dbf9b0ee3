"""What is said of an invoice's rows? One row per subscription and window: both sides, the verdict, the prices, the money; and its change logs.

Subscriptions are numbered in the order of their ids and rows by subscription and window, so that everything between is done on integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from w365core.reconcile import (
    agreeing,
    at_risk,
    keys,
    names,
    offers,
    our_side,
    places,
    prices,
    provider_side,
    quantities,
    reasons,
    right_amounts,
    verdicts,
)
from w365core.reconcile.explained import explained, unbilled
from w365core.reconcile.keys import Keyed
from w365core.reconcile.offers import Ours
from w365core.reconcile.our_side import History, Printed
from w365core.reconciliation import Verdict

_LOOKED_AT = (
    *("row", "source", "cost", "offer", "verdict", "changed_since", "why", "logs", "logs_outside", "snapshot"),
    *("provider_quantity", "ours", "ours_then", "residual", "residual_settles"),
)


@dataclass(frozen=True)
class Judged:
    """Rows in whole numbers: those of lines in the order of their `key`, which is their place, then those without a line,
    then those that plainly agree, whose lines are not keyed. What they print stands in tables: a row
    names the place of its own in each of them. The change logs outside the rows' views; and what all were made of."""

    rows: pl.DataFrame
    tables: Mapping[str, pl.DataFrame]
    change_logs: pl.DataFrame
    billed: pl.DataFrame  # the lines as they were given
    keyed: Keyed
    terms: pl.DataFrame
    history: History
    scale: int


def judged(lines: pl.DataFrame, subscriptions: pl.DataFrame, logs: pl.DataFrame, *, printed: Printed, currency: str) -> Judged:
    """All of it, for lines, subscriptions and logs in the columns of `reconciliation`; `printed` gives some columns of the logs at some places.

    The subscriptions stand in the order of their ids; a line or a log has the place of its own there, `subscription`, in the stead of an id.
    """
    seats = quantities.seats_of(lines, subscriptions, logs)
    ours = offers.offered(keys.numbered(subscriptions.with_columns(seats.subscriptions.alias("seats"))), currency)
    terms, number = prices.terms_of(lines)
    windows, window = keys.windows(lines)
    billed = (
        lines.with_columns(seats.lines.alias("seats"), number, window, keys.charges(lines))
        .with_row_index("line")
        .with_columns(pl.col("line").cast(pl.Int64))
    )
    billed = billed.with_columns(right_amounts.plainly_right(billed, terms, scale=seats.scale, currency=currency))
    history = our_side.replayed(logs.with_columns(seats.logs.alias("seats")), subscriptions=len(ours.subscriptions))
    known_costs, cost_texts = prices.unit_costs(billed, terms)
    agreed = agreeing.agreed(billed, terms, ours.subscriptions, history)
    keyed = keys.keyed(agreeing.without(billed, agreed), windows, owners=len(ours.subscriptions))
    rows = _windows(keyed, ours.subscriptions, history)
    found, of_rows = _looked_into(rows, history, printed)
    rows = places.beside(rows, found, by="row").with_columns(pl.coalesce("found", "verdict").alias("verdict"))
    absent = _absent(ours.subscriptions, billed, first=len(rows))
    whole = pl.concat([rows, absent], how="diagonal", rechunk=True).with_columns(pl.col("changed_since").fill_null(False))
    whole = places.beside(whole, prices.costs_of(keyed.lines, known_costs), by="key")
    printed_names, source = names.printed(billed, keyed, places.at(ours.subscriptions, absent.get_column("subscription")))
    whole = whole.with_columns(source)
    whole = pl.concat([whole, agreeing.as_rows(agreed, billed, known_costs, first=len(whole))], how="diagonal", rechunk=True)
    whole = whole.with_columns(pl.col("snapshot_day").cast(pl.Date).alias("snapshot"))
    outside = of_rows.filter("outside")
    their_rows = places.at(whole.select("owner", "window"), outside.get_column("row"))
    changes = explained(outside, names.of_windows(their_rows, keyed, ours.subscriptions), ours.subscriptions, printed)
    whole = places.beside(whole, unbilled(changes, found.get_column("row"), currency), by="row")
    whole = whole.with_columns(places.at(ours.subscriptions.get_column("offer"), whole.get_column("subscription")))
    tables = {
        **{"source": printed_names, "subscription": ours.subscriptions, "window": keyed.windows},
        **{"offer": ours.offers, "cost": cost_texts.to_frame()},
    }
    tables["price"], price = _priced(whole, ours, cost_texts)
    tables["told"], told = _told(whole, tables, seats.scale, currency)
    whole = whole.with_columns(price.alias("price"), told.alias("told"))
    return Judged(whole, tables, changes, billed, keyed, terms, history, seats.scale)


def _windows(keyed: Keyed, subscriptions: pl.DataFrame, history: History) -> pl.DataFrame:
    """One row per key: what the provider charges, what we hold and held, and the verdict as far as quantities give it."""
    ours = subscriptions.select("suspended", pl.col("seats").alias("ours")).hstack(our_side.by_subscription(history))
    rows = keyed.lines.select("first", "key", pl.col("key").alias("row"), "subscription", "owner", "window").filter("first").drop("first")
    rows = rows.hstack([keyed.sizes]).hstack(places.at(ours.drop("subscription"), rows.get_column("subscription")))
    rows = rows.with_columns(pl.col("suspended").fill_null(False), pl.col("subscription").is_not_null().alias("has_subscription"))
    seats = keyed.lines.select("key", "first", "alone", "charge", "moment", "sign", pl.col("seats").alias("quantity"))
    start = places.at(keyed.windows.select("charge_start"), rows.get_column("window")).to_series()
    rows = rows.hstack(provider_side.windows(seats, rows.select("key", "ours"))).with_columns(
        pl.coalesce(pl.from_epoch("last_event", time_unit="us").dt.date(), start).cast(pl.Int32).alias("snapshot_day")
    )
    then = our_side.seats_on(history, subscription=rows.get_column("subscription"), day=rows.get_column("snapshot_day"))
    rows = rows.with_columns(then.alias("ours_then"))
    return verdicts.judged(rows.with_columns(pl.when(pl.col("logs") > 0).then("ours_then").alias("ours_then")))


def _looked_into(rows: pl.DataFrame, history: History, printed: Printed) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the change logs say of the rows that differ, or may agree by coincidence, and those rows' logs."""
    deeper = pl.col("to_check") | pl.col("verdict").is_in([verdicts.EXPLAINING, str(Verdict.CHANGE_LOG_MISMATCH)])
    found, of_rows = verdicts.looked_into(
        rows.select(*verdicts.LOOKED_AT, deeper.alias("deeper")).filter("deeper").drop("deeper"), history, printed
    )
    names = ("fit", "residual", "residual_settles", "changed_since", "logs_outside")
    return found.select("row", pl.col("verdict").alias("found"), *names), of_rows


def _absent(subscriptions: pl.DataFrame, billed: pl.DataFrame, *, first: int) -> pl.DataFrame:
    """Rows for what should have been on the invoice and has no line there; `first` is the number of the first one."""
    is_on_it = pl.repeat(False, len(subscriptions), dtype=pl.Boolean, eager=True)
    is_on_it = is_on_it.scatter(billed.get_column("subscription").drop_nulls(), True)
    return subscriptions.filter(pl.col("expected").fill_null(False) & ~is_on_it).select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row") + first,
        "subscription",
        pl.col("subscription").alias("owner"),
        pl.lit(0, pl.Int64).alias("lines"),
        pl.col("seats").alias("ours"),
        pl.lit(str(Verdict.NOT_ON_INVOICE)).alias("verdict"),
    )


def _priced(rows: pl.DataFrame, ours: Ours, costs: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """The price verdicts of all pairs of an offer and a cost that rows have, and the place of each row's own among them."""
    none, many = len(ours.offers), len(costs) + 1
    pair = rows.get_column("offer").fill_null(none) * many + rows.get_column("cost").fill_null(many - 1)
    pairs, place = places.distinct(pair)
    offered = [*ours.offers.select("selling_price", "cost_price", "unit", "comparable").rows(), (None, None, None, False)]
    billed = [*costs.to_list(), None]
    verdicts = [str(prices.price_verdict(*offered[number // many], billed=billed[number % many])) for number in pairs]
    return pl.DataFrame({"price_verdict": pl.Series(verdicts, dtype=pl.String)}), place


def _told(rows: pl.DataFrame, tables: Mapping[str, pl.DataFrame], scale: int, currency: str) -> tuple[pl.DataFrame, pl.Series]:
    """`money_at_risk` and `reason`, and the place of each row's own. Rows that agree, nine of ten, share the first, and nothing more of them is looked at."""
    is_told = rows.select((pl.col("verdict") != str(Verdict.CONFIRMED)) | pl.col("changed_since")).to_series()
    others = places.at(rows.select(_LOOKED_AT), is_told.arg_true())
    whole = [others.with_columns(*quantities.as_text(others, scale))]
    wanted = {"source": ("subtotal",), "cost": ("unit_cost",), "offer": ("monthly_selling_price", "monthly_cost_price")}
    whole += [places.at(tables[name].select(columns), others.get_column(name)) for name, columns in wanted.items()]
    others = pl.concat(whole, how="horizontal")
    agreed = pl.DataFrame({"reason": [reasons.AGREES], "money_at_risk": ["0"]})
    told = pl.DataFrame([reasons.reason(others), at_risk.money_at_risk(others, currency)])
    place = pl.repeat(0, len(rows), dtype=pl.Int64, eager=True)
    place = place.scatter(others.get_column("row"), pl.int_range(1, len(others) + 1, dtype=pl.Int64, eager=True))
    return pl.concat([agreed, told]), place
