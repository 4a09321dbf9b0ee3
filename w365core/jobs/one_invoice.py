"""How is one usage invoice changed? Under the locks that whoever bills its contract takes, where it may be changed at all, with what was done to it landed first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine, Row

from w365core import settings as w365settings
from w365core.errors import CallRefused
from w365core.store import billing as store, drafts, orders
from w365core.store.engine import guarded
from w365core.store.landing import Landing
from w365core.usage_invoice import DRAFT


@contextmanager
def on_invoice(engine: Engine, invoice_number: str, *, undone: bool = False) -> Iterator[tuple[Connection, Row]]:
    """One transaction on the invoice, its contract locked first, as everybody who bills does it; with `undone` taken back in the end."""
    with guarded(), engine.connect() as connection, connection.begin() as transaction:
        found = drafts.find(connection, invoice_number)
        if found is None:
            raise CallRefused(f"There is no customer invoice {invoice_number.strip()}; `bill` makes them, `load` brings those of before.")
        store.lock(connection, found.contract_id or "")
        locked = drafts.find(connection, found.invoice_number, locked=True)
        if locked is None:
            raise CallRefused(f"Customer invoice {found.invoice_number} is not here any more: somebody else has deleted it.")
        yield connection, locked
        if undone:
            transaction.rollback()


def refuse_what_is_no_draft(invoice: Row, done: str) -> None:
    if invoice.status != DRAFT:
        raise CallRefused(
            f"Invoice {invoice.invoice_number} is {invoice.status} and cannot be {done}: the customer has it. Credit it instead; usage that comes late goes "
            f"onto the next invoice by itself."
        )


def refuse_license_lines(connection: Connection, invoice: Row) -> None:
    """CallRefused for a Draft of our records that bills more than usage."""
    if invoice.made_at is None and drafts.bills_more_than_usage(connection, invoice.invoice_number):
        raise CallRefused(
            f"Invoice {invoice.invoice_number} was not made here: it came with our records and has lines of licenses. Change it where it was made, and load it again."
        )


def refuse_strange(connection: Connection, invoice: Row) -> None:
    """CallRefused for a Draft of our records that says more than its usage."""
    if invoice.made_at is None and not drafts.is_made_of_usage(connection, invoice.invoice_number):
        raise CallRefused(
            f"Invoice {invoice.invoice_number} was not made here: it came with our records, and no usage stands behind its lines. Delete it and bill the usage: "
            f"`unbill --invoice-number {invoice.invoice_number}`, then `bill`."
        )


def keeper(engine: Engine, landing: Landing | None, now: datetime) -> Callable[[str], drafts.Keep]:
    """Lands the document of a change of that invoice."""
    where = landing or Landing(w365settings.read().landing)

    def keep_of(invoice_number: str) -> drafts.Keep:
        told = {"purpose": drafts.PURPOSE, "name": f"usage invoice {invoice_number}", "provider": "all providers", "invoice_number": None}
        return lambda document: orders.keep(engine, where, document, **told, sync_run_id=None, at=now)

    return keep_of
