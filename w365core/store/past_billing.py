"""Which usage had been billed before it came in? Settles what our past customer invoices say, so that it is not sold a second time.

For those who load their past invoices and then import the provider's: a line of a Billed or Paid invoice has billed the usage of its subscription
whose selling amount it is, to the cent. Each line bills one charge window: that of its own cycle first, else an earlier one, billed late. Nothing
is guessed: another amount, a Draft, a line given back or a line that has billed already settle nothing, and the usage stays to be billed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from w365core import money
from w365core.store import audit
from w365core.store.ledger import Who

PURPOSE = "settlement"


@dataclass(frozen=True)
class Near:
    """A charge window of a subscription that is not settled, though a Billed or Paid invoice of its contract and month has lines of it: what it sells for
    (None without a markup), and what these lines say."""

    contract_id: str
    subscription_id: str
    charge_start: date | None
    charge_end: date
    currency: str
    sells_for: Decimal | None
    invoice_number: str
    billed: Decimal


@dataclass(frozen=True)
class Settled:
    """How many usage summaries are marked as invoiced, on how many customer invoices, and their selling amount by currency; and what was nearly so."""

    summaries: int
    invoices: int
    amounts: dict[str, Decimal]
    near: tuple[Near, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Mark:
    """One charge window of a subscription on a provider invoice, and the customer invoice that has billed it."""

    provider_invoice_id: int
    subscription_id: str
    charge_start: date
    charge_end: date
    currency: str
    invoice_number: str


# One row per charge window of a subscription on a provider invoice and line that says its amount; a window in the line's own cycle comes first.
_AGREEING = text("""
    with sold as (
        select u.provider_invoice_id, u.subscription_id, u.charge_start, u.charge_end, u.currency, sum(u.selling_amount) as amount
        from usage_summary u join provider_invoice p using (provider_invoice_id)
        where p.state = 'Active' and p.status_reason in ('Active', 'Active Usage')
        group by u.provider_invoice_id, u.subscription_id, u.charge_start, u.charge_end, u.currency
        having bool_and(u.status = 'Not invoiced' and u.confirmed and u.selling_amount is not null)
    )
    select sold.*, line.invoice_number, line.line_number
    from sold
    join customer_invoice_line line on line.subscription_id = sold.subscription_id and line.amount = sold.amount
    join customer_invoice invoice on invoice.invoice_number = line.invoice_number and invoice.currency = sold.currency
    where invoice.status in ('Billed', 'Paid') and invoice.cycle_end >= sold.charge_end and invoice.invoice_date > sold.charge_end
      and sold.amount <> 0
      and not exists (
        select from customer_invoice_line back where back.subscription_id = line.subscription_id and back.amount = -line.amount
      )
      and not exists (
        select from usage_summary other
        where other.invoice_number = line.invoice_number and other.subscription_id = line.subscription_id
      )
    order by invoice.cycle_start > sold.charge_end, sold.charge_end, invoice.cycle_end, line.invoice_number, line.line_number
""")

_MARK = text("""
    update usage_summary set status = 'Invoiced', invoice_number = :invoice_number, version = version + 1
    where provider_invoice_id = :provider_invoice_id and subscription_id = :subscription_id and charge_start = :charge_start
      and charge_end = :charge_end and currency = :currency and status = 'Not invoiced'
