"""Which row does a line belong to? Subscriptions and windows get numbers in the order of their ids, so that everything after is done on integers."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from w365core.charge_types import Charge, charge_of
from w365core.reconcile import places

CHARGES = pl.Enum([str(charge) for charge in Charge])
_SPAN, _ORIGIN = 1 << 22, 1 << 20  # days of a key: from the year 1 to beyond 9999


@dataclass(frozen=True)
class Keyed:
    """The lines in the order of their rows. Of each: its place among the lines as they were given (`line`), its row's place (`key`), whether it is
    `first` there or even `alone`, `subscription`, `window`, `owner` (a subscription, else a customer behind them all), `charge`, `sign`, `moment`,
    `seats` and `terms`. How many lines each row has; what is printed of each window, and of each customer that stands for a subscription."""

    lines: pl.DataFrame
    sizes: pl.Series
    windows: pl.DataFrame
    customers: pl.Series


LOOKED_AT = ("line", "subscription", "window", "charge", "subtotal", "order_date", "seats", "terms", "provider_customer_id")


def numbered(subscriptions: pl.DataFrame) -> pl.DataFrame:
    """Subscriptions, which stand in the order of their ids, with that place as `subscription`, and `seats`, which are 0 where one is suspended."""
    statuses, of_each = places.distinct(subscriptions.get_column("status"))
    known = pl.Series("suspended", [(status or "").strip().lower() == "suspended" for status in statuses], dtype=pl.Boolean)
    suspended = places.at(known, of_each)
    seats = pl.when("suspended").then(0).otherwise(pl.col("seats")).cast(subscriptions.schema["seats"]).alias("seats")
    place = pl.int_range(pl.len(), dtype=pl.Int64).alias("subscription")
    return subscriptions.with_columns(suspended, place).with_columns(seats)


def keyed(lines: pl.DataFrame, windows: pl.DataFrame, *, owners: int) -> Keyed:
    """By one number for the owner and the window, in the order of both; `owners` is how many subscriptions there are. Of lines with `line`, `seats`, `terms`,
    `charge` and `window`."""
    amount = pl.col("subtotal")
    customers, owner = _owned(lines, owners)
    known = lines.select(
        *("line", "subscription", "window", "charge"),
        pl.when(amount.is_null() | ~amount.str.contains("^[^eE]*[1-9]")).then(0).when(amount.str.starts_with("-")).then(-1).otherwise(1).alias("sign"),
        pl.col("order_date").cast(pl.Datetime("us")).cast(pl.Int64).alias("moment"),
        *("seats", "terms"),
    )  # fmt: skip
    of_each = max(1, len(windows))
    number, order = places.in_order(owner * of_each + lines.get_column("window"), most=(owners + len(customers)) * of_each)
    is_first = number.ne_missing(number.shift())
    sizes = is_first.arg_true().cast(pl.Int64).extend_constant(len(lines), 1).diff().tail(-1).alias("lines")
    key = is_first.cum_sum().cast(pl.Int64) - 1
    placed = known.with_columns(owner.alias("owner"))[order]
    placed = placed.with_columns(key.alias("key"), is_first.alias("first"), (sizes == 1)[key].alias("alone"))
    return Keyed(placed, sizes, windows, customers)


def charges(lines: pl.DataFrame) -> pl.Series:
    """What each line's type means."""
    types, place = places.distinct(lines.get_column("charge_type"))
    return places.at(pl.Series("charge", [str(charge_of(text)) for text in types], dtype=CHARGES), place)


def windows(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The windows in the order of their days, blank ones first, each as it is printed in a row's name, and each line's place among them."""
    start, end = ((lines.get_column(name).cast(pl.Int64) + _ORIGIN).fill_null(0) for name in ("charge_start", "charge_end"))
    number = start * _SPAN + end
    known = number.unique().sort()
    days = pl.DataFrame({"charge_start": known // _SPAN, "charge_end": known % _SPAN})
    days = days.select(pl.when(pl.all() > 0).then((pl.all() - _ORIGIN).cast(pl.Int32).cast(pl.Date)))
    printed = (pl.col(name).dt.to_string("%Y-%m-%d").fill_null("") for name in days.columns)
    place = known.search_sorted(number).cast(pl.Int64).alias("window")
    return days.with_columns(pl.format("/{}/{}", *printed).alias("printed_window")), place


def _owned(lines: pl.DataFrame, owners: int) -> tuple[pl.Series, pl.Series]:
    """The customers of lines without a subscription, in the order of their ids, and whose each line is: a subscription's, else such a customer's."""
    owner = lines.get_column("subscription")
    lost = lines.filter(owner.is_null()).get_column("provider_customer_id").fill_null("").alias("customer")
    place = (lost.rank("dense").cast(pl.Int64) - 1 + owners).alias("owner")
    return lost.unique().sort(), owner.clone().scatter(owner.is_null().arg_true(), place) if len(lost) else owner
