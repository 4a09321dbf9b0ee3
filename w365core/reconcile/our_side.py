"""How many seats did we hold on a day, and what can the provider have known of them by then? Change logs are replayed, in integers.

Logs are sorted by subscription and effective day; running sums over them answer every window with one search each. Only for windows that differ
each view of the logs is summed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from w365core.frames import folded
from w365core.reconcile import columns, exact, groups, places
from w365core.reconcile.columns import FOREVER, NEVER, NOWHERE, Columns, Maybe
from w365core.reconcile.groups import Groups
from w365core.reconcile.places import ORIGIN, SPAN
from w365core.reconciliation import Fit

KNOWN_TO_PROVIDER = ("provisioned", "notapplicable")
STUCK = ("awaitingprovisioning", "failedprovisioning")
_TOLD = ("effective_date", "provisioned_on", "provisioning_status", "status_reason", "invoice_number")
_PROVISIONED, _LATER, _EFFECTIVE = range(3)  # the days of a log
Printed = Callable[[np.ndarray, Sequence[str]], pa.RecordBatch]  # the change logs at these places, in these columns of CHANGE_LOG_IN


@dataclass(frozen=True)
class View:
    """What the provider can have known: logs whose `day` is at most the snapshot plus `days`; `known` means only what was provisioned."""

    fit: Fit
    day: int
    days: int = 0
    known: bool = True


VIEWS = (
    View(Fit.SNAPSHOT, _PROVISIONED),
    View(Fit.SCHEDULED, _LATER),
    *(View(Fit.SHIFTED, day, days) for days in (-1, 1, -2, 2) for day in (_PROVISIONED, _LATER)),
    View(Fit.EFFECTIVE, _EFFECTIVE, known=False),
)


@dataclass(frozen=True)
class Subscribed(Columns):
    """Our subscriptions, in the order of their ids: how many seats of each we hold, none of a `suspended` one, and whether it is `expected` on the invoice."""

    seats: Maybe
    suspended: np.ndarray
    expected: np.ndarray


@dataclass(frozen=True)
class Events(Columns):
    """Change logs of one kind: whose each is, and its effective day (NEVER: unknown)."""

    subscription: np.ndarray
    day: np.ndarray

    def last(self, *, count: int) -> np.ndarray:
        """The last day for each of so many subscriptions; NEVER where there is none."""
        found = np.full(count, NEVER)
        np.maximum.at(found, self.subscription, self.day)
        return found


@dataclass(frozen=True)
class History:
    """Our change logs in the order of subscription and effective day, those without a day last: the place of each as it was given (`log`), the key it is found by,
    and what all before come to (`running`, with what all come to at its end). `starts` says where each subscription's begin there, and where the last one's end.
    Of the logs as they were given: whose each is, its day and its seats, and the words of its event, by their place among `words`."""

    log: np.ndarray
    keys: np.ndarray
    running: np.ndarray
    starts: np.ndarray
    subscription: np.ndarray
    day: np.ndarray
    seats: np.ndarray
    words: list[str | None]
    event: np.ndarray

    def of_events(self, *events: str) -> Events:
        """The logs of these events, however they are spelled."""
        is_one = np.array([folded(word or "") in events for word in self.words], dtype=bool)
        found = np.flatnonzero(is_one[self.event] & (self.subscription != NOWHERE)) if is_one.any() else np.zeros(0, dtype=np.int64)
        return Events(self.subscription[found], self.day[found])


@dataclass(frozen=True)
class Held:
    """For each subscription: how many logs it has and what they come to (unknown without any); whether it was ever deactivated, and the last day on which it was."""

    logs: np.ndarray
    all_logs: Maybe
    was_deactivated: np.ndarray
    deactivated_day: np.ndarray


@dataclass(frozen=True)
class Told(Columns):
    """Some change logs: the place of each among all, its seats, what its states mean, whether it was invoiced; and its `days`, one of _PROVISIONED, _LATER and
    _EFFECTIVE in a column each (FOREVER: unknown)."""

    log: np.ndarray
    seats: np.ndarray
    known: np.ndarray
    stuck: np.ndarray
    archived: np.ndarray
    invoiced: np.ndarray
    days: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Windows, each with all logs of its subscription: the `logs`, window by window, and which of them lie `inside` each view."""

    logs: Told
    windows: Groups
    inside: np.ndarray  # a row for each of VIEWS

    @property
    def sums(self) -> np.ndarray:
        """What each view comes to, a row for each, a column for each window."""
        return self.windows.sum(np.where(self.inside, self.logs.seats, 0))


