"""What is said of an invoice's rows? One row per subscription and window: both sides, the verdict, the prices, the money; and its change logs.

Subscriptions are numbered in the order of their ids and rows by subscription and window, so that everything between is done on integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from w365core.reconcile import at_risk, exact, keys, names, offers, our_side, places, prices, provider_side, quantities, reasons, verdicts
from w365core.reconcile.explained import Printed, explained, unbilled
from w365core.reconcile.keys import Keyed
from w365core.reconcile.offers import Ours
from w365core.reconcile.our_side import History
from w365core.reconciliation import Verdict


@dataclass(frozen=True)
class Judged:
    """Rows in whole numbers: those of lines in the order of their `key`, which is their place, then those without a line. The change logs outside their
    views. And what both were made of."""

    rows: pl.DataFrame
    change_logs: pl.DataFrame
    billed: pl.DataFrame  # the lines as they were given
    keyed: Keyed
    terms: pl.DataFrame
    ours: Ours
    history: History
    names: pl.DataFrame
    costs: pl.Series
    scale: int


def judged(lines: pl.DataFrame, subscriptions: pl.DataFrame, logs: pl.DataFrame, *, printed: Printed, currency: str) -> Judged:
    """All of it, for lines, subscriptions and logs in the columns of `reconciliation`; `printed` gives all columns of the logs at some places.

    The subscriptions stand in the order of their ids; a line or a log has the place of its own there, `subscription`, in the stead of an id.
    """
    seats = quantities.seats_of(lines, subscriptions, logs)
    ours = offers.offered(keys.numbered(subscriptions.with_columns(seats.subscriptions.alias("seats"))), currency)
    terms, number = prices.terms_of(lines)
    billed = lines.with_columns(seats.lines.alias("seats"), number, *names.compared())
    keyed = keys.keyed(billed, owners=len(ours.subscriptions))
    history = our_side.replayed(logs.with_columns(seats.logs.alias("seats")), subscriptions=len(ours.subscriptions))
    rows = _windows(keyed, ours.subscriptions, history)
    found, of_rows = _looked_into(rows, history)
    rows = places.beside(rows, found, by="row").with_columns(pl.coalesce("found", "verdict").alias("verdict"))
    absent = _absent(ours.subscriptions, keyed)
    whole = pl.concat([rows, absent], how="diagonal").with_columns(pl.col("changed_since").fill_null(False))
    whole = whole.with_columns(names.line_ids(whole, keyed, ours.subscriptions))
    changes = explained(of_rows.filter("outside"), names.of_windows(whole, keyed), ours.subscriptions, printed)
    costs, cost_texts = prices.unit_costs(keyed.lines, terms)
    whole = places.beside(whole, costs, by="key")
    whole = places.beside(whole, unbilled(changes, found.get_column("row"), currency), by="row")
    printed_names, source = names.printed(billed, keyed, places.at(ours.subscriptions, absent.get_column("subscription")))
    whole = _with_money(whole.with_columns(source), printed_names, ours, cost_texts, seats.scale, currency)
    return Judged(whole, changes, billed, keyed, terms, ours, history, printed_names, cost_texts, seats.scale)


def _windows(keyed: Keyed, subscriptions: pl.DataFrame, history: History) -> pl.DataFrame:
    """One row per key: what the provider charges, what we hold and held, and the verdict as far as quantities give it."""
    ours = subscriptions.select("suspended", pl.col("seats").alias("ours")).hstack(our_side.by_subscription(history))
    rows = keyed.lines.filter("first").select("key", pl.col("key").alias("row"), "subscription", "owner", "window")
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


def _looked_into(rows: pl.DataFrame, history: History) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the change logs say of the rows that differ, or may agree by coincidence, and those rows' logs."""
    deeper = pl.col("to_check") | pl.col("verdict").is_in([verdicts.EXPLAINING, str(Verdict.CHANGE_LOG_MISMATCH)])
    found, of_rows = verdicts.looked_into(rows.filter(deeper).select(verdicts.LOOKED_AT), history)
    names = ("fit", "residual", "residual_settles", "changed_since", "logs_outside")
    return found.select("row", pl.col("verdict").alias("found"), *names), of_rows


def _absent(subscriptions: pl.DataFrame, keyed: Keyed) -> pl.DataFrame:
    """Rows for what should have been on the invoice and has no line there."""
    is_on_it = pl.repeat(False, len(subscriptions), dtype=pl.Boolean, eager=True)
    is_on_it = is_on_it.scatter(keyed.lines.get_column("subscription").drop_nulls(), True)
    return subscriptions.filter(pl.col("expected").fill_null(False) & ~is_on_it).select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row") + len(keyed.sizes),
        "subscription",
        pl.lit(0, pl.Int64).alias("lines"),
        pl.col("seats").alias("ours"),
        pl.lit(str(Verdict.NOT_ON_INVOICE)).alias("verdict"),
    )


def _with_money(rows: pl.DataFrame, printed: pl.DataFrame, ours: Ours, costs: pl.Series, scale: int, currency: str) -> pl.DataFrame:
    """Rows with `offer`, `price_verdict`, `money_at_risk` and `reason`. Of those that agree, nine of ten, nothing more than their prices is looked at."""
    rows = rows.hstack(places.at(ours.subscriptions.select("offer"), rows.get_column("subscription")))
    cells = (ours.offers.select("selling_price", "cost_price", "unit", "comparable").rows(), costs.to_list())
    verdict = exact.each_combination(
        rows, ["offer", "cost"], lambda *places: _price_verdict(*cells, *places), name="price_verdict", kind=pl.String
    )
    agrees = (pl.col("verdict") == str(Verdict.CONFIRMED)) & ~pl.col("changed_since")
    others = rows.filter(~agrees).with_columns(*quantities.as_text(scale), pl.col("snapshot_day").cast(pl.Date).alias("snapshot"))
    others = others.hstack(places.at(printed.select("subtotal"), others.get_column("source")))
    others = others.hstack(places.at(ours.offers.select("monthly_selling_price", "monthly_cost_price"), others.get_column("offer")))
    others = others.with_columns(places.at(costs, others.get_column("cost")).alias("unit_cost"))
    told = others.select("row", reasons.reason().alias("reason")).with_columns(at_risk.money_at_risk(others, currency))
    rows = places.beside(rows.with_columns(verdict), told, by="row")
    return rows.with_columns(
        pl.when(agrees).then(pl.lit("0")).otherwise("money_at_risk").alias("money_at_risk"), pl.col("reason").fill_null(reasons.AGREES)
    )


def _price_verdict(known: list[tuple], costs: list[str], offer: int | None, cost: int | None) -> str:
    """Without a subscription there is no price of ours."""
    terms = (None, None, None, False) if offer is None else known[offer]
    return str(prices.price_verdict(*terms, billed=None if cost is None else costs[cost]))
