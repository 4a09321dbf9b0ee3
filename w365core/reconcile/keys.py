"""Which row does a line belong to? Subscriptions and windows get numbers in the order of their ids, so that everything after is done on integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from w365core.charge_types import Charge, charge_of
from w365core.reconcile import columns, groups, places
from w365core.reconcile.columns import NEVER, NOWHERE, Columns, Maybe
from w365core.reconcile.groups import Groups
from w365core.reconcile.places import ORIGIN, SPAN

CHARGES = {charge: number for number, charge in enumerate(Charge)}


@dataclass(frozen=True)
class Billed(Columns):
    """The lines as they were given, in numbers: the place of its subscription among ours (NOWHERE: none) and of its window and its terms among all of them,
    what it charges for (`charge`, a number of CHARGES, and `seats`), and the days of its window (NEVER: none)."""

    subscription: np.ndarray
    window: np.ndarray
    terms: np.ndarray
    charge: np.ndarray
    seats: Maybe
    start: np.ndarray


@dataclass(frozen=True)
class Lines(Columns):
    """Lines in the order of their rows. Of each: its place among the lines as they were given (`line`), its row's place (`key`), the
    `sign` of its amount (-1, 0, 1), the `moment` of its order (microseconds; NEVER comes before all), and what is known of it in numbers."""

    line: np.ndarray
    key: np.ndarray
    charge: np.ndarray
    sign: np.ndarray
    moment: np.ndarray
    seats: Maybe
    terms: np.ndarray


@dataclass(frozen=True)
class Keyed:
    """Lines, and the `rows` that they form. Of each row: its subscription (NOWHERE: none), its `owner` (a subscription, else a customer behind them all), its
    window. What is printed of each window, and of each customer that stands for a subscription."""

    lines: Lines
    rows: Groups
    subscription: np.ndarray
    owner: np.ndarray
    window: np.ndarray
    windows: Windows
    customers: pl.Series


@dataclass(frozen=True)
class Windows:
    """The days of each window (NEVER where it is blank), in the order of both, blank ones first; and each as it is printed in a row's name."""

    start: np.ndarray
    end: np.ndarray
    printed: list[str]


def is_of(charge: np.ndarray, *charges: Charge) -> np.ndarray:
    """Which of these are one of those charges."""
    return np.array([one in charges for one in CHARGES])[charge]


def charges(lines: pa.RecordBatch) -> np.ndarray:
    """What each line's type means, as a number of CHARGES."""
    types, place = places.distinct(lines["charge_type"])
    return np.array([CHARGES[charge_of(text)] for text in types], dtype=np.int64)[place]


def windows(lines: pa.RecordBatch) -> tuple[Windows, np.ndarray]:
    """The windows, and each line's place among them."""
    start, end = (columns.whole(lines[name], null=-ORIGIN) + ORIGIN for name in ("charge_start", "charge_end"))
    known, place = places.ranked(start * SPAN + end)
    days = [np.where(day > 0, day - ORIGIN, NEVER) for day in (known // SPAN, known % SPAN)]
    printed = [columns.numbers(day, day != NEVER, kind=pa.date32()).to_pylist() for day in days]
    return Windows(*days, [f"/{start or ''}/{end or ''}" for start, end in zip(*printed, strict=True)]), place


def keyed(lines: pa.RecordBatch, billed: Billed, chosen: np.ndarray, windows: Windows, *, owners: int) -> Keyed:
    """The chosen of the lines by one number for the owner and the window, in the order of both; `owners` is how many subscriptions there are."""
    subscription, window = billed.subscription[chosen], billed.window[chosen]
    customers, owner = _owned(lines, chosen, subscription, owners)
    of_each = max(1, len(windows.start))
    number, order = places.in_order(owner * of_each + window, most=(owners + len(customers)) * of_each)
    rows = groups.of_sorted(number)
    line, first = chosen[order], order[rows.bounds[:-1]]
    mine = billed[line]
    found = Lines(
        line=line,
        key=rows.of_row,
        charge=mine.charge,
        sign=_signs(columns.text(columns.at(lines["subtotal"], line))),
        moment=columns.whole(columns.at(lines["order_date"], line), null=NEVER),
        seats=mine.seats,
        terms=mine.terms,
    )
    return Keyed(found, rows, subscription[first], owner[first], window[first], windows, customers)


def _signs(amounts: pl.Series) -> np.ndarray:
    """Of amounts: 0 where nothing but zeros is printed, or nothing at all."""
    is_some, is_less = columns.are_true(amounts.str.contains("^[^eE]*[1-9]")), columns.are_true(amounts.str.starts_with("-"))
    return np.where(is_some, np.where(is_less, -1, 1), 0)


def _owned(lines: pa.RecordBatch, chosen: np.ndarray, subscription: np.ndarray, owners: int) -> tuple[pl.Series, np.ndarray]:
    """The customers of lines without a subscription, in the order of their ids, and whose each line is: a subscription's, else such a customer's."""
    is_lost = subscription == NOWHERE
    lost = columns.text(columns.at(lines["provider_customer_id"], chosen[is_lost])).fill_null("").alias("customer")
    owner = subscription.copy()
    if len(lost):
        owner[is_lost] = lost.rank("dense").to_numpy().astype(np.int64) - 1 + owners
    return lost.unique().sort(), owner
