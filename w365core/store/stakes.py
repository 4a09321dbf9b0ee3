"""What hangs on an invoice, and what was asked and made of it: its usage in one sum, the tolerances it was given, the customer invoices that carry it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from w365core.model import UsageStatus
from w365core.store.tables import customer_invoice, job_run, usage_summary

Rows = list[Mapping[str, Any]]


def usage_in_sum(connection: Connection, provider_invoice_id: int) -> Mapping[str, Any]:
    """The invoice's usage summaries in one row: how many, how many of them are invoiced or without a markup, what they cost and sell for."""
    invoiced = usage_summary.c.status == UsageStatus.INVOICED
    query = select(
        func.count().label("summaries"),
        func.count().filter(invoiced).label("invoiced"),
        func.count().filter(usage_summary.c.selling_amount.is_(None)).label("without_markup"),
        func.sum(usage_summary.c.cost).label("cost"),
        func.sum(usage_summary.c.selling_amount).label("selling"),
    ).where(usage_summary.c.provider_invoice_id == provider_invoice_id)
    return dict(connection.execute(query).mappings().one())


def overrides_asked(connection: Connection, *, provider: str, invoice_number: str, most: int = 50) -> Rows:
    """The jobs that were asked for with a tolerance for this invoice, latest first: tolerance, who and why."""
    told = (job_run.c.override_tolerance, job_run.c.actor, job_run.c.reason, job_run.c.asked_at)
    query = select(*told).where(
        func.lower(job_run.c.provider) == provider.lower(),
        func.lower(job_run.c.invoice) == invoice_number.lower(),
        job_run.c.override_tolerance.is_not(None),
    )
    return _rows(connection, query.order_by(job_run.c.job_id.desc()).limit(most))


def billed_on(connection: Connection, provider_invoice_id: int) -> Rows:
    """The customer invoices that carry its usage, by date and number: how many usage summaries and what they are sold for."""
    query = (
        select(
            customer_invoice.c.invoice_date,
            usage_summary.c.invoice_number,
            func.count().label("summaries"),
            func.sum(usage_summary.c.selling_amount).label("selling"),
        )
        .outerjoin(customer_invoice, customer_invoice.c.invoice_number == usage_summary.c.invoice_number)
        .where(usage_summary.c.provider_invoice_id == provider_invoice_id, usage_summary.c.status == UsageStatus.INVOICED)
        .group_by(customer_invoice.c.invoice_date, usage_summary.c.invoice_number)
        .order_by(customer_invoice.c.invoice_date, usage_summary.c.invoice_number)
    )
    return _rows(connection, query)


def _rows(connection: Connection, query) -> Rows:
    return [dict(row) for row in connection.execute(query).mappings()]
