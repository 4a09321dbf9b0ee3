"""Is what the lines leave open said, and never as explained where it is not?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Engine

from tests.reports import builders as b
from w365core.reports import gap, provider_invoice


def said(engine: Engine, **more) -> str:
    with engine.begin() as connection:
        b.invoice(connection, **more)
        return " ".join(gap.said(provider_invoice.named(connection, provider="csp-demo", number="D0300A1B2C")))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "not a cent of difference"),
        ({"difference": "0.01"}, "a difference of 0.01 EUR; the tolerance is 0.05 EUR. So it counts as rounding."),
        ({"difference": "12.5", "status": "Error", "failure": "checksum_failed"}, "held back until it is explained"),
        ({"difference": "12.5"}, "A person let it pass with a tolerance of its own"),
        ({"usage": "50", "daily_rated_total": Decimal(20)}, "50.00 EUR in the reconciliation file and 20.00 EUR in the daily-rated one"),
        ({"difference": "12.5", "proven_cause": "Tax."}, "Proven cause: Tax."),
    ],
)
def test_each_kind_of_gap_has_its_sentence(engine: Engine, more: dict, told: str):
    assert told in said(engine, **more)


def test_what_nobody_has_proven_is_said_to_be_open(engine: Engine):
    assert said(engine, difference="12.5", status="Error").endswith("No cause is proven.")


def test_without_lines_there_is_nothing_to_say(engine: Engine):
    assert said(engine, header=None, status="Error") == ""
