"""What is odd about single lines, beside their quantities? Amounts off, prices above list, windows charged twice, charges after a cancellation.

A finding never blocks. A clean invoice has none: what is netted, or agrees with what we hold, is not charged twice. All lines are looked through in columns; the few
that are left are told one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core import arrays, money
from w365core.charge_types import Charge
from w365core.reconcile import amounts, columns, exact, names, quantities
from w365core.reconcile.columns import DAY, NEVER, NOWHERE
from w365core.reconcile.keys import Lines, is_of
from w365core.reconcile.rows import Judged
from w365core.reconcile.verdicts import CODES
from w365core.reconciliation import FINDING, FindingKind, Verdict

_TERMS = ("billing_frequency", "term_and_billing_cycle", "charge_start", "charge_end")
_PRICES = ("subtotal", "effective_unit_price", "unit_price", "exchange_rate")
_CHARGES_SEATS = (Charge.CYCLE, Charge.ADD, Charge.REMOVE)
_PRICED = (*_CHARGES_SEATS, Charge.CANCEL, Charge.CONVERT)
_EPOCH = date(1970, 1, 1)
IN_ORDER = [
    (name, "ascending", "at_start") for name in ("line_id", "line_number", "kind")
]  # a finding about a whole row before those of its lines


class Finding(NamedTuple):
    """About the row of this key, or one of its lines: what was found there, what was expected, and how far that is apart."""

    key: int
    line_number: int | None
    kind: FindingKind
    expected: str
    found: str
    amount: str
    reason: str


def found(judged: Judged) -> pa.Table:
    """Every finding, in the columns of FINDING, in the order of rows, lines and kinds."""
    told: dict[tuple, Finding] = {}
    for look in (_amount_off, _above_list, _charged_twice, _after_cancellation, _after_deactivation):
        for one in look(judged):
            told.setdefault(one[:3], one)
    cells = dict(zip(Finding._fields, zip(*told.values(), strict=True), strict=False))
    key = np.array(cells.get("key", ()), dtype=np.int64)
    line_ids = names.line_ids(judged.keyed.owner[key], judged.keyed.window[key], judged.keyed, judged.owners)
    currency = len(told) * [judged.given.currency]
    batch = arrays.lines_of(FINDING, cells | {"line_id": line_ids.to_pylist(), "currency": currency}, len(told))
    return pa.Table.from_batches([batch]).sort_by(IN_ORDER)


def _cells(judged: Judged, lines: Lines, *wanted: str) -> Iterator[tuple]:
    """What these lines print, a row each; `billed` is the quantity that they charge for."""
    printed = judged.given.lines.take(columns.numbers(lines.line))
    return zip(*(columns.text(quantities.billed(printed) if name == "billed" else printed[name]).to_list() for name in wanted), strict=True)


def _amount_off(judged: Judged) -> Iterator[Finding]:
    lines = judged.keyed.lines
    lines = lines[np.flatnonzero(is_of(lines.charge, *_PRICED) & ~judged.is_right[lines.line])]
    printed = judged.given.lines.take(columns.numbers(lines.line))
    without = ~columns.valid(printed["effective_unit_price"]) & (lines.moment != NEVER)  # only then does the day of the order matter
    cells = [quantities.billed(printed), *(printed[name] for name in (*_PRICES, *_TERMS))]
    cells.append(columns.numbers(lines.moment, without, kind=pa.timestamp("us")))
    expected = exact.each_combination(cells, lambda *cells: amounts.amount_expected(*cells, judged.given.currency))
    off = np.array([one is not None for one in expected], dtype=bool)
    said = zip(
        _cells(judged, lines[off], "line_number", "subtotal", "billed"), lines.key[off].tolist(), filter(None, expected), strict=True
    )
    for (number, subtotal, billed), key, due in said:
        reason = f"The amount is {subtotal}, and the provider's own rules of rounding give {due} for its price and {billed} seats."
        yield Finding(key, number, FindingKind.AMOUNT_OFF, due, subtotal, _apart(subtotal, due), reason)


def _above_list(judged: Judged) -> Iterator[Finding]:
    exceeded = judged.terms.exceeded
    is_above = np.array([price is not None for price in exceeded], dtype=bool)
    if not is_above.any():
        return
    lines = _charging(judged)
    lines = lines[np.flatnonzero(is_above[lines.terms])]
    cells = _cells(judged, lines, "line_number", "effective_unit_price", "exchange_rate", "billed")
    for (number, price, rate, billed), key, terms in zip(cells, lines.key.tolist(), lines.terms.tolist(), strict=True):
        listed = exceeded[terms]
        excess = money.EXACT.multiply(exact.number(_apart(price, listed)), exact.number(rate or "1"))
        amount = exact.plain(money.in_currency(money.EXACT.multiply(excess, exact.number(billed or "1")), judged.given.currency))
        reason = f"A seat costs {price} in this window, and the list price for it is {listed}."
        yield Finding(key, number, FindingKind.ABOVE_LIST, listed, price, amount, reason)


def _charged_twice(judged: Judged) -> Iterator[Finding]:
    """Cycle charges of one provider subscription and window that stand when credits of the same seats are taken from them, where we hold another number."""
    lines, rows = judged.keyed.lines, judged.looked_into
    cycles = judged.keyed.rows.count(is_of(lines.charge, Charge.CYCLE))
    doubtful = (cycles > 1) & (rows.verdict != CODES[Verdict.CONFIRMED]) & (rows.subscription != NOWHERE)
    lines = lines[np.flatnonzero(doubtful[lines.key] & is_of(lines.charge, Charge.CYCLE, Charge.CANCEL))]
    if not len(lines):
        return
    seats = [seats if known else None for seats, known in zip(lines.seats.values.tolist(), lines.seats.known.tolist(), strict=True)]
    is_charge = (is_of(lines.charge, Charge.CYCLE) & (lines.sign > 0)).tolist()
    cells = _cells(judged, lines, "provider_subscription_id", "subtotal", "billed")
    charges: dict[int, list[tuple]] = {}
    credits = Counter()
    for (own, subtotal, billed), key, held, charge, sign in zip(
        cells, lines.key.tolist(), seats, is_charge, lines.sign.tolist(), strict=True
    ):
        same = (own, billed if held is None else held)  # 2 is 2.0
        credits[key, same] += sign < 0
        if charge:
            charges.setdefault(key, []).append((same, exact.number(subtotal)))
    for key, charged in charges.items():
        yield from _standing(key, sorted(charged, key=lambda one: one[1], reverse=True), credits)


def _standing(key: int, charged: Sequence[tuple], credits: Counter) -> Iterator[Finding]:
    """The finding about a window's charges, the largest amount first, if any two of one provider subscription stand. The largest is expected, so that no more is called
    odd than must be."""
    taken, standing = Counter(), []
    for same, amount in charged:
        taken[same] += 1
        if taken[same] > credits[key, same]:
            standing.append((same[0], amount))
    times = Counter(own for own, _ in standing)
    amounts = [amount for own, amount in standing if times[own] > 1]
    if amounts:
        largest, together = exact.plain(amounts[0]), exact.plain(money.total(amounts))
        reason = f"The window is charged {len(amounts)} times ({together} together), and no credit takes one back."
        yield Finding(key, None, FindingKind.CHARGED_TWICE, largest, together, _apart(together, largest), reason)


def _after_cancellation(judged: Judged) -> Iterator[Finding]:
    """Charges in a window that starts after the provider cancelled the subscription on this invoice."""
    cancelled = judged.keyed.lines[np.flatnonzero(is_of(judged.keyed.lines.charge, Charge.CANCEL))]
    since: dict[str, int] = {}
    windows: dict[str, set[int]] = {}
    own = columns.at(judged.given.lines["provider_subscription_id"], cancelled.line)
    days = np.where(cancelled.moment == NEVER, judged.billed.start[cancelled.line], cancelled.moment // DAY)
    for name, day, key in zip(own.to_pylist(), days.tolist(), cancelled.key.tolist(), strict=True):
        if name is not None:
            windows.setdefault(name, set()).add(key)
            if day != NEVER:
                since[name] = min(day, since.get(name, day))
    if not since:
        return
    lines = _charging(judged)
    names_of = columns.at(judged.given.lines["provider_subscription_id"], lines.line)
    lines = lines[np.flatnonzero(columns.flags(pc.is_in(names_of, value_set=own.drop_null())))]
    cells = _cells(judged, lines, "provider_subscription_id", "line_number", "subtotal")
    for (name, number, subtotal), key, start in zip(cells, lines.key.tolist(), judged.billed.start[lines.line].tolist(), strict=True):
        if start > since.get(name, start) and key not in windows[name]:
            reason = f"The subscription was cancelled on {_printed(since[name])}, and this window starts after it."
            yield _ended(key, number, subtotal, reason)


def _after_deactivation(judged: Judged) -> Iterator[Finding]:
    """Charges in a window that starts after our last Deactivate log, with no Activate or Create log between."""
    ended, count = judged.history.of_events("deactivate"), len(judged.offered.offer)
    if not len(ended):
        return
    since, again = ended.last(count=count), judged.history.of_events("activate", "create").last(count=count)
    lines = _charging(judged)
    subscription, start = judged.keyed.subscription[lines.key], judged.billed.start[lines.line]
    day = since[subscription]
    later = np.flatnonzero((subscription != NOWHERE) & (day != NEVER) & (again[subscription] < day) & (start > day))
    cells = _cells(judged, lines[later], "line_number", "subtotal")
    for (number, subtotal), key, ended_on in zip(cells, lines.key[later].tolist(), day[later].tolist(), strict=True):
        reason = f"We deactivated the subscription on {_printed(ended_on)}, and this window starts after it."
        yield _ended(key, number, subtotal, reason)


def _ended(key: int, number: int | None, subtotal: str, reason: str) -> Finding:
    return Finding(key, number, FindingKind.BILLED_AFTER_CANCELLATION, "0", subtotal, _apart(subtotal, "0"), reason)


def _charging(judged: Judged) -> Lines:
    """Lines that charge for seats, but for those that change nothing: the re-bill of a pair counts, its credit does not."""
    lines = judged.keyed.lines
    return lines[np.flatnonzero(is_of(lines.charge, *_CHARGES_SEATS) & (lines.sign > 0))]


def _apart(one: str, other: str) -> str:
    return exact.plain(money.EXACT.subtract(exact.number(one), exact.number(other)).copy_abs())


def _printed(day: int) -> str:
    return str(_EPOCH + timedelta(days=day))
