"""What is there that a missing usage invoice could be explained by? Each question asked once for every usage subscription and contract, never one by one.

A usage row belongs to the day that its charge window ends, else the end of its invoice's billing period, else the day before that invoice's date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from w365core.store import currencies, listings, stage
from w365core.store.engine import rows

Rows = list[Mapping[str, Any]]

_USAGE_DAY = "coalesce(u.charge_end, p.period_end, p.invoice_date - 1)"
# The last day of what a document bills: its billing period's, else that of the calendar month before its date.
_LAST_DAY = "coalesce(p.period_end, (date_trunc('month', p.invoice_date) - interval '1 day')::date)"

_SUBSCRIPTIONS = text("""
    select s.subscription_id, s.provider, s.provider_subscription_id, s.account_id, s.contract_id, s.currency, s.markup_pct, s.minimum_commitment,
           s.start_date, s.end_date, s.status, s.kind, coalesce(owner.name, mine.name) as customer, mine.account_id as known_account_id,
           c.contract_id as known_contract_id, c.name as contract_name, c.frequency, c.start_date as contract_start, c.end_date as contract_end, c.next_invoice_date,
           coalesce(c.currency, owner.currency) as contract_currency, c.status as contract_status, coalesce(c.account_id, s.account_id) as contract_account_id,
           coalesce(owner.credit_hold, false) as credit_hold,
           known.status as at_provider, known.gone_at, lower(known.provider_customer_id) as customer_at_provider
    from subscription s
    left join billing_contract c on c.contract_id = s.contract_id
    left join account owner on owner.account_id = coalesce(c.account_id, s.account_id)
    left join account mine on mine.account_id = s.account_id
    left join provider_subscription known
      on lower(known.provider) = lower(s.provider) and known.provider_subscription_id = lower(btrim(s.provider_subscription_id))
    where s.kind = 'Usage' or exists (select from usage_summary u where u.subscription_id = s.subscription_id)
    order by s.subscription_id
""")

_OTHER_IDS = text("select subscription_id, provider, lower(btrim(provider_subscription_id)) as provider_id from subscription_alias")

_CUSTOMERS = text("""
    select account_id, lower(provider) as provider, lower(btrim(provider_account_id)) as customer_id
    from provider_account where account_id is not null
""")

_CUSTOMER_INVOICES = text("""
    select i.invoice_number, i.invoice_date, i.currency, i.status,
           exists (select from usage_summary u where u.invoice_number = i.invoice_number) as carries_usage,
           coalesce(
               (select sum(l.amount) from customer_invoice_line l join subscription s on s.subscription_id = l.subscription_id
                where l.invoice_number = i.invoice_number and s.kind = 'Usage'),
               (select sum(l.amount) from customer_invoice_line l where l.invoice_number = i.invoice_number),
               0
           ) as total
    from customer_invoice i where i.invoice_number = any(:numbers)
""")

# What is alike of a subscription's usage: of one document, day, currency and state.
_USAGE = text(
    f"""
    select u.subscription_id, p.provider, u.provider_invoice_id, p.invoice_number as document, {_USAGE_DAY} as day, u.currency, u.status, u.confirmed,
           u.invoice_number, i.invoice_date, i.status as invoice_status,
           count(*) as count, sum(coalesce(u.corrected_cost, u.cost)) as cost, coalesce(sum(u.selling_amount), 0) as selling,
           max(u.created_at) as arrived_at, array_agg(distinct u.markup_pct) filter (where u.markup_pct is not null) as markups,
           count(*) filter (where u.selling_amount is null) as unrated,
           coalesce(sum(coalesce(u.corrected_cost, u.cost)) filter (where u.selling_amount is null), 0) as unrated_cost,
           count(*) filter (where {{drifted}}) as drifted,
           coalesce(sum(coalesce(u.corrected_cost, u.cost)) filter (where {{drifted}}), 0) as drifted_cost
    from usage_summary u
    join provider_invoice p using (provider_invoice_id)
    left join subscription s on s.subscription_id = u.subscription_id
    left join customer_invoice i on i.invoice_number = u.invoice_number
    where {_USAGE_DAY} >= :since and {_USAGE_DAY} < :until and u.subscription_id is not null
    group by u.subscription_id, p.provider, u.provider_invoice_id, p.invoice_number, day, u.currency, u.status, u.confirmed, u.invoice_number,
             i.invoice_date, i.status
    order by u.subscription_id, day, p.invoice_number