""")


# A line without a subscription may be of any that the contract bills.
_NEAR = text("""
    with sold as (
        select s.contract_id, u.subscription_id, u.charge_start, u.charge_end, u.currency,
               case when bool_and(u.selling_amount is not null) then sum(u.selling_amount) end as sells_for
        from usage_summary u join provider_invoice p using (provider_invoice_id) join subscription s on s.subscription_id = u.subscription_id
        where p.state = 'Active' and p.status_reason in ('Active', 'Active Usage') and u.status = 'Not invoiced' and u.confirmed and u.charge_end is not null
        group by s.contract_id, u.subscription_id, u.charge_start, u.charge_end, u.currency
    )
    select sold.*, invoice.invoice_number, sum(line.amount) as billed
    from sold
    join customer_invoice invoice on invoice.contract_id = sold.contract_id and invoice.currency = sold.currency
      and invoice.cycle_start <= sold.charge_end and invoice.cycle_end >= sold.charge_end
    join customer_invoice_line line on line.invoice_number = invoice.invoice_number
      and (line.subscription_id = sold.subscription_id or line.subscription_id is null)
    where invoice.status in ('Billed', 'Paid') and not exists (
        select from usage_summary other where other.invoice_number = invoice.invoice_number and other.subscription_id = sold.subscription_id
    )
    group by sold.contract_id, sold.subscription_id, sold.charge_start, sold.charge_end, sold.currency, sold.sells_for, invoice.invoice_number
    having sum(line.amount) <> 0
    order by abs(coalesce(sold.sells_for, 0)) desc, sold.contract_id, sold.subscription_id, sold.charge_end, invoice.invoice_number
""")


def near_misses(connection: Connection) -> tuple[Near, ...]:
    """What a settlement leaves to be billed although an invoice of the same contract and month is out: for a person to look at, the biggest first."""
    return tuple(Near(**row) for row in connection.execute(_NEAR).mappings())


def settle(connection: Connection, *, who: Who, keep: Callable[[bytes], str]) -> Settled:
    """Marks in the caller's transaction what past invoices have billed, and says so in the audit log; a second time there is nothing left.

    `keep` lands the document of the marks and returns its fingerprint, so that a rebuild can set them again.
    """
    connection.execute(text("lock table usage_summary in share row exclusive mode"))  # nobody bills or publishes usage meanwhile
    taken = _one_to_one([dict(row) for row in connection.execute(_AGREEING).mappings()])
    amounts: dict[str, Decimal] = {}
    for pair in taken:
        amounts[pair["currency"]] = money.EXACT.add(amounts.get(pair["currency"], money.ZERO), pair["amount"])
    marks = [Mark(**{name: pair[name] for name in Mark.__dataclass_fields__}) for pair in taken]
    settled = Settled(0, len({mark.invoice_number for mark in marks}), amounts)
    if not marks:
        return settled
    summaries = _mark_invoiced(connection, marks)
    said = {"summaries": summaries, "customer_invoices": settled.invoices, **amounts, "order": keep(msgspec.json.encode(marks))}
    _say(connection, said, who)
    return replace(settled, summaries=summaries)


def settle_again(connection: Connection, document: bytes, *, said: Mapping[str, Any], who: Who) -> None:
    """Sets the marks of a settlement that landed once, in the caller's transaction: what a rebuild does. An invoice whose usage was taken off its
    customer invoices and that was deleted then has none to be marked, and the settlement says what it said."""
    marks = msgspec.json.decode(document, type=list[Mark])
    there = set(connection.execute(text("select provider_invoice_id from provider_invoice")).scalars())
    summaries = _mark_invoiced(connection, marks)
    is_whole = all(mark.provider_invoice_id in there for mark in marks)
    _say(connection, {**said, "summaries": summaries} if is_whole else said, who)


def _say(connection: Connection, said: Mapping[str, Any], who: Who) -> None:
    audit.append(
        connection, at=who.now, actor=who.actor, action="settle past usage", target_kind="usage", target="all providers", after=said
    )


def _mark_invoiced(connection: Connection, marks: list[Mark]) -> int:
    """Marks usage as billed; returns how many summaries that were."""
    return sum(connection.execute(_MARK, asdict(mark)).rowcount for mark in marks)


def _one_to_one(agreeing: list[dict]) -> list[dict]:
    """Of the agreeing pairs in their order those whose window and line are both still free; an invoice bills a subscription once here."""
    windows: set[tuple] = set()
    lines: set[tuple] = set()
    taken = []
    for pair in agreeing:
        window = tuple(pair[name] for name in ("provider_invoice_id", "subscription_id", "charge_start", "charge_end", "currency"))
        line = pair["invoice_number"], pair["subscription_id"]
        if window not in windows and line not in lines:
            windows.add(window)
            lines.add(line)
            taken.append(pair)
    return taken
