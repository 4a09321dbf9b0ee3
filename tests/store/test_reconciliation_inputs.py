"""Is what a reconciliation reads exactly what is stored, whatever stands in the cells, and is it found to be the same again?"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Engine, insert, text

from tests.books import Books, seat
from w365core.store import ledger, reconciliation_inputs, tables
from w365core.store.reconciliation_inputs import Inputs

PERIOD = (date(2026, 10, 1), date(2026, 10, 31))


@pytest.fixture
def books(books: Books) -> Books:
    books.invoice([seat()])
    return books


def read(engine: Engine) -> Inputs:
    invoice = ledger.named(engine, provider_name="csp", invoice_number="G1")
    with engine.connect() as connection:
        return reconciliation_inputs.read(connection, invoice, period=PERIOD, staged=False)


def test_every_digit_and_every_sign_comes_through(books: Books, engine: Engine) -> None:
    odd = 'a "quoted",\n\tsecond line \\N \\. €'
    number = "-1234567890123456789012.123456789012345678901234567890"
    row = {
        "provider_invoice_id": ledger.named(engine, provider_name="csp", invoice_number="G1").provider_invoice_id, "line_number": 99, "kind": "license",
        "subscription_id": "S-1", "provider_subscription_id": "007", "product_name": odd, "customer_name": "", "charge_type": "null",
        "subtotal": Decimal(number), "currency": "eur", "order_date": datetime(2026, 10, 1, 23, 59, 59, 123456), "charge_start": date(2026, 10, 1),
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(tables.license_line).values(**row))
    found = next(one for one in read(engine).lines.to_pylist() if one["line_number"] == 99)
    assert (found["subtotal"], found["product_name"], found["provider_subscription_id"], found["charge_type"]) == (
        number,
        odd,
        "007",
        "null",
    )
    assert (found["order_date"], found["charge_start"], found["charge_end"], found["quantity"]) == (
        row["order_date"],
        row["charge_start"],
        None,
        None,
    )
    assert found["customer_name"] == "" and found["account_id"] is None  # blank is not absent


def test_the_same_store_reads_the_same_and_a_change_is_of_its_subscription(books: Books, engine: Engine) -> None:
    first, again = read(engine), read(engine)
    assert (
        first.fingerprints == again.fingerprints
        and first.by_subscription == again.by_subscription
        and set(first.by_subscription) == {"S-1"}
    )
    with engine.begin() as connection:
        connection.execute(text("update license_change_log set initiated_by = 'Ben'"))
    changed = read(engine)
    assert [name for name in first.fingerprints if first.fingerprints[name] != changed.fingerprints[name]] == ["change_logs"]
    assert changed.by_subscription["S-1"] != first.by_subscription["S-1"]


def test_lines_in_another_currency_are_left_out_and_counted(books: Books, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("update license_line set currency = 'USD'"))
    found = read(engine)
    assert (found.lines.num_rows, found.foreign) == (0, 1)


def test_what_the_provider_says_now_is_the_sum_over_all_ids_of_the_subscription(books: Books, engine: Engine) -> None:
    books.alias("P-OLD")
    books.load()
    said = {
        "provider": "csp",
        "provider_customer_id": "c",
        "kind": "License",
        "first_seen_at": datetime(2026, 11, 1),
        "seen_at": datetime(2026, 11, 1),
    }
    with engine.begin() as connection:
        for named, seats, gone in (("p-s-1", 8, None), ("p-old", 4, None), ("p-other", 100, None)):
            row = {**said, "provider_subscription_id": named, "quantity": Decimal(seats), "gone_at": gone}
            connection.execute(insert(tables.provider_subscription).values(**row))
    assert read(engine).subscriptions.to_pylist()[0]["provider_quantity_now"] == "12"
    with engine.begin() as connection:
        connection.execute(text("update provider_subscription set gone_at = now() where provider_subscription_id = 'p-old'"))
    assert read(engine).subscriptions.to_pylist()[0]["provider_quantity_now"] == "8"
