"""What do the stored reconciliations say? Latest runs, their rows by money at risk, sums by verdict, and the evidence of one row. The read side alone.

The latest run of an invoice is the one with the latest `latest_at`. A row's review state is `confirmed` where its verdict is; else what a person decided
of it, while verdict and residual are those of the decision; else `open`, and `lapsed` says that there was a decision once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from w365core import reconciliation
from w365core.reconciliation import Verdict
from w365core.store.review_states import CUSTOMER, FROM, LAPSED, PRODUCT, STATE

Rows = list[Mapping[str, Any]]

_ROW = ", ".join(f"l.{column.name}" for column in reconciliation.ROW)
_EXPLANATION = ", ".join(f"c.{column.name}" for column in reconciliation.EXPLANATION)

# Seats that no invoice of the month has stand on each of them; over several invoices they are one thing to look at, and their money counts once.
_ONCE = """not (l.verdict = 'not_on_invoice' and exists (
    select from reconciliation_line twin where twin.reconciliation_id = any(:runs) and twin.reconciliation_id < l.reconciliation_id
        and twin.line_id = l.line_id and twin.verdict = l.verdict and twin.currency = l.currency))"""

_TWIN = f"not ({_ONCE})"

BY = {"customer": CUSTOMER, "product": PRODUCT, "verdict": "l.verdict"}


@dataclass(frozen=True)
class RowFilter:
    """Which rows; an empty choice means all. `states` are review states; `customers` and `products` are keys as `groups` gives them."""

    customers: Sequence[str] = ()
    products: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    states: Sequence[str] = ()
    assigned_to: str | None = None


# --- runs --------------------------------------------------------------------------------------------------------------------------------


def invoices(connection: Connection) -> Rows:
    """Every invoice that has lines to reconcile, the newest first: as stored, its provider's type, and the run that is its latest, null where there is none.

    `signed_at`, `signed_by` and `signed_run` are of the sign-off that stands. What a run was made of is left out: it names every subscription.
    """
    query = text("""
        select p.provider_invoice_id, p.provider, p.invoice_number, p.invoice_date, p.period_start, p.period_end, p.currency, p.status_reason,
            p.license_lines, p.usage_lines, p.import_run_id, p.header_total, kind.type as provider_type, n.reconciliation_id, n.header, n.lines, n.usage, n.tax,
            n.rounding, n.overridden, n.confirmed, n.explained, n.unexplained, n.rows, n.message, n.made_at, n.made_by, n.latest_at,
            s.at as signed_at, s.actor as signed_by, s.note as signed_note, s.reconciliation_id as signed_run
        from provider_invoice p
        left join provider kind on lower(kind.name) = lower(p.provider)
        left join lateral (
            select run.reconciliation_id, run.header, run.lines, run.usage, run.tax, run.rounding, run.overridden, run.confirmed, run.explained,
                run.unexplained, run.rows, run.message, run.made_at, run.made_by, run.latest_at
            from reconciliation run where run.provider = p.provider and run.invoice_number = p.invoice_number
            order by run.latest_at desc, run.reconciliation_id desc limit 1
        ) n on true
        left join reconciliation_sign_off s on s.provider = p.provider and s.invoice_number = p.invoice_number and s.reopened_at is null
        where p.status_reason in ('Active', 'Active Usage', 'Populating', 'Error') and p.invoice_date is not null
        order by p.invoice_date desc, p.license_lines desc, p.provider, p.invoice_number
    """)
    return _rows(connection, query)


def sign_offs(connection: Connection, *, provider: str, invoice_number: str) -> Rows:
    """Every sign-off of the invoice, the latest first, with who opened it again and why."""
    query = text("""
        select at, actor, note, reopened_at, reopened_by, reopened_because, reconciliation_id from reconciliation_sign_off
        where provider = :provider and invoice_number = :invoice_number order by sign_off_id desc
    """)
    return _rows(connection, query, provider=provider, invoice_number=invoice_number)


# --- rows --------------------------------------------------------------------------------------------------------------------------------


def sums(connection: Connection, runs: Sequence[int]) -> Rows:
    """What the runs come to by currency, verdict and review state: rows, subtotal, money at risk, what is unbilled, how many decisions have lapsed."""
    query = text(f"""
        select l.currency, l.verdict, 'confirmed' as review_state, count(*) as rows, coalesce(sum(l.subtotal), 0) as subtotal,
            coalesce(sum(l.money_at_risk), 0) as money_at_risk, coalesce(sum(l.unbilled), 0) as unbilled, 0 as lapsed, 0 as unknown
        from reconciliation_line l where l.reconciliation_id = any(:runs) and l.verdict = 'confirmed' group by 1, 2
        union all
        select l.currency, l.verdict, {STATE} as review_state, count(*) as rows, coalesce(sum(l.subtotal), 0) as subtotal,
            coalesce(sum(l.money_at_risk), 0) as money_at_risk, coalesce(sum(l.unbilled), 0) as unbilled,
            count(*) filter (where {LAPSED}) as lapsed, count(*) filter (where l.money_at_risk is null) as unknown
        from {FROM} where l.reconciliation_id = any(:runs) and l.verdict <> 'confirmed' and {_ONCE} group by 1, 2, 3
    """)  # what is confirmed by rule, most of all rows, needs no look at what people decided
    return _rows(connection, query, runs=list(runs))


def groups(connection: Connection, runs: Sequence[int], wanted: RowFilter, *, by: str, most: int = 500) -> Rows:
    """The rows that are wanted, by customer, product or verdict and currency, the biggest money first: key, name, rows, open rows and their money."""
    name = {"customer": "coalesce(max(a.name), max(l.customer_name))"}.get(by, f"max({BY[by]})")
    joined = "left join account a on a.account_id = l.account_id" if by == "customer" else ""
    where, bound = _condition(wanted)
    query = text(f"""
        select {BY[by]} as key, {name} as name, l.currency, count(*) as rows, count(*) filter (where {STATE} = 'open') as open_rows,
            coalesce(sum(l.money_at_risk), 0) as money_at_risk, coalesce(sum(l.subtotal), 0) as subtotal, coalesce(sum(l.unbilled), 0) as unbilled
        from {FROM} {joined} where l.reconciliation_id = any(:runs) and {where}
        group by 1, l.currency order by money_at_risk desc, rows desc, key limit :most
    """)
    return _rows(connection, query, runs=list(runs), most=most, **bound)


def choices(connection: Connection, runs: Sequence[int], wanted: RowFilter, *, most: int = 400) -> Rows:
    """What there is to filter the rows by, in one look at them: `by` (customers, products, verdicts), key, name, rows; the biggest money first."""
    where, bound = _condition(wanted)
    query = text(f"""
        with facets as (
            select {CUSTOMER} as customer, {PRODUCT} as product, l.verdict, case when grouping({CUSTOMER}) = 0 then 'customers'
                when grouping({PRODUCT}) = 0 then 'products' else 'verdicts' end as by, max(l.account_id) as account_id,
                max(l.customer_name) as customer_name, count(*) as rows, coalesce(sum(l.money_at_risk), 0) as money_at_risk
            from {FROM} where l.reconciliation_id = any(:runs) and {where}
            group by grouping sets (({CUSTOMER}), ({PRODUCT}), (l.verdict))
        )
        select f.by, coalesce(f.customer, f.product, f.verdict) as key, coalesce(a.name, case when f.by = 'customers' then f.customer_name end) as name, f.rows
        from (select facets.*, row_number() over (partition by by order by money_at_risk desc, rows desc) as place from facets) f
        left join account a on f.by = 'customers' and a.account_id = f.account_id
        where f.place <= :most order by f.by, f.place
    """)
    return _rows(connection, query, runs=list(runs), most=most, **bound)


def count(connection: Connection, runs: Sequence[int], wanted: RowFilter) -> Rows:
    """How many rows are wanted, by currency, with their money at risk and their subtotal."""
    where, bound = _condition(wanted)
    query = text(f"""
        select l.currency, count(*) as rows, coalesce(sum(l.money_at_risk), 0) as money_at_risk, coalesce(sum(l.subtotal), 0) as subtotal
        from {FROM} where l.reconciliation_id = any(:runs) and {where} group by 1 order by 1
    """)
    return _rows(connection, query, runs=list(runs), **bound)


def twins(connection: Connection, runs: Sequence[int], wanted: RowFilter, *, lines: Sequence[str] = ()) -> Rows:
    """What `count` leaves out since it stands on an earlier run already, by currency: rows, their money at risk, and how many have none. `lines` narrows it to these rows."""
    where, bound = _condition(wanted, once=_TWIN)
    query = text(f"""
        select l.currency, count(*) as rows, coalesce(sum(l.money_at_risk), 0) as money_at_risk,
            count(*) filter (where l.money_at_risk is null) as unknown
        from {FROM} where l.reconciliation_id = any(:runs) and {where}
            and (cast(:lines as text[]) is null or l.line_id = any(cast(:lines as text[]))) group by 1 order by 1
    """)
    return _rows(connection, query, runs=list(runs), lines=list(lines) or None, **bound)


def page(connection: Connection, runs: Sequence[int], wanted: RowFilter, *, offset: int = 0, most: int = 20) -> Rows:
    """The rows that are wanted with their review, the biggest money at risk first (measured in base currency), unknown money before none."""
    where, bound = _condition(wanted)
    picked = f"""
        select l.* from {FROM} left join currency base on base.code = l.currency where l.reconciliation_id = any(:runs) and {where} {_ORDER}
        limit :most offset :offset
    """  # what is joined for the screen is joined to these few alone
    query = text(f"{_whole('true', rows=f'({picked})')} {_ORDER}")
    return _rows(connection, query, runs=list(runs), most=most, offset=offset, **bound)


def every_row(connection: Connection, runs: Sequence[int], wanted: RowFilter) -> Iterator[Mapping[str, Any]]:
    """The same without pages, read as it is taken, for an export."""
    where, bound = _condition(wanted)
    query = text(f"{_whole(where)} {_ORDER}")
    yield from connection.execution_options(yield_per=2_000).execute(query, {"runs": list(runs), **bound}).mappings()


def row(connection: Connection, run: int, line_id: str) -> Mapping[str, Any] | None:
    """One row of a run with its review; None where it has none of that name."""
    found = _rows(connection, text(_whole("l.line_id = :line_id")), runs=[run], line_id=line_id)
    return found[0] if found else None


def beside(connection: Connection, runs: Sequence[int], wanted: RowFilter, *, run: int, line_id: str) -> Mapping[str, Any]:
    """The rows before and after this one in the worklist, as `(reconciliation_id, line_id)` or nulls, its place and how many there are."""
    where, bound = _condition(wanted)
    query = text(f"""
        select place, rows, run_before, line_before, run_after, line_after from (
            select l.reconciliation_id, l.line_id, row_number() over w as place, count(*) over () as rows,
                lag(l.reconciliation_id) over w as run_before, lag(l.line_id) over w as line_before,
                lead(l.reconciliation_id) over w as run_after, lead(l.line_id) over w as line_after
            from {FROM} left join currency base on base.code = l.currency where l.reconciliation_id = any(:runs) and {where}
            window w as ({_ORDER})
        ) ordered where reconciliation_id = :run and line_id = :line_id
    """)
    found = _rows(connection, query, runs=list(runs), run=run, line_id=line_id, **bound)
    return found[0] if found else {}


def assignees(connection: Connection, runs: Sequence[int]) -> list[str]:
    """Everybody to whom a row of these runs is assigned."""
    query = text(f"select distinct r.assigned_to from {FROM} where l.reconciliation_id = any(:runs) and r.assigned_to <> '' order by 1")
    return list(connection.execute(query, {"runs": list(runs)}).scalars())


# --- evidence ----------------------------------------------------------------------------------------------------------------------------


def change_logs(connection: Connection, rows: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Rows]:
    """The change logs of these rows, each a (run, line id), in the order of their effective dates."""
    if not rows:
        return {}
    query = text(f"""
        select c.reconciliation_id, {_EXPLANATION} from reconciliation_change_log c
        join unnest(cast(:runs as bigint[]), cast(:lines as text[])) as wanted(run, line) on wanted.run = c.reconciliation_id and wanted.line = c.line_id
        order by c.effective_date nulls first, c.change_log_id
    """)
    found: dict[tuple[int, str], Rows] = {key: [] for key in rows}
    for log in _rows(connection, query, runs=[run for run, _ in rows], lines=[line for _, line in rows]):
        found[log["reconciliation_id"], log["line_id"]].append(log)
    return found


def all_change_logs(connection: Connection, subscription_id: str) -> Rows:
    """Every change log of the subscription as our records have it now, the oldest first."""
    query = text("""
        select change_log_id, event, quantity, effective_date, provisioned_on, provisioning_status, status_reason, source, initiated_by, cost_price,
            selling_price, currency, invoice_number
        from license_change_log where subscription_id = :subscription_id order by effective_date nulls first, change_log_id
    """)
    return _rows(connection, query, subscription_id=subscription_id)


def count_change_logs(connection: Connection) -> int:
    """How many license change logs our records have."""
    return connection.execute(text("select count(*) from license_change_log")).scalar_one()


def windows(connection: Connection, subscription_id: str) -> Rows:
    """What the latest run of each invoice says of the subscription, by window, the oldest first: the provider's quantity, the verdict, the money."""
    query = text("""
        with latest as (
            select distinct on (n.provider, n.invoice_number) n.reconciliation_id, n.provider, n.invoice_number
            from reconciliation n order by n.provider, n.invoice_number, n.latest_at desc, n.reconciliation_id desc
        )
        select p.provider_invoice_id, latest.invoice_number, p.invoice_date, l.line_id, l.charge_start, l.charge_end, l.provider_quantity, l.our_quantity,
            l.our_quantity_then, l.verdict, l.money_at_risk, l.subtotal, l.currency
        from reconciliation_line l
        join latest on latest.reconciliation_id = l.reconciliation_id
        left join provider_invoice p on p.provider = latest.provider and p.invoice_number = latest.invoice_number
        where l.subscription_id = :subscription_id order by l.charge_start nulls last, p.invoice_date, l.line_id
    """)
    return _rows(connection, query, subscription_id=subscription_id)


