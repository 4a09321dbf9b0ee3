"""Which lines simply agree with what we hold, so that nothing more is to be looked at? Nine rows of ten are one line of the cycle for our seats.

Such a row is confirmed whatever else is on the invoice. What is not plainly so, though it may come out as confirmed too, is left to all the rules.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from w365core.charge_types import Charge
from w365core.reconcile import our_side, places
from w365core.reconcile.our_side import History
from w365core.reconciliation import Verdict


def agreed(lines: pl.DataFrame, terms: pl.DataFrame, subscriptions: pl.DataFrame, history: History) -> pl.DataFrame:
    """The rows of lines that stand alone in their windows, in the order of both: the cycle, for our seats, of a subscription that nobody ended or suspended, at a
    right amount and a price that is not above list. Our change logs must not come to other seats on that day, since that may be a coincidence."""
    rows = lines.select("line", "subscription", "window", "seats", pl.col("charge_start").cast(pl.Int32).alias("snapshot_day"))
    if lines.get_column("seats").dtype != pl.Int64:  # more digits than are compared here
        return _then(rows.clear(), history)
    line = _alone(rows)
    rows = places.at(rows, line.filter(places.at(_plain(lines, terms), line)))
    held = places.at(_held(subscriptions, history), rows.get_column("subscription"))
    return _then(rows.filter(rows.get_column("seats") == held), history)


def without(lines: pl.DataFrame, agreed: pl.DataFrame) -> pl.DataFrame:
    """The lines that are to be looked at."""
    is_left = np.ones(len(lines), dtype=bool)
    is_left[agreed.get_column("line").to_numpy()] = False
    return lines.filter(pl.Series(is_left))


def as_rows(agreed: pl.DataFrame, lines: pl.DataFrame, costs: pl.Series, *, first: int) -> pl.DataFrame:
    """They as rows, the first of this number."""
    terms = places.at(lines.get_column("terms"), agreed.get_column("line"))
    return agreed.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row") + first,
        *("subscription", "window", "snapshot_day", "ours_then"),
        pl.col("subscription").alias("owner"),
        pl.col("line").cast(pl.Int64).alias("source"),
        pl.col("seats").alias("ours"),
        pl.col("seats").alias("provider_quantity"),
        places.at(costs, terms * 2 + 1),
        pl.lit(1, pl.Int64).alias("lines"),
        pl.lit(str(Verdict.CONFIRMED)).alias("verdict"),
        pl.lit(False).alias("changed_since"),
    )


def _alone(lines: pl.DataFrame) -> pl.Series:
    """The places of lines that are the only ones of their subscription and window, in the order of both."""
    subscription, window = lines.get_column("subscription"), lines.get_column("window")
    of_each = (window.max() or 0) + 1
    nobodys = ((subscription.max() or 0) + 1) * of_each
    numbers, line = places.in_order((subscription * of_each + window).fill_null(nobodys), most=nobodys)
    number = numbers.to_numpy()
    differs = np.concatenate(([True], number[1:] != number[:-1], [True]))
    return line.filter(pl.Series(differs[1:] & differs[:-1] & (number < nobodys)))


def _plain(lines: pl.DataFrame, terms: pl.DataFrame) -> pl.Series:
    """Whether a line charges seats of a cycle that begins on a day, at an amount and a price as they should be, of what the provider did not cancel."""
    is_credit = lines.get_column("subtotal").str.starts_with("-")
    is_listed = places.at(terms.get_column("list_exceeded").is_null(), lines.get_column("terms"))
    charge, own = lines.get_column("charge"), lines.get_column("provider_subscription_id")
    plain = (charge == str(Charge.CYCLE)) & lines.get_column("right") & is_listed & ~is_credit & lines.get_column("charge_start").is_not_null()
    cancelled = own.filter(charge == str(Charge.CANCEL))
    return plain & ~own.is_in(cancelled.implode()).fill_null(False) if len(cancelled) else plain


def _held(subscriptions: pl.DataFrame, history: History) -> pl.Series:
    """What we hold of each subscription; null where it is suspended or was deactivated."""
    held, suspended = subscriptions.get_column("seats"), subscriptions.get_column("suspended")
    ended = history.ended.get_column("subscription")
    plainly = (~suspended).scatter(ended, False) if len(ended) else ~suspended
    return held.zip_with(plainly, pl.repeat(None, len(held), dtype=held.dtype, eager=True))


def _then(rows: pl.DataFrame, history: History) -> pl.DataFrame:
    """The rows with `ours_then`, without those that may agree by coincidence."""
    subscription, seats = rows.get_column("subscription"), rows.get_column("seats")
    then = our_side.seats_on(history, subscription=subscription, day=rows.get_column("snapshot_day"))
    starts = history.starts
    begin, end = places.at(starts, subscription), places.at(starts, subscription + 1)
    logged = end > begin
    by_coincidence = logged & (then != seats) & (places.at(history.running, end) - places.at(history.running, begin) == seats)
    then = then.zip_with(logged, pl.repeat(None, len(then), dtype=then.dtype, eager=True))
    return rows.with_columns(then.alias("ours_then")).filter(~by_coincidence.fill_null(False))
