"""How many seats does the provider charge in each window? Lines are netted, never compared one by one, and their order changes nothing.

In: lines in the order of their rows, with `key` (of the row), `first` and `alone` (the first or only line of its row), `charge`, `moment` (order date in microseconds; null comes before all), `sign` of the amount (-1, 0, 1) and `quantity` (integers of one
scale); and what we hold, `ours`, per key. Out: one row per key with `provider_quantity`, `why` it is null, and the last event's moment.
"""

from __future__ import annotations

import polars as pl

from w365core.charge_types import Charge
from w365core.reconcile import places

CHANGES = (Charge.ADD, Charge.REMOVE)
SEATS = (Charge.CYCLE, *CHANGES, Charge.CANCEL)

CONVERTED = "the window holds a conversion, which says nothing of the seats that it leaves"
NO_SEATS = "the window holds no seats, only credits or charges of an unknown kind"
NO_QUANTITY = "a line of seats prints no quantity, or one of more digits than can be compared"
CREDITED = "the last change of the window is a credit alone, which says nothing of the seats that remain"
UNDETERMINED = "several changes bear the same order date, and which of them was the last cannot be told"

_IS_CHANGE = pl.col("charge").is_in([str(charge) for charge in CHANGES])
_IS_SEAT = pl.col("charge").is_in([str(charge) for charge in SEATS])


def _is(charge: Charge) -> pl.Expr:
    return pl.col("charge") == str(charge)


def signed(lines: pl.DataFrame) -> pl.DataFrame:
    """The lines with the sign that each one's seats count with: of its amount; without an amount of its charge, and of its place in its pair."""
    zero = pl.col("sign") == 0
    simple = pl.when(zero & _is(Charge.CYCLE)).then(1).when(zero & _is(Charge.CANCEL)).then(-1).otherwise(pl.col("sign"))
    lines = lines.with_columns(simple.cast(pl.Int8).alias("sign"))
    free = lines.filter(_IS_CHANGE & zero)
    if free.is_empty():
        return lines
    return pl.concat([lines.filter(~(_IS_CHANGE & (pl.col("sign") == 0)) | _IS_CHANGE.is_null()), _free_changes(lines, free)])


