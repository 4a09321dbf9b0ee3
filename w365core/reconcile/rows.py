"""What is said of an invoice's rows? One row per subscription and window: both sides, the verdict, the prices, the money; and its change logs.

Subscriptions are numbered in the order of their ids and rows by subscription and window, so that everything between is done on integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from w365core.reconcile import at_risk, exact, keys, offers, our_side, places, prices, provider_side, reasons, verdicts, worth
from w365core.reconciliation import Verdict

NOT_ON_INVOICE = "not-on-invoice"
_OF_LINES = ("account_id", "customer_name", "product_id", "product_name")


@dataclass(frozen=True)
class Judged:
    """Rows (with `key`), the change logs outside their views, the lines with the `key` of their row, their `charge`, `sign`, `terms` and `seats`
    (integers of `scale`), and all logs of ours."""

    rows: pl.DataFrame
    change_logs: pl.DataFrame
    lines: pl.DataFrame
    logs: pl.DataFrame
    scale: int


@dataclass(frozen=True)
class Numbers:
    """Quantities of all sides as integers of one scale."""

    scale: int
    lines: pl.Series
    subscriptions: pl.Series
    logs: pl.Series


def numbers(lines: pl.DataFrame, subscriptions: pl.DataFrame, logs: pl.DataFrame) -> Numbers:
    """The quantities of the three tables. Where no integer holds them all, a subscription with one of too many digits has none: that is said, not rounded."""
    billed = pl.coalesce(pl.col("billable_quantity").replace("", None), pl.col("quantity")).alias("quantity")
    sides = [
        frame.select("subscription_id", column) for frame, column in ((lines, billed), (subscriptions, "quantity"), (logs, "quantity"))
    ]
    found = exact.scaled(*(side.get_column("quantity") for side in sides))
    if found is None:
        sides = [side.with_columns(exact.canonical(side.get_column("quantity"))) for side in sides]
        is_long = pl.col("quantity").str.contains(exact.TOO_LONG).fill_null(False)
        too_long = pl.concat([side.filter(is_long).get_column("subscription_id") for side in sides]).drop_nulls().unique()
        kept = pl.when(~is_long & ~pl.col("subscription_id").is_in(too_long.implode()).fill_null(False)).then(pl.col("quantity"))
        found = exact.scaled(*(side.select(kept).to_series() for side in sides))
    assert found is not None, "what is left has too many digits"
    return Numbers(found[0], *found[1])


def judged(lines: pl.DataFrame, subscriptions: pl.DataFrame, logs: pl.DataFrame, *, quantities: Numbers, currency: str) -> Judged:
    """All of it, for lines, subscriptions and logs in the columns of `reconciliation`. Rows stand in the order of their `key`, which is their place."""
    scale = quantities.scale
    subscriptions = offers.offered(keys.numbered(subscriptions.with_columns(quantities.subscriptions.alias("seats"))), currency)
    lines = prices.with_terms(keys.keyed(lines.with_columns(quantities.lines.alias("seats")), subscriptions))
    all_logs, subscription = logs, keys.subscription_of(logs, subscriptions)
    logs = our_side.prepared(all_logs.with_columns(quantities.logs.alias("seats"), subscription))
    rows = _windows(lines, subscriptions, logs)
    deeper = pl.col("to_check") | pl.col("verdict").is_in([verdicts.EXPLAINING, str(Verdict.CHANGE_LOG_MISMATCH)])
    found, of_rows = verdicts.looked_into(rows.select(verdicts.LOOKED_AT).filter(deeper), logs)
    rows = _settled(rows, found, subscriptions, scale)
    rows = _with_money(places.beside(rows, prices.unit_costs(lines), by="key"), subscriptions, currency)
    explained = _explained(rows, of_rows.filter("outside"), subscriptions, all_logs)
    rows = places.beside(rows, _unbilled(explained, rows, currency), by="row")
    agrees = (pl.col("verdict") == str(Verdict.CONFIRMED)) & ~pl.col("changed_since")
    told = rows.lazy().filter(~agrees).select("key", reasons.reason().alias("reason")).collect()
    rows = places.beside(rows, told, by="key").with_columns(pl.col("reason").fill_null(reasons.AGREES))
    rows = pl.concat([rows, _absent(subscriptions, lines, scale, currency)], how="diagonal")
    return Judged(rows.with_columns(pl.lit(currency).alias("currency")), explained, lines, logs, scale)


# --- both sides --------------------------------------------------------------------------------------------------------------------------


def _windows(lines: pl.DataFrame, subscriptions: pl.DataFrame, logs: pl.DataFrame) -> pl.DataFrame:
    """One row per key: what the provider charges, what we hold and held, the verdict as far as quantities give it, and the names of the lines."""
    ours = subscriptions.select("subscription", "suspended", pl.col("seats").alias("ours"))
    ours = places.beside(ours, our_side.by_subscription(logs), by="subscription")
    held = _held(lines)
    held = held.hstack(places.at(ours.drop("subscription"), held.get_column("subscription").cast(pl.Int64))).with_columns(
        pl.col("suspended").fill_null(False), pl.col("subscription").is_not_null().alias("has_subscription")
    )
    seats = lines.select("key", "alone", "charge", "moment", "sign", pl.col("seats").alias("quantity"))
    theirs = provider_side.windows(seats, held.select("key", "ours")).sort("key")
    snapshot = pl.coalesce(pl.from_epoch("last_event", time_unit="us").dt.date(), pl.col("charge_start"))
    rows = held.hstack(theirs.drop("key")).with_columns(snapshot.alias("snapshot"), pl.col("key").alias("row"))
    rows = rows.with_columns(pl.col("snapshot").cast(pl.Int32).alias("snapshot_day"))
    then = our_side.seats_on(logs, subscription=rows["subscription"], day=rows["snapshot_day"])
    rows = rows.with_columns(then.alias("ours_then"))
    return verdicts.judged(rows.with_columns(pl.when(pl.col("logs") > 0).then(pl.col("ours_then")).alias("ours_then")))


def _held(lines: pl.DataFrame) -> pl.DataFrame:
    """One row per key in its order: what is printed on its line, or of several the least names and the sum."""
    names = ("provider_subscription_id", "provider_customer_id", *_OF_LINES)
    owner = ("subscription", "charge_start", "charge_end", "printed_window", "customer")
    printed = lines.select("key", "alone", *owner, *names, "subtotal")
    single = printed.filter("alone").select("key", *owner, *names, pl.lit(1, pl.Int64).alias("lines"), "subtotal")
    many = printed.filter(~pl.col("alone"))
    if many.is_empty():
        return single
    netted = many.group_by("key").agg(pl.col(owner).first(), pl.col(names).min(), pl.len().cast(pl.Int64).alias("lines"))
    netted = netted.join(exact.sums(many, by="key", of="subtotal"), on="key", how="left")
    return pl.concat([single, netted.select(single.columns)]).sort("key")


def _settled(rows: pl.DataFrame, found: pl.DataFrame, subscriptions: pl.DataFrame, scale: int) -> pl.DataFrame:
    """The rows with their final verdicts, every quantity as text, and the names of ours."""
    found = found.select(
        "row", pl.col("verdict").alias("found_verdict"), "fit", "residual", "residual_settles", "changed_since", "logs_outside"
    )
    ours = subscriptions.select(
        "subscription_id",
        pl.col("account_id").alias("our_account_id"),
        pl.col("product_id").alias("our_product_id"),
        *("offer", "provider_quantity_now"),
    )
    ours = places.at(ours, rows.get_column("subscription").cast(pl.Int64))
    named = pl.coalesce("subscription_id", "customer:" + pl.col("customer"))
    return places.beside(rows, found, by="row").hstack(ours).with_columns(
        pl.coalesce("found_verdict", "verdict").alias("verdict"),
        pl.col("changed_since").fill_null(False),
        pl.concat_str(named, "printed_window").alias("line_id"),
        pl.coalesce("our_account_id", "account_id").alias("account_id"),
        pl.coalesce("our_product_id", "product_id").alias("product_id"),
        exact.text(pl.col("provider_quantity") - pl.col("ours"), scale).alias("quantity_difference"),
        *(exact.text(pl.col(name), scale).alias(name) for name in ("provider_quantity", "residual")),
        exact.text(pl.col("ours"), scale).alias("our_quantity"),
        exact.text(pl.col("ours_then"), scale).alias("our_quantity_then"),
    )  # fmt: skip


def _absent(subscriptions: pl.DataFrame, lines: pl.DataFrame, scale: int, currency: str) -> pl.DataFrame:
    """Rows for what should have been on the invoice and has no line there."""
    on_it = lines.get_column("subscription").drop_nulls().unique()
    absent = subscriptions.filter(pl.col("expected").fill_null(False) & ~pl.col("subscription").is_in(on_it.implode()))
    absent = absent.select(
        pl.format("{}/{}", "subscription_id", pl.lit(NOT_ON_INVOICE)).alias("line_id"),
        *("subscription", "subscription_id", "account_id", "product_id", "offer", "provider_quantity_now"),
        pl.col("provider_subscription_id").str.to_lowercase(),
        pl.col("name").alias("product_name"),
        exact.text(pl.col("seats"), scale).alias("our_quantity"),
        pl.lit(0, pl.Int64).alias("lines"),
        pl.lit(str(Verdict.NOT_ON_INVOICE)).alias("verdict"),
        pl.lit(False).alias("changed_since"),
        *(pl.lit(None, pl.String).alias(name) for name in ("why", "provider_quantity", "our_quantity_then", "residual", "subtotal", "unit_cost")),
        *(pl.lit(None, pl.String).alias(name) for name in ("quantity_difference",)),
        *(pl.lit(None, kind).alias(name) for name, kind in (("logs", pl.UInt32), ("logs_outside", pl.UInt32), ("snapshot", pl.Date), ("residual_settles", pl.Boolean))),
    )  # fmt: skip
    return _with_money(absent, subscriptions, currency).with_columns(reasons.reason().alias("reason"))


# --- money -------------------------------------------------------------------------------------------------------------------------------


def _with_money(rows: pl.DataFrame, subscriptions: pl.DataFrame, currency: str) -> pl.DataFrame:
    """Rows with `price_verdict`, `money_at_risk`, and our prices per month."""
    known = offers.distinct(subscriptions)
    terms = known.select("own_selling_price", "own_cost_price", "unit", "comparable").rows()
    nothing = (None, None, None, False)
    verdict = exact.each_combination(
        rows,
        ["offer", "unit_cost"],
        lambda offer, billed: str(prices.price_verdict(*(nothing if offer is None else terms[offer]), billed=billed)),
        name="price_verdict",
        kind=pl.String,
    )
    calm = pl.col("verdict").is_in([str(Verdict.CONFIRMED), str(Verdict.EXPLAINED_INVOICED)])
    place = pl.int_range(len(rows), dtype=pl.Int64, eager=True).alias("place")
    cells = ["verdict", "residual", "quantity_difference", "our_quantity", "subtotal", "unit_cost", "offer"]
    at_stake = rows.select(place, *cells).filter(~calm)
    risk = exact.each_combination(
        at_stake,
        cells,
        lambda *cells: at_risk.money_at_risk(*cells[:-1], *(nothing if cells[-1] is None else terms[cells[-1]]), currency),
        name="money_at_risk",
        kind=pl.String,
    )
    shown = places.at(known.select("cost_price", "selling_price"), rows.get_column("offer"))
    rows = places.beside(rows.hstack(shown).with_columns(verdict), at_stake.select("place").with_columns(risk), by="place")
    return rows.with_columns(pl.when(calm).then(pl.lit("0")).otherwise(pl.col("money_at_risk")).alias("money_at_risk"))


def _explained(rows: pl.DataFrame, logs: pl.DataFrame, subscriptions: pl.DataFrame, all_logs: pl.DataFrame) -> pl.DataFrame:
    """The change logs outside their rows' views, with what each is worth and whether it is invoiced."""
    of_row = rows.select("line_id", "charge_start", "charge_end")
    terms = subscriptions.select(
        *("unit", "prorate_unit", "frequency", "contract_start", "our_currency"), pl.col("selling_price").alias("own_selling_price")
    )
    printed = all_logs.select(pl.exclude("subscription_id"))
    logs = logs.hstack(places.at(printed, logs.get_column("log")))
    logs = logs.hstack(places.at(of_row, logs.get_column("row"))).hstack(places.at(terms, logs.get_column("subscription")))
    logs = logs.with_columns(
        pl.col("selling_price").is_not_null().alias("has_price"),
        pl.when(pl.col("invoiced")).then(pl.lit("invoiced")).when(pl.col("archived")).then(pl.lit("excluded")).otherwise(pl.lit("not_invoiced")).alias("billing"),
    )  # fmt: skip
    logs = logs.with_columns(
        pl.coalesce("selling_price", "own_selling_price").alias("price"),
        pl.when("has_price").then(pl.coalesce(pl.col("currency").str.to_uppercase(), "our_currency")).otherwise(pl.col("our_currency")).alias("worth_currency"),
    )  # fmt: skip
    worths = exact.each_combination(
        logs,
        [
            *("quantity", "effective_date", "price", "unit", "worth_currency", "prorate_unit", "frequency", "contract_start"),
            *("charge_start", "charge_end"),
        ],
        worth.worth,
        name="worth",
        kind=pl.String,
    )
    return logs.with_columns(worths)


def _unbilled(explained: pl.DataFrame, rows: pl.DataFrame, currency: str) -> pl.DataFrame:
    """`row` and `unbilled`: what its changes outside, neither invoiced nor archived, are worth in the invoice's currency; null where one is unknown."""
    unbilled = explained.filter(pl.col("billing") == "not_invoiced")
    unknown = (pl.col("worth").is_null() | (pl.col("worth_currency") != currency)).alias("unknown")
    known = unbilled.with_columns(unknown).with_columns(pl.col("unknown").any().over("row"))
    summed = exact.sums(known.with_columns(pl.when(~pl.col("unknown")).then(pl.col("worth")).alias("unbilled")), by="row", of="unbilled")
    looked = rows.filter(pl.col("found_verdict").is_not_null()).select("row")
    return (
        looked.join(summed, on="row", how="left")
        .join(unbilled.select("row").unique().with_columns(pl.lit(True).alias("open")), on="row", how="left")
        .select("row", pl.when(pl.col("open").is_null()).then(pl.lit("0")).otherwise(pl.col("unbilled")).alias("unbilled"))
    )
