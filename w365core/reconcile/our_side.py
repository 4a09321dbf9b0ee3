"""How many seats did we hold on a day, and what can the provider have known of them by then? Change logs are replayed, in integers.

Logs are sorted by subscription and effective day; running sums over them answer every window with one search each. Only for windows that differ
each view of the logs is summed.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from w365core.frames import folded
from w365core.reconciliation import Fit

_SPAN = 1 << 22  # days of a key: from the year 1 to beyond 9999
_ORIGIN = 1 << 20
KNOWN_TO_PROVIDER = ("provisioned", "notapplicable")
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


def _one_of(column: str, words: tuple[str, ...], distinct: list[str]) -> pl.Expr:
    return pl.col(column).is_in([text for text in distinct if folded(text) in words]).fill_null(False)


def prepared(logs: pl.DataFrame) -> pl.DataFrame:
    """What is replayed of logs that have a `subscription` (a whole number) and `seats`: days as numbers, what each one's states mean, and its place, `log`.
    In the order of subscription and effective day."""
    said = {name: logs.get_column(name).drop_nulls().unique().to_list() for name in ("provisioning_status", "status_reason", "event")}
    effective = pl.col("effective_date").cast(pl.Int32)
    provisioned = pl.coalesce(pl.col("provisioned_on").cast(pl.Int32), effective)
    return logs.select(
        "subscription",
        pl.int_range(pl.len(), dtype=pl.Int32).alias("log"),
        pl.col("seats").fill_null(0),
        effective.alias("effective_day"),
        provisioned.alias("provisioned_day"),
        pl.max_horizontal(provisioned, effective).alias("later_day"),
        _one_of("provisioning_status", KNOWN_TO_PROVIDER, said["provisioning_status"]).alias("known"),
        _one_of("provisioning_status", STUCK, said["provisioning_status"]).alias("stuck"),
        _one_of("status_reason", ("archived",), said["status_reason"]).alias("archived"),
        _one_of("event", ("deactivate",), said["event"]).alias("deactivates"),
        _one_of("event", ("activate", "create"), said["event"]).alias("begins"),
        pl.col("invoice_number").str.strip_chars().ne("").fill_null(False).alias("invoiced"),
    ).sort("subscription", "effective_day", nulls_last=True)


def by_subscription(logs: pl.DataFrame) -> pl.DataFrame:
    """One row per subscription that has logs: how many, what they come to, and the last day on which it was deactivated."""
    return logs.group_by("subscription").agg(
        pl.len().alias("logs"),
        pl.col("seats").sum().alias("all_logs"),
        pl.col("deactivates").any().alias("was_deactivated"),
        pl.col("effective_day").filter(pl.col("deactivates")).max().alias("deactivated_day"),
    )


def seats_on(logs: pl.DataFrame, *, subscription: pl.Series, day: pl.Series) -> pl.Series:
    """What the logs with an effective day of at most `day` come to, for each pair of subscription and day; 0 where there are none by then."""
    dated = logs.filter(pl.col("effective_day").is_not_null())
    keys = dated.select(pl.col("subscription").cast(pl.Int64) * _SPAN + _ORIGIN + pl.col("effective_day")).to_series()
    running = dated.select(pl.concat([pl.lit(0, logs.schema["seats"]), pl.col("seats")]).cum_sum()).to_series()
    asked = pl.DataFrame({"subscription": subscription, "day": day})
    base = pl.col("subscription").cast(pl.Int64) * _SPAN
    first, last = asked.select(base.alias("first"), (base + _ORIGIN + pl.col("day")).alias("last"))
    below = running.gather(keys.search_sorted(first.fill_null(0), side="left"))
    until = running.gather(keys.search_sorted(last.fill_null(0), side="right"))
    found = pl.DataFrame({"below": below, "until": until, "known": last.is_not_null()})
    return found.select(pl.when("known").then(pl.col("until") - pl.col("below"))).to_series()


def _inside(view: View) -> pl.Expr:
    is_in = pl.col(view.day) <= pl.col("snapshot_day") + view.days
    return (is_in & pl.col("known") if view.known else is_in).fill_null(False)


def views(windows: pl.DataFrame, logs: pl.DataFrame) -> pl.DataFrame:
    """For windows with `row`, `subscription` and `snapshot_day`: the same and, per place in VIEWS, what that view comes to (`view_0` …)."""
    pairs = windows.select("row", "subscription", "snapshot_day").join(logs, on="subscription", maintain_order="none")
    summed = pairs.group_by("row").agg(
        pl.col("seats").filter(_inside(view)).sum().alias(f"view_{place}") for place, view in enumerate(VIEWS)
    )
    nothing = [pl.col(f"view_{place}").fill_null(0) for place in range(len(VIEWS))]
    return windows.join(summed, on="row", how="left").with_columns(nothing)


def first_fit(of: pl.Expr) -> pl.Expr:
    """The place of the first view that comes to this quantity; null where none does."""
    return pl.coalesce(pl.when(pl.col(f"view_{place}") == of).then(pl.lit(place, pl.Int8)) for place in range(len(VIEWS)))


def with_logs(windows: pl.DataFrame, logs: pl.DataFrame) -> pl.DataFrame:
    """Every log of these windows (`row`, `subscription`, `snapshot_day`, `view`), with `outside`: whether it lies outside the window's view."""
    pairs = windows.join(logs, on="subscription")
    inside = pl.coalesce(pl.when(pl.col("view") == place).then(_inside(view)) for place, view in enumerate(VIEWS))
    return pairs.with_columns((~inside).alias("outside"))
