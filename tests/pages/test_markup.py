"""Does the page of markups show what needs doing and its money, say what a change will do before and what it did after, and take it back?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Engine, update
from streamlit.testing.v1 import AppTest

from pages.components import markup_preview
from tests.pages.conftest import said
from tests.reports import builders as b
from tests.usage_rows import Usage, table, written
from w365core.store.tables import subscription

D = Decimal


@pytest.fixture
def usage(engine: Engine) -> Usage:
    with engine.begin() as connection:
        b.clock(connection)
        b.rates(connection, EUR="1", JPY="0.006")
    return Usage(engine)


@pytest.fixture
def page(frame, engine: Engine, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """The page, opened when it is called; query parameters are its URL's."""
    monkeypatch.setenv("W365_HOME", str(tmp_path / "home"))

    def opened(**query: str) -> AppTest:
        app = frame()
        app.switch_page("usage/markup.py")
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return opened


def set_markup(usage: Usage, subscription_id: str, markup: str | None) -> None:
    with usage.engine.begin() as connection:
        connection.execute(update(subscription).where(subscription.c.subscription_id == subscription_id).values(markup_pct=markup))


def uploaded(app: AppTest, content: bytes) -> AppTest:
    """As the uploader hands a file on."""
    app.file_uploader[0].set_value(("october.csv", content, "text/csv"))
    return app.run()


def applied(app: AppTest, reason: str = "price list") -> AppTest:
    app.text_input("markup_reason").set_value(reason)
    return app.button("markup_apply").click().run()


def test_without_usage_the_page_says_where_it_comes_from(page) -> None:
    assert "There is no usage yet" in said(page())


def test_where_every_markup_is_right_it_says_so(page, usage: Usage) -> None:
    usage.add()
    told = said(page())
    assert (
        "Every markup is as it should be" in told
        and "EUR: 1 open row of 1 customer on 1 invoice, cost 10.00 EUR, sells for 11.50 EUR." in told
    )
    assert "Nothing was corrected yet" in told


def test_the_worklist_has_the_biggest_money_first_in_base_currency(page, usage: Usage) -> None:
    usage.add("100.00", None), usage.add("50000", account_id="A-2", currency="JPY"), usage.add("40.00", account_id="A-3")
    for name, markup in (("U-1", None), ("U-2", "1000"), ("U-3", "14")):
        set_markup(usage, name, markup)
    app = page()
    told = said(app)
    assert [told.index(name) for name in ("Fabrikam Azure", "Contoso Azure", "Almjoch Azure")] == sorted(
        told.index(name) for name in ("Fabrikam Azure", "Contoso Azure", "Almjoch Azure")
    )
    assert "1 row of 1 invoice has 15 %; the subscription says 14 % now. It sells for 46.00 EUR, and would for 45.60 EUR." in told
    assert "No markup, EUR 100.00 EUR" in told and "Markup changed since import, JPY +492,500 JPY" in told


def test_drift_is_previewed_applied_with_a_reason_and_undone(page, usage: Usage) -> None:
    usage_id = usage.add("100.00")
    set_markup(usage, "U-1", "20")
    app = page()
    app.button("fix_drift_U-1_EUR").click().run()
    assert "Rows to change 1" in said(app) and "115.00 EUR before: +5.00 EUR" in said(app) and "Nothing is changed yet" in said(app)
    app.button("markup_apply").click().run()
    assert "Say why" in said(app) and usage.markups() == {usage_id: 15}
    applied(app)
    assert usage.markups() == {usage_id: 20} and "1 row changed" in said(app) and "Every markup is as it should be" in said(app)
    assert list(app.dataframe[-1].value["What of it stands"]) == ["all of it"]
    app.button("markup_receipt_undo").click().run()
    assert usage.markups() == {usage_id: 15} and "Correction 1 is undone: 1 row as before." in said(app) and not app.exception


def test_a_blank_markup_leads_to_the_rule_for_exactly_that_subscription(page, usage: Usage) -> None:
    blank, other = usage.add("100.00", None), usage.add(account_id="A-2")
    set_markup(usage, "U-1", None)
    app = page()
    app.button("fix_blank_U-1_EUR").click().run()
    assert app.multiselect("markup_subscriptions").value == ["U-1"]
    app.button("markup_rule_preview").click().run()
    assert "Write a markup in per cent" in said(app)
    app.text_input("markup_rule").set_value("12,5")
    app.button("markup_rule_preview").click().run()
    assert "Markup 12.5 % for 1 subscription" in said(app)
    applied(app)
    assert usage.markups() == {blank: D("12.5"), other: 15}


def test_the_choice_stands_in_the_url_and_a_rule_needs_one(page, usage: Usage) -> None:
    usage.add(), usage.add(account_id="A-2")
    app = page(customers="A-2")
    assert app.multiselect("markup_customers").value == ["A-2"] and "EUR: 1 open row of 1 customer" in said(app)
    app.multiselect("markup_customers").set_value([]).run()
    app.segmented_control("markup_way").set_value("One rule").run()
    app.text_input("markup_rule").set_value("12")
    app.button("markup_rule_preview").click().run()
    assert "Choose above what the markup is for" in said(app)


def test_a_file_with_a_bad_cell_names_it_and_cannot_be_applied(page, usage: Usage) -> None:
    usage.add(), usage.add()
    rows = table(usage.export())
    rows[0]["markup_pct"], rows[1]["markup_pct"] = "20", "-1"
    app = uploaded(page(), written(rows))
    row = app.dataframe[0].value.iloc[0]
    assert (row["Row"], row["Column"], row["Value"]) == ("3", "markup_pct", "-1") and "Cannot be applied" in said(app)
    assert "markup_apply" not in [button.key for button in app.button]
    rows[1]["markup_pct"] = "21"
    app.file_uploader[0].set_value([]).run()
    app = applied(uploaded(app, written(rows)))
    assert sorted(usage.markups().values()) == [20, 21] and not app.exception


def test_a_file_that_is_none_is_refused_in_a_sentence(page, usage: Usage) -> None:
    usage.add()
    assert "is a web page, not a table" in said(uploaded(page(), b"<html>"))


def test_what_somebody_changed_since_is_shown_with_both_values(page, usage: Usage) -> None:
    usage.add()
    rows = table(usage.export())
    app = uploaded(page(), written([rows[0] | {"markup_pct": "20"}]))
    applied(app)
    app = uploaded(page(), written([rows[0] | {"markup_pct": "12"}]))
    assert "Changed by somebody since the export" in said(app)
    row = app.dataframe[1].value.iloc[0]
    assert (row["At the export"], row["The file says"], row["In force now"]) == ("15", "12", "20")


def test_a_preview_that_is_no_longer_true_is_not_applied(page, usage: Usage) -> None:
    usage.add("100.00")
    set_markup(usage, "U-1", "20")
    app = page()
    app.button("fix_drift_U-1_EUR").click().run()
    set_markup(usage, "U-1", "30")
    assert "changed since it was previewed" in said(applied(app)) and set(usage.markups().values()) == {15}


def test_what_was_previewed_is_forgotten_where_the_choice_changes(page, usage: Usage) -> None:
    usage.add()
    set_markup(usage, "U-1", "20")
    app = page()
    app.button("fix_drift_U-1_EUR").click().run()
    assert "markup_asked" in app.session_state
    app.multiselect("markup_customers").set_value(["A-1"]).run()
    assert "markup_asked" not in app.session_state and markup_preview.WORKLIST
