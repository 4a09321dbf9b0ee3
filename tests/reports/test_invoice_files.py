"""Does an invoice offer what is attached to it, and say what was received for it?"""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, insert

from tests.reports import builders as b
from w365core.errors import CallRefused
from w365core.jobs import supplying
from w365core.reports import invoice_detail, invoice_files
from w365core.reports.provider_invoice import Invoice
from w365core.store.tables import import_source, invoice_attachment


@pytest.fixture
def connection(engine: Engine):
    with engine.connect() as opened:
        yield opened


def opened(connection: Connection, invoice_id: int) -> Invoice:
    return invoice_detail.load(connection, invoice_id, now=b.NOW).invoice


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def attach(connection: Connection, invoice_id: int, name: str, content: bytes) -> None:
    connection.execute(insert(invoice_attachment).values(provider_invoice_id=invoice_id, name=name, content=content, attached_at=b.NOW))


def test_errors_hold_what_blocks_and_warnings_what_does_not(connection: Connection):
    invoice_id = b.invoice(connection, status="Error")
    b.missing(connection, invoice_id, key="c-1", amount="10.5")
    b.missing(connection, invoice_id, key="c-2", name="=1+1")
    b.missing(connection, invoice_id, key="p-1", kind="product")
    invoice = opened(connection, invoice_id)
    assert [(file.name, file.note) for file in invoice_files.attached(connection, invoice)] == [
        ("errors.csv", "2 rows"),
        ("warnings.csv", "1 row"),
    ]
    errors, warnings = (read(invoice_files.content(connection, invoice, name)) for name in ("errors.csv", "warnings.csv"))
    assert [(row["Key"], row["Name"], row["Money it holds up"], row["Currency"]) for row in errors] == [
        ("c-1", "Fabrikam GmbH", "10.50", "EUR"),
        ("c-2", "'=1+1", "10.00", "EUR"),
    ]
    assert [(row["Missing"], row["Key"]) for row in warnings] == [("product", "p-1")]


def test_errors_and_warnings_hold_what_would_supply_it_in_columns_of_their_own(connection: Connection):
    """Blocking references go to errors.csv, the others to warnings.csv; the fix beside them is the page's."""
    b.customer(connection, "A-7", "Fabrikam GmbH")
    invoice_id = b.invoice(connection, status="Error", failure="unresolved_references", currency="CHF")
    b.missing(connection, invoice_id, key="c-1", amount="10.5")
    b.missing(connection, invoice_id, key="CHF", kind="currency", name=None, amount="3")
    b.missing(connection, invoice_id, key="p-1", kind="product", name="=Suite", amount="2")
    invoice = opened(connection, invoice_id)
    missing = supplying.missing(connection, provider_invoice_id=invoice_id)
    errors, warnings = (read(invoice_files.content(connection, invoice, name, missing=missing)) for name in ("errors.csv", "warnings.csv"))
    told = ("Key", "Fix action", "Fix account_id", "Fix confidence", "Fix because")
    assert [tuple(row[name] for name in told) for row in errors] == [
        ("c-1", "map_account", "A-7", "0.95", "same name"),
        ("CHF", "add_currency", "", "", "the invoice's own currency; say its rate to base"),
    ]
    assert [(row["Key"], row["Name"], row["Fix action"], row["Fix product_id"]) for row in warnings] == [
        ("p-1", "'=Suite", "choose_product", "p-1")
    ]


def test_nothing_missing_attaches_nothing(connection: Connection):
    assert invoice_files.attached(connection, opened(connection, b.invoice(connection))) == ()


def test_a_stored_file_comes_byte_for_byte_and_before_one_of_ours(connection: Connection):
    invoice_id = b.invoice(connection, status="Error")
    b.missing(connection, invoice_id)
    attach(connection, invoice_id, "errors.csv", b"as it was")
    attach(connection, invoice_id, "note.bin", bytes(range(256)))
    invoice = opened(connection, invoice_id)
    assert [(file.name, file.note) for file in invoice_files.attached(connection, invoice)] == [
        ("errors.csv", "9 bytes"),
        ("note.bin", "256 bytes"),
    ]
    assert invoice_files.content(connection, invoice, "errors.csv") == b"as it was"
    assert invoice_files.content(connection, invoice, "note.bin") == bytes(range(256))


def test_a_file_that_has_gone_is_refused_in_one_sentence(connection: Connection):
    with pytest.raises(CallRefused, match=r"note.bin is not attached to D0300A1B2C any more"):
        invoice_files.content(connection, opened(connection, b.invoice(connection)), "note.bin")


def test_received_files_say_when_how_and_whether_the_lines_come_from_them(connection: Connection):
    invoice_id = b.invoice(connection, number="G-1", run=7)
    for run, fingerprint in ((6, "a" * 64), (7, "b" * 64)):  # the run before read another version
        source = {"ordinal": 1, "feed": "reconciliation", "name": "x", "fingerprint": fingerprint}
        connection.execute(insert(import_source).values(import_run_id=run, **source))
    b.landed(connection, number="G-1", purpose="reconciliation", fingerprint="a" * 64, received_at=b.NOW - timedelta(days=1))
    b.landed(connection, number="G-1", purpose="reconciliation", fingerprint="b" * 64)
    b.landed(connection, number="G-1", purpose="plain", method="FILE", fingerprint="c" * 64)
    b.landed(connection, number="G-1", purpose="import order", method="ORDER", fingerprint="d" * 64)
    b.landed(connection, number="G-2", purpose="reconciliation", fingerprint="e" * 64)
    rows = invoice_files.received_files(connection, opened(connection, invoice_id)).rows
    assert [(row["what"], row["how"], row["read"], row["short"]) for row in rows] == [
        ("Lines by hand", "by hand", False, "c" * 12),
        ("Invoice lines", "synced", True, "b" * 12),
        ("Invoice lines", "synced", False, "a" * 12),
    ]
    assert {(row["size"], row["name"]) for row in rows} == {(24080, "reconciliation.json.gz"), (24080, "plain.json.gz")}
