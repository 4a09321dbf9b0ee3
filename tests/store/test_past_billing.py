"""Usage that a past customer invoice has billed is not sold again, and nothing is taken for billed that need not be."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Engine, insert, select, update

from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.past_billing import Settled, near_misses, settle
from w365core.store.tables import audit_log, customer_invoice, customer_invoice_line, provider_invoice, subscription, usage_summary

NOW = datetime(2026, 11, 12, 6, tzinfo=UTC)
MONTHS = {8: (date(2026, 8, 1), date(2026, 8, 31)), 9: (date(2026, 9, 1), date(2026, 9, 30)), 10: (date(2026, 10, 1), date(2026, 10, 31))}


@pytest.fixture
def books(engine: Engine) -> Books:
    return Books(engine)


class Books:
    """Usage and invoices in a database, a row at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def used(self, *amounts: str | None, month: int = 9, subscription: str = "U-1", currency: str = "EUR", **said: object) -> None:
        """One provider invoice with a usage summary for each selling amount."""
        state = {"state": said.pop("state", "Active"), "status_reason": said.pop("status_reason", "Active")}
        sums = dict.fromkeys(("header_total", "license_total", "usage_total", "tax_total", "rounding", "overridden"), 0)
        with self.engine.begin() as connection:
            number = f"G{len(connection.execute(select(provider_invoice.c.invoice_number)).all())}"
            made = insert(provider_invoice).values(
                provider="csp", invoice_number=number, currency=currency, source="synced", first_seen_at=NOW, **state, **sums
            )
            invoice_id = connection.execute(made.returning(provider_invoice.c.provider_invoice_id)).scalar_one()
            start, end = MONTHS[month]
            for ordinal, amount in enumerate(amounts):
                row = {"usage_id": f"{number}-{ordinal}", "provider_invoice_id": invoice_id, "subscription_id": subscription}
                money = {"quantity": 1, "cost": 1, "selling_amount": amount and Decimal(amount), "currency": currency, "lines": 1}
                window = {"charge_start": start, "charge_end": end, "created_at": NOW}
                connection.execute(insert(usage_summary).values(**row, **money, **window, **said))

    def billed(
        self, number: str, *amounts: str, month: int = 9, dated: date | None = None, status: str = "Billed", currency: str = "EUR"
    ) -> None:
        """A customer invoice for the cycle of a month with a line for each amount."""
        start, end = MONTHS[month]
        head = {"invoice_number": number, "invoice_date": dated or date(2026, month + 1, 12), "cycle_start": start, "cycle_end": end}
        with self.engine.begin() as connection:
            connection.execute(insert(customer_invoice).values(**head, status=status, currency=currency))
            for ordinal, amount in enumerate(amounts, 1):
                line = {"invoice_number": number, "line_number": ordinal, "subscription_id": "U-1", "amount": Decimal(amount)}
                connection.execute(insert(customer_invoice_line).values(**line))

    def settle(self) -> Settled:
        with self.engine.begin() as connection:
            return settle(connection, who=Who("tester", NOW), keep=lambda document: f"landed {len(document) > 2}")

    def on(self) -> dict[str, str | None]:
        """Which invoice billed each usage summary."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(usage_summary.c.usage_id, usage_summary.c.status, usage_summary.c.invoice_number)).all()
        assert all((row.status == "Invoiced") == (row.invoice_number is not None) for row in rows)
        return {row.usage_id: row.invoice_number for row in rows}


def test_a_line_that_says_what_the_usage_sells_for_has_billed_it(books):
    books.used("40.10", "59.90")
    books.billed("I1", "100.00", "150.00", status="Paid")
    assert books.settle() == Settled(2, 1, {"EUR": Decimal("100.00")})
    assert books.on() == {"G0-0": "I1", "G0-1": "I1"}


def test_what_an_invoice_of_the_same_contract_and_month_says_otherwise_is_named(books):
    books.used("100.00")
    books.used("70.00", month=10)
    books.billed("I1", "100.01")
    books.billed("I2", "70.00", month=10)
    with books.engine.begin() as connection:
        connection.execute(insert(subscription).values(subscription_id="U-1", contract_id="C-1", kind="Usage"))
        connection.execute(update(customer_invoice).values(contract_id="C-1"))
    books.settle()
    with books.engine.connect() as connection:
        (near,) = near_misses(connection)
    assert (near.contract_id, near.subscription_id, near.charge_end) == ("C-1", "U-1", date(2026, 9, 30))
    assert (near.sells_for, near.billed, near.invoice_number) == (Decimal("100.00"), Decimal("100.01"), "I1")


def test_it_is_said_in_the_audit_log_once_and_a_second_time_finds_nothing(books):
    books.used("100")
    books.billed("I1", "100.00")
    books.settle()
    assert books.settle() == Settled(0, 0, {})
    with books.engine.connect() as connection:
        (said,) = connection.execute(select(audit_log)).all()
        assert audit.first_broken(connection) is None
    assert (said.action, said.actor, said.after) == (
        "settle past usage",
        "tester",
        {"summaries": 1, "customer_invoices": 1, "EUR": said.after["EUR"], "order": "landed True"},
    )
    assert Decimal(said.after["EUR"]) == 100


@pytest.mark.parametrize(
    "used, billed",
    [
        pytest.param({}, {"amounts": ["100.01"]}, id="another amount"),
        pytest.param({}, {"status": "Draft"}, id="a draft"),
        pytest.param({}, {"currency": "USD"}, id="another currency"),
        pytest.param({}, {"amounts": ["100.00", "-100.00"]}, id="given back"),
        pytest.param({}, {"month": 8, "dated": date(2026, 10, 12)}, id="an earlier cycle"),
        pytest.param({}, {"dated": date(2026, 9, 30)}, id="dated before the usage was over"),
        pytest.param({"subscription": "U-2"}, {}, id="another subscription"),
        pytest.param({"confirmed": False}, {}, id="unconfirmed usage"),
        pytest.param({"status": "Archived"}, {}, id="archived usage"),
        pytest.param({"amounts": ["100.00", None]}, {}, id="usage without a markup beside it"),
        pytest.param({"amounts": ["0.00"]}, {"amounts": ["0.00"]}, id="nothing"),
        pytest.param({"state": "Inactive", "status_reason": "Deactivated"}, {}, id="a deactivated provider invoice"),
        pytest.param({"status_reason": "Populating"}, {}, id="a provider invoice not activated yet"),
    ],
)
def test_what_does_not_agree_stays_to_be_billed(books, used, billed):
    books.used(*used.pop("amounts", ["100.00"]), **used)
    books.billed("I1", *billed.pop("amounts", ["100.00"]), **billed)
    before = books.on()
    assert books.settle() == Settled(0, 0, {})
    assert books.on() == before


def test_usage_billed_a_cycle_late_is_found_on_the_later_invoice(books):
    books.used("100.00", month=9)
    books.used("120.00", month=10)
    books.billed("I9", "80.00", month=9)
    books.billed("I10", "100.00", month=10)
    books.settle()
    assert books.on() == {"G0-0": "I10", "G1-0": None}


def test_equal_amounts_each_month_are_billed_by_the_invoice_of_their_own_cycle(books):
    """The month that nobody billed stays the one to be billed, whichever was imported first."""
    for month in (8, 10, 9):
        books.used("100.00", month=month)
    books.billed("I9", "100.00", month=9)
    books.billed("I10", "100.00", month=10)
    books.settle()
    assert books.on() == {"G0-0": None, "G1-0": "I10", "G2-0": "I9"}


def test_usage_that_two_invoices_could_have_billed_is_settled_once_on_that_of_its_own_cycle(books):
    books.used("100.00", month=9)
    books.billed("I10", "100.00", month=10)
    books.billed("I9", "100.00", month=9)
    assert books.settle() == Settled(1, 1, {"EUR": Decimal("100.00")})
    assert books.on() == {"G0-0": "I9"}


def test_one_line_does_not_bill_two_provider_invoices(books):
    books.used("100.00")
    books.used("100.00")
    books.billed("I1", "100.00")
    assert books.settle().summaries == 1
    assert sorted(books.on().values(), key=str) == ["I1", None]
    assert books.settle() == Settled(0, 0, {})
