"""What became of each row's quantity? The verdicts are tried in their order, and the first that applies holds.

A cheap pass over all rows leaves those that have to be explained; only their logs are looked at, view by view.
"""

from __future__ import annotations

import polars as pl

from w365core.reconcile import our_side
from w365core.reconcile.our_side import VIEWS, History, Printed
from w365core.reconciliation import Verdict

EXPLAINING = "explaining"  # not yet judged: the views decide
LOOKED_AT = ("row", "subscription", "snapshot_day", "verdict", "to_check", "provider_quantity", "ours", "all_logs")


def _lit(verdict: Verdict) -> pl.Expr:
    return pl.lit(str(verdict))


def judged(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `verdict` as far as it follows from quantities alone, else EXPLAINING, and `to_check`: confirmed rows that may be right by coincidence.

    Needs has_subscription, suspended, provider_quantity, ours, ours_then, logs, all_logs, was_deactivated, deactivated_day and snapshot_day.
    """
    still_billed = (
        pl.col("suspended")
        & (pl.col("provider_quantity") > 0)
        & (~pl.col("was_deactivated").fill_null(False) | (pl.col("deactivated_day") <= pl.col("snapshot_day")).fill_null(False))
    )
    verdict = (
        pl.when(~pl.col("has_subscription"))
        .then(_lit(Verdict.NO_SUBSCRIPTION))
        .when(pl.col("provider_quantity").is_null())
        .then(_lit(Verdict.NOT_RECONCILABLE))
        .when(still_billed)
        .then(_lit(Verdict.SUSPENDED_BUT_BILLED))
        .when(pl.col("provider_quantity") == pl.col("ours"))
        .then(_lit(Verdict.CONFIRMED))
        .when((pl.col("logs").fill_null(0) == 0) | pl.col("ours").is_null() | pl.col("snapshot_day").is_null())
        .then(_lit(Verdict.NOT_RECONCILABLE))
        .when(pl.col("all_logs") != pl.col("ours"))
        .then(_lit(Verdict.CHANGE_LOG_MISMATCH))
        .otherwise(pl.lit(EXPLAINING))
    )
    to_check = (
        (pl.col("verdict") == str(Verdict.CONFIRMED)) & (pl.col("all_logs") == pl.col("ours")) & (pl.col("ours_then") != pl.col("ours"))
    )
    return rows.with_columns(verdict.alias("verdict")).with_columns(to_check.fill_null(False).alias("to_check"))


def looked_into(rows: pl.DataFrame, history: History, printed: Printed) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows (with `row`) that need the views: `row`, `verdict`, `view` (the fit's, else null), `residual`, `residual_settles`, `changed_since`; and their logs,
    each with `outside`."""
    quantity = pl.col("provider_quantity")
    mismatch = pl.col("verdict") == str(Verdict.CHANGE_LOG_MISMATCH)
    explaining = pl.col("verdict") == EXPLAINING
    logs = our_side.looked_at(history, rows.get_column("subscription"), printed)
    found = our_side.views(rows, logs).with_columns(
        our_side.first_fit("provider_quantity").alias("fit_view"),
        (pl.col("ours") - pl.col("all_logs")).alias("missing"),
        (quantity - pl.col("ours") + pl.col("all_logs")).alias("without_missing"),
    )
    found = found.with_columns(
        our_side.first_fit("without_missing").is_not_null().alias("settles"),
        ((pl.col("verdict") == str(Verdict.CONFIRMED)) & pl.col("fit_view").is_null()).alias("changed_since"),
    )
    found = found.filter(pl.col("changed_since") | mismatch | explaining)
    found = found.with_columns(
        pl.when(explaining).then(pl.col("fit_view")).alias("fit_view"),
        pl.when(mismatch)
        .then(pl.col("missing"))
        .when(explaining & pl.col("fit_view").is_null())
        .then(quantity - pl.col("view_0"))
        .alias("residual"),
        pl.when(mismatch).then(pl.col("settles")).alias("residual_settles"),
    ).with_columns(pl.col("fit_view").fill_null(0).alias("view"))
    found = found.select(
        "row", "subscription", "snapshot_day", "verdict", "fit_view", "view", "residual", "residual_settles", "changed_since"
    )
    with_logs = our_side.with_logs(found.select("row", "subscription", "snapshot_day", "view"), logs)
    return _weakest(found, with_logs), with_logs


def _weakest(found: pl.DataFrame, with_logs: pl.DataFrame) -> pl.DataFrame:
    """A fit's verdict is the weakest log outside it; without a fit the logs outside the snapshot explain a part, or nothing does."""
    billed = pl.col("invoiced")
    outside = (
        with_logs.filter("outside")
        .group_by("row")
        .agg(
            pl.len().alias("logs_outside"),
            pl.col("stuck").any().alias("any_stuck"),
            (pl.col("archived") & ~billed).any().alias("any_excluded"),
            (~pl.col("archived") & ~billed).any().alias("any_open"),
        )
    )
    found = found.join(outside, on="row", how="left")
    is_fit = pl.col("fit_view").is_not_null()
    verdict = (
        pl.when(pl.col("verdict") != EXPLAINING)
        .then(pl.col("verdict"))
        .when(is_fit & pl.col("any_stuck"))
        .then(_lit(Verdict.PROVISIONING_GAP))
        .when(is_fit & pl.col("any_excluded"))
        .then(_lit(Verdict.EXCLUDED))
        .when(is_fit & pl.col("any_open"))
        .then(_lit(Verdict.EXPLAINED_NOT_INVOICED))
        .when(is_fit)
        .then(_lit(Verdict.EXPLAINED_INVOICED))
        .when(pl.col("logs_outside").fill_null(0) > 0)
        .then(_lit(Verdict.PARTLY_EXPLAINED))
        .otherwise(_lit(Verdict.UNEXPLAINED))
    )
    fit = pl.col("fit_view").replace_strict(list(range(len(VIEWS))), [str(view.fit) for view in VIEWS], return_dtype=pl.String)
    return found.with_columns(verdict.alias("verdict"), fit.alias("fit"))
