"""How many seats do all sides speak of? Quantities as whole numbers of one scale, so that a sum or an equality is one of integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core.reconcile import columns, exact
from w365core.reconcile.columns import NOWHERE, Maybe


@dataclass(frozen=True)
class Seats:
    """Quantities of all sides as integers of one scale."""

    scale: int
    lines: Maybe
    subscriptions: Maybe
    logs: Maybe


def billed(lines: pa.RecordBatch) -> pa.Array:
    """What each line charges for: the billable quantity, else the printed one."""
    billable, quantity = lines["billable_quantity"], lines["quantity"]
    is_there = columns.whole(pc.binary_length(billable), null=0) > 0
    if is_there.all():
        return billable
    here = np.arange(len(billable))
    return columns.at(pa.concat_arrays([billable, quantity]), np.where(is_there, here, len(billable) + here))


def seats_of(billed: pa.Array, ours: pa.Array, logged: pa.Array, *, of_line: np.ndarray, of_log: np.ndarray) -> Seats:
    """The quantities of lines, subscriptions and logs, and whose each line and log is. Where no integer holds them all, a subscription with one of too many digits
    has none: that is said, not rounded."""
    sides = [billed, ours, logged]
    found = exact.scaled(*sides)
    if found is None:
        sides = [exact.canonical(side) for side in sides]
        are_long = [columns.flags(pc.match_substring_regex(side, exact.TOO_LONG)) for side in sides]
        whose = [of_line, np.arange(len(ours)), of_log]
        too_long = np.zeros(len(ours) + 1, dtype=bool)  # the last: of none of ours
        for owner, is_long in zip(whose, are_long, strict=True):
            too_long[owner[is_long]] = True
        too_long[NOWHERE] = False
        lost = [is_long | too_long[owner] for owner, is_long in zip(whose, are_long, strict=True)]
        found = exact.scaled(
            *(columns.at(side, np.where(gone, NOWHERE, np.arange(len(side)))) for side, gone in zip(sides, lost, strict=True))
        )
    assert found is not None, "what is left has too many digits"
    return Seats(found[0], *found[1])
