"""When is each contract invoiced next? Its terms as our records have them, and the day, changed by a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables import audit_log, billing_contract

_SET_DATE = "set invoice date"

_ALL = text("""
    select c.contract_id, c.name, c.account_id, a.name as account, c.frequency, c.start_date, c.end_date, c.next_invoice_date, c.currency, c.status,
           (select count(*) from subscription s where s.contract_id = c.contract_id and s.kind = 'Usage') as usage_subscriptions,
           (select max(i.invoice_date) from customer_invoice i where i.contract_id = c.contract_id) as last_invoice_date
    from billing_contract c left join account a on a.account_id = c.account_id
    order by (c.next_invoice_date is null), c.next_invoice_date, c.contract_id
""")


def all_of_them(connection: Connection) -> list[Mapping[str, Any]]:
    """Every contract, the one that is invoiced soonest first, those without a day last."""
    return list(connection.execute(_ALL).mappings())


def locked(connection: Connection, contract_id: str) -> Mapping[str, Any] | None:
    """The contract, which nobody else changes until the caller's transaction ends."""
    named = func.lower(billing_contract.c.contract_id) == contract_id.strip().lower()
    columns = (billing_contract.c[name] for name in ("contract_id", "start_date", "end_date", "next_invoice_date"))
    return connection.execute(select(*columns).where(named).with_for_update()).mappings().first()


def dated_by(connection: Connection, contract_id: str, day: date | None) -> str | None:
    """Who has set that day as its next invoice date; None where no person did, but a bill or a load."""
    said = select(audit_log.c.actor).where(
        audit_log.c.action == _SET_DATE, audit_log.c.target_kind == "contract", audit_log.c.target == contract_id
    )
    of_that_day = said.where(audit_log.c.after["next_invoice_date"].astext == str(day))
    return connection.execute(of_that_day.order_by(audit_log.c.audit_id.desc()).limit(1)).scalar()


def save_invoice_date(connection: Connection, contract_id: str, *, before: date | None, after: date, reason: str | None, who: Who) -> None:
    """Sets the day and says so in the log."""
    connection.execute(update(billing_contract).where(billing_contract.c.contract_id == contract_id).values(next_invoice_date=after))
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=_SET_DATE,
        target_kind="contract",
        target=contract_id,
        reason=reason,
        before={"next_invoice_date": before},
        after={"next_invoice_date": after},
    )
