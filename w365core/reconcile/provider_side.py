"""How many seats does the provider charge in each window? Lines are netted, never compared one by one, and their order changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from w365core.charge_types import Charge
from w365core.reconcile import columns, groups
from w365core.reconcile.columns import NEVER, NOWHERE, Maybe
from w365core.reconcile.groups import Groups
from w365core.reconcile.keys import Lines, is_of

CHANGES = (Charge.ADD, Charge.REMOVE)
SEATS = (Charge.CYCLE, *CHANGES, Charge.CANCEL)

CONVERTED = "the window holds a conversion, which says nothing of the seats that it leaves"
NO_SEATS = "the window holds no seats, only credits or charges of an unknown kind"
NO_QUANTITY = "a line of seats prints no quantity, or one of more digits than can be compared"
CREDITED = "the last change of the window is a credit alone, which says nothing of the seats that remain"
UNDETERMINED = "several changes bear the same order date, and which of them was the last cannot be told"
WHY = (CONVERTED, NO_SEATS, NO_QUANTITY, CREDITED, UNDETERMINED)


@dataclass(frozen=True)
class Charged:
    """Of each window: the seats that the provider charges, why they are not known (a place in WHY, else NOWHERE), and the moment of its last event (NEVER: none)."""

    seats: Maybe
    why: np.ndarray
    last_event: np.ndarray


@dataclass(frozen=True)
class _Rebilled:
    """The re-bill of the last pair of each window, and whether there is any."""

    seats: Maybe
    is_any: np.ndarray


def charged(lines: Lines, windows: Groups, ours: Maybe) -> Charged:
    """What the lines of each window come to; `ours` is what we hold of it."""
    lines = replace(lines, sign=_signs(lines))
    change, cancel, cycle = is_of(lines.charge, *CHANGES), is_of(lines.charge, Charge.CANCEL), is_of(lines.charge, Charge.CYCLE)
    seat, converted = change | cancel | cycle, is_of(lines.charge, Charge.CONVERT)
    has_cycle, has_change, has_cancel = (windows.any(mask) for mask in (cycle, change, cancel))
    net = windows.sum(np.where(seat & lines.seats.known, lines.seats.values * lines.sign, 0))
    last_change, last_cancel = (windows.most(np.where(mask, lines.moment, NEVER), NEVER) for mask in (change, cancel))
    ends = has_cancel & (~has_change | (last_cancel >= last_change))
    is_rebilled = has_change & ~has_cycle & ~ends
    rebilled = _rebilled(lines, change & is_rebilled[lines.key] & (lines.moment == last_change[lines.key]), ours)
    why = columns.first_true(
        [
            (windows.any(converted), WHY.index(CONVERTED)),
            (~has_cycle & ~has_change & ~has_cancel, WHY.index(NO_SEATS)),
            (~has_cycle & ends, NOWHERE),
            (windows.any(seat & ~lines.seats.known), WHY.index(NO_QUANTITY)),
            (~has_cycle & ~rebilled.is_any, WHY.index(CREDITED)),
            (~has_cycle & ~rebilled.seats.known, WHY.index(UNDETERMINED)),
        ],
        NOWHERE,
    )
    found = np.where(has_cycle, net, np.where(ends, 0, rebilled.seats.values))
    return Charged(Maybe(found, why == NOWHERE), why, np.maximum(last_change, last_cancel))


def _signs(lines: Lines) -> np.ndarray:
    """The sign that each line's seats count with: of its amount; without an amount of its charge, and of its place in its pair."""
    is_zero, sign = lines.sign == 0, lines.sign.copy()
    sign[is_zero & is_of(lines.charge, Charge.CYCLE)] = 1
    sign[is_zero & is_of(lines.charge, Charge.CANCEL)] = -1
    change = is_of(lines.charge, *CHANGES)
    free = np.flatnonzero(change & is_zero)
    if len(free):
        events = np.flatnonzero(change & np.isin(lines.key, lines.key[free]))
        sign[events] = _free_changes(lines[events])
    return sign


def _free_changes(changes: Lines) -> np.ndarray:
    """Zero-amount halves of pairs: half of an event's lines are credits; in an add the smaller quantities, in a removal the larger."""
    size = np.where(is_of(changes.charge, Charge.ADD), changes.seats.values, -changes.seats.values)
    size = np.unique(size, return_inverse=True)[1]
    order = np.lexsort((size, changes.sign != 0, changes.moment, changes.charge, changes.key))
    ordered = changes[order]
    differs = [np.diff(of, prepend=of[:1] - 1) != 0 for of in (ordered.key, ordered.charge, ordered.moment)]
    event = groups.of_sorted(np.logical_or.reduce(differs).cumsum())
    wanted = event.sizes // 2 - event.count(ordered.sign < 0)
    place = np.arange(len(order)) - event.bounds[:-1][event.of_row]  # the free ones of an event come first, the smaller before the larger
    sign = np.where(ordered.sign != 0, ordered.sign, np.where(place < wanted[event.of_row], -1, 1))
    return sign[np.argsort(order)]


def _rebilled(lines: Lines, last: np.ndarray, ours: Maybe) -> _Rebilled:
    """Of windows of change pairs only, whose last ones these are; all their quantities are known, or nobody asks. Several re-bills at once: the one that no credit takes
    back, else the end that is ours."""
    seats, is_any = columns.unknown(len(ours)), np.zeros(len(ours), dtype=bool)
    changes = lines[np.flatnonzero(last)]
    if not len(changes):
        return _Rebilled(seats, is_any)
    quantities, code = np.unique(changes.seats.values, return_inverse=True)
    number = changes.key * len(quantities) + code
    order = np.argsort(number, kind="stable")
    ends = groups.of_sorted(number[order])
    sign, number = changes.sign[order], number[order][ends.bounds[:-1]]
    rebills, credits = ends.count(sign > 0), ends.count(sign < 0)
    key, code, stands = (of[rebills > 0] for of in (number // len(quantities), number % len(quantities), rebills > credits))
    windows, quantity = groups.of_sorted(key), columns.certain(quantities[code])
    key = key[windows.bounds[:-1]]
    standing = windows.count(stands)
    equal = quantity.equals(ours[key][windows.of_row]) & (stands | (standing == 0)[windows.of_row])
    place = np.where(windows.sizes == 1, windows.bounds[:-1], np.where(standing == 1, _only(stands, windows), _only(equal, windows)))
    is_any[key] = True
    return _Rebilled(columns.put(seats, key, columns.looked_up(quantity, place)), is_any)


def _only(mask: np.ndarray, windows: Groups) -> np.ndarray:
    """The place of the only row of each window that is in the mask; NOWHERE where none is."""
    return windows.most(np.where(mask, np.arange(len(mask)), NOWHERE), NOWHERE)
