"""Is a line's amount what the provider's own arithmetic gives, and its price not above the list? Each answer is about one combination of cells.

Microsoft documents two rules that disagree by cents: the price is rounded per seat and multiplied, or everything is rounded once. An amount that is near
either of them is right; credits may be rounded either way, so signs do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache

from w365core import money
from w365core.reconcile import exact
from w365core.reconcile.calendar_months import billing_months, months_later, whole_months

_DAY = timedelta(days=1)
_LEAST_DAYS = 28  # of a month: what a share of days can come to at most


def amount_expected(
    quantity: str | None,
    subtotal: str | None,
    effective_unit_price: str | None,
    unit_price: str | None,
    exchange_rate: str | None,
    billing_frequency: str | None,
    term_and_billing_cycle: str | None,
    start: date | None,
    end: date | None,
    ordered: datetime | None,
    currency: str,
) -> str | None:
    """What the amount should be by the nearest rule, of two as near the smaller, where it is near none of them; null where it is right or nothing can be told."""
    price = effective_unit_price or unit_price
    if not quantity or not subtotal or not price:
        return None
    found, seats = exact.number(subtotal), exact.number(quantity).copy_abs()
    if not found and not effective_unit_price:
        return None
    coin = Decimal(1).scaleb(-money.minor_units(currency))
    within = max(money.EXACT.multiply(2, coin), money.EXACT.multiply(coin, seats))
    each = money.EXACT.multiply(exact.number(price), exact.number(exchange_rate) if exchange_rate else Decimal(1)).copy_abs()
    if effective_unit_price:
        expected = list(_of_effective(each, seats, coin))
    else:
        months = billing_months(billing_frequency, term_and_billing_cycle)
        expected = list(_of_list(each, seats, coin, months, start, end, ordered.date() if ordered else None))
    nearest = min(expected, key=lambda amount: (money.EXACT.subtract(amount, found.copy_abs()).copy_abs(), amount))
    if money.EXACT.subtract(nearest, found.copy_abs()).copy_abs() <= within:
        return None
    return exact.plain(nearest.copy_negate() if found < 0 else nearest)


def _of_effective(each: Decimal, seats: Decimal, coin: Decimal) -> Iterator[Decimal]:
    yield money.EXACT.multiply(each.quantize(coin, rounding=ROUND_DOWN, context=money.EXACT), seats)
    yield _once(money.EXACT.multiply(each, seats), coin)


def _of_list(
    each: Decimal, seats: Decimal, coin: Decimal, months: int | None, start: date | None, end: date | None, ordered: date | None
) -> Iterator[Decimal]:
    """Without an effective price: the list price, whole, for the months of the window, or for its days and those from the order on."""
    full = money.EXACT.multiply(each, seats)
    yield _once(full, coin)
    if start is None or end is None or end < start:
        return
    whole = whole_months(start, end)
    if whole and months:
        yield _once(money.EXACT.divide(money.EXACT.multiply(full, Decimal(whole)), Decimal(months)), coin)
    cycle = months or 1
    after = end + _DAY
    from_days = {start, *(day for day in (ordered, ordered + _DAY if ordered else None) if day and start <= day <= end)}
    for cycle_days in {(after - months_later(after, -cycle)).days, (months_later(start, cycle) - start).days}:
        for days in {(after - day).days for day in from_days}:
            yield _once(money.EXACT.divide(money.EXACT.multiply(full, Decimal(days)), Decimal(cycle_days)), coin)
            if seats:
                daily = _once(money.EXACT.divide(full, Decimal(cycle_days)), coin)
                per_seat = _once(money.EXACT.divide(money.EXACT.multiply(daily, Decimal(days)), seats), coin)
                yield money.EXACT.multiply(per_seat, seats)


def _once(amount: Decimal, coin: Decimal) -> Decimal:
    return money.half_up(amount, places=-coin.as_tuple().exponent)


@lru_cache(1 << 14)
def list_exceeded(
    effective_unit_price: str | None,
    unit_price: str | None,
    billing_frequency: str | None,
    term_and_billing_cycle: str | None,
    start: date | None,
    end: date | None,
) -> str | None:
    """The list price for the window, where the effective price is above it by more than a coin; null otherwise. A part of a month counts generously."""
    months = billing_months(billing_frequency, term_and_billing_cycle)
    if not effective_unit_price or not unit_price or not months or start is None or end is None or end < start:
        return None
    whole = whole_months(start, end)
    share = (Decimal(whole), Decimal(months)) if whole else (Decimal((end - start).days + 1), Decimal(_LEAST_DAYS * months))
    listed = money.EXACT.divide(money.EXACT.multiply(exact.number(unit_price), share[0]), share[1])
    above = money.EXACT.subtract(exact.number(effective_unit_price), listed)
    if listed <= 0 or above <= Decimal("0.01"):
        return None
    return exact.plain(money.half_up(listed, places=4))
