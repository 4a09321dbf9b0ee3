"""Which usage that is not invoiced yet would sell for something else by its subscription's markup of today, and which cannot be sold for want of one?

Drift is usage whose subscription says another markup now than the one in force and than the one stamped at the import: it was changed since, or set
where it was blank, or taken away. Where a person has put another markup on the usage and the subscription is as it was, that is a decision and no drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from w365core import money

# Postgres rounds numerics half away from zero, as money does; multiplied rather than divided, so that nothing is cut before.
_AFTER = "round(d.cost + d.cost * s.markup_pct * 0.01, places.units)"
_OPEN = """
    select u.usage_id, u.provider_invoice_id, u.subscription_id, u.account_id, u.currency, u.markup_pct, u.selling_amount,
        coalesce(u.corrected_cost, u.cost) as cost, u.stamped_markup_pct
    from usage_summary u join provider_invoice p using (provider_invoice_id)
    where u.status = 'Not invoiced' and p.state = 'Active'
"""

_DRIFT = text(f"""
    select d.subscription_id, s.name as subscription_name, d.account_id, a.name as account_name, d.currency, s.markup_pct as markup_now,
        min(d.markup_pct) as markup_lowest, max(d.markup_pct) as markup_highest, count(*) as rows,
        count(*) filter (where d.markup_pct is null) as blank, count(distinct d.provider_invoice_id) as invoices, sum(d.cost) as cost,
        coalesce(sum(d.selling_amount), 0) as amount_before, coalesce(sum({_AFTER}), 0) as amount_after,
        coalesce(sum({_AFTER}), 0) - coalesce(sum(d.selling_amount), 0) as difference
    from ({_OPEN}) d
    join subscription s on s.subscription_id = d.subscription_id
    join unnest(cast(:currencies as text[]), cast(:units as int[])) as places (currency, units) on places.currency = d.currency
    left join account a on a.account_id = d.account_id
    where s.markup_pct is distinct from d.markup_pct and s.markup_pct is distinct from d.stamped_markup_pct
    group by d.subscription_id, s.name, d.account_id, a.name, d.currency, s.markup_pct
    order by abs(coalesce(sum({_AFTER}), 0) - coalesce(sum(d.selling_amount), 0)) desc, d.subscription_id, d.currency
""")

_BLANK = text(f"""
    select d.subscription_id, s.name as subscription_name, d.account_id, a.name as account_name, d.currency, count(*) as rows,
        count(distinct d.provider_invoice_id) as invoices, sum(d.cost) as cost
    from ({_OPEN}) d left join subscription s on s.subscription_id = d.subscription_id left join account a on a.account_id = d.account_id
    where d.markup_pct is null and s.markup_pct is null
    group by d.subscription_id, s.name, d.account_id, a.name, d.currency
    order by abs(sum(d.cost)) desc, d.subscription_id, d.currency
""")


def drifted(connection: Connection) -> list[Mapping[str, Any]]:
    """Per subscription and currency what taking its markup of today would move; the biggest first. `markup_now` None: it was taken away since, so that
    all that its usage sells for is at stake."""
    currencies = list(connection.execute(text("select distinct currency from usage_summary")).scalars())
    units = [money.minor_units(currency) for currency in currencies]
    return [dict(row) for row in connection.execute(_DRIFT, {"currencies": currencies, "units": units}).mappings()]


def blank(connection: Connection) -> list[Mapping[str, Any]]:
    """Per subscription and currency the usage that has no markup, and whose subscription has none either: its cost is held up. The biggest first."""
    return [dict(row) for row in connection.execute(_BLANK).mappings()]
