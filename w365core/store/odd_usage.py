"""What is odd about an invoice's usage? Credit that it has elsewhere, prices above the list, amounts that the provider's own arithmetic does not give.

The daily usage is looked at by entitlement and meter; where an invoice has none, the usage lines of its reconciliation file by plan and meter. A line of usage
is charged at its effective price times its quantity, cut to two places, then exchanged and cut to the coin; or everything is rounded once. What is near
either is right.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from w365core import money
from w365core.reconciliation import FindingKind
from w365core.store import credit_lost

# Of both kinds of usage, what is looked at, by the same names. `credit` is the partner earned credit in per cent.
_DAILY = """
    select lower(coalesce(entitlement_id, provider_subscription_id)) as plan, coalesce(entitlement_description, subscription_description) as described,
        coalesce(meter_id, meter_name, '') as meter, meter_name as name, unit_price, effective_unit_price, quantity, coalesce(exchange_rate, 1) as rate,
        billing_pre_tax_total as amount, line_number
    from usage_line where provider_invoice_id = :id
"""
_PRINTED = """
    select lower(provider_subscription_id) as plan, coalesce(customer_name, subscription_description) as described,
        concat_ws('/', product_id, sku_id, availability_id, meter_description) as meter, coalesce(meter_description, product_name) as name, unit_price,
        effective_unit_price, coalesce(billable_quantity, quantity) as quantity, coalesce(exchange_rate, 1) as rate, subtotal as amount, line_number
    from license_line where provider_invoice_id = :id and kind = 'usage'
"""
# Two coins, or a hundredth of one for each unit: the provider's documented examples differ by so much from each other.
_NEAR = "greatest(2 * power(10::numeric, -:coin), power(10::numeric, -:coin) * abs(quantity))"
_ODD = f"""
    with charged as (
        select u.*, abs(amount) as size, trunc(trunc(abs(effective_unit_price * quantity), 2) * rate, :coin) as cut,
            round(abs(effective_unit_price * quantity) * rate, :coin) as once, {_NEAR} as near
        from ({{}}) u where effective_unit_price is not null and quantity is not null
    ), judged as (
        select charged.*, case when abs(size - cut) <= abs(size - once) then cut else once end as nearest,
            least(abs(size - cut), abs(size - once)) > near as is_off,
            (effective_unit_price - unit_price) * abs(quantity) * rate as above, unit_price > 0 and amount > 0
                and (effective_unit_price - unit_price) * abs(quantity) * rate > 2 * power(10::numeric, -:coin) as is_above
        from charged
    )
    select plan, meter, max(described) as described, max(name) as name,
        count(*) filter (where is_off) as lines_off, coalesce(sum(amount) filter (where is_off), 0) as off_found,
        coalesce(sum(sign(amount) * nearest) filter (where is_off), 0) as off_expected,
        coalesce(sum(abs(size - nearest)) filter (where is_off), 0) as off_by, min(line_number) filter (where is_off) as first_off,
        count(*) filter (where is_above) as lines_above, coalesce(sum(amount) filter (where is_above), 0) as above_found,
        coalesce(sum(above) filter (where is_above), 0) as above_by, max(effective_unit_price) filter (where is_above) as price,
        max(unit_price) filter (where is_above) as listed
    from judged where is_off or is_above group by 1, 2 order by 1, 2
"""
_OF = "select currency, exists (select from usage_line where provider_invoice_id = :id) as is_daily from provider_invoice where provider_invoice_id = :id"


def of_invoice(connection: Connection, provider_invoice_id: int) -> list[dict[str, Any]]:
    """One finding for each plan, meter and kind, in the columns of `reconciliation.FINDING`; lost credit first."""
    invoice = connection.execute(text(_OF), {"id": provider_invoice_id}).one()
    lost = credit_lost.of_invoice(connection, provider_invoice_id, is_daily=invoice.is_daily)
    query = text(_ODD.format(_DAILY if invoice.is_daily else _PRINTED))
    bound = {"id": provider_invoice_id, "coin": money.minor_units(invoice.currency)}
    found = list(connection.execute(query, bound))
    return [
        *lost,
        *(_above(row, invoice.currency) for row in found if row.lines_above),
        *(_off(row, invoice.currency) for row in found if row.lines_off),
    ]


def _above(row: Any, currency: str) -> dict[str, Any]:
    over = _coined(row.above_by, currency)
    said = f"{_many(row.lines_above)} at up to {_plain(row.price)} a unit, and the list price is {_plain(row.listed)}."
    return _finding(FindingKind.ABOVE_LIST, row, said, currency, found=row.above_found, amount=over, line_number=None)


def _off(row: Any, currency: str) -> dict[str, Any]:
    off = _coined(row.off_by, currency)
    said = f"{_many(row.lines_off)} charged {row.off_found:,f} {currency}, and price x quantity x rate comes to {row.off_expected:,f}."
    first = row.first_off if row.lines_off == 1 else None
    return _finding(
        FindingKind.AMOUNT_OFF, row, said, currency, found=row.off_found, amount=off, line_number=first, expected=row.off_expected
    )


def _finding(
    kind: FindingKind, row: Any, said: str, currency: str, *, found: Decimal, amount: Decimal, line_number: int | None, expected: Decimal | None = None
) -> dict[str, Any]:  # fmt: skip
    return {
        "line_id": None,
        "line_number": line_number,
        "kind": str(kind),
        "expected": money.EXACT.subtract(found, amount) if expected is None else expected,
        "found": found,
        "amount": amount,
        "currency": currency,
        "reason": f"{row.described or row.plan}, {row.name or row.meter}: {said}",
    }


def _many(lines: int) -> str:
    return f"{lines:,} usage line{'' if lines == 1 else 's'}"


def _coined(amount: Decimal, currency: str) -> Decimal:
    return money.half_up(amount, places=money.minor_units(currency))


def _plain(price: Decimal) -> str:
    return money.plain(money.trimmed(price))
