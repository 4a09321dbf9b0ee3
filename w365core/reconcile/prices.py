"""What does a seat cost us for a month by this invoice, and how does our selling price stand to it?

Prices compare at 4 places, half up. Every function takes the texts of one combination and looks at it once, on exact decimals.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache

import polars as pl

from w365core import money
from w365core.charge_types import Charge
from w365core.reconcile import amounts, exact, places
from w365core.reconcile.calendar_months import billing_months, months_of_price, whole_months
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


def terms_of(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The distinct terms of these lines, each with the list price that it is above (`list_exceeded`), and the number of each line's: those of the same window,
    prices, rate and billing share one."""
    terms, number = places.combinations(lines, OF_COST)
    cells = terms.select("effective_unit_price", "unit_price", "billing_frequency", "term_and_billing_cycle", "charge_start", "charge_end")
    exceeded = [amounts.list_exceeded(*cells) for cells in cells.iter_rows()]
    return terms.with_columns(pl.Series("list_exceeded", exceeded, pl.String)), number.alias("terms")


def unit_costs(lines: pl.DataFrame, terms: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """What a seat costs by each of these terms, for another line and for one of the cycle, at twice its number and one more: the place of the cost among all of
    them, which come as text, the least first. Only what a line asks for is known."""
    number = pl.col("terms") * 2 + (pl.col("charge") == str(Charge.CYCLE))
    asked = places.named(lines.select(pl.when(is_seat()).then(number)).to_series(), count=2 * len(terms))
    cells = terms.select(OF_COST).rows()
    answers = {number: unit_cost(*cells[number // 2], bool(number % 2)) for number in asked}
    costs = sorted({cost for cost in answers.values() if cost is not None})
    places_of = {cost: place for place, cost in enumerate(costs)}
    known = pl.Series("cost", [places_of.get(answers.get(number)) for number in range(2 * len(cells))], dtype=pl.Int64)
    return known, pl.Series("unit_cost", [exact.plain(cost) for cost in costs], dtype=pl.String)


def costs_of(lines: pl.DataFrame, known: pl.Series) -> pl.DataFrame:
    """`key` and `cost`: that of its last cycle line, without any of the last other line of seats; last by order date, then the highest."""
    is_cycle = (pl.col("charge") == str(Charge.CYCLE)).alias("is_cycle")
    found = lines.filter(is_seat()).select("key", "alone", "moment", is_cycle, number=pl.col("terms") * 2 + is_cycle)
    found = found.with_columns(known[found.get_column("number")])
    last = found.filter(~pl.col("alone")).sort("is_cycle", "moment", "cost", nulls_last=False).group_by("key", maintain_order=True)
    return pl.concat([found.filter("alone").select("key", "cost"), last.agg(pl.col("cost").last())])


def is_seat() -> pl.Expr:
    return pl.col("charge").is_in([str(charge) for charge in SEATS])


def monthly(price: str | None, unit: str | None) -> Decimal | None:
    """A price of ours per unit and month, whatever its product's unit."""
    if not price:
        return None
    months = months_of_price(unit)
    if months == 1:
        return exact.number(price)
    return money.EXACT.divide(exact.number(price), Decimal(months))


def exact_text(price: str | None, unit: str | None) -> str | None:
    """The same with all its digits."""
    found = monthly(price, unit)
    return None if found is None else exact.plain(found)


def shown_text(price: str | None, unit: str | None) -> str | None:
    """The same as it is shown: at 4 places where it had to be divided."""
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