""".format(
        drifted="s.markup_pct is not null and s.markup_pct is distinct from u.markup_pct and u.markup_pct is not distinct from u.stamped_markup_pct"
    )
)

_BEFORE = text(f"""
    select u.subscription_id, max({_USAGE_DAY}) filter (where {_USAGE_DAY} < :since) as day, array_agg(distinct p.provider) as providers,
           (array_agg(u.currency order by {_USAGE_DAY} desc))[1] as currency
    from usage_summary u
    join provider_invoice p using (provider_invoice_id)
    where u.subscription_id is not null
    group by u.subscription_id
""")

# Cycles whose usage came after the invoice date, by the invoices that stand for them.
_LATE_BEFORE = text(f"""
    select came.contract_id, count(distinct i.invoice_number) as cycles
    from (
        select s.contract_id, {_USAGE_DAY} as day, max(u.created_at at time zone 'UTC')::date as on_day
        from usage_summary u
        join provider_invoice p using (provider_invoice_id)
        join subscription s on s.subscription_id = u.subscription_id
        where {_USAGE_DAY} >= :since and {_USAGE_DAY} < :until
        group by 1, 2
    ) came
    join customer_invoice i
      on i.contract_id = came.contract_id and i.cycle_start <= came.day and i.cycle_end >= came.day and i.invoice_date < came.on_day
    where exists (
        select from customer_invoice_line l join subscription o on o.subscription_id = l.subscription_id
        where l.invoice_number = i.invoice_number and o.kind = 'Usage'
    )
    group by came.contract_id
""")

# Documents that are here, and those that the provider lists and that are not.
_DOCUMENTS = text(f"""
    select p.provider_invoice_id, p.provider, p.invoice_number, p.currency, p.status_reason, p.source, p.invoice_date, {_LAST_DAY} as last_day,
           p.failure, p.failures, p.message, p.header_total, p.difference, p.tolerance, p.usage_lines, p.license_lines, p.proven_cause, p.import_run_id,
           p.first_seen_at, p.last_attempt_at, p.imported_at, l.first_listed_at, null::timestamptz as deleted_at
    from provider_invoice p
    left join listed_invoice l on lower(l.provider) = lower(p.provider) and lower(l.invoice_number) = lower(p.invoice_number)
    where {_LAST_DAY} >= :since and {_LAST_DAY} < :until
       or p.provider_invoice_id in (select provider_invoice_id from usage_summary u where u.charge_end >= :since and u.charge_end < :until)
    union all
    select null, p.provider, p.invoice_number, p.currency, null, null, p.invoice_date, (date_trunc('month', p.invoice_date) - interval '1 day')::date,
           null, null, '', p.total, null, null, 0, 0, null, null, null, null, null, p.first_listed_at, d.deleted_at
    from listed_invoice p
    left join deleted_invoice d on d.provider = lower(p.provider) and d.invoice_number = lower(p.invoice_number)
    where (date_trunc('month', p.invoice_date) - interval '1 day')::date >= :since and (date_trunc('month', p.invoice_date) - interval '1 day')::date < :until
      and not exists (
        select from provider_invoice here where lower(here.provider) = lower(p.provider) and lower(here.invoice_number) = lower(p.invoice_number)
      )
    order by invoice_date, invoice_number
""")

_MISSING = text("""
    select provider_invoice_id, kind, key, name, amount, currency, suggestion from missing_reference
    where blocking and provider_invoice_id = any(:invoices) order by provider_invoice_id, kind, key, currency
""")

_PROVIDERS = text("""
    select p.name, p.type, (select array_agg(distinct upper(d.currency)) from (
        select currency from provider_invoice i where lower(i.provider) = lower(p.name) and i.usage_lines > 0
    ) d) as currencies
    from provider p
""")

_RUNS = text("""
    select distinct on (lower(provider)) provider, command, status, started_at, message from sync_run
    where provider is not null and command = any(:commands) order by lower(provider), sync_run_id desc
""")

_LISTED = text("""
    select provider, max(at) as at from (
        select provider, max(listed_at) as at from listed_invoice group by provider
        union all
        select provider, max(started_at) from sync_run where command = any(:commands) and status = 'done' and provider is not null group by provider
    ) asked group by provider
