"""Does the page Settings show what is set and by whom, set it by the same door as the command, and say what somebody should look at?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from tests.pages.conftest import said
from tests.reports import builders as b
from w365core.jobs import preferring, rates as door
from w365core.preferences import BY_NAME, PREFERENCES
from w365core.reports import settings as report, wording
from w365core.store import audit, preferences, rates
from w365core.store.ledger import Who

WHO = Who("ana", b.NOW - timedelta(days=40))
D = Decimal


@pytest.fixture
def page(frame, engine: Engine):
    """The page of a small installation, opened at a section when it is called."""
    with engine.begin() as connection:
        b.clock(connection)
        b.rates(connection, EUR="1", USD="0.9")
        rates.confirm(connection, [("USD", D("0.9"))], who=WHO)
        for contract, day in (("C-1", b.NOW.date() - timedelta(days=3)), ("C-2", b.NOW.date() + timedelta(days=3))):
            values = {"contract": contract, "day": day}
            connection.execute(
                text(
                    "insert into billing_contract (contract_id, frequency, next_invoice_date, currency, status) values (:contract, 'Monthly', :day, 'USD', 'Active')"
                ),
                values,
            )
            connection.execute(
                text(
                    "insert into subscription (subscription_id, provider, provider_subscription_id, contract_id, kind, status) values (:contract, 'csp', :contract, :contract, 'Usage', 'Active')"
                ),
                values,
            )

    def opened(section: str | None = None):
        app = frame()
        app.switch_page("operations/settings.py").run()
        if section:
            app.session_state["section"] = section
            app.run()
        assert not app.exception
        return app

    yield opened
    wording.show_times_in("UTC")


def stands(engine: Engine, name: str) -> str:
    with engine.connect() as connection:
        return preferences.values(connection)[name]


def test_what_should_be_looked_at_stands_first(page) -> None:
    told = said(page())
    assert "The rate of USD is 40 days old; 0 provider invoices and 2 contracts are in it." in told
    assert "1 contract should have been invoiced: C-1" in told


def test_where_all_is_well_it_says_so(page, engine: Engine) -> None:
    with engine.begin() as connection:
        rates.confirm(connection, [("USD", D("0.9"))], who=Who("ana", b.NOW))
        connection.execute(text("update billing_contract set next_invoice_date = :day"), {"day": b.NOW.date()})
    assert "Every rate that is in use is of late" in said(page())


def test_a_setting_is_set_and_says_by_whom_and_is_taken_back(page, engine: Engine) -> None:
    app = page("Money")
    app.text_input("set_rate_stale_days_35").set_value(" 60 ").run()
    app.button("save_rate_stale_days").click().run()
    assert stands(engine, "rate_stale_days") == "60" and "rate_stale_days is 60 now." in said(app)
    assert "the default is 35" in said(app) and "40 days old" not in said(app)
    app.button("reset_rate_stale_days").click().run()
    assert stands(engine, "rate_stale_days") == "35"
    with engine.connect() as connection:
        actions = connection.execute(text("select action from audit_log order by audit_id")).scalars().all()
        assert actions == ["set setting", "clear setting"] and audit.first_broken(connection) is None


def test_what_somebody_else_has_set_meanwhile_is_neither_reset_nor_overwritten(page, engine: Engine) -> None:
    with engine.begin() as connection:
        preferences.save(connection, BY_NAME["rate_stale_days"], "60", who=WHO)
    app = page("Money")
    preferring.change(engine, "rate_stale_days", "90", actor="bo", now=b.NOW)
    app.button("reset_rate_stale_days").click().run()
    assert "bo has set rate_stale_days to 90 since you looked at it; nothing was changed." in said(app)
    assert stands(engine, "rate_stale_days") == "90"
    app.button("reset_rate_stale_days").click().run()
    assert stands(engine, "rate_stale_days") == "35", "having looked again, they may"


def test_a_rate_that_somebody_else_has_set_meanwhile_is_not_overwritten(page, engine: Engine) -> None:
    app = page("Currencies")
    choose(app, "currencies_0", "Currency", "USD")
    app.text_input("rate_USD").set_value("0.95").run()
    door.set_rate(engine, "USD", D("0.8"), actor="bo", now=b.NOW)
    app.button("rate_save_USD").click().run()
    with engine.connect() as connection:
        assert {one.code: one.rate for one in rates.all_of_them(connection)}["USD"] == D("0.8")
    assert "The rate of USD was changed to 0.8 by bo meanwhile; look at it again." in said(app)


def test_what_is_no_value_is_refused_in_one_sentence(page, engine: Engine) -> None:
    app = page("Money")
    app.text_input("set_rate_stale_days_35").set_value("soon").run()
    app.button("save_rate_stale_days").click().run()
    assert "rate_stale_days is 'soon'; expected: a whole number from 0 to 3,650." in said(app) and stands(engine, "rate_stale_days") == "35"


def test_the_time_zone_moves_the_times_of_every_page_and_no_stored_one(page, engine: Engine) -> None:
    app = page("Currencies")
    assert list(app.dataframe[0].value["Since"])[0] == f"{WHO.now:%Y-%m-%d %H:%M}"
    with engine.begin() as connection:
        connection.execute(text("insert into preference values ('time_zone', 'Asia/Kolkata', 'ana', now())"))
    app.run()
    assert list(app.dataframe[0].value["Since"])[0] == f"{WHO.now + timedelta(hours=5, minutes=30):%Y-%m-%d %H:%M}"


def test_a_rate_is_set_after_it_was_said_what_that_changes(page, engine: Engine) -> None:
    app = page("Currencies")
    choose(app, "currencies_0", "Currency", "USD")
    assert "1,000 USD are 900 EUR, as before" in said(app)
    app.text_input("rate_USD").set_value("0.95").run()
    assert "1,000 USD were 900, and will be 950 EUR. It moves no invoice" in said(app)
    app.button("rate_save_USD").click().run()
    with engine.connect() as connection:
        found = {one.code: one for one in rates.all_of_them(connection)}["USD"]
    assert (found.rate, found.set_at) == (D("0.95"), b.NOW) and "1 USD is 0.95 EUR now." in said(app)


def test_the_base_currency_has_no_rate_to_set(page) -> None:
    app = page("Currencies")
    choose(app, "currencies_0", "Currency", "EUR")
    assert "EUR is the base currency" in said(app) and "rate_save_EUR" not in [button.key for button in app.button]


def test_an_invoice_date_is_set_with_a_reason(page, engine: Engine) -> None:
    app = page("Contracts")
    choose(app, "contracts_0", "Contract", "C-1")
    app.date_input("day_C-1").set_value(date(2026, 12, 1))
    app.text_input("day_reason_C-1").set_value("asked for by the customer").run()
    app.button("day_save_C-1").click().run()
    with engine.connect() as connection:
        row = connection.execute(text("select next_invoice_date from billing_contract where contract_id = 'C-1'")).scalar()
        event = connection.execute(text("select action, reason from audit_log")).one()
    assert row == date(2026, 12, 1) and tuple(event) == ("set invoice date", "asked for by the customer")
    assert "C-1 is invoiced next on 1 Dec 2026" in said(app)


def test_every_setting_there_is_stands_in_a_group_with_what_it_does(page) -> None:
    app = page()
    seen = said(app)
    for section in ("Money", "Keeping"):
        app.session_state["section"] = section
        app.run()
        seen += said(app)
    shown = [one for one in PREFERENCES if report.group_of(one) in ("General", "Money", "Keeping")]
    assert shown and [one.name for one in shown if one.does not in seen] == []


def choose(app, key: str, column: str, value: str) -> None:
    place = list(app.dataframe[0].value[column]).index(value)
    app.session_state[key] = {"selection": {"rows": [place], "columns": [], "cells": []}}
    app.run()
