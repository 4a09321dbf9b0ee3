"""What is usual for such an invoice? The months before it, as the store has them, and the limit that the policy sets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from w365core import tolerance
from w365core.intake.unusual import Earlier, Usual
from w365core.model import InvoiceHeader
from w365core.store import policies, usual as store_usual

MONTHS = 3


def usual_for(
    connection: Connection, provider: str, header: InvoiceHeader, *, listed: Sequence[InvoiceHeader], today: date
) -> Usual | None:
    """What the invoice is compared with; None for a credit note, a document that amends another, or one beside a larger one of its month.

    `listed` is what the provider lists now: the larger one may not be here yet.
    """
    if header.document_type != "invoice" or header.amends_of or header.total is None or header.total < 0:
        return None
    first = header.invoice_date.replace(day=1)
    of_series = {"provider": provider, "currency": header.currency, "series": _series(header.number), "invoice_type": header.invoice_type}
    until = (first + timedelta(days=31)).replace(day=1)
    beside = [store_usual.largest_beside(connection, **of_series, number=header.number, since=first, until=until)]
    beside += [other.total for other in listed if _is_beside(header, other)]
    if any(total is not None and total > header.total for total in beside):
        return None
    since = first
    for _ in range(MONTHS):
        since = (since - timedelta(days=1)).replace(day=1)
    rows = store_usual.months_before(connection, **of_series, before=first, since=since)
    policy = policies.find(connection, provider, header.currency)
    in_force = tolerance.in_force(policy, provider=provider, currency=header.currency, today=today)
    return Usual(
        month_before=f"{first - timedelta(days=1):%Y-%m}",
        days=_days(header.period_start, header.period_end, header.invoice_date),
        months=tuple(_earlier(row) for row in rows),
        drop_percent=tolerance.DROP_PERCENT if in_force.drop_percent is None else in_force.drop_percent,
    )


def _is_beside(header: InvoiceHeader, other: InvoiceHeader) -> bool:
    same = (other.currency, other.document_type, other.invoice_type) == (header.currency, header.document_type, header.invoice_type)
    month = (other.invoice_date.year, other.invoice_date.month) == (header.invoice_date.year, header.invoice_date.month)
    return same and month and other.number != header.number and _series(other.number) == _series(header.number)


def _series(number: str) -> str:
    """The letters that a number begins with."""
    return re.match(r"[A-Za-z]*", number).group()


def _earlier(row: Mapping[str, Any]) -> Earlier:
    days = _days(row["period_start"], row["period_end"], row["invoice_date"])
    return Earlier(row["invoice_number"], row["month"], row["header_total"], row["customers"], row["usage_days"], days)


def _days(start: date | None, end: date | None, invoice_date: date) -> int:
    """The days of the billing period, else of the month before the invoice."""
    if start is not None and end is not None and start <= end:
        return (end - start).days + 1
    return (invoice_date.replace(day=1) - timedelta(days=1)).day
