"""Why does a row have its verdict? One plain sentence with the quantities, for the analyst who has not opened it yet."""

from __future__ import annotations

from functools import cache

import polars as pl

from w365core.reconciliation import Verdict

AGREES = "The quantities are equal."


def _is(verdict: Verdict) -> pl.Expr:
    return pl.col("verdict") == str(verdict)


def _say(template: str, *columns: str) -> pl.Expr:
    return pl.format(template, *(pl.col(column).fill_null("an unknown quantity") for column in columns))


@cache
def reason() -> pl.Expr:
    """The sentence, of a row with `verdict`, `why`, `logs`, `snapshot`, `changed_since` and the quantities as text."""
    theirs, ours, then, residual = "provider_quantity", "our_quantity", "our_quantity_then", "residual"
    day = pl.col("snapshot").dt.to_string("%Y-%m-%d").fill_null("an unknown day")
    explained = pl.format(
        "The provider charges {}, we hold {}: for {} it counts without {} of our changes, ",
        pl.col(theirs),
        pl.col(ours),
        day,
        pl.col("logs_outside").fill_null(0),
    )
    return (
        pl.when(pl.col("changed_since"))
        .then(_say("The quantities are equal today, but on the provider's day we held {}: look whether this is a coincidence.", then))
        .when(_is(Verdict.CONFIRMED))
        .then(pl.lit(AGREES))
        .when(_is(Verdict.NO_SUBSCRIPTION))
        .then(pl.lit("No subscription of ours is named: cost without revenue. Map it, or ask the provider what it is for."))
        .when(_is(Verdict.NOT_RECONCILABLE) & pl.col("why").is_not_null())
        .then(pl.format("The provider's quantity cannot be told: {}.", pl.col("why")))
        .when(_is(Verdict.NOT_RECONCILABLE) & pl.col(ours).is_null())
        .then(_say("The provider charges {}, and our subscription has no quantity.", theirs))
        .when(_is(Verdict.NOT_RECONCILABLE) & (pl.col("logs").fill_null(0) == 0))
        .then(_say("The provider charges {}, we hold {}, and no change log says how we came to it.", theirs, ours))
        .when(_is(Verdict.NOT_RECONCILABLE))
        .then(_say("The provider charges {}, we hold {}, and the window has no day to look at.", theirs, ours))
        .when(_is(Verdict.SUSPENDED_BUT_BILLED))
        .then(_say("Our subscription is suspended, and the provider still charges {}.", theirs))
        .when(_is(Verdict.CHANGE_LOG_MISMATCH) & pl.col("residual_settles"))
        .then(_say("Our change logs do not come to our {}: {} is missing; with it the provider's {} agrees.", ours, residual, theirs))
        .when(_is(Verdict.CHANGE_LOG_MISMATCH))
        .then(
            _say("Our change logs do not come to our {}: {} is missing; with it the provider's {} still differs.", ours, residual, theirs)
        )
        .when(_is(Verdict.PROVISIONING_GAP))
        .then(explained + pl.lit("at least one awaiting provisioning or failed."))
        .when(_is(Verdict.EXCLUDED))
        .then(explained + pl.lit("at least one archived without an invoice."))
        .when(_is(Verdict.EXPLAINED_NOT_INVOICED))
        .then(explained + pl.lit("not all of them invoiced yet."))
        .when(_is(Verdict.EXPLAINED_INVOICED))
        .then(explained + pl.lit("all of them invoiced."))
        .when(_is(Verdict.PARTLY_EXPLAINED))
        .then(_say("The provider charges {}, we hold {}: our later changes explain a part, {} remains.", theirs, ours, residual))
        .when(_is(Verdict.UNEXPLAINED))
        .then(_say("The provider charges {}, we hold {}, and no change of ours explains {}.", theirs, ours, residual))
        .otherwise(_say("We hold {}, active and under contract, and the invoice has no line for it.", ours))
    )