def subscription(connection: Connection, subscription_id: str) -> Mapping[str, Any] | None:
    """Our subscription as it is now, with its customer, product and contract."""
    query = text("""
        select s.subscription_id, s.name, s.kind, s.status, s.quantity, s.cost_price, s.selling_price, s.currency, s.start_date, s.end_date, s.provider,
            s.provider_subscription_id, s.contract_id, a.account_id, a.name as customer, p.name as product, p.family, c.frequency, c.prorate_unit,
            c.next_invoice_date
        from subscription s left join account a on a.account_id = s.account_id left join product p on p.product_id = s.product_id
        left join billing_contract c on c.contract_id = s.contract_id where s.subscription_id = :subscription_id
    """)
    found = _rows(connection, query, subscription_id=subscription_id)
    return found[0] if found else None


# --- helpers -----------------------------------------------------------------------------------------------------------------------------

_ORDER = """
    order by l.money_at_risk * coalesce(base.rate_to_base, 1) desc nulls first, abs(coalesce(l.subtotal, 0)) desc, l.reconciliation_id, l.line_id
"""


def _whole(where: str, *, rows: str = "reconciliation_line") -> str:
    """The rows of runs :runs with their review, customer's name and invoice."""
    source = FROM.replace("reconciliation_line l", f"{rows} l", 1)
    return f"""
        select l.reconciliation_id, {_ROW}, {STATE} as review_state, {LAPSED} as lapsed, r.reason as review_reason, r.verdict as reviewed_verdict,
            r.residual as reviewed_residual, r.state as reviewed_state, r.assigned_to, r.note, r.at as reviewed_at, r.actor as reviewed_by,
            n.provider, n.invoice_number, coalesce(a.name, l.customer_name) as customer, {CUSTOMER} as customer_key, s.name as subscription_name,
            s.currency as our_currency
        from {source} left join account a on a.account_id = l.account_id left join subscription s on s.subscription_id = l.subscription_id
        left join currency base on base.code = l.currency
        where l.reconciliation_id = any(:runs) and {where}
    """


def _condition(wanted: RowFilter, *, once: str = _ONCE) -> tuple[str, dict[str, Any]]:
    """The where clause of a filter over `l` and `r`, and what it binds."""
    clauses, bound = [once], {}
    choices = (("customers", CUSTOMER), ("products", PRODUCT), ("verdicts", "l.verdict"), ("states", STATE))
    for name, expression in choices:
        if chosen := list(getattr(wanted, name)):
            clauses.append(f"{expression} = any(:{name})")
            bound[name] = chosen
    if tuple(wanted.states) == ("open",):  # said beside the state, so that the planner need not look at what is confirmed by rule
        clauses.append(f"l.verdict <> '{Verdict.CONFIRMED}'")
    if wanted.assigned_to:
        clauses.append("r.assigned_to = :assigned_to")
        bound["assigned_to"] = wanted.assigned_to
    return " and ".join(clauses), bound


def _rows(connection: Connection, query: Any, **bound: Any) -> Rows:
    return [dict(found) for found in connection.execute(query, bound).mappings()]