def _free_changes(lines: pl.DataFrame, free: pl.DataFrame) -> pl.DataFrame:
    """Zero-amount halves of pairs: half of an event's lines are credits; in an add the smaller quantities, in a removal the larger."""
    event = ["key", "charge", "moment"]
    counts = (
        lines.filter(_IS_CHANGE)
        .group_by(event)
        .agg(pl.len().alias("of_event"), (pl.col("sign") < 0).sum().alias("credits"), (pl.col("sign") == 0).sum().alias("free"))
    )
    size = pl.when(_is(Charge.ADD)).then(pl.col("quantity")).otherwise(-pl.col("quantity"))
    place = size.rank("ordinal").over(event)
    wanted = (pl.col("of_event") // 2).cast(pl.Int64) - pl.col("credits").cast(pl.Int64)
    found = free.join(counts, on=event, how="left", nulls_equal=True)
    sign = pl.when(place.cast(pl.Int64) <= wanted.clip(lower_bound=0)).then(-1).otherwise(1)
    return found.with_columns(sign.cast(pl.Int8).alias("sign")).select(free.columns)


def windows(lines: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    """One row per key, in its order: `provider_quantity`, `why` (null where it is known), `last_event` (null where no event has a moment)."""
    single = pl.col("alone") & _is(Charge.CYCLE) & pl.col("quantity").is_not_null()
    seats = pl.when(single).then(pl.col("quantity") * pl.when(pl.col("sign") < 0).then(-1).otherwise(1)).alias("single")
    alone = lines.select("first", seats.cast(lines.schema["quantity"])).filter("first").get_column("single")
    netted = places.beside(alone.to_frame(), _netted(lines.filter(~single), ours), by="key")
    quantity = pl.coalesce("single", pl.col("provider_quantity").cast(lines.schema["quantity"])).alias("provider_quantity")
    return netted.select(quantity, "why", "last_event")


def _netted(lines: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    """The same for windows that are more than one line of the cycle."""
    lines = signed(lines)
    seats = pl.when(_IS_SEAT).then(pl.col("quantity") * pl.col("sign"))
    event = _IS_CHANGE | _is(Charge.CANCEL)
    found = lines.group_by("key").agg(
        _is(Charge.CYCLE).any().alias("has_cycle"),
        _is(Charge.CONVERT).any().alias("has_convert"),
        _is(Charge.CANCEL).any().alias("has_cancel"),
        _IS_CHANGE.any().alias("has_change"),
        (_IS_SEAT & pl.col("quantity").is_null()).any().alias("lacks_quantity"),
        seats.sum().alias("net"),
        pl.col("moment").filter(event).max().alias("last_event"),
        pl.col("moment").filter(_IS_CHANGE).max().alias("last_change"),
        pl.col("moment").filter(_is(Charge.CANCEL)).max().alias("last_cancel"),
    )
    return _with_quantity(found, lines, ours).select("key", "provider_quantity", "why", "last_event")


def _with_quantity(found: pl.DataFrame, lines: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    never = pl.lit(-(2**63), pl.Int64)  # earlier than any moment: an event without one is not the last beside one that has it
    cancel_is_last = pl.col("has_cancel") & (pl.col("last_cancel").fill_null(never) >= pl.col("last_change").fill_null(never))
    needs_pair = pl.col("has_change") & ~pl.col("has_cycle") & ~pl.col("has_convert") & ~(cancel_is_last | ~pl.col("has_change"))
    found = found.with_columns(
        (cancel_is_last | (pl.col("has_cancel") & ~pl.col("has_change"))).alias("ends"), needs_pair.alias("needs_pair")
    )
    paired = found.filter("needs_pair")
    if paired.is_empty():
        found = found.with_columns(pl.lit(None, found.schema["net"]).alias("rebilled"), pl.lit(None, pl.Boolean).alias("is_rebilled"))
    else:
        found = found.join(_rebilled(lines, paired, ours), on="key", how="left")
    why = (
        pl.when(pl.col("has_convert"))
        .then(pl.lit(CONVERTED))
        .when(~pl.col("has_cycle") & ~pl.col("has_change") & ~pl.col("has_cancel"))
        .then(pl.lit(NO_SEATS))
        .when(~pl.col("has_cycle") & pl.col("ends"))
        .then(None)
        .when(pl.col("lacks_quantity"))
        .then(pl.lit(NO_QUANTITY))
        .when(~pl.col("has_cycle") & pl.col("is_rebilled").is_null())
        .then(pl.lit(CREDITED))
        .when(~pl.col("has_cycle") & pl.col("rebilled").is_null())
        .then(pl.lit(UNDETERMINED))
    )
    quantity = pl.when(pl.col("has_cycle")).then(pl.col("net")).when(pl.col("ends")).then(0).otherwise(pl.col("rebilled"))
    found = found.with_columns(why.alias("why"), quantity.alias("provider_quantity"))
    return found.with_columns(pl.when(pl.col("why").is_null()).then(pl.col("provider_quantity")).alias("provider_quantity"))


def _rebilled(lines: pl.DataFrame, paired: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    """The re-bill of the last pair, of windows of change pairs only, where there is any (`is_rebilled`). Several at once: the one that no credit takes back,
    else the end that is ours."""
    last = (
        lines.filter(_IS_CHANGE)
        .join(paired.select("key", "last_change"), on="key")
        .filter((pl.col("moment") == pl.col("last_change")) | pl.col("last_change").is_null())
    )
    ends = last.group_by("key", "quantity").agg((pl.col("sign") > 0).sum().alias("rebills"), (pl.col("sign") < 0).sum().alias("credits"))
    ends = ends.filter(pl.col("rebills") > 0).join(ours, on="key", how="left")
    ends = ends.with_columns((pl.col("rebills") > pl.col("credits")).alias("stands"))
    standing = pl.col("quantity").filter(pl.col("stands"))
    is_end = pl.col("stands") | ~pl.col("stands").any()
    equal = pl.col("quantity").filter(is_end & (pl.col("quantity") == pl.col("ours")))
    answered = (
        pl.when(pl.len() == 1)
        .then(pl.col("quantity").first())
        .when(standing.len() == 1)
        .then(standing.first())
        .when(equal.len() > 0)
        .then(equal.first())
    )
    return ends.group_by("key").agg(answered.alias("rebilled"), pl.lit(True).alias("is_rebilled"))
