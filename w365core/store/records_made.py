"""Which of our records were made or changed here, for whoever keeps the books? Rows in the columns of our record files, in the order of their keys.

Mappings and aliases are all of them: they are few, and a CRM wants the whole. Change logs are those that were never loaded. Invoices are those that
were made here, and loaded ones whose status was moved on here.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Row, select

from w365core import frames
from w365core.store.drafts import MARK
from w365core.store.tables import audit_log, customer_invoice, license_change_log, provider_account, records, usage_invoice

FILES = ("provider_accounts.csv", "subscription_aliases.csv", "license_change_logs.csv", "invoices.csv", "invoice_lines.csv")


def made_here(connection: Connection, file: str) -> Sequence[Row]:
    """The rows of that record file, columns in their declared order."""
    declared = frames.RECORD_FILES[file]
    table = records[declared.table]
    query = select(*(table.c[column.name] for column in declared.columns))
    marked = select(audit_log.c.target).where(audit_log.c.target_kind == "customer invoice", audit_log.c.action == MARK)
    if file == "provider_accounts.csv":
        query = query.where(provider_account.c.account_id.is_not(None))
    elif file == "license_change_logs.csv":
        query = query.where(license_change_log.c.loaded_fingerprint.is_(None))
    elif file in ("invoices.csv", "invoice_lines.csv"):
        ours = customer_invoice.c.invoice_number.in_(select(usage_invoice.c.invoice_number)) | customer_invoice.c.invoice_number.in_(marked)
        query = query.where(table.c.invoice_number.in_(select(customer_invoice.c.invoice_number).where(ours)))
    return connection.execute(query.order_by(*(table.c[name] for name in declared.key))).all()
