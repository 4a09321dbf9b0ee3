"""What does a seat cost us for a month by this invoice, and how does our selling price stand to it?

Prices compare at 4 places, half up. Every function takes the texts of one combination and looks at it once, on exact decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

import numpy as np
import pyarrow as pa

from w365core import money
from w365core.charge_types import Charge
from w365core.reconcile import amounts, columns, exact, places
from w365core.reconcile.calendar_months import billing_months, months_of_price, whole_months
from w365core.reconcile.columns import NOWHERE
from w365core.reconcile.groups import Groups
from w365core.reconcile.keys import Billed, Lines, is_of
from w365core.reconcile.provider_side import SEATS
from w365core.reconciliation import PriceVerdict

PLACES = 4
DRIFT = Decimal("0.005")
OF_COST = (
    "charge_start",
    "charge_end",
    "effective_unit_price",
    "unit_price",
    "exchange_rate",
    "billing_frequency",
    "term_and_billing_cycle",
)
_DAYS = OF_COST[:2]


@lru_cache(1 << 14)
def unit_cost(
    start: date | None,
    end: date | None,
    effective_unit_price: str | None,
    unit_price: str | None,
    exchange_rate: str | None,
    billing_frequency: str | None,
    term_and_billing_cycle: str | None,
    is_cycle: bool,
) -> Decimal | None:
    """Per unit and month in the billing currency, at 4 places: of a cycle line's effective price over whole months, else of the list price."""
    rate = exact.number(exchange_rate) if exchange_rate else Decimal(1)
    months = whole_months(start, end) if is_cycle and effective_unit_price else None
    if months:
        return _per_month(effective_unit_price, rate, months)
    months = billing_months(billing_frequency, term_and_billing_cycle)
    return _per_month(unit_price, rate, months) if months and unit_price else None


@lru_cache(1 << 14)
def _per_month(price: str, rate: Decimal, months: int) -> Decimal:
    return money.half_up(money.EXACT.divide(money.EXACT.multiply(exact.number(price), rate), Decimal(months)), places=PLACES)


@dataclass(frozen=True)
class Terms:
    """The distinct terms of lines: those of the same window, prices, rate and billing share one. What each prints (`cells`, in the columns of OF_COST), the list price
    that it is above (None: it is not), and the number of each line's."""

    cells: list[tuple]
    exceeded: list[str | None]
    prices: pa.Array
    rates: pa.Array
    number: np.ndarray


@dataclass(frozen=True)
class Costs:
    """What a seat costs by each of the terms, for a line of another kind and for one of the cycle, at twice its number and one more: the place of the cost among all of
    them, the least first (NOWHERE: not known). Only what a line asks for is known."""

    place: np.ndarray
    printed: list[str]


def terms_of(lines: pa.RecordBatch, window: np.ndarray) -> Terms:
    """The terms of these lines; `window` has a number for the days of each, which is looked at instead of them."""
    first, number = places.combinations([columns.numbers(window), *(lines[name] for name in OF_COST if name not in _DAYS)])
    found = [columns.at(lines[name], first) for name in OF_COST]
    cells = list(exact.rows_of(found))
    exceeded = [
        amounts.list_exceeded(effective, price, frequency, term, start, end) for start, end, effective, price, _, frequency, term in cells
    ]
    return Terms(cells, exceeded, found[OF_COST.index("effective_unit_price")], found[OF_COST.index("exchange_rate")], number)


def unit_costs(billed: Billed, terms: Terms) -> Costs:
    """The costs that lines ask for."""
    asked = _number(billed.terms, billed.charge)[is_of(billed.charge, *SEATS)]
    answers = {
        number: unit_cost(*terms.cells[number // 2], bool(number % 2))
        for number in np.flatnonzero(np.bincount(asked, minlength=1)).tolist()
    }
    costs = sorted({cost for cost in answers.values() if cost is not None})
    place_of = {cost: place for place, cost in enumerate(costs)}
    place = np.full(2 * len(terms.cells), NOWHERE)
    for number, cost in answers.items():
        place[number] = NOWHERE if cost is None else place_of[cost]
    return Costs(place, [exact.plain(cost) for cost in costs])


def costs_of(lines: Lines, rows: Groups, known: Costs) -> np.ndarray:
    """The cost of each row: that of its last cycle line, without any of the last other line of seats; last by order date, then the highest. NOWHERE: not known."""
    seats = lines[np.flatnonzero(is_of(lines.charge, *SEATS))]
    cost = known.place[_number(seats.terms, seats.charge)]
    order = np.lexsort((cost, seats.moment, is_of(seats.charge, Charge.CYCLE), seats.key))
    found = np.full(len(rows), NOWHERE)
    found[seats.key[order]] = cost[order]  # of several the last one stays
    return found


def _number(terms: np.ndarray, charge: np.ndarray) -> np.ndarray:
    return terms * 2 + is_of(charge, Charge.CYCLE)


def monthly(price: str | None, unit: str | None) -> Decimal | None:
    """A price of ours per unit and month, whatever its product's unit."""
    if not price:
        return None
    months = months_of_price(unit)
    if months == 1:
        return exact.number(price)
    return money.EXACT.divide(exact.number(price), Decimal(months))


def shown_text(price: str | None, unit: str | None) -> str | None:
    """A price of ours per unit and month as it is shown: at 4 places where it had to be divided."""
    found = monthly(price, unit)
    if found is None:
        return None
    return exact.plain(found if months_of_price(unit) == 1 else money.half_up(found, places=PLACES))


@lru_cache(1 << 14)
def price_verdict(selling: str | None, cost: str | None, unit: str | None, comparable: bool, *, billed: str | None) -> PriceVerdict:
    """How our selling price stands to the unit cost of the invoice; `comparable`: the subscription is in the invoice's currency."""
    selling_price = monthly(selling, unit)
    if selling_price is None or not billed or not comparable:
        return PriceVerdict.PRICE_UNKNOWN
    selling_price, billed_price = money.half_up(selling_price, places=PLACES), exact.number(billed)
    if selling_price < billed_price:
        return PriceVerdict.BELOW_COST
    if selling_price == billed_price:
        return PriceVerdict.ZERO_MARGIN
    known_cost = monthly(cost, unit)
    if known_cost is None:
        return PriceVerdict.PRICE_OK
    drift = money.EXACT.subtract(money.half_up(known_cost, places=PLACES), billed_price).copy_abs()
    return PriceVerdict.COST_DRIFT if drift > DRIFT else PriceVerdict.PRICE_OK
