"""Are policies shown, set, changed and removed on their page, and what was overridden listed with its reason?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from tests.pages.conftest import said
from tests.reports import builders as b
from w365core.difference import Explanation, as_dict
from w365core.model import Provider, ProviderType
from w365core.store import audit, policies, providers
from w365core.store.ledger import Who
from w365core.tolerance import Policy

WHO = Who("ana", b.NOW)
D = Decimal


@pytest.fixture
def page(frame, engine: Engine):
    """The Tolerance page with one provider, opened when it is called."""
    with engine.begin() as connection:
        b.clock(connection)
        b.rates(connection, EUR="1", USD="0.9")
        providers.save(connection, Provider("csp", ProviderType.MANUAL), now=b.NOW)

    def opened():
        app = frame()
        app.switch_page("providers/tolerance.py")
        return app.run()

    return opened


def test_without_a_policy_the_default_is_said(page) -> None:
    told = said(page())
    assert (
        "Tolerance" in told
        and "up to 0.50 passes with one click" in told
        and "No policy is set" in told
        and "Nothing was overridden yet" in told
    )


def test_a_policy_is_set_after_it_was_said_what_it_will_do(page, engine: Engine) -> None:
    app = page()
    app.text_input("policy_most_amount_new").set_value("500")
    app.text_input("policy_owner_new").set_value("Ana")
    app.text_input("policy_reason_new").set_value("Azure of this volume")
    app.run()
    assert "csp in EUR: Up to 0.50 EUR one click will do; above that a reason is needed; an override above 500.00 EUR is refused." in said(
        app
    )
    app.button("policy_save_new").click().run()
    with engine.connect() as connection:
        assert policies.find(connection, "csp", "EUR") == Policy(
            "csp", "EUR", most_amount=D(500), owner="Ana", reason="Azure of this volume"
        )
    assert list(app.dataframe[0].value["Owner"]) == ["Ana"] and list(app.dataframe[0].value["Holds"]) == ["until it is changed"]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [("most_amount", "much", "is no number"), ("most_amount", "0.10", "is less than what passes with one click")],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(page, engine: Engine, field: str, value: str, sentence: str) -> None:
    app = page()
    app.text_input(f"policy_{field}_new").set_value(value)
    app.text_input("policy_owner_new").set_value("Ana")
    app.text_input("policy_reason_new").set_value("r")
    app.run()
    if "policy_save_new" in [button.key for button in app.button]:
        app.button("policy_save_new").click().run()
    assert sentence in said(app)
    with engine.connect() as connection:
        assert policies.all_of_them(connection) == []


def test_a_policy_that_has_expired_or_soon_does_is_said_above_the_others(page, engine: Engine) -> None:
    with engine.begin() as connection:
        policies.save(connection, Policy("csp", "EUR", owner="Ana", reason="r", expires_on=date(2026, 11, 11)), who=WHO)
        policies.save(connection, Policy("csp", "USD", owner="Bo", reason="r", expires_on=date(2026, 11, 30)), who=WHO)
        policies.save(connection, Policy("csp", "GBP", owner="Cy", reason="r", expires_on=date(2027, 11, 30)), who=WHO)
    told = said(page())
    assert "csp in EUR (Ana) has expired on 11 Nov 2026: the default of 0.50 EUR holds again" in told
    assert "csp in USD (Bo) expires: its last day is 30 Nov 2026, in 18 days" in told and "Cy) expires" not in told


def test_differences_and_overrides_are_listed_with_who_why_and_what_was_proven(page, engine: Engine) -> None:
    explained = {"explanation": as_dict(Explanation(D("40"), None))}
    with engine.begin() as connection:
        b.invoice(connection, number="G-1", provider="csp", header="140", difference="40", override_tolerance=D(40), **explained)
        b.invoice(connection, number="G-2", provider="csp", header="130", difference="30", status="Error", **explained)
        after = {
            "override_tolerance": D(40),
            "difference": "40",
            "usage_difference": None,
            "overridden": True,
            "currency": "EUR",
            "proven_cause": None,
        }
        audit.append(
            connection,
            at=b.NOW,
            actor="ana",
            action="import provider invoice",
            target_kind="provider invoice",
            target="csp G-1",
            reason="freight",
            after=after,
        )
    app = page()
    row = app.dataframe[-1].value.iloc[0]
    assert (row["Who"], row["Invoice"], row["Override"], row["Header differed by"], row["Reason"], row["Proven cause"]) == (
        "ana", "G-1", "40.00", "40.00", "freight", "not proven",
    )  # fmt: skip
    assert "What the documents of csp differed by, EUR" in said(app) and not app.exception
