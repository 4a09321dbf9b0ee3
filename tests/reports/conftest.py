"""The report of a store that is told by what matters alone."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.reports import builders as b
from w365core.reports import invoice_status
from w365core.reports.invoice_status import InvoiceFilter, InvoiceStatus


@pytest.fixture
def report(engine: Engine):
    def load(*fill, wanted: InvoiceFilter = InvoiceFilter()) -> InvoiceStatus:
        with engine.begin() as connection:
            b.rates(connection, EUR="1", JPY="0.006", USD="0.9")
            for place, what in enumerate(fill):
                b.invoice(connection, **({"number": f"D-{place}"} | what))
            return invoice_status.load(connection, wanted, now=b.NOW)

    return load
