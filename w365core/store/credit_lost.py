"""Where is usage charged without the partner earned credit that it has elsewhere? By entitlement and meter, with the money that is lost.

A meter that has the credit on other lines of the invoice, or had it on an invoice of the month before, qualifies; what is charged without it there costs
as much more as the credit is of the price. The daily usage says the credit in a column; where there is none, the reconciliation file says it among the
adjustments of a line's price, by plan and meter.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from w365core import money
from w365core.reconciliation import FindingKind

# The credit in per cent; files print 15 or 0.15.
_PERCENT = (
    "case when partner_earned_credit_percentage <= 1 then partner_earned_credit_percentage * 100 else partner_earned_credit_percentage end"
)
_METERS = f"""
    select lower(coalesce(entitlement_id, provider_subscription_id)) as entitlement, coalesce(meter_id, meter_name, '') as meter,
        max(meter_name) as name, max(coalesce(entitlement_description, subscription_description)) as described, max({_PERCENT}) as percent,
        coalesce(sum(billing_pre_tax_total) filter (where coalesce(partner_earned_credit_percentage, 0) = 0 and billing_pre_tax_total > 0), 0) as without,
        count(*) filter (where coalesce(partner_earned_credit_percentage, 0) = 0 and billing_pre_tax_total > 0) as lines
    from usage_line where provider_invoice_id = {{}} group by 1, 2
"""
# "15.0% Partner earned credit for services managed", in a JSON list of such texts.
_SAID = r"cast((regexp_match(price_adjustment_description, '([0-9]+(?:\.[0-9]+)?)\s*%\s*partner earned credit', 'i'))[1] as numeric)"
_PLANS = f"""
    select lower(provider_subscription_id) as entitlement, concat_ws('/', product_id, sku_id, availability_id, meter_description) as meter,
        max(coalesce(meter_description, product_name)) as name, max(coalesce(customer_name, subscription_description)) as described, max({_SAID}) as percent,
        coalesce(sum(subtotal) filter (where {_SAID} is null and subtotal > 0), 0) as without,
        count(*) filter (where {_SAID} is null and subtotal > 0) as lines
    from license_line where provider_invoice_id = {{}} and kind = 'usage' group by 1, 2
"""
_LOST = """
    with this as materialized ({this}),
    before as materialized (
        select entitlement, meter, max(percent) as percent from (
            select m.* from provider_invoice p join provider_invoice earlier on earlier.provider = p.provider and earlier.currency = p.currency
                and earlier.status_reason in ('Active', 'Active Usage') and earlier.invoice_date < date_trunc('month', p.invoice_date)
                and earlier.invoice_date >= date_trunc('month', p.invoice_date) - interval '1 month'
            cross join lateral ({before}) m
            where p.provider_invoice_id = :id and ({known})
        ) meters where percent > 0 group by 1, 2
    )
    select this.entitlement, this.meter, this.name, this.described, this.without, this.lines,
        case when this.percent > 0 then this.percent else before.percent end as percent, coalesce(this.percent > 0, false) as here, p.currency
    from this left join before using (entitlement, meter) join provider_invoice p on p.provider_invoice_id = :id
    where this.without > 0 and (this.percent > 0 or before.percent > 0) order by this.entitlement, this.meter
"""


def of_invoice(connection: Connection, provider_invoice_id: int, *, is_daily: bool = True) -> list[dict[str, Any]]:
    """One finding for each entitlement (or plan) and meter, in the columns of `reconciliation.FINDING`; `is_daily` where the invoice has daily usage."""
    meters = _METERS if is_daily else _PLANS
    # A daily file of an older kind has no such column; a reconciliation file that prints no adjustment has none to print.
    known = "exists (select from this where percent is not null)" if is_daily else "true"
    query = _LOST.format(this=meters.format(":id"), before=meters.format("earlier.provider_invoice_id"), known=known)
    return [_finding(row) for row in connection.execute(text(query), {"id": provider_invoice_id})]


def _finding(row: Any) -> dict[str, Any]:
    lost = money.half_up(_part(row.without, row.percent), places=money.minor_units(row.currency))
    where = "on other lines of this invoice" if row.here else "on the invoice of the month before"
    many = f"{row.lines:,} usage line{'' if row.lines == 1 else 's'}"
    return {
        "line_id": None,
        "line_number": None,
        "kind": str(FindingKind.CREDIT_LOST),
        "expected": money.EXACT.subtract(row.without, lost),
        "found": row.without,
        "amount": lost,
        "currency": row.currency,
        "reason": f"{row.described or row.entitlement}, {row.name or row.meter}: {many} without partner earned credit, which it has at "
        f"{money.plain(money.trimmed(row.percent))} % {where}. Ask the provider why the access was lost.",
    }


def _part(cost: Decimal, percent: Decimal) -> Decimal:
    return money.EXACT.divide(money.EXACT.multiply(cost, percent), money.HUNDRED)
