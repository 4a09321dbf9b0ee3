"""How many seats did we hold on a day, and what can the provider have known of them by then? Change logs are replayed, in integers.

Logs are sorted by subscription and effective day; running sums over them answer every window with one search each. Only for windows that differ
each view of the logs is summed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import polars as pl

from w365core.frames import folded
from w365core.reconcile import places
from w365core.reconciliation import Fit

_SPAN = 1 << 22  # days of a key: from the year 1 to beyond 9999
_ORIGIN = 1 << 20
KNOWN_TO_PROVIDER = ("provisioned", "notapplicable")
_TOLD = ("effective_date", "provisioned_on", "provisioning_status", "status_reason", "invoice_number")
Printed = Callable[[pl.Series, Sequence[str]], pl.DataFrame]  # the change logs at these places, in these columns of CHANGE_LOG_IN
Numbers = TypeVar("Numbers")
STUCK = ("awaitingprovisioning", "failedprovisioning")


@dataclass(frozen=True)
class View:
    """What the provider can have known: logs whose `day` is at most the snapshot plus `days`; `known` means only what was provisioned."""

    fit: Fit
    day: str
    days: int = 0
    known: bool = True


VIEWS = (
    View(Fit.SNAPSHOT, "provisioned_day"),
    View(Fit.SCHEDULED, "later_day"),
    *(View(Fit.SHIFTED, day, days) for days in (-1, 1, -2, 2) for day in ("provisioned_day", "later_day")),
    View(Fit.EFFECTIVE, "effective_day", known=False),
)


@dataclass(frozen=True)
class History:
    """The change logs of ours, as they were given (`logs`, with `seats`); and in the order of subscription and effective day, those without a day last: the
    place of each (`log`), the key it is found by, and what all before come to (`running`, with what all come to at its end). `starts` says where each
    subscription's begin there, and where the last one's end. `ended` are those that deactivate."""

    logs: pl.DataFrame
    log: pl.Series
    keys: pl.Series
    running: pl.Series
    starts: pl.Series
    ended: pl.DataFrame


def replayed(logs: pl.DataFrame, *, subscriptions: int) -> History:
    """The history that logs with a `subscription` (a whole number; others are nobody's) and `seats` tell."""
    day = (logs.get_column("effective_date").cast(pl.Int64) + _ORIGIN).fill_null(_SPAN - 1)
    moments = logs.get_column("subscription") * _SPAN + day
    keys, log = places.in_order(moments.fill_null(subscriptions * _SPAN), most=subscriptions * _SPAN)  # nobody's come last
    keys, log = (column.head(len(moments) - moments.null_count()) for column in (keys, log))
    seats = logs.get_column("seats")[log].fill_null(0)
    running = pl.concat([pl.Series([0], dtype=seats.dtype), seats.cum_sum()])
    starts = places.starts(logs.get_column("subscription"), count=subscriptions)
    return History(logs, log.alias("log"), keys, running, starts, of_events(logs, ("deactivate",)))


def by_subscription(history: History) -> pl.DataFrame:
    """For each subscription: how many logs it has, what they come to (null without any), and the last day on which it was deactivated."""
    begin, end = history.starts.head(-1), history.starts.tail(-1)
    held = pl.DataFrame({
        "subscription": pl.int_range(len(begin), dtype=pl.Int64, eager=True),
        "logs": end - begin,
        "all_logs": history.running[end] - history.running[begin],
    }).with_columns(pl.when(pl.col("logs") > 0).then(pl.col("logs", "all_logs")))  # fmt: skip
    ended = history.ended.group_by("subscription").agg(pl.col("effective_day").max().alias("deactivated_day"))
    ended = ended.with_columns(pl.lit(True).alias("was_deactivated"))
    return places.beside(held, ended, by="subscription").with_columns(pl.col("was_deactivated").fill_null(False))


def of_events(logs: pl.DataFrame, events: tuple[str, ...]) -> pl.DataFrame:
    """`subscription` and `effective_day` of the logs of these events, however they are spelled."""
    spelled = [word for word in logs.get_column("event").unique().to_list() if folded(word or "") in events]
    found = logs.filter(pl.col("event").is_in(spelled)) if spelled else logs.clear()
    return found.select("subscription", pl.col("effective_date").cast(pl.Int32).alias("effective_day")).drop_nulls("subscription")


def key(subscription: Numbers, day: Numbers) -> Numbers:
    """What the last log of a subscription by a day is found by."""
    return subscription * _SPAN + (day + _ORIGIN)


def seats_on(history: History, *, subscription: pl.Series, day: pl.Series) -> pl.Series:
    """What the logs with an effective day of at most `day` come to, for each pair of subscription and day; 0 where there are none by then."""
    last = key(subscription, day.cast(pl.Int64))
    until = history.running[places.after(history.keys, last.fill_null(-1))]
    below = places.at(history.running, places.at(history.starts, subscription))
    return (until - below).zip_with(last.is_not_null(), pl.repeat(None, len(last), dtype=until.dtype, eager=True))


def looked_at(history: History, subscriptions: pl.Series, printed: Printed) -> pl.DataFrame:
    """The logs of these subscriptions, with `log`: days as numbers, and what the states of each mean."""
    wanted = subscriptions.drop_nulls().unique().sort()
    place, of_wanted = places.within(history.starts, wanted)
    whose = pl.DataFrame({"log": history.log[place], "subscription": wanted[of_wanted]})
    logs = printed(whose.get_column("log"), _TOLD).hstack([history.logs.get_column("seats")[whose.get_column("log")]])
    effective = pl.col("effective_date").cast(pl.Int32)
    provisioned = pl.coalesce(pl.col("provisioned_on").cast(pl.Int32), effective)
    return whose.hstack(_states(logs)).hstack(
        logs.select(
            pl.col("seats").fill_null(0),
            effective.alias("effective_day"),
            provisioned.alias("provisioned_day"),
            pl.max_horizontal(provisioned, effective).alias("later_day"),
            pl.col("invoice_number").str.strip_chars().ne("").fill_null(False).alias("invoiced"),
        )
    )


def _states(logs: pl.DataFrame) -> pl.DataFrame:
    """What the words of each log mean. There are few combinations of them."""
    distinct, place = places.combinations(logs, ["provisioning_status", "status_reason"])
    said = [[folded(word or "") for word in words] for words in distinct.iter_rows()]
    meant = {
        "known": [status in KNOWN_TO_PROVIDER for status, _ in said],
        "stuck": [status in STUCK for status, _ in said],
        "archived": [reason == "archived" for _, reason in said],
    }
    return places.at(pl.DataFrame(meant, dict.fromkeys(meant, pl.Boolean)), place)


def _inside(view: View) -> pl.Expr:
    is_in = pl.col(view.day) <= pl.col("snapshot_day") + view.days
    return (is_in & pl.col("known") if view.known else is_in).fill_null(False)


def views(windows: pl.DataFrame, logs: pl.DataFrame) -> pl.DataFrame:
    """For windows with `row`, `subscription` and `snapshot_day`: the same and, per place in VIEWS, what that view comes to (`view_0` …)."""
    pairs = windows.select("row", "subscription", "snapshot_day").join(logs, on="subscription", maintain_order="none")
    summed = pairs.select("row", *_counted()).group_by("row").sum()
    nothing = [pl.col(f"view_{place}").fill_null(0) for place in range(len(VIEWS))]
    return windows.join(summed, on="row", how="left").with_columns(nothing)


# Expressions are made once: at an invoice of usual size, making them costs as much as evaluating them.
@cache
def _counted() -> tuple[pl.Expr, ...]:
    return tuple(pl.when(_inside(view)).then("seats").otherwise(0).alias(f"view_{place}") for place, view in enumerate(VIEWS))


@cache
def first_fit(of: str) -> pl.Expr:
    """The place of the first view that comes to the quantity of this column; null where none does."""
    return pl.coalesce(pl.when(pl.col(f"view_{place}") == pl.col(of)).then(pl.lit(place, pl.Int8)) for place in range(len(VIEWS)))


def with_logs(windows: pl.DataFrame, logs: pl.DataFrame) -> pl.DataFrame:
    """Every log of these windows (`row`, `subscription`, `snapshot_day`, `view`), with `outside`: whether it lies outside the window's view."""
    pairs = windows.join(logs, on="subscription")
    return pairs.with_columns(_outside())


@cache
def _outside() -> pl.Expr:
    inside = pl.coalesce(pl.when(pl.col("view") == place).then(_inside(view)) for place, view in enumerate(VIEWS))
    return (~inside).alias("outside")
