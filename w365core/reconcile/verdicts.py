"""What became of each row's quantity? The verdicts are tried in their order, and the first that applies holds.

A cheap pass over all rows leaves those that have to be explained; only their logs are looked at, view by view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from w365core.reconcile import columns, our_side
from w365core.reconcile.columns import NEVER, NOWHERE, Columns, Maybe
from w365core.reconcile.our_side import VIEWS, Held, History, Pairs, Printed, Subscribed, Told
from w365core.reconcile.provider_side import Charged
from w365core.reconciliation import Verdict

CODES = {verdict: number for number, verdict in enumerate(Verdict)}
EXPLAINING = len(CODES)  # not yet judged: the views decide
FITS = tuple(str(view.fit) for view in VIEWS)


@dataclass(frozen=True)
class Rows(Columns):
    """Rows of lines. Of each: its subscription (NOWHERE: none), its `verdict` (a number of CODES), the seats that the provider charges, that we hold, and that we held
    on the day of the `snapshot` (NEVER: unknown); how many logs its subscription has, what all of them come to; and what the views say of a row that was looked into:
    the place in FITS of the one that fits (NOWHERE: none), what is left of the difference, whether that would settle it, whether the row agrees by coincidence, and how
    many logs lie outside the view."""

    subscription: np.ndarray
    snapshot: np.ndarray
    verdict: np.ndarray
    theirs: Maybe
    ours: Maybe
    then: Maybe
    logs: np.ndarray
    all_logs: Maybe
    fit: np.ndarray
    residual: Maybe
    settles: Maybe
    changed_since: np.ndarray
    outside: np.ndarray


@dataclass(frozen=True)
class Outside:
    """The rows that were looked into and differ, or agree by coincidence; and the change logs outside their views, each with the place of its `row`."""

    looked_into: np.ndarray
    row: np.ndarray
    logs: Told


def judged(subscription: np.ndarray, snapshot: np.ndarray, charged: Charged, ours: Subscribed, held: Held, history: History) -> Rows:
    """Rows with their verdicts as far as they follow from quantities alone, else EXPLAINING."""
    theirs, seats, all_logs = charged.seats, columns.looked_up(ours.seats, subscription), columns.looked_up(held.all_logs, subscription)
    is_ours, suspended = subscription != NOWHERE, columns.or_else(ours.suspended, subscription, False)
    logs, day = columns.or_else(held.logs, subscription, 0), columns.or_else(held.deactivated_day, subscription, NEVER)
    on_day = np.flatnonzero((snapshot != NEVER) & (logs > 0))
    then = columns.certain(our_side.seats_on(history, subscription[on_day], snapshot[on_day]))
    then = columns.put(columns.unknown(len(logs)), on_day, then)
    ended_by_then = ~columns.or_else(held.was_deactivated, subscription, False) | ((day != NEVER) & (day <= snapshot))
    verdict = columns.first_true(
        [
            (~is_ours, CODES[Verdict.NO_SUBSCRIPTION]),
            (~theirs.known, CODES[Verdict.NOT_RECONCILABLE]),
            (suspended & (theirs.values > 0) & ended_by_then, CODES[Verdict.SUSPENDED_BUT_BILLED]),
            (theirs.equals(seats), CODES[Verdict.CONFIRMED]),
            ((logs == 0) | ~seats.known | (snapshot == NEVER), CODES[Verdict.NOT_RECONCILABLE]),
            (all_logs.differs(seats), CODES[Verdict.CHANGE_LOG_MISMATCH]),
        ],
        EXPLAINING,
    )
    nowhere, none, unknown = np.full(len(logs), NOWHERE), np.zeros(len(logs), dtype=bool), columns.unknown(len(logs))
    return Rows(
        *(subscription, snapshot, verdict, theirs, seats, then, logs, all_logs),
        fit=nowhere,
        residual=unknown,
        settles=Maybe(none, none),
        changed_since=none,
        outside=np.zeros(len(logs), dtype=np.int64),
    )


def looked_into(rows: Rows, history: History, printed: Printed) -> tuple[Rows, Outside]:
    """The rows with what the views of our logs say of those that differ, or may agree by coincidence; and the logs outside their views."""
    explaining, mismatch = rows.verdict == EXPLAINING, rows.verdict == CODES[Verdict.CHANGE_LOG_MISMATCH]
    agrees = rows.verdict == CODES[Verdict.CONFIRMED]
    deeper = np.flatnonzero(explaining | mismatch | (agrees & rows.all_logs.equals(rows.ours) & rows.then.differs(rows.ours)))
    windows = rows[deeper]
    explaining, mismatch, agrees = explaining[deeper], mismatch[deeper], agrees[deeper]
    pairs = our_side.looked_at(history, windows.subscription, windows.snapshot, printed)
    sums = pairs.sums
    missing = windows.ours - windows.all_logs
    fit, would_fit = _first_fit(sums, windows.theirs.values), _first_fit(sums, (windows.theirs - missing).values)
    changed_since = agrees & (fit == NOWHERE)
    fit = np.where(explaining, fit, NOWHERE)
    is_left = mismatch | (explaining & (fit == NOWHERE))
    residual = Maybe(np.where(mismatch, missing.values, windows.theirs.values - sums[0]), is_left)
    is_kept = changed_since | mismatch | explaining
    inside = pairs.inside[np.where(fit == NOWHERE, 0, fit)[pairs.windows.of_row], np.arange(len(pairs.logs))]
    is_outside = ~inside & is_kept[pairs.windows.of_row]
    found = replace(
        windows,
        verdict=np.where(explaining, _weakest(pairs, is_outside, fit != NOWHERE), windows.verdict),
        fit=fit,
        residual=residual,
        settles=Maybe(would_fit != NOWHERE, mismatch),
        changed_since=changed_since,
        outside=pairs.windows.count(is_outside),
    )
    logs = np.flatnonzero(is_outside)
    outside = Outside(deeper[is_kept], deeper[pairs.windows.of_row[logs]], pairs.logs[logs])
    return columns.put(rows, deeper, found), outside


def _first_fit(sums: np.ndarray, seats: np.ndarray) -> np.ndarray:
    """The first view that comes to these seats, window by window; NOWHERE where none does."""
    fits = sums == seats
    return np.where(fits.any(axis=0), fits.argmax(axis=0), NOWHERE)


def _weakest(pairs: Pairs, outside: np.ndarray, is_fit: np.ndarray) -> np.ndarray:
    """A fit's verdict is the weakest log outside it; without a fit the logs outside the snapshot explain a part, or nothing does."""
    logs, windows = pairs.logs, pairs.windows
    still = outside & ~logs.invoiced
    return columns.first_true(
        [
            (is_fit & windows.any(outside & logs.stuck), CODES[Verdict.PROVISIONING_GAP]),
            (is_fit & windows.any(still & logs.archived), CODES[Verdict.EXCLUDED]),
            (is_fit & windows.any(still & ~logs.archived), CODES[Verdict.EXPLAINED_NOT_INVOICED]),
            (is_fit, CODES[Verdict.EXPLAINED_INVOICED]),
            (windows.any(outside), CODES[Verdict.PARTLY_EXPLAINED]),
        ],
        CODES[Verdict.UNEXPLAINED],
    )
