"""Which lines simply agree with what we hold, so that nothing more is to be looked at? Nine rows of ten are one line of the cycle for our seats.

Such a row is confirmed whatever else is on the invoice. What is not plainly so, though it may come out as confirmed too, is left to all the rules.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from w365core.charge_types import Charge
from w365core.reconcile import keys, our_side, places
from w365core.reconcile.our_side import History
from w365core.reconciliation import Verdict


def agreed(lines: pl.DataFrame, terms: pl.DataFrame, subscriptions: pl.DataFrame, history: History) -> pl.DataFrame:
    """The rows of lines that stand alone in their windows, in the order of both: the cycle, for our seats, of a subscription that nobody ended, at a
    right amount and a price that is not above list. Our change logs must not come to other seats on that day, since that may be a coincidence."""
    if lines.get_column("seats").dtype != pl.Int64:  # more digits than are compared here
        return none(lines.get_column("seats").dtype)
    whose, window, seats = (lines.get_column(name).fill_null(-1).to_numpy() for name in ("subscription", "window", "seats"))
    held, day = (
        subscriptions.get_column("seats").fill_null(0).to_numpy(),
        lines.get_column("charge_start").cast(pl.Int32).fill_null(0).to_numpy(),
    )
    line = _alone(whose, window)
    line = line[_plain(lines, terms)[line]]
    line = line[(seats[line] == held[whose[line]]) & _stands(subscriptions, history)[whose[line]]]
    ours, day = whose[line], day[line]
    running, starts = history.running.to_numpy(), history.starts.to_numpy()
    before, logged = running[starts[ours]], starts[ours + 1] > starts[ours]
    then = running[np.searchsorted(history.keys.to_numpy(), our_side.key(ours, day), side="right")] - before
    sure = ~(logged & (then != seats[line]) & (running[starts[ours + 1]] - before == seats[line]))
    line, ours, logged = line[sure], ours[sure], logged[sure]
    rows = {
        "line": line,
        "subscription": ours,
        "window": window[line],
        "seats": seats[line],
        "ours_then": then[sure],
        "snapshot_day": day[sure],
    }
    return pl.DataFrame(rows).with_columns(pl.when(pl.Series(logged)).then("ours_then").alias("ours_then"))


def none(of_seats: pl.DataType) -> pl.DataFrame:
    """No such rows, where seats are numbers of this type."""
    whole = dict.fromkeys(("line", "subscription", "window"), pl.Int64)
    return pl.DataFrame(schema=whole | {"seats": of_seats, "ours_then": of_seats, "snapshot_day": pl.Int32})


def without(lines: pl.DataFrame, agreed: pl.DataFrame) -> pl.DataFrame:
    """The lines that are to be looked at, in the columns that `keys.keyed` asks for."""
    is_left = np.ones(len(lines), dtype=bool)
    is_left[agreed.get_column("line").to_numpy()] = False
    return lines.select(keys.LOOKED_AT)[pl.Series(np.flatnonzero(is_left))]


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


def _alone(subscription: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The lines that are the only ones of their subscription (-1: none) and window, in the order of both."""
    of_each = int(window.max(initial=0)) + 1
    number = np.where(subscription < 0, 0, (subscription + 1) * of_each + window)
    numbers, line = (found.to_numpy() for found in places.in_order(pl.Series(number), most=int(number.max(initial=0))))
    differs = np.diff(numbers, prepend=-1, append=-1) != 0
    return line[differs[1:] & differs[:-1] & (numbers > 0)]


def _plain(lines: pl.DataFrame, terms: pl.DataFrame) -> np.ndarray:
    """Whether a line charges seats of a cycle that begins on a day, at an amount and a price as they should be, of what the provider did not cancel."""
    charge, own, day = (lines.get_column(name) for name in ("charge", "provider_subscription_id", "charge_start"))
    is_listed = places.at(terms.get_column("list_exceeded").is_null(), lines.get_column("terms"))
    plain = (charge == str(Charge.CYCLE)) & lines.get_column("right") & is_listed
    plain = plain & day.is_not_null() & ~lines.get_column("subtotal").str.starts_with("-")
    cancelled = own.filter(charge == str(Charge.CANCEL))
    if len(cancelled):
        plain = plain & ~own.is_in(cancelled.implode()).fill_null(False)
    return plain.fill_null(False).to_numpy()


def _stands(subscriptions: pl.DataFrame, history: History) -> np.ndarray:
    """Whether we hold seats of a subscription, known ones, that was never deactivated; of a suspended one they are none."""
    stands = subscriptions.get_column("seats").is_not_null()
    ended = history.ended.get_column("subscription")
    return (stands.scatter(ended, False) if len(ended) else stands).to_numpy()
