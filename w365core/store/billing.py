"""What does billing go by? Contracts with their terms and invoices, and the usage of each that waits, as nouns of `usage_invoice`.

contracts            every contract with usage, and one without an id for subscriptions that have none; locked for those who bill
unbilled             the usage of a contract that is not invoiced, or is on this customer invoice
taken                the customer invoice numbers that are given
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from w365core.store.engine import rows
from w365core.usage_invoice import Commitment, Contract, Sold, Standing, Subscribed, Usage

_Noun = TypeVar("_Noun")

# The day that says which cycle a row belongs to.
_DAY = "coalesce(u.charge_end, p.period_end, p.invoice_date - 1, u.created_at::date)"

_CONTRACTS = text("""
    select c.contract_id, c.name, c.frequency, c.start_date, c.end_date, c.next_invoice_date, c.currency, c.status,
           a.account_id, a.name as account_name, a.currency as account_currency, coalesce(a.credit_hold, false) as credit_hold,
           c.account_id as own_account_id
    from billing_contract c left join account a on a.account_id = c.account_id
    where cast(:contract_id as text) is null or c.contract_id = :contract_id
""")

_ACCOUNTS = text("select account_id, name, currency, coalesce(credit_hold, false) as credit_hold from account where account_id = any(:ids)")

# Usage subscriptions, and whatever else has usage.
_SUBSCRIPTIONS = text("""
    select s.subscription_id, s.name, p.name as product, s.account_id, s.contract_id, s.markup_pct, s.minimum_commitment, s.currency,
           s.start_date, s.end_date, s.status
    from subscription s left join product p on p.product_id = s.product_id
    where (s.kind = 'Usage' or s.subscription_id in (select subscription_id from usage_summary))
      and (cast(:contract_id as text) is null or s.contract_id = :contract_id)
    order by s.subscription_id
""")

_FIRST_USAGE = text(f"""
    select coalesce(s.contract_id, '') as contract_id, min({_DAY}) as day
    from usage_summary u join provider_invoice p using (provider_invoice_id) left join subscription s on s.subscription_id = u.subscription_id
    where cast(:contract_id as text) is null or s.contract_id = :contract_id
    group by 1
""")

# A contract may carry license invoices as well: an invoice counts that has a line of usage, usage linked to it, or no line at all.
_INVOICES = text("""
    select i.contract_id, i.invoice_number, coalesce(i.cycle_start, i.invoice_date - 1) as day, i.invoice_date, i.status,
           m.next_invoice_date_before, m.next_invoice_date_after, m.invoice_number is not null as made_here
    from customer_invoice i left join usage_invoice m on m.invoice_number = i.invoice_number
    where i.contract_id is not null and coalesce(i.cycle_start, i.invoice_date) is not null
      and (cast(:contract_id as text) is null or i.contract_id = :contract_id)
      and (
        exists (
          select from customer_invoice_line l join subscription s on s.subscription_id = l.subscription_id
          where l.invoice_number = i.invoice_number and s.kind = 'Usage'
        )
        or exists (select from usage_summary u where u.invoice_number = i.invoice_number)
        or not exists (select from customer_invoice_line l where l.invoice_number = i.invoice_number)
      )
    order by i.contract_id, 3, i.invoice_number
""")

# By the subscription, whichever contract's invoice it was on: a subscription that has changed its contract has one commitment.
_SETTLED = text("""
    select c.*, coalesce(s.contract_id, '') as contract_id
    from usage_commitment c join subscription s using (subscription_id)
    where cast(:contract_id as text) is null or s.contract_id = :contract_id
    order by c.invoice_number, c.subscription_id, c.cycle_start
""")
_SOLD = text(f"""
    select u.invoice_number, u.subscription_id, {_DAY} as day, u.currency, sum(u.selling_amount) as amount, coalesce(s.contract_id, '') as contract_id
    from usage_summary u join provider_invoice p using (provider_invoice_id) join subscription s on s.subscription_id = u.subscription_id
    where u.status = 'Invoiced' and (cast(:contract_id as text) is null or s.contract_id = :contract_id)
      and (s.minimum_commitment > 0 or s.subscription_id in (select subscription_id from usage_commitment))
    group by 1, 2, 3, 4, 6
    order by 1, 2, 3, 4
