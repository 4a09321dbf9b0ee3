"""Does the page say what is wrong with our change logs and for how much money, and does it mend a mismatch with a reason?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import delete, insert, select

from tests.pages.conftest import unmarked as said
from w365core.store.tables import account, audit_log, license_change_log, subscription

PAGE = "reconciliation/change_logs.py"


@pytest.fixture
def page(frame):
    """The page."""
    return lambda: frame().switch_page(PAGE).run()


@pytest.fixture
def contoso(engine):
    """Ten seats at 12.00 EUR, with logs for six of them."""
    with engine.begin() as connection:
        connection.execute(insert(account).values(account_id="A-1", name="Contoso", credit_hold=False))
        mine = {"subscription_id": "S-1", "account_id": "A-1", "provider": "csp", "kind": "License", "name": "E3", "status": "Active"}
        connection.execute(insert(subscription).values(**mine, quantity=10, selling_price=12, currency="EUR", start_date=date(2026, 1, 1)))
        log = {"change_log_id": "L-1", "subscription_id": "S-1", "event": "Create", "quantity": 6, "effective_date": date(2026, 1, 1)}
        more = {
            "provisioning_status": "Provisioned",
            "status_reason": "Active",
            "selling_price": 12,
            "currency": "EUR",
            "invoice_number": "I-1",
        }
        connection.execute(insert(license_change_log).values(**log, **more))


def test_without_change_logs_the_page_says_where_they_come_from(page) -> None:
    assert "There is no license change log yet" in said(page())


def test_a_mismatch_says_what_is_missing_what_it_is_worth_and_which_log_mends_it(page, contoso) -> None:
    told = said(page())
    assert "Do not add up 48.00 EUR" in told and "The subscription says 10, its change logs come to 6." in told
    assert "Proposed: Update of +4, effective" in told and "at 12.00 EUR a seat." in told
    assert "No archived change log is without an invoice." in told


def test_days_and_amounts_read_as_on_every_page(page, contoso, engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(license_change_log))
        log = {"change_log_id": "L-2", "subscription_id": "S-1", "event": "Create", "quantity": 100, "effective_date": date(2026, 5, 7)}
        more = {"provisioning_status": "Provisioned", "status_reason": "Archived", "selling_price": 12, "currency": "EUR"}
        connection.execute(insert(license_change_log).values(**log, **more))
        like = {"account_id": "A-1", "provider": "csp", "kind": "License", "status": "Suspended", "start_date": date(2026, 1, 1)}
        connection.execute(insert(subscription).values(subscription_id="S-2", quantity=5, **like))
    told = said(page())
    assert "L-2 (+100 on 7 May 2026) is archived and was never billed: 1,200.00 EUR a month." in told
    assert (
        "The subscription says 5, it has no change log. Proposed: Create of +5, effective 1 Jan 2026 (the subscription began on that day)"
        in told
    )


def test_a_mending_log_is_added_with_a_reason_and_said(page, contoso, engine) -> None:
    app = page()
    app.button("mend_S-1").click().run()
    assert "Would add Update of +4 for S-1" in said(app)
    app.button("mending_now").click().run()
    assert "Would add Update of +4 for S-1" in said(app)
    app.text_input("mending_why").input("seats of the migration").run()
    app.button("mending_now").click().run()
    assert "Added MEND-S-1-1: Update of +4 for S-1" in said(app) and "come to what its subscription says" in said(app)
    with engine.connect() as connection:
        sums = connection.execute(select(license_change_log.c.quantity)).scalars().all()
        assert sorted(sums) == [Decimal(4), Decimal(6)]
        assert connection.execute(select(audit_log.c.reason)).scalars().all() == ["seats of the migration"]
