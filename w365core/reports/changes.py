"""How did the provider change an invoice after it was imported? Its totals and lines before and now, and what that means for each customer: what was
billed already, and what to charge or to credit.

Seats are billed from the contract and its change logs, not from the provider's invoice: only usage that is on a customer invoice has a consequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.model import Feed
from w365core.reports import wording
from w365core.reports.tables import Column, Table, amount, day, number
from w365core.store import billed, changes, queries
from w365core.store.billed import Child

LINE_COLUMNS = (
    Column("what", "What", width=75),
    Column("customer", "Customer", width=165),
    Column("product_name", "Product", width=170),
    amount("difference", "Difference", width=90),
    amount("amount_before", "Amount then", width=90),
    amount("amount_now", "Amount now", width=90),
    Column("currency", "Currency", width=68),
    number("quantity_before", "Quantity then", width=92),
    number("quantity_now", "Quantity now", width=92),
    Column("charge_type", "Charge", width=95),
    day("charge_start", "From", width=86),
    day("charge_end", "To", width=86),
    Column("file", "File", width=105),
    Column("subscription_id", "Our subscription", Kind.ID, width=120),
    Column("provider_subscription_id", "Provider's subscription", Kind.ID, width=280),
    Column("account_id", "Our account", Kind.ID, shown=False),
    Column("provider_customer_id", "Provider's customer", Kind.ID, shown=False),
    Column("product_id", "ProductId", Kind.ID, shown=False),
)
_FILES = {Feed.RECONCILIATION: "invoice lines", Feed.DAILY_RATED: "daily usage"}
CUSTOMER_COLUMNS = (
    Column("customer", "Customer", width=170),
    amount("delta", "Charge or credit", width=110, help="More to charge, or less: to credit, if the customer invoices stay as they are"),
    amount("billed", "Billed already", width=105, help="Its usage out of this provider invoice, on our customer invoices"),
    amount("would_be", "With new version", width=115, help="The same usage at the same markup"),
    Column("currency", "Currency", width=68),
    Column("on", "Customer invoices", width=155),
    amount("amount", "Invoice changes by", width=125, help="All its lines that are otherwise, with tax"),
    Column("advice", "What to do", width=520),
    Column("account_id", "Our account", Kind.ID, shown=False),
)


@dataclass(frozen=True)
class Tile:
    """Lines that were added, removed or changed: how many, and how much money."""

    label: str
    lines: int
    amount: Decimal


@dataclass
class Consequence:
    """What a change means for one customer in one currency. `billed` is all its usage on our invoices; `would_be` the same with the new version."""

    account_id: str | None
    customer: str
    currency: str
    lines: int = 0
    amount: Decimal = money.ZERO
    unbilled: Decimal = money.ZERO  # what usage that is not billed yet costs more
    billed: Decimal | None = None
    delta: Decimal | None = None  # None while nothing is billed
    on: dict[str, str] = field(default_factory=dict)  # customer invoice -> its status

    @property
    def would_be(self) -> Decimal | None:
        return None if self.billed is None else money.EXACT.add(self.billed, self.delta or money.ZERO)

    @property
    def advice(self) -> str:
        if self.billed is None:
            return "No usage of it is billed yet: nothing to charge or to credit. Seats are billed from the contract."
        if not self.delta:
            return "Its billed usage costs the same in the new version: nothing to charge or to credit."
        said = wording.amount(self.delta.copy_abs(), self.currency)
        if set(self.on.values()) == {billed.DRAFT}:
            return f"Its usage is on a Draft only, {said} {'less' if self.delta > 0 else 'more'} than it comes to now: generate that again."
        return f"{'Charge' if self.delta > 0 else 'Credit'} {said}{' more' if self.delta > 0 else ''}, if the customer invoices stay as they are."

    def as_row(self) -> dict[str, Any]:
        names = ("account_id", "customer", "currency", "lines", "amount", "billed", "would_be", "delta", "unbilled", "advice")
        on = ", ".join(f"{invoice} ({status})" for invoice, status in self.on.items())
        return {name: getattr(self, name) for name in names} | {"on": on}


@dataclass(frozen=True)
class Change:
    """One change as the page draws it. `headline` says it in a sentence; `compared` False: the lines could not be had, and `message` says why."""

    noticed_at: datetime
    headline: str
    compared: bool
    message: str
    header_total_before: Decimal | None
    header_total_now: Decimal | None
    tiles: tuple[Tile, ...]
    lines: Table
    lines_left_out: int
    customers: Table
    consequences: tuple[Consequence, ...]
    currency: str

    @property
    def billing(self) -> str:
        """Who was billed on it already, and what there is to be charged and to be credited, in a sentence."""
        concerned = [one for one in self.consequences if one.billed is not None]
        if not concerned:
            return "None of its usage is on a customer invoice, so there is nothing to charge or to credit."
        billed_on = wording.counted(len({one.account_id for one in concerned}), "customer was", "customers were")
        charge, credit = _sums(concerned, sign=1), _sums(concerned, sign=-1)
        told = " and ".join(said for said in (charge and f"{charge} to charge", credit and f"{credit} to credit") if said)
        return f"{billed_on} billed on it already: {told or 'nothing to charge or to credit'}."


def _sums(concerned: Sequence[Consequence], *, sign: int) -> str:
    """What is to be charged (1) or credited (-1), by currency; blank where nothing is."""
    sums: dict[str, Decimal] = {}
    for one in concerned:
        if one.delta and (one.delta > 0) == (sign > 0):
            sums[one.currency] = money.EXACT.add(sums.get(one.currency, money.ZERO), one.delta.copy_abs())
    return ", ".join(wording.amount(total, currency) for currency, total in sums.items())


def load(connection: Connection, provider_invoice_id: int) -> Change | None:
    """The last change of the invoice, or None where it never changed after it was imported, or before anybody compared lines."""
    row = queries.provider_invoice_by_id(connection, provider_invoice_id)
    change = changes.last(connection, [provider_invoice_id]).get(provider_invoice_id)
    if row is None or change is None:
        return None
    return build(
        change,
        invoice_number=row["invoice_number"],
        currency=row["currency"],
        lines=changes.lines(connection, change["change_id"]),
        customers=changes.customers(connection, change["change_id"]),
        usage=changes.usage(connection, change["change_id"]),
        children=billed.children(connection, provider_invoice_id),
    )


def build(
    change: Mapping[str, Any],
    *,
    invoice_number: str,
    currency: str,
    lines: Sequence[Mapping[str, Any]],
    customers: Sequence[Mapping[str, Any]],
    usage: Sequence[Mapping[str, Any]],
    children: Sequence[Child],
) -> Change:
    """Out of a change's row, its lines, its sums by customer, the usage that costs otherwise, and what of the invoice is billed."""
    shown = [_line(row) for row in lines]
    all_lines = sum(change[name] or 0 for name in ("lines_added", "lines_removed", "lines_changed", "daily_lines"))
    found = consequences(customers, usage, children)
    return Change(
        noticed_at=change["noticed_at"],
        headline=_headline(change, currency),
        compared=change["compared"],
        message=change["message"],
        header_total_before=change["header_total_before"],
        header_total_now=change["header_total_now"],
        tiles=_tiles(change) if change["compared"] else (),
        lines=Table(f"{invoice_number} changed lines", LINE_COLUMNS, shown),
        lines_left_out=all_lines - len(shown),
        customers=Table(f"{invoice_number} changed customers", CUSTOMER_COLUMNS, [one.as_row() for one in found]),
        consequences=found,
        currency=currency,
    )