""")

_USAGE = f"""
    select u.usage_id, u.provider_invoice_id, p.invoice_number as provider_invoice, p.provider, p.state, p.status_reason, u.subscription_id, u.product,
           u.charge_start, u.charge_end, {_DAY} as day, coalesce(u.corrected_quantity, u.quantity) as quantity,
           coalesce(u.corrected_cost, u.cost) as cost, u.markup_pct, u.stamped_markup_pct, u.selling_amount, u.currency, u.confirmed, u.status, u.version,
           coalesce(s.contract_id, '') as contract_id
    from usage_summary u join provider_invoice p using (provider_invoice_id) left join subscription s on s.subscription_id = u.subscription_id
"""
_NOT_INVOICED = text(
    f"{_USAGE} where u.status <> 'Invoiced' and (cast(:contract_id as text) is null or s.contract_id = :contract_id) "
    "order by u.provider_invoice_id, u.usage_id"
)
_ON = text(f"{_USAGE} where u.invoice_number = any(:numbers) and u.status = 'Invoiced' order by u.provider_invoice_id, u.usage_id")

# The same in sums of what is alike: whatever decides over billing stays as it is.
_NOT_INVOICED_IN_SUMS = text(f"""
    select min(usage_id) as usage_id, provider_invoice_id, provider_invoice, provider, state, status_reason, subscription_id, null as product, charge_start,
           charge_end, day, sum(quantity) as quantity, sum(cost) as cost, null as markup_pct, null as stamped_markup_pct, sum(selling_amount) as selling_amount,
           currency, confirmed, status, 1 as version, contract_id
    from ({_USAGE} where u.status = 'Not invoiced') usage
    group by provider_invoice_id, provider_invoice, provider, state, status_reason, subscription_id, charge_start, charge_end, day, currency, confirmed, status,
             contract_id, selling_amount is null
