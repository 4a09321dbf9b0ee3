"""What do we sell for what it costs? The rows of reconciled invoices and their usage, each with its cost and what it sells for in its charge window.

A license sells for its price a month x the provider's quantity x the months of its window: whole months where the window is some, else its days over those of the
month that it begins in. Usage sells for what its summary says. Where a price is unknown or in another currency, what it sells for is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

Rows = list[Mapping[str, Any]]


@dataclass(frozen=True)
class MarginFilter:
    """Latest runs and invoices, the days inside which a charge window lies, customers (account ids) and families; empty means all."""

    runs: Sequence[int]
    invoices: Sequence[int]
    since: date | None = None
    until: date | None = None
    customers: Sequence[str] = ()
    families: Sequence[str] = ()


# A window ends a day before the same day of a month, or the day before it is clamped to the month's end; as `reconcile.calendar_months` has it.
_WHOLE = """
    {months} between 1 and 120 and l.charge_end in (
        (l.charge_start + make_interval(months => {months}))::date - 1,
        case when extract(day from l.charge_start) > 1 then (l.charge_start - 1 + make_interval(months => {months}))::date end
    )
"""
MONTHS = f"""
    case when {_WHOLE.format(months="w.months")} then w.months::numeric when {_WHOLE.format(months="(w.months + 1)")} then (w.months + 1)::numeric
        else (l.charge_end + 1 - l.charge_start)::numeric
            / extract(day from date_trunc('month', l.charge_start) + interval '1 month' - interval '1 day')::numeric end
"""
ABOUT = """
    cross join lateral (
        select ((extract(year from l.charge_end) - extract(year from l.charge_start)) * 12
            + extract(month from l.charge_end) - extract(month from l.charge_start))::int as months
    ) w
"""
_LINES = f"""
    select 'License' as kind, l.line_id as key, l.account_id, coalesce(a.name, l.customer_name, 'No customer') as customer,
        coalesce(nullif(p.family, ''), 'No family') as family, coalesce(l.product_name, p.name, l.product_id, '') as product, l.subscription_id,
        n.invoice_number, l.charge_start, l.charge_end, l.provider_quantity as quantity, l.unit_cost, l.selling_price, l.price_verdict,
        coalesce(l.subtotal, 0) as cost,
        case when coalesce(s.currency, l.currency) = l.currency then l.selling_price * l.provider_quantity * {MONTHS} end as selling,
        l.currency
    from reconciliation_line l join reconciliation n on n.reconciliation_id = l.reconciliation_id
    left join account a on a.account_id = l.account_id left join subscription s on s.subscription_id = l.subscription_id
    left join product p on p.product_id = s.product_id
    {ABOUT}
    where l.reconciliation_id = any(:runs) and l.verdict <> 'not_on_invoice'
"""
_USAGE = """
    select 'Usage' as kind, u.usage_id as key, u.account_id, coalesce(a.name, 'No customer') as customer,
        coalesce(nullif(p.family, ''), 'Usage') as family, coalesce(u.product, '') as product, u.subscription_id,
        i.invoice_number, u.charge_start, u.charge_end, coalesce(u.corrected_quantity, u.quantity) as quantity, null::numeric as unit_cost,
        null::numeric as selling_price,
        case when u.selling_amount is null then 'price_unknown' when u.selling_amount < coalesce(u.corrected_cost, u.cost) then 'below_cost'
            when u.selling_amount = coalesce(u.corrected_cost, u.cost) and u.selling_amount <> 0 then 'zero_margin' else 'price_ok' end as price_verdict,
        coalesce(u.corrected_cost, u.cost) as cost, u.selling_amount as selling, u.currency
    from usage_summary u join provider_invoice i on i.provider_invoice_id = u.provider_invoice_id
    left join account a on a.account_id = u.account_id left join subscription s on s.subscription_id = u.subscription_id
    left join product p on p.product_id = s.product_id
    where u.provider_invoice_id = any(:invoices)
