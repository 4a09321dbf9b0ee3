"""Which lines simply agree with what we hold, so that nothing more is to be looked at? Nine rows of ten are one line of the cycle for our seats.

Such a row is confirmed whatever else is on the invoice. What is not plainly so, though it may come out as confirmed too, is left to all the rules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core.charge_types import Charge
from w365core.reconcile import columns, our_side, places
from w365core.reconcile.columns import NEVER, NOWHERE, Columns, Maybe
from w365core.reconcile.keys import Billed, is_of
from w365core.reconcile.our_side import History, Subscribed


@dataclass(frozen=True)
class Agreed(Columns):
    """Lines that are rows of their own: the place of the line, its subscription and its window, the seats that both sides hold, what our logs come to on the day of
    the `snapshot`, unknown without any."""

    line: np.ndarray
    subscription: np.ndarray
    window: np.ndarray
    seats: np.ndarray
    then: Maybe
    snapshot: np.ndarray


def agreed(lines: pa.RecordBatch, billed: Billed, is_right: np.ndarray, ours: Subscribed, history: History) -> Agreed:
    """The lines that stand alone in their windows, in the order of both: the cycle, for our seats, of a subscription that nobody ended, at an amount and a price that
    are right (`is_right`). Our change logs must not come to other seats on that day, since that may be a coincidence."""
    if object in (billed.seats.values.dtype, ours.seats.values.dtype, history.running.dtype):  # more digits than are compared here
        return none()
    line = _alone(billed.subscription, billed.window)
    line = line[_plain(lines, billed, is_right)[line]]
    whose, seats = billed.subscription[line], billed.seats.values[line]
    stands = ours.seats.known.copy()
    stands[history.of_events("deactivate").subscription] = False
    line = line[stands[whose] & (seats == ours.seats.values[whose])]
    whose, seats, day = billed.subscription[line], billed.seats.values[line], billed.start[line]
    begin, end = history.starts[whose], history.starts[whose + 1]
    then = our_side.seats_on(history, whose, day)
    coincidence = (end > begin) & (then != seats) & (history.running[end] - history.running[begin] == seats)
    return Agreed(line, whose, billed.window[line], seats, Maybe(then, end > begin), day)[~coincidence]


def none() -> Agreed:
    """No such lines."""
    nothing = np.zeros(0, dtype=np.int64)
    return Agreed(nothing, nothing, nothing, nothing, columns.unknown(0), nothing)


def _alone(subscription: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The lines that are the only ones of their subscription and window, in the order of both."""
    of_each = int(window.max(initial=0)) + 1
    number = np.where(subscription == NOWHERE, 0, (subscription + 1) * of_each + window)
    numbers, line = places.in_order(number, most=int(number.max(initial=0)))
    differs = np.diff(numbers, prepend=-1, append=-1) != 0
    return line[differs[1:] & differs[:-1] & (numbers > 0)]


def _plain(lines: pa.RecordBatch, billed: Billed, is_right: np.ndarray) -> np.ndarray:
    """Whether a line charges seats of a cycle that begins on a day, at an amount and a price as they should be, of what the provider did not cancel."""
    plain = is_right & is_of(billed.charge, Charge.CYCLE) & billed.seats.known & (billed.start != NEVER)
    plain &= ~columns.flags(pc.starts_with(lines["subtotal"], pattern="-"))
    cancelled = np.flatnonzero(is_of(billed.charge, Charge.CANCEL))
    if len(cancelled):
        own = lines["provider_subscription_id"]
        plain &= ~columns.flags(pc.is_in(own, value_set=columns.at(own, cancelled).drop_null()))
    return plain