""")

_ESTIMATES = text("""
    select subscription_id, charge_end as day, currency, sum(cost) as cost, max(estimated_at) as estimated_at from usage_estimate
    where subscription_id is not null and charge_end >= :since and charge_end < :until
    group by subscription_id, charge_end, currency
""")

_ARRIVALS = text(f"""
    select p.provider, p.invoice_number, p.currency, p.invoice_date, {_LAST_DAY} as last_day, p.usage_lines, p.status_reason, p.first_seen_at,
           (select min(r.finished_at) from import_run r where r.provider_invoice_id = p.provider_invoice_id and r.status = 'done') as arrived_at
    from provider_invoice p
    where p.source = 'synced' and p.usage_lines > 0 and {_LAST_DAY} >= :since and {_LAST_DAY} < :until
    order by p.provider, last_day, p.invoice_number
""")


def subscriptions(connection: Connection) -> Rows:
    """Every usage subscription (and whatever else has usage), with its contract, its customer, and what the provider calls it today."""
    return rows(connection, _SUBSCRIPTIONS)


def other_ids(connection: Connection) -> Rows:
    """Aliases: (subscription, provider, id)."""
    return rows(connection, _OTHER_IDS)


def customer_ids(connection: Connection) -> Rows:
    """What each account is called by providers: (account, provider, id)."""
    return rows(connection, _CUSTOMERS)


def customer_invoices(connection: Connection, numbers: Sequence[str]) -> Rows:
    """These customer invoices with what their usage comes to, of one without usage lines its total; `carries_usage` where usage is linked to them."""
    return rows(connection, _CUSTOMER_INVOICES, numbers=list(numbers))


def usage(connection: Connection, *, since: date, until: date) -> Rows:
    """Usage by subscription and day, in sums of what is alike."""
    return rows(connection, _USAGE, since=since, until=until)


def before(connection: Connection, *, since: date) -> Rows:
    """By subscription the last day of usage before, which providers its usage has come from, and in which currency it came last."""
    return rows(connection, _BEFORE, since=since)


def late_before(connection: Connection, *, since: date, until: date) -> dict[str, int]:
    """By contract how many of its cycles had usage that came after the invoice date."""
    return {contract_id: cycles for contract_id, cycles in connection.execute(_LATE_BEFORE, {"since": since, "until": until})}


def documents(connection: Connection, *, since: date, until: date) -> Rows:
    """The providers' documents that bill these days, or hold usage of them: those here, and those that are only listed."""
    return rows(connection, _DOCUMENTS, since=since, until=until)


def missing(connection: Connection, invoices: Sequence[int]) -> Rows:
    """What blocks these documents."""
    return rows(connection, _MISSING, invoices=list(invoices))


def staged(connection: Connection, *, run_id: int) -> Rows | None:
    """The staged usage of a failed import, by what it resolves to: subscription (None where it does not), the ids as printed, day and cost. None where
    the stage is gone."""
    if not stage.exists(connection, run_id=run_id):
        return None
    query = f"""
        select subscription_id, lower(btrim(provider_customer_id)) as customer_id,
               lower(btrim(coalesce(nullif(btrim(entitlement_id), ''), provider_subscription_id))) as provider_id, charge_end as day,
               {currencies.code("billing_currency")} as currency, sum(coalesce(billing_pre_tax_total, 0)) as cost
        from {stage.table_of(stage.USAGE, run_id)} group by 1, 2, 3, 4, 5
    """
    return rows(connection, text(query))


def providers(connection: Connection) -> Rows:
    """Name, type, and the currencies that its usage has come in."""
    return rows(connection, _PROVIDERS)


def last_runs(connection: Connection) -> Rows:
    """By provider the last run that asked for its invoices."""
    return rows(connection, _RUNS, commands=list(listings.COMMANDS))


def listed_last(connection: Connection) -> Rows:
    """By provider when it listed its documents last."""
    return rows(connection, _LISTED, commands=list(listings.COMMANDS))


def estimates(connection: Connection, *, since: date, until: date) -> Rows:
    """What providers estimate for these days, by subscription."""
    return rows(connection, _ESTIMATES, since=since, until=until)


def arrivals(connection: Connection, *, since: date, until: date) -> Rows:
    """When each synced invoice with usage came in: the end of its first import that succeeded; None where none has."""
    return rows(connection, _ARRIVALS, since=since, until=until)