def consequences(
    customers: Sequence[Mapping[str, Any]], usage: Sequence[Mapping[str, Any]], children: Sequence[Child]
) -> tuple[Consequence, ...]:
    """By customer: those that are to be charged or credited first, then the biggest change."""
    found: dict[tuple, Consequence] = {}

    def of(account_id: str | None, other: str | None, name: str | None, currency: str | None) -> Consequence:
        key = (account_id or f"\x1f{other or ''}", currency)
        return found.setdefault(key, Consequence(account_id, name or account_id or other or "(not given)", currency or ""))

    for row in customers:
        one = of(row["account_id"], row["provider_customer_id"], row["account_name"] or row["customer_name"], row["currency"])
        one.lines += row["lines"]
        one.amount = money.EXACT.add(one.amount, row["amount"])
    for child in children:
        one = of(child.account_id, None, child.account_name, child.currency)
        one.billed = money.EXACT.add(one.billed or money.ZERO, child.amount or money.ZERO)
        one.delta = one.delta or money.ZERO
        one.on[child.customer_invoice] = child.status
    for row in usage:
        one = of(row["account_id"], row["subscription_id"], row["account_name"], row["currency"])
        if row["invoice_number"] is not None:
            one.delta = money.EXACT.add(one.delta or money.ZERO, _sells_for_more(row))
        else:
            more = money.EXACT.subtract(row["cost_now"] or money.ZERO, row["cost_before"] or money.ZERO)
            one.unbilled = money.EXACT.add(one.unbilled, more)
    in_order = sorted(found.values(), key=lambda one: (-(one.delta or money.ZERO).copy_abs(), -one.amount.copy_abs(), one.customer))
    return tuple(one for one in in_order if one.lines or one.delta or one.unbilled or one.billed is not None)


def _sells_for_more(row: Mapping[str, Any]) -> Decimal:
    """What billed usage sells for now, at the markup that it was billed with, less what it was billed for."""
    if row["cost_now"] is None:
        now = money.ZERO
    elif row["markup_pct"] is None:
        now = row["selling_now"] or money.ZERO
    else:
        now = money.selling_amount(row["cost_now"], row["markup_pct"], row["currency"])
    return money.EXACT.subtract(now, row["selling_amount"] or money.ZERO)


def _tiles(change: Mapping[str, Any]) -> tuple[Tile, ...]:
    tiles = [
        Tile("Added", change["lines_added"], change["amount_added"]),
        Tile("Removed", change["lines_removed"], money.EXACT.minus(change["amount_removed"])),
        Tile("Changed", change["lines_changed"], change["amount_changed"]),
    ]
    if change["daily_lines"]:
        tiles.append(Tile("Daily usage", change["daily_lines"], change["daily_amount"]))
    return tuple(tiles)


def _headline(change: Mapping[str, Any], currency: str) -> str:
    before, now = change["header_total_before"], change["header_total_now"]
    if before is None or now is None or before == now:
        return f"Its total is {wording.amount(now if before is None else before, currency)} as before; its lines are others."
    difference = money.EXACT.subtract(now, before)
    return (
        f"Its total is {wording.amount(now, currency)} now, {wording.amount(difference.copy_abs(), currency)} {'more' if difference > 0 else 'less'} than "
        f"the {wording.amount(before, currency)} that were imported."
    )


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    more = money.EXACT.subtract(row["amount_now"] or money.ZERO, row["amount_before"] or money.ZERO)
    customer = row["account_name"] or row["customer_name"] or row["provider_customer_id"]
    return {**row, "customer": customer, "difference": more, "file": _FILES.get(row["feed"], row["feed"])}
