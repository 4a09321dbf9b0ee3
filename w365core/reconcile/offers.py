"""What do we pay and sell a subscription for? Subscriptions of the same prices share one offer, which is looked at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from w365core.reconcile import columns, exact, places, prices

_TERMS = ("selling_price", "cost_price", "unit")


@dataclass(frozen=True)
class Offer:
    """What one or more subscriptions cost and are sold for, per `unit`, whether that is in the invoice's currency (`comparable`), and as it is shown, per month."""

    selling_price: str | None
    cost_price: str | None
    unit: str | None
    comparable: bool
    shown_selling_price: str | None
    shown_cost_price: str | None


@dataclass(frozen=True)
class Offered:
    """The offer of each subscription, by its place among `offers`; and the currency that each is in, by its place among `currencies`."""

    offers: list[Offer]
    offer: np.ndarray
    currencies: list[str | None]
    currency: np.ndarray

    def column(self, name: str) -> list[str | None]:
        """One field of every offer."""
        return [getattr(offer, name) for offer in self.offers]


def offered(subscriptions: pa.Table, currency: str) -> Offered:
    """The subscriptions as they are priced for an invoice in this currency."""
    printed, of_each = places.distinct(subscriptions["currency"])
    codes = [text if text is None else text.strip().upper() for text in printed]
    comparable = columns.truths(np.array([code == currency for code in codes], dtype=bool)[of_each])
    cells = [*(subscriptions[name] for name in _TERMS), comparable]
    first, offer = places.combinations(cells)
    found = exact.rows_of([columns.at(column, first) for column in cells])
    return Offered([_offer(*terms) for terms in found], offer, codes, of_each)


@lru_cache(1 << 14)
def _offer(selling_price: str | None, cost_price: str | None, unit: str | None, comparable: bool) -> Offer:
    return Offer(selling_price, cost_price, unit, comparable, *(prices.shown_text(price, unit) for price in (selling_price, cost_price)))