"""


def sums(connection: Connection, wanted: MarginFilter, *, most: int = 1_000) -> dict[str, Rows]:
    """In one look at the lines: `verdicts` by currency and price verdict; `customers` and `families` by currency, the smallest margin first.

    Each has lines, cost, selling and margin of lines whose price is known, `unpriced`: the cost of the others, and how many are below cost and at cost.
    """
    inner, bound = _lines(wanted)
    query = text(f"""
        select case when grouping(price_verdict) = 0 then 'verdicts' when grouping(account_id) = 0 then 'customers' else 'families' end as by,
            currency, price_verdict, coalesce(case when grouping(account_id) = 0 then account_id else family end, '') as key,
            case when grouping(account_id) = 0 then max(customer) else family end as name, count(*) as lines,
            coalesce(sum(cost) filter (where selling is not null), 0) as cost, coalesce(sum(selling), 0) as selling,
            coalesce(sum(selling - cost), 0) as margin, coalesce(sum(cost) filter (where selling is null), 0) as unpriced,
            count(*) filter (where price_verdict = 'below_cost') as below, count(*) filter (where price_verdict = 'zero_margin') as zero
        from ({inner}) line group by grouping sets ((currency, price_verdict), (currency, account_id), (currency, family)) order by margin, key
    """)
    found: dict[str, Rows] = {"verdicts": [], "customers": [], "families": []}
    for row in _rows(connection, query, **bound):
        if len(found[row["by"]]) < most:
            found[row["by"]].append(row)
    return found


def lines(connection: Connection, wanted: MarginFilter, *, most: int = 200, verdicts: Sequence[str] = ()) -> Rows:
    """The lines, below cost first, then those at cost, then the smallest margin; with `verdicts` those alone."""
    query, bound = _ordered(wanted, verdicts)
    return _rows(connection, text(f"{query} limit :most"), most=most, **bound)


def every_line(connection: Connection, wanted: MarginFilter) -> Iterator[Mapping[str, Any]]:
    """All of them, read as they are taken, for an export."""
    query, bound = _ordered(wanted, ())
    yield from connection.execution_options(yield_per=2_000).execute(text(query), bound).mappings()


def days(connection: Connection, wanted: MarginFilter) -> tuple[date | None, date | None]:
    """The first and the last day that the charge windows of these invoices cover."""
    inner, bound = _lines(wanted)
    return tuple(connection.execute(text(f"select min(charge_start), max(charge_end) from ({inner}) line"), bound).one())


def costs_by_month(connection: Connection, *, since: date, currency: str, customers: Sequence[str] = ()) -> Rows:
    """What a seat of each product cost a month, weighted by seats, by the month of the invoice date, over the latest run of each invoice since a day."""
    query = text("""
        with latest as (
            select distinct on (n.provider, n.invoice_number) n.reconciliation_id, i.invoice_date
            from reconciliation n join provider_invoice i on i.provider = n.provider and i.invoice_number = n.invoice_number
            where i.invoice_date >= :since and n.currency = :currency
            order by n.provider, n.invoice_number, n.latest_at desc, n.reconciliation_id desc
        )
        select to_char(latest.invoice_date, 'YYYY-MM') as month, coalesce(l.product_name, l.product_id) as product,
            sum(l.unit_cost * l.provider_quantity) / sum(l.provider_quantity) as unit_cost, sum(l.provider_quantity) as seats
        from latest join reconciliation_line l on l.reconciliation_id = latest.reconciliation_id
        where l.unit_cost is not null and l.provider_quantity > 0 and (cardinality(cast(:customers as text[])) = 0 or l.account_id = any(:customers))
        group by 1, 2 having coalesce(l.product_name, l.product_id) is not null order by 2, 1
    """)
    return _rows(connection, query, since=since, currency=currency, customers=list(customers))


def _lines(wanted: MarginFilter) -> tuple[str, dict[str, Any]]:
    clauses, bound = ["true"], {"runs": list(wanted.runs), "invoices": list(wanted.invoices)}
    for name, clause in (("since", "charge_start >= :since"), ("until", "charge_end <= :until")):
        if (day := getattr(wanted, name)) is not None:
            clauses.append(f"(charge_start is null or charge_end is null or {clause})")
            bound[name] = day
    for name, column in (("customers", "account_id"), ("families", "family")):
        if chosen := list(getattr(wanted, name)):
            clauses.append(f"{column} = any(:{name})")
            bound[name] = chosen
    return f"select * from ({_LINES} union all {_USAGE}) whole where {' and '.join(clauses)}", bound


def _ordered(wanted: MarginFilter, verdicts: Sequence[str]) -> tuple[str, dict[str, Any]]:
    inner, bound = _lines(wanted)
    only = ""
    if verdicts:
        only = "where price_verdict = any(:verdicts)"
        bound["verdicts"] = list(verdicts)
    return (
        f"""
        select kind, key, account_id, customer, family, product, subscription_id, invoice_number, charge_start, charge_end, quantity, unit_cost,
            selling_price, price_verdict, cost, selling, selling - cost as margin, currency
        from ({inner}) line {only}
        order by case price_verdict when 'below_cost' then 0 when 'zero_margin' then 1 else 2 end, selling - cost nulls last, cost desc, kind, key
        """,
        bound,
    )


def _rows(connection: Connection, query: Any, **bound: Any) -> Rows:
    return [dict(found) for found in connection.execute(query, bound).mappings()]
