"""What is kept between two runs of a page? The engine of this process, and sums over an import that never changes. The only cache.

Everything else is asked anew, so that a page is never older than the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import streamlit as st

from w365core.errors import StoreUnavailable
from w365core.reports import connection, connections as connections_report, invoice_detail, invoice_status as status_report
from w365core.reports.connection import Connection, Engine, Installation
from w365core.reports.connections import Connections
from w365core.reports.invoice_detail import Customer, InvoiceDetail
from w365core.reports.invoice_status import InvoiceFilter, InvoiceStatus


@st.cache_resource(show_spinner="Opening the database …")
def engine() -> Engine:
    """The process' engine. It keeps no connection, so it survives a restart of the database."""
    return connection.engine()


@contextmanager
def reading(*, seconds: int = connection.SECONDS_TO_ANSWER) -> Iterator[Connection]:
    """One read-only snapshot. Where the embedded database is away, the next one looks for it afresh and starts it."""
    try:
        with connection.reading(engine(), seconds=seconds) as opened:
            yield opened
    except StoreUnavailable:
        if connection.is_embedded():
            engine.clear()
        raise


def installation() -> Installation:
    with reading() as opened:
        return connection.installation(opened)


def now(opened: Connection) -> datetime:
    """What time it is for this installation; a demo states its own."""
    return connection.installation(opened).now


@st.cache_data(max_entries=200, show_spinner="Adding up the customers …")
def customers(provider_invoice_id: int, import_run_id: int | None, standing: str) -> tuple[Customer, ...]:
    """By customer. The run and the standing are in the key because another import has other lines."""
    with reading() as opened:
        return invoice_detail.customers(opened, provider_invoice_id)


def invoice_status(wanted: InvoiceFilter) -> InvoiceStatus:
    """The page of the chosen invoices, as they are now."""
    with reading() as opened:
        return status_report.load(opened, wanted, now=now(opened))


def connections() -> Connections:
    """The providers, as they are now."""
    with reading() as opened:
        return connections_report.load(opened)


def invoice(provider_invoice_id: int) -> InvoiceDetail | None:
    """One invoice's head, as it is now."""
    with reading() as opened:
        return invoice_detail.load(opened, provider_invoice_id, now=now(opened))
