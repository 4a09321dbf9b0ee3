"""What is odd about single lines, beside their quantities? Amounts off, prices above list, windows charged twice, charges after a cancellation.

A finding never blocks. A clean invoice has none: what is netted, or agrees with what we hold, is not charged twice.
"""

from __future__ import annotations

import polars as pl

from w365core import money
from w365core.charge_types import Charge
from w365core.reconcile import amounts, exact, names, our_side, places, quantities
from w365core.reconcile.rows import Judged
from w365core.reconciliation import FindingKind, Verdict

SCHEMA = {
    **{"line_id": pl.String, "line_number": pl.Int64, "kind": pl.String, "expected": pl.String, "found": pl.String, "amount": pl.String},
    **{"currency": pl.String, "reason": pl.String},
}
_TERMS = ("billing_frequency", "term_and_billing_cycle", "charge_start", "charge_end")
_PRICES = ("subtotal", "effective_unit_price", "unit_price", "exchange_rate")
_PRINTED = ("line_number", "provider_subscription_id", *_PRICES, "order_date", *_TERMS)
_SAID = ("kind", "expected", "found", "amount", "reason")
_CHARGES_SEATS = (Charge.CYCLE, Charge.ADD, Charge.REMOVE)
_PRICED = (*_CHARGES_SEATS, Charge.CANCEL, Charge.CONVERT)


def found(judged: Judged, *, currency: str) -> pl.DataFrame:
    """Every finding, in the columns of FINDING."""
    parts = [
        _amount_off(judged, currency),
        _above_list(judged),
        _charged_twice(judged),
        _after_cancellation(judged),
        _after_deactivation(judged),
    ]
    together = pl.concat([part.select("key", "line_number", *_SAID) for part in parts])
    rows = places.at(judged.rows.select("owner", "window"), together.get_column("key"))
    line_ids = names.line_ids(rows, judged.keyed, judged.tables["subscription"])
    named = together.hstack([line_ids]).with_columns(pl.lit(currency).alias("currency"))
    once = named.unique(["line_id", "line_number", "kind"], keep="first", maintain_order=True)
    return once.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def _printed(judged: Judged, lines: pl.DataFrame) -> pl.DataFrame:
    """Some of the keyed lines with what they print, and `billed`, the quantity they charge for."""
    billed = judged.billed.select(*_PRINTED, quantities.billed().alias("billed"))
    return lines.hstack(places.at(billed, lines.get_column("line")))


def _of(*charges: Charge) -> pl.Expr:
    return pl.col("charge").is_in([str(charge) for charge in charges])


def _amount_off(judged: Judged, currency: str) -> pl.DataFrame:
    lines = judged.keyed.lines
    right = places.at(judged.billed.get_column("right"), lines.get_column("line"))
    lines = _printed(judged, lines.filter(_of(*_PRICED) & ~right))
    without = pl.col("effective_unit_price").is_null()  # only then does the day of the order matter
    lines = lines.with_columns(pl.when(without).then(pl.col("order_date")).alias("ordered"))
    cells = ["billed", "subtotal", "effective_unit_price", "unit_price", "exchange_rate", *_TERMS, "ordered"]
    expected = exact.each_combination(
        lines, cells, lambda *cells: amounts.amount_expected(*cells, currency), name="expected", kind=pl.String
    )
    off = lines.with_columns(expected).filter(pl.col("expected").is_not_null())
    return _told(off, FindingKind.AMOUNT_OFF, found="subtotal").with_columns(
        pl.format(
            "The amount is {}, and the provider's own rules of rounding give {} for its price and {} seats.", "found", "expected", "billed"
        ).alias("reason")
    )


def _above_list(judged: Judged) -> pl.DataFrame:
    listed = judged.terms.get_column("list_exceeded").alias("expected")
    if listed.null_count() == len(listed):
        return _none()
    lines = judged.keyed.lines.filter(listed.is_not_null()[judged.keyed.lines.get_column("terms")])
    above = _charges(lines.with_columns(places.at(listed, lines.get_column("terms"))))
    told = _told(_printed(judged, above), FindingKind.ABOVE_LIST, found="effective_unit_price")
    excess = [
        exact.plain(money.half_up(money.EXACT.multiply(money.EXACT.multiply(exact.number(amount), exact.number(rate or "1")), exact.number(seats or "1")), places=2))
        for amount, rate, seats in told.select("amount", "exchange_rate", "billed").iter_rows()
    ]  # fmt: skip
    return told.with_columns(
        pl.Series("amount", excess, pl.String),
        pl.format("A seat costs {} in this window, and the list price for it is {}.", "found", "expected").alias("reason"),
    )


def _charged_twice(judged: Judged) -> pl.DataFrame:
    """Cycle charges of one provider subscription and window that stand when credits of the same seats are taken from them, where we hold another number."""
    several = judged.keyed.lines.select("key", "alone", "charge").filter(~pl.col("alone") & _of(Charge.CYCLE))
    several = several.filter(pl.col("key").is_duplicated()).get_column("key").unique()
    rows = places.at(judged.rows.select("verdict", "subscription"), several)
    agreed = (rows.get_column("verdict") == str(Verdict.CONFIRMED)) | rows.get_column("subscription").is_null()
    doubtful = several.filter(~agreed)
    if not len(doubtful):
        return _none()
    lines = judged.keyed.lines.filter(_of(Charge.CYCLE, Charge.CANCEL)).join(doubtful.to_frame(), on="key", how="semi")
    lines = _printed(judged, lines).with_columns(pl.coalesce(pl.col("seats").cast(pl.String), "billed").alias("same_seats"))  # 2 is 2.0
    return _standing(lines.select("key", "line_number", "provider_subscription_id", "charge", "sign", "same_seats", "subtotal"))


