"""What is shown of each row? Column by column in the order of `line_id`, each made when it is asked for: only one at a time takes room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core import money
from w365core.reconcile import columns, exact, names, places, prices
from w365core.reconcile.columns import NEVER, NOWHERE, Maybe
from w365core.reconcile.rows import All, Judged
from w365core.reconcile.verdicts import CODES, FITS


def shown(judged: Judged) -> Callable[[str], pa.Array]:
    """What makes the column of a name in ROW."""
    order = _order(judged)
    rows = _Shown(judged, judged.all[order], np.where(order < len(judged.looked_into), order, NOWHERE))
    return lambda name: _COLUMNS[name](rows)


@dataclass(frozen=True)
class _Shown:
    """The rows in their order, and the place of each among those that were looked into (NOWHERE: it was not)."""

    judged: Judged
    rows: All
    looked_into: np.ndarray

    @cached_property
    def _source(self) -> pa.Array:
        return columns.index(self.rows.source)

    @cached_property
    def _subscription(self) -> pa.Array:
        return columns.index(self.rows.subscription)

    @cached_property
    def _offer(self) -> pa.Array:
        return columns.index(self.offer)

    def named(self, name: str) -> pa.Array:
        """What is printed on the lines, and of a subscription without a line on that."""
        return columns.at(self.judged.names[name], self._source)

    def of_subscription(self, name: str) -> pa.Array:
        return columns.at(self.judged.given.subscriptions[name], self._subscription)

    def of_ours(self, name: str) -> pa.Array:
        """Ours where we know it, else what the provider prints."""
        ours = self.of_subscription(name)
        if not ours.null_count:
            return ours
        known = columns.valid(ours)
        printed = columns.at(self.judged.names[name], self.rows.source[~known])
        place = np.where(known, np.arange(len(ours)), len(ours) - 1 + (~known).cumsum())
        return columns.at(pa.concat_arrays([ours, printed]), place)

    def day(self, days: np.ndarray) -> pa.Array:
        return columns.numbers(days, days != NEVER, kind=pa.date32())

    def of_window(self, days: np.ndarray) -> pa.Array:
        return columns.at(self.day(days), self.rows.window)

    def seats(self, seats: Maybe) -> pa.Array:
        return exact.texts(seats, self.judged.scale)

    def of_offer(self, name: str) -> pa.Array:
        return columns.named(self.judged.offered.column(name), self._offer)

    @cached_property
    def offer(self) -> np.ndarray:
        return columns.or_else(self.judged.offered.offer, self.rows.subscription, NOWHERE)

    def settles(self) -> pa.Array:
        settles = columns.looked_up(self.judged.looked_into.settles, self.looked_into)
        return columns.truths(settles.values, settles.known)

    def changed_since(self) -> pa.Array:
        return columns.truths(columns.or_else(self.judged.looked_into.changed_since, self.looked_into, False))

    def price_verdict(self) -> pa.Array:
        """Of each pair of an offer and a cost that rows have."""
        offered, costs = self.judged.offered.offers, self.judged.costs.printed
        known, place = places.ranked((self.offer + 1) * (len(costs) + 1) + self.rows.cost + 1)
        verdicts = []
        for offer, cost in zip((known // (len(costs) + 1) - 1).tolist(), (known % (len(costs) + 1) - 1).tolist(), strict=True):
            verdicts.append(str(prices.price_verdict(*_terms(offered, offer), billed=None if cost == NOWHERE else costs[cost])))
        return columns.named(verdicts, place)

    def unbilled(self) -> pa.Array:
        unbilled = columns.looked_up(self.judged.changes.unbilled, self.looked_into)
        return exact.texts(unbilled, money.minor_units(self.judged.given.currency))


def _terms(offered: list, offer: int) -> tuple:
    if offer == NOWHERE:
        return None, None, None, False
    return offered[offer].selling_price, offered[offer].cost_price, offered[offer].unit, offered[offer].comparable


_COLUMNS: dict[str, Callable[[_Shown], pa.Array]] = {
    "line_id": lambda of: names.line_ids(of.rows.owner, of.rows.window, of.judged.keyed, of.judged.owners),
    "subscription_id": lambda of: of.of_subscription("subscription_id"),
    "account_id": lambda of: of.of_ours("account_id"),
    "provider_subscription_id": lambda of: of.named("provider_subscription_id"),
    "provider_customer_id": lambda of: of.named("provider_customer_id"),
    "customer_name": lambda of: of.named("customer_name"),
    "product_id": lambda of: of.of_ours("product_id"),
    "product_name": lambda of: of.named("product_name"),
    "charge_start": lambda of: of.of_window(of.judged.keyed.windows.start),
    "charge_end": lambda of: of.of_window(of.judged.keyed.windows.end),
    "snapshot": lambda of: of.day(of.rows.snapshot),
    "lines": lambda of: columns.numbers(of.rows.lines),
    "provider_quantity": lambda of: of.seats(of.rows.theirs),
    "our_quantity": lambda of: of.seats(of.rows.ours),
    "our_quantity_then": lambda of: of.seats(of.rows.then),
    "provider_quantity_now": lambda of: of.of_subscription("provider_quantity_now"),
    "quantity_difference": lambda of: of.seats(of.rows.theirs - of.rows.ours),
    "residual": lambda of: of.seats(columns.looked_up(of.judged.looked_into.residual, of.looked_into)),
    "residual_settles": _Shown.settles,
    "verdict": lambda of: columns.named([str(verdict) for verdict in CODES], of.rows.verdict),
    "fit": lambda of: columns.named(FITS, columns.or_else(of.judged.looked_into.fit, of.looked_into, NOWHERE)),
    "changed_since": _Shown.changed_since,
    "reason": lambda of: columns.at(of.judged.reasons, of.rows.told),
    "unit_cost": lambda of: columns.named(of.judged.costs.printed, of.rows.cost),
    "cost_price": lambda of: of.of_offer("shown_cost_price"),
    "selling_price": lambda of: of.of_offer("shown_selling_price"),
    "price_verdict": _Shown.price_verdict,
    "subtotal": lambda of: of.named("subtotal"),
    "money_at_risk": lambda of: columns.at(of.judged.money_at_risk, of.rows.told),
    "unbilled": _Shown.unbilled,
    "currency": lambda of: columns.named([of.judged.given.currency], np.zeros(len(of.rows), dtype=np.int64)),
}


def _order(judged: Judged) -> np.ndarray:
    """By `line_id`: by whose a row is and by its window, which have numbers in the order of their names. Texts are sorted only where one name begins another."""
    rows, windows = judged.all, len(judged.keyed.windows.start)
    number = rows.owner * (windows + 1) + np.where(rows.window == NOWHERE, windows, rows.window)
    order = places.in_order(number, most=int(number.max(initial=0)))[1]
    if names.are_apart(judged.owners):
        return order
    whole = names.line_ids(rows.owner[order], rows.window[order], judged.keyed, judged.owners)
    return order[columns.whole(pc.sort_indices(whole), null=NOWHERE)]