def subscribed(subscriptions: pa.RecordBatch, seats: Maybe) -> Subscribed:
    statuses, of_each = places.distinct(subscriptions["status"])
    suspended = np.array([(status or "").strip().lower() == "suspended" for status in statuses], dtype=bool)[of_each]
    return Subscribed(
        Maybe(np.where(suspended, 0, seats.values), seats.known | suspended), suspended, columns.flags(subscriptions["expected"])
    )


def replayed(logs: pa.RecordBatch, *, subscription: np.ndarray, seats: Maybe, count: int) -> History:
    """The history that logs tell, each of a `subscription` (a place among `count`; those of NOWHERE are nobody's)."""
    day, held = columns.whole(logs["effective_date"], null=NEVER), seats.filled(0)
    of_key = np.where(day == NEVER, SPAN - 1, day + ORIGIN)
    is_ours = subscription != NOWHERE
    moments = np.where(is_ours, subscription * SPAN + of_key, count * SPAN)  # nobody's come last
    keys, log = places.in_order(moments, most=count * SPAN)
    starts = np.bincount(subscription[is_ours] + 1, minlength=count + 1).cumsum()
    keys, log = keys[: starts[-1]], log[: starts[-1]]
    running = np.concatenate([np.zeros(1, held.dtype), held[log].cumsum()])
    words, event = places.distinct(logs["event"])
    return History(log, keys, running, starts, subscription, day, held, words, event)


def held(history: History) -> Held:
    """What the logs of each subscription say of all of its time."""
    begin, end = history.starts[:-1], history.starts[1:]
    ended, was_deactivated = history.of_events("deactivate"), np.zeros(len(begin), dtype=bool)
    was_deactivated[ended.subscription] = True
    sums = history.running[end] - history.running[begin]
    return Held(end - begin, Maybe(sums, end > begin), was_deactivated, ended.last(count=len(begin)))


def seats_on(history: History, subscription: np.ndarray, day: np.ndarray) -> np.ndarray:
    """What the logs with an effective day of at most `day` come to, for each pair of subscription and day; 0 where there are none by then."""
    until = history.running[np.searchsorted(history.keys, subscription * SPAN + day + ORIGIN, side="right")]
    return until - history.running[history.starts[subscription]]


def looked_at(history: History, subscription: np.ndarray, snapshot: np.ndarray, printed: Printed) -> Pairs:
    """Windows, of a subscription and with the day of their snapshot (NEVER: none) each, beside all logs of their subscriptions."""
    wanted, of_window = places.ranked(subscription)
    place, of_wanted = groups.within(history.starts, wanted)
    told = _told(history, history.log[place], printed)
    place, windows = groups.within(of_wanted.bounds, of_window)
    logs, until = told[place], snapshot[windows.of_row]
    apart = [day - until for day in logs.days.T]
    inside = [(apart[view.day] <= view.days) & logs.known if view.known else apart[view.day] <= view.days for view in VIEWS]
    return Pairs(logs, windows, np.array(inside))


def _told(history: History, log: np.ndarray, printed: Printed) -> Told:
    cells = printed(log, _TOLD)
    effective, provisioned = (columns.whole(cells[name], null=NEVER) for name in ("effective_date", "provisioned_on"))
    later, provisioned = np.maximum(provisioned, effective), np.where(provisioned == NEVER, effective, provisioned)
    days = np.column_stack([provisioned, later, effective])
    known, stuck, archived = _states(cells)
    numbers, place = places.distinct(cells["invoice_number"])
    invoiced = np.array([bool((number or "").strip()) for number in numbers], dtype=bool)[place]
    return Told(log, history.seats[log], known, stuck, archived, invoiced, np.where(days == NEVER, FOREVER, days))


def _states(cells: pa.RecordBatch) -> np.ndarray:
    """Whether each log is known to the provider, stuck, archived. There are few combinations of words that say it."""
    words = [cells["provisioning_status"], cells["status_reason"]]
    first, place = places.combinations(words)
    said = [[folded(word or "") for word in row] for row in exact.rows_of([columns.at(column, first) for column in words])]
    meant = [(status in KNOWN_TO_PROVIDER, status in STUCK, reason == "archived") for status, reason in said]
    return np.array(meant, dtype=bool).reshape(-1, 3).T[:, place]