def _standing(lines: pl.DataFrame) -> pl.DataFrame:
    cycles = lines.filter(_of(Charge.CYCLE))
    several = cycles.filter(pl.struct("key", "provider_subscription_id").is_duplicated() & (pl.col("sign") > 0)).select("key").unique()
    mine = lines.join(several, on="key", how="semi")
    same = ["key", "provider_subscription_id", "same_seats"]
    mine = mine.with_columns(
        pl.when(_of(Charge.CYCLE) & (pl.col("sign") > 0))
        .then(pl.col("line_number").rank("ordinal").over([*same, "charge", "sign"]))
        .alias("place"),
        (pl.col("sign") < 0).sum().over(same).alias("credits"),
    )
    standing = mine.filter(pl.col("place") > pl.col("credits"))
    standing = standing.filter(pl.len().over("key", "provider_subscription_id") > 1)
    totals = exact.sums(standing, by="key", of="subtotal").rename({"subtotal": "found"})
    first = standing.sort("line_number").group_by("key", maintain_order=True).agg(pl.len().alias("times"), pl.col("subtotal").first())
    told = first.join(totals, on="key")
    amount = [exact.plain(money.EXACT.subtract(exact.number(every), exact.number(one)).copy_abs()) for every, one in told.select("found", "subtotal").iter_rows()]  # fmt: skip
    return told.with_columns(
        pl.lit(None, pl.Int64).alias("line_number"),
        pl.lit(str(FindingKind.CHARGED_TWICE)).alias("kind"),
        pl.col("subtotal").alias("expected"),
        pl.Series("amount", amount, pl.String),
        pl.format("The window is charged {} times ({} together), and no credit takes one back.", "times", "found").alias("reason"),
    )


def _after_cancellation(judged: Judged) -> pl.DataFrame:
    """Charges in a window that starts after the provider cancelled the subscription on this invoice."""
    cancelled = judged.keyed.lines.filter(_of(Charge.CANCEL))
    if cancelled.is_empty():
        return _none()
    day = pl.coalesce(pl.col("order_date").cast(pl.Date), pl.col("charge_start"))
    ends = _printed(judged, cancelled).filter(pl.col("provider_subscription_id").is_not_null()).group_by("provider_subscription_id")
    ends = ends.agg(day.min().alias("since"), pl.col("key").unique().alias("cancelled_windows"))
    charges = _printed(judged, _charges(judged.keyed.lines))
    later = charges.join(ends, on="provider_subscription_id", maintain_order="left")
    later = later.filter((pl.col("charge_start") > pl.col("since")) & ~pl.col("key").is_in("cancelled_windows"))
    return _told(later, FindingKind.BILLED_AFTER_CANCELLATION, found="subtotal", expected=False).with_columns(
        pl.format("The subscription was cancelled on {}, and this window starts after it.", pl.col("since").cast(pl.String)).alias("reason")
    )


def _after_deactivation(judged: Judged) -> pl.DataFrame:
    """Charges in a window that starts after our last Deactivate log, with no Activate or Create log between."""
    day = pl.col("effective_day").cast(pl.Date)
    ended = judged.history.ended.filter(day.is_not_null())
    if ended.is_empty():
        return _none()
    ends = ended.group_by("subscription").agg(day.max().alias("since"))
    begins = our_side.of_events(judged.history.logs, ("activate", "create")).join(ends, on="subscription", how="semi")
    begins = begins.group_by("subscription").agg(day.max().alias("again"))
    later = _charges(judged.keyed.lines).join(ends, on="subscription").join(begins, on="subscription", how="left")
    later = _printed(judged, later.filter(~(pl.col("again") >= pl.col("since")).fill_null(False)))
    later = later.filter(pl.col("charge_start") > pl.col("since"))
    return _told(later, FindingKind.BILLED_AFTER_CANCELLATION, found="subtotal", expected=False).with_columns(
        pl.format("We deactivated the subscription on {}, and this window starts after it.", pl.col("since").cast(pl.String)).alias(
            "reason"
        )
    )


def _none() -> pl.DataFrame:
    return pl.DataFrame(schema={"key": pl.Int64, "line_number": pl.Int64, **dict.fromkeys(_SAID, pl.String)})


def _charges(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines that charge for seats, but for those that change nothing: the re-bill of a pair counts, its credit does not."""
    return lines.filter(_of(*_CHARGES_SEATS) & (pl.col("sign") > 0))


def _told(lines: pl.DataFrame, kind: FindingKind, *, found: str, expected: bool = True) -> pl.DataFrame:
    """Lines as findings: what was found, how far it is from what is expected (without an expectation: all of it)."""
    lines = lines.with_columns(pl.lit(str(kind)).alias("kind"), pl.col(found).alias("found"))
    lines = lines if expected else lines.with_columns(pl.lit("0").alias("expected"))
    off = [
        exact.plain(money.EXACT.subtract(exact.number(one), exact.number(other)).copy_abs())
        for one, other in lines.select("found", "expected").iter_rows()
    ]
    return lines.with_columns(pl.Series("amount", off, pl.String))
