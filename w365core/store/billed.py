"""Which customer invoices hold a provider invoice fast? Those that its usage is billed on: with their status, whose they are and for how much; and the
taking off of that usage, by a person and for a reason.

Nothing of a customer invoice is changed here: what becomes of it (delete a Draft, credit what was charged) is done where invoices are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from w365core import money
from w365core.errors import CallRefused
from w365core.model import UsageStatus
from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables import account, customer_invoice, provider_invoice, usage_summary

UNLINK = "unlink usage"
DRAFT = "Draft"
UNKNOWN = "unknown"  # the status of a customer invoice that our records do not have


@dataclass(frozen=True)
class Child:
    """The usage of one provider invoice on one customer invoice, in one currency. `amount` is what it was sold for, None where that is blank."""

    customer_invoice: str
    status: str
    invoice_date: Any
    account_id: str | None
    account_name: str | None
    summaries: int
    cost: Decimal
    amount: Decimal | None
    currency: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def said(self) -> str:
        """U202610-014 (Billed, Contoso, 3 usage summaries, 300.00 EUR)."""
        usage = f"{self.summaries:,} usage {'summary' if self.summaries == 1 else 'summaries'}"
        amount = "no selling amount" if self.amount is None else f"{money.trimmed(self.amount, least=2):,} {self.currency}"
        return f"{self.customer_invoice} ({self.status}, {self.account_name or self.account_id or 'no account'}, {usage}, {amount})"


def children(connection: Connection, provider_invoice_id: int) -> list[Child]:
    """All of them, the biggest money first."""
    amount, cost = func.sum(usage_summary.c.selling_amount).label("amount"), func.sum(usage_summary.c.cost).label("cost")
    owner = func.coalesce(customer_invoice.c.account_id, func.min(usage_summary.c.account_id)).label("account_id")
    grouped = (
        select(
            usage_summary.c.invoice_number.label("customer_invoice"),
            func.coalesce(customer_invoice.c.status, UNKNOWN).label("status"),
            customer_invoice.c.invoice_date,
            owner,
            func.count().label("summaries"),
            cost,
            amount,
            usage_summary.c.currency,
        )
        .outerjoin(customer_invoice, customer_invoice.c.invoice_number == usage_summary.c.invoice_number)
        .where(usage_summary.c.provider_invoice_id == provider_invoice_id, usage_summary.c.status == UsageStatus.INVOICED)
        .group_by(
            usage_summary.c.invoice_number,
            usage_summary.c.currency,
            customer_invoice.c.status,
            customer_invoice.c.invoice_date,
            customer_invoice.c.account_id,
        )
        .subquery()
    )
    query = (
        select(*grouped.columns, account.c.name.label("account_name"))
        .outerjoin(account, account.c.account_id == grouped.c.account_id)
        .order_by(func.abs(func.coalesce(grouped.c.amount, grouped.c.cost)).desc(), grouped.c.customer_invoice, grouped.c.currency)
    )
    return [Child(**row) for row in connection.execute(query).mappings()]


def invoices_of(found: Sequence[Child]) -> list[str]:
    """The numbers of the customer invoices, each once, in their order."""
    return list(dict.fromkeys(child.customer_invoice for child in found))


def unlink(
    connection: Connection, *, provider_invoice_id: int, customer_invoices: Sequence[str] = (), reason: str, who: Who
) -> list[Child]:
    """Takes the usage of the provider invoice off these customer invoices (off all of them where none is named), in the caller's transaction, and
    returns what was taken off: it is billable again. CallRefused without a reason, or where one of them carries none of its usage."""
    if not reason.strip():
        raise CallRefused("Say why the usage is taken off: give a reason, which stays in the history of the invoice.")
    mine = provider_invoice.c.provider_invoice_id == provider_invoice_id
    invoice = connection.execute(select(provider_invoice).where(mine).with_for_update()).first()
    if invoice is None:
        raise CallRefused("That invoice is not here any more: somebody else has deleted it.")
    there = children(connection, provider_invoice_id)
    if not there:
        raise CallRefused(f"No usage of invoice {invoice.invoice_number} is on a customer invoice; there is nothing to take off.")
    known = {number.lower(): number for number in invoices_of(there)}
    wanted = [number.strip().lower() for number in customer_invoices] or list(known)
    strange = [given for given in customer_invoices if given.strip().lower() not in known]
    if strange:
        raise CallRefused(
            f"Customer invoice {strange[0]} carries no usage of invoice {invoice.invoice_number}; nothing was taken off. "
            f"`children --invoice {invoice.invoice_number}` lists those that do."
        )
    for number in dict.fromkeys(known[one] for one in wanted):
        status = next(child.status for child in there if child.customer_invoice == number)
        unlink_one(connection, invoice, customer_invoice_number=number, status=status, reason=reason.strip(), who=who)
    return [child for child in there if child.customer_invoice.lower() in wanted]


def unlink_one(connection: Connection, invoice: Row, *, customer_invoice_number: str, status: str, reason: str, who: Who) -> None:
    """Takes it off one of them and seals that: what a rebuild does again. `status` is that of the customer invoice then."""
    on_it = (
        usage_summary.c.provider_invoice_id == invoice.provider_invoice_id,
        usage_summary.c.invoice_number == customer_invoice_number,
        usage_summary.c.status == UsageStatus.INVOICED,
    )
    query = select(usage_summary.c.currency, func.count(), func.sum(usage_summary.c.selling_amount)).where(*on_it)
    counted = connection.execute(query.group_by(usage_summary.c.currency).order_by(usage_summary.c.currency)).all()
    connection.execute(
        update(usage_summary)
        .where(*on_it)
        .values(status=UsageStatus.NOT_INVOICED, invoice_number=None, invoice_line=None, version=usage_summary.c.version + 1)
    )
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=UNLINK,
        target_kind="provider invoice",
        target=f"{invoice.provider} {invoice.invoice_number}",
        reason=reason,
        before={"customer_invoice": customer_invoice_number, "customer_invoice_status": status},
        after={
            "customer_invoice": None,
            "summaries": sum(number for _, number, _ in counted),
            "amounts": _said(counted),
        },
    )


def _said(counted: Sequence[Row]) -> str:
    """300.00 EUR, 20.00 USD."""
    said: list[str] = [f"{money.plain(amount)} {currency}" for currency, _, amount in counted if amount is not None]
    return ", ".join(said)


def as_dicts(found: Sequence[Child]) -> list[Mapping[str, Any]]:
    return [child.as_dict() for child in found]
