"""What holds an invoice fast, and what follows for the customer where its usage is taken off a customer invoice?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.reports import wording
from w365core.reports.tables import Column, Table, amount, day
from w365core.store import billed
from w365core.store.billed import Child

COLUMNS = (
    Column("customer_invoice", "Customer invoice", Kind.ID, width=125),
    Column("status", "Status", width=70),
    Column("customer", "Customer", width=190),
    day("invoice_date", "Date", width=90),
    Column("summaries", "Summaries", Kind.WHOLE, width=85, help="Usage summaries of this provider invoice"),
    amount("amount", "Sold for", width=100),
    Column("currency", "Currency", width=70),
    Column("to_do", "Once its usage is taken off", width=230),
    amount("cost", "Cost", shown=False),
    Column("consequence", "Because", shown=False),
    Column("account_id", "Our account", Kind.ID, shown=False),
)


@dataclass(frozen=True)
class Children:
    """`headline` says how many and how much; `table` lists them, the biggest money first; `choices` are the customer invoices, each once."""

    headline: str
    table: Table
    choices: Mapping[str, str]


def load(connection: Connection, provider_invoice_id: int, *, invoice_number: str) -> Children | None:
    """What holds the invoice, or None where nothing does."""
    found = billed.children(connection, provider_invoice_id)
    return build(found, invoice_number=invoice_number) if found else None


def build(found: Sequence[Child], *, invoice_number: str) -> Children:
    """Out of the usage by customer invoice."""
    numbers = billed.invoices_of(found)
    usage = wording.counted(sum(child.summaries for child in found), "usage summary", "usage summaries")
    headline = f"{usage} on {wording.counted(len(numbers), 'customer invoice')}, sold for {sold_for(found)}"
    choices = {number: _choice([child for child in found if child.customer_invoice == number]) for number in numbers}
    return Children(headline, Table(f"{invoice_number} invoiced usage", COLUMNS, [row(child) for child in found]), choices)


def row(child: Child) -> dict[str, Any]:
    """As the table and `children --json` have it."""
    return {
        **child.as_dict(),
        "customer": child.account_name or child.account_id or "",
        "to_do": to_do(child),
        "consequence": consequence(child),
    }


def to_do(child: Child) -> str:
    """The same as `consequence`, as a cell has room for it."""
    if child.status == billed.DRAFT:
        return "Delete the Draft, generate again"
    if child.amount is None or child.status == billed.UNKNOWN:
        return "Look up what was charged, credit it"
    return f"Credit {wording.amount(child.amount, child.currency)}"


def consequence(child: Child) -> str:
    """What is to be done about the customer invoice, because the usage becomes billable again."""
    sold = "what it was charged" if child.amount is None else wording.amount(child.amount, child.currency)
    if child.status == billed.DRAFT:
        return f"A Draft: delete {child.customer_invoice} and generate it again, or it still asks for {sold}."
    if child.status == billed.UNKNOWN:
        return f"Our records do not have {child.customer_invoice}: see in your billing system whether {sold} was charged, and credit it."
    did = "has paid" if child.status == "Paid" else "has been charged"
    return f"The customer {did} {sold} for it: credit that, or the same usage is charged twice."


def after(taken: Sequence[Child], *, invoice_number: str) -> str:
    """What was done, in a sentence."""
    usage = wording.counted(sum(child.summaries for child in taken), "usage summary is", "usage summaries are")
    numbers = billed.invoices_of(taken)
    return f"{usage} off {_listed(numbers)} and billable again ({sold_for(taken)}); invoice {invoice_number} holds them as before."


def sold_for(found: Iterable[Child]) -> str:
    """300.00 EUR and 20.00 USD: currencies are never added."""
    sums: dict[str, Any] = {}
    for child in found:
        sums[child.currency] = money.EXACT.add(sums.get(child.currency, money.ZERO), child.amount or money.ZERO)
    return " and ".join(wording.amount(total, currency) for currency, total in sums.items())


def _choice(of_one: Sequence[Child]) -> str:
    first = of_one[0]
    return f"{first.customer_invoice} · {first.status} · {first.account_name or first.account_id or 'no account'} · {sold_for(of_one)}"


def _listed(numbers: Sequence[str], most: int = 5) -> str:
    return ", ".join(numbers[:most]) + (f" and {len(numbers) - most:,} more" if len(numbers) > most else "")
