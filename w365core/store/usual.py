"""What did the invoices of the months before come to? One row per month: the largest document of the provider, currency and series."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

# The letters that a number begins with: the provider's own name for a series.
_SERIES = "coalesce(substring(invoice_number from '^[A-Za-z]*'), '')"
_ALIKE = (
    "provider = :provider and currency = :currency and document_type = 'invoice' and amends_of is null and header_total > 0 "
    f"and lower({_SERIES}) = lower(:series) and invoice_type is not distinct from cast(:invoice_type as text) "
)


def months_before(
    connection: Connection, *, provider: str, currency: str, series: str, invoice_type: str | None, before: date, since: date
) -> list[Mapping[str, Any]]:
    """Number, month, header, customers, days with usage and billing period of the largest document of each month in [since, before), latest first.
    Deactivated ones tell nothing."""
    statement = text(
        "select distinct on (to_char(invoice_date, 'YYYY-MM')) invoice_number, to_char(invoice_date, 'YYYY-MM') as month, header_total, customers, "
        f"usage_days, period_start, period_end, invoice_date from provider_invoice where {_ALIKE} and invoice_date >= :since and invoice_date < :before "
        "and status_reason <> 'Deactivated' order by to_char(invoice_date, 'YYYY-MM') desc, header_total desc, invoice_number"
    )
    given = {"provider": provider, "currency": currency, "series": series, "invoice_type": invoice_type, "since": since, "before": before}
    return [dict(row) for row in connection.execute(statement, given).mappings()]


def largest_beside(
    connection: Connection, *, provider: str, currency: str, series: str, invoice_type: str | None, number: str, since: date, until: date
) -> Decimal | None:
    """The largest header of the other documents of the same series dated in [since, until)."""
    statement = text(
        f"select max(header_total) from provider_invoice where {_ALIKE} and invoice_date >= :since and invoice_date < :until "
        "and lower(invoice_number) <> lower(:number)"
    )
    given = {"provider": provider, "currency": currency, "series": series, "invoice_type": invoice_type}
    return connection.execute(statement, given | {"number": number, "since": since, "until": until}).scalar_one()
