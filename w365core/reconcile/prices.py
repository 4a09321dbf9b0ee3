"""What does a seat cost us for a month by this invoice, and how does our selling price stand to it?

Prices compare at 4 places, half up. Every function takes the texts of one combination and looks at it once, on exact decimals.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl

from w365core import money
from w365core.reconcile import exact
from w365core.reconcile.calendar_months import billing_months, months_of_price, whole_months
from w365core.reconcile.charge_types import Charge
from w365core.reconcile.provider_side import SEATS
from w365core.reconciliation import PriceVerdict

PLACES = 4
DRIFT = Decimal("0.005")
_OF_COST = (
    "charge_start",
    "charge_end",
    "effective_unit_price",
    "unit_price",
    "exchange_rate",
    "billing_frequency",
    "term_and_billing_cycle",
)


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
    """Per unit and month in the billing currency, at 4 places: of the effective price over a whole number of months, else of the list price."""
    rate = exact.number(exchange_rate) if exchange_rate else Decimal(1)
    months = whole_months(start, end) if is_cycle else None
    price = effective_unit_price
    if months is None or not effective_unit_price:
        months, price = billing_months(billing_frequency, term_and_billing_cycle), unit_price
    if months is None or not price:
        return None
    return money.half_up(money.EXACT.divide(money.EXACT.multiply(exact.number(price), rate), Decimal(months)), places=PLACES)


def unit_costs(lines: pl.DataFrame) -> pl.DataFrame:
    """`key` and `unit_cost` (text): of the last cycle line, else of the last other line of seats, by order date, then the highest."""
    seats = lines.filter(pl.col("charge").is_in([str(charge) for charge in SEATS])).with_columns(
        (pl.col("charge") == str(Charge.CYCLE)).alias("is_cycle")
    )
    answers = exact.each_combination(
        seats,
        [*_OF_COST, "is_cycle"],
        lambda *cells: None if (cost := unit_cost(*cells)) is None else exact.plain(cost),
        name="cost",
        kind=pl.String,
    )
    order, place = exact.ranked(exact.number(text) for text in answers.drop_nulls().unique().to_list())
    places = pl.Series("place", [place[exact.number(text)] for text in answers.drop_nulls().unique().to_list()], dtype=pl.Int64)
    known = pl.DataFrame({"cost": answers.drop_nulls().unique()}).with_columns(places) if order else None
    seats = seats.select("key", "moment", "is_cycle").with_columns(answers)
    seats = seats.with_columns(pl.lit(None, pl.Int64).alias("place")) if known is None else seats.join(known, on="cost", how="left")
    last = (
        seats.sort("is_cycle", "moment", "place", nulls_last=False)
        .group_by("key", maintain_order=True)
        .agg(pl.col("cost").last().alias("unit_cost"))
    )
    return last


def monthly(price: str | None, unit: str | None) -> Decimal | None:
    """A price of ours per unit and month, whatever its product's unit."""
    if not price:
        return None
    months = months_of_price(unit)
    return exact.number(price) if months == 1 else money.EXACT.divide(exact.number(price), Decimal(months))


def monthly_text(price: str | None, unit: str | None) -> str | None:
    """The same as it is shown: at 4 places where it had to be divided."""
    found = monthly(price, unit)
    if found is None:
        return None
    return exact.plain(found if months_of_price(unit) == 1 else money.half_up(found, places=PLACES))


def price_verdict(selling: str | None, cost: str | None, unit: str | None, *, billed: str | None, comparable: bool) -> PriceVerdict:
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
