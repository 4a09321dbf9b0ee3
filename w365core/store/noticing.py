"""How does the ledger say that the provider has changed an invoice since it was imported? The stored one stays; the mark comes once per change, and
goes where the provider goes back to what was imported.
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Connection, Row, select, update

from w365core import money
from w365core.model import InvoiceState, StatusReason
from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables import import_run, provider_invoice

NOTICE, WENT_BACK = "notice change at provider", "provider went back"


def still(connection: Connection, invoice: Row) -> Row | None:
    """The invoice, locked; None where it is not any more the Active one, of that import, that was compared."""
    found = connection.execute(
        select(provider_invoice).where(provider_invoice.c.provider_invoice_id == invoice.provider_invoice_id).with_for_update()
    ).first()
    if found is None or (found.state, found.import_run_id) != (InvoiceState.ACTIVE, invoice.import_run_id):
        return None
    return None if found.status_reason == StatusReason.POPULATING else found


def notice(connection: Connection, invoice: Row, *, header_total: Decimal | None, fingerprint: str | None, who: Who) -> str:
    """Marks an Active invoice that the provider has changed since: `header_total` is what it says now where that is another, `fingerprint` which
    version its lines are where that is another. Returns what there is to be said of it."""
    stays = "The stored one stays until it is deactivated and synced again."
    if header_total is None:
        said = (
            f"The provider changed the lines of this invoice after it was imported; its total is {money.plain(invoice.header_total)} {invoice.currency} "
            f"as before. {stays}"
        )
    else:
        said = (
            f"The provider changed this invoice after it was imported: {money.plain(invoice.header_total)} was imported, it says "
            f"{money.plain(header_total)} {invoice.currency} now. {stays}"
        )
    _mark(connection, invoice, changed=True, header_total=header_total, fingerprint=fingerprint, message=said)
    before, after = {}, {}
    if header_total is not None:
        before["header_total"], after["header_total"] = invoice.header_total, header_total
    if fingerprint is not None:
        before["fingerprint"], after["fingerprint"] = invoice.fingerprint, fingerprint
    _seal(connection, invoice, NOTICE, before, after, who)
    return said


def went_back(connection: Connection, invoice: Row, *, who: Who) -> str:
    """Takes the mark away where the provider says again what was imported; the invoice says what its import said."""
    query = select(import_run.c.message).where(import_run.c.import_run_id == invoice.import_run_id)
    _mark(connection, invoice, changed=False, header_total=None, fingerprint=None, message=connection.execute(query).scalar() or "")
    before = {"header_total": invoice.header_total_now, "fingerprint": invoice.fingerprint_now}
    _seal(connection, invoice, WENT_BACK, before, {"header_total": invoice.header_total, "fingerprint": invoice.fingerprint}, who)
    return "The provider went back to what was imported; there is nothing to take any more."


def _mark(
    connection: Connection, invoice: Row, *, changed: bool, header_total: Decimal | None, fingerprint: str | None, message: str
) -> None:
    connection.execute(
        update(provider_invoice)
        .where(provider_invoice.c.provider_invoice_id == invoice.provider_invoice_id)
        .values(changed_at_provider=changed, header_total_now=header_total, fingerprint_now=fingerprint, message=message)
    )


def _seal(connection: Connection, invoice: Row, action: str, before: dict, after: dict, who: Who) -> None:
    target = f"{invoice.provider} {invoice.invoice_number}"
    audit.append(
        connection, at=who.now, actor=who.actor, action=action, target_kind="provider invoice", target=target, before=before, after=after
    )
