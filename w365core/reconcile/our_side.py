"""How many seats did we hold on a day, and what can the provider have known of them by then? Change logs are replayed, in integers.

Logs are sorted by subscription and effective day; running sums over them answer every window with one search each. Only for windows that differ
each view of the logs is summed.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from w365core.frames import folded
from w365core.reconcile import places
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


def prepared(logs: pl.DataFrame) -> pl.DataFrame:
    """What is replayed of the logs with a `subscription` (a whole number), of `seats`: days as numbers, what each one's states mean, and its place, `log`.
    In the order of subscription and effective day."""
    effective = pl.col("effective_date").cast(pl.Int32)
    provisioned = pl.coalesce(pl.col("provisioned_on").cast(pl.Int32), effective)
    moment = pl.col("subscription").cast(pl.Int64) * _SPAN + _ORIGIN + effective
    return (
        logs.hstack(_states(logs))
        .select(
            "subscription",
            moment.fill_null((pl.col("subscription").cast(pl.Int64) + 1) * _SPAN - 1).alias("moment"),
            pl.int_range(pl.len(), dtype=pl.Int32).alias("log"),
            pl.col("seats").fill_null(0),
            effective.alias("effective_day"),
            provisioned.alias("provisioned_day"),
            pl.max_horizontal(provisioned, effective).alias("later_day"),
            *("known", "stuck", "archived", "deactivates", "begins"),
            pl.col("invoice_number").str.strip_chars().ne("").fill_null(False).alias("invoiced"),
        )
        .filter(pl.col("subscription").is_not_null())
        .sort("moment")
    )


def _states(logs: pl.DataFrame) -> pl.DataFrame:
    """What the words of each log mean. There are few combinations of them."""
    distinct, place = places.combinations(logs, ["provisioning_status", "status_reason", "event"])
    said = [[folded(word or "") for word in words] for words in distinct.iter_rows()]
    meant = {
        "known": [status in KNOWN_TO_PROVIDER for status, _, _ in said],
        "stuck": [status in STUCK for status, _, _ in said],
        "archived": [reason == "archived" for _, reason, _ in said],
        "deactivates": [event == "deactivate" for _, _, event in said],
        "begins": [event in ("activate", "create") for _, _, event in said],
    }
    return places.at(pl.DataFrame(meant, dict.fromkeys(meant, pl.Boolean)), place)


def by_subscription(logs: pl.DataFrame) -> pl.DataFrame:
    """One row per subscription that has logs: how many, what they come to, and the last day on which it was deactivated."""
    counted = logs.group_by("subscription").agg(pl.len().alias("logs"), pl.col("seats").sum().alias("all_logs"))
    ended = logs.filter("deactivates").group_by("subscription").agg(pl.col("effective_day").max().alias("deactivated_day"))
    ended = ended.with_columns(pl.lit(True).alias("was_deactivated"))
    return counted.join(ended, on="subscription", how="left").with_columns(pl.col("was_deactivated").fill_null(False))


def seats_on(logs: pl.DataFrame, *, subscription: pl.Series, day: pl.Series) -> pl.Series:
    """What the logs with an effective day of at most `day` come to, for each pair of subscription and day; 0 where there are none by then."""
    dated = logs.select("moment", "effective_day", "seats").filter(pl.col("effective_day").is_not_null())
    keys = dated.get_column("moment")
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
    counted = (pl.when(_inside(view)).then("seats").otherwise(0).alias(f"view_{place}") for place, view in enumerate(VIEWS))
    summed = pairs.select("row", *counted).group_by("row").sum()
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