""")

_TAKEN = text("select invoice_number from customer_invoice union select invoice_number from usage_summary where invoice_number is not null")

Rows = list[Mapping[str, Any]]


def contracts(connection: Connection, contract_id: str | None = None) -> list[Contract]:
    """Every contract that usage is billed by, or this one, in the order of their ids; one without an id for subscriptions without a contract."""
    given = {"contract_id": contract_id}
    known = {row["contract_id"]: row for row in rows(connection, _CONTRACTS, **given)}
    by_contract: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows(connection, _SUBSCRIPTIONS, **given):
        by_contract.setdefault(row["contract_id"] or "", []).append(row)
    invoices: dict[str, list[Standing]] = {}
    for row in rows(connection, _INVOICES, **given):
        invoices.setdefault(row["contract_id"], []).append(
            Standing(
                row["invoice_number"],
                row["day"],
                row["invoice_date"],
                row["status"] or "Billed",
                row["next_invoice_date_before"],
                row["next_invoice_date_after"],
                row["made_here"],
            )
        )
    first = {row["contract_id"]: row["day"] for row in rows(connection, _FIRST_USAGE, **given)}
    settled, sold = _nouns(connection, _SETTLED, Commitment, **given), _nouns(connection, _SOLD, Sold, **given)
    found = [
        replace(
            _contract(known.get(one), one, subscriptions, invoices.get(one, []), first.get(one)),
            settled=settled.get(one, ()), sold=sold.get(one, ()),
        )
        for one, subscriptions in sorted(by_contract.items())
    ]  # fmt: skip
    return _with_accounts(connection, found)


def is_known(connection: Connection, contract_id: str) -> bool:
    return connection.execute(
        text("select exists (select from billing_contract where contract_id = :id)"), {"id": contract_id}
    ).scalar_one()


def lock(connection: Connection, contract_id: str) -> None:
    """Nobody else bills the contract until this transaction ends, and none of the provider invoices that its unbilled usage is of changes its state.
    The order is the same for everybody: contract, provider invoices, usage."""
    hold(connection)
    connection.execute(text("select from billing_contract where contract_id = :id for update"), {"id": contract_id})
    concerned = """
        select provider_invoice_id from usage_summary u join subscription s using (subscription_id)
        where s.contract_id = :id
    """
    connection.execute(
        text(f"select from provider_invoice where provider_invoice_id in ({concerned}) order by provider_invoice_id for share"),
        {"id": contract_id},
    )
    connection.execute(
        text(
            "select from usage_summary where status <> 'Archived' and subscription_id in (select subscription_id from subscription where contract_id = :id) "
            "order by usage_id for update"
        ),
        {"id": contract_id},
    )


def hold(connection: Connection) -> None:
    """Before any row is locked: whoever locks the whole table of usage (a settlement, a rebuild) comes before this transaction or after it."""
    connection.execute(text("lock table usage_summary in row exclusive mode"))


def unbilled(connection: Connection, contract_id: str | None = None) -> dict[str, list[Usage]]:
    """What is not invoiced, by contract ('' for none), archived usage with it."""
    return _by_contract(rows(connection, _NOT_INVOICED, contract_id=contract_id))


def unbilled_in_sums(connection: Connection) -> dict[str, list[Usage]]:
    """The same of all contracts without what is archived, summed up by subscription, charge window and provider invoice: to ask what is due, not to bill."""
    return _by_contract(rows(connection, _NOT_INVOICED_IN_SUMS))


def billed_on(connection: Connection, numbers: Sequence[str]) -> dict[str, list[Usage]]:
    """The usage on these customer invoices, by invoice."""
    query = text(_ON.text.replace("u.status, u.version,", "u.status, u.version, u.invoice_number,"))
    found: dict[str, list[Usage]] = {}
    for row in rows(connection, query, numbers=list(numbers)):
        found.setdefault(row["invoice_number"], []).append(_usage(row))
    return found


def taken(connection: Connection) -> set[str]:
    return set(connection.execute(_TAKEN).scalars())


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _contract(
    row: Mapping[str, Any] | None, contract_id: str, subscriptions: Rows, invoices: list[Standing], first_usage: date | None
) -> Contract:
    names = ("name", "frequency", "start_date", "end_date", "next_invoice_date", "currency", "status", "account_name", "account_currency")
    said = {name: row[name] for name in names} if row else {}
    held = {"credit_hold": row["credit_hold"]} if row else {}
    owner = (row["own_account_id"] if row else None) or next((one["account_id"] for one in subscriptions if one["account_id"]), None)
    mine = {one["subscription_id"]: Subscribed(**{name: one[name] for name in Subscribed.__dataclass_fields__}) for one in subscriptions}
    return Contract(
        contract_id or None, **said, **held, account_id=owner, is_known=row is not None or not contract_id, first_usage=first_usage,
        subscriptions=mine, invoices=tuple(invoices),
    )  # fmt: skip


def _with_accounts(connection: Connection, found: list[Contract]) -> list[Contract]:
    """A contract that names no account is its subscriptions' account's."""
    lacking = {one.account_id for one in found if one.account_id and one.account_name is None}
    if not lacking:
        return found
    known = {row["account_id"]: row for row in rows(connection, _ACCOUNTS, ids=sorted(lacking))}
    return [
        one
        if one.account_name is not None or one.account_id not in known
        else replace(
            one,
            account_name=known[one.account_id]["name"],
            account_currency=known[one.account_id]["currency"],
            credit_hold=known[one.account_id]["credit_hold"],
        )
        for one in found
    ]


def _nouns(connection: Connection, query: Any, noun: type[_Noun], **given: Any) -> dict[str, list[_Noun]]:
    """By the contract that the subscription has today."""
    found: dict[str, list[_Noun]] = {}
    for row in rows(connection, query, **given):
        found.setdefault(row.pop("contract_id"), []).append(noun(**row))
    return found


def _by_contract(usage: Rows) -> dict[str, list[Usage]]:
    found: dict[str, list[Usage]] = {}
    for row in usage:
        found.setdefault(row["contract_id"], []).append(_usage(row))
    return found


def _usage(row: Mapping[str, Any]) -> Usage:
    return Usage(**{name: row[name] for name in Usage.__dataclass_fields__})
