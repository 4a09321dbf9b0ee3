"""Does the inbox say what is missing, whose billing waits and what would supply it; and does Apply do what the dry run said?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from streamlit.testing.v1 import AppTest

from pages.components import references_fix
from tests import estates
from tests.estates import FABRIKAM, PROVIDER, seat
from tests.jobs import working
from tests.pages.conftest import said, unmarked
from tests.reports import builders as b
from w365core.jobs import queue, syncing
from w365core.jobs.context import Context
from w365core.model import ReferenceKind
from w365core.reports import missing_references as report
from w365core.store.tables import audit_log, currency, product, provider_account, provider_invoice

INBOX = str(Path(__file__).resolve().parents[2] / "pages" / "references" / "inbox.py")
FOUR = "d1b2c3d4-0000-4000-8000-00000000000f"


def key(kind: str, printed: str, provider: str | None = PROVIDER) -> str:
    """The id of a missing thing, as its widgets are named."""
    row = {
        "kind": kind,
        "provider": provider,
        "key": printed,
        "name": None,
        "lines": 1,
        "amount": Decimal(0),
        "currency": "EUR",
        "fix": None,
    }
    row |= {
        "provider_invoice_id": 1,
        "invoice_total": None,
        "invoice_number": "",
        "invoice_currency": "EUR",
        "customers": (),
        "suggestion": "",
    }
    return report.build([row], supplied=(), rates={}).things[0].id


@pytest.fixture
def inbox(frame: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, context: Context) -> Callable[..., AppTest]:
    """Opens the inbox at an address."""
    monkeypatch.setenv("W365_HOME", str(context.settings.home))

    def open_at(**query: str) -> AppTest:
        app = frame(**query)
        return app.switch_page("references/inbox.py").run()

    return open_at


@pytest.fixture
def shop(context: Context, tmp_path: Path) -> Iterator[Context]:
    """G1 waits for Fabrikam's account, G2 for that and a customer whom no account is like."""
    estate = estates.Estate(tmp_path / "estate")
    named = {"CustomerName": "Fabrikam", "CustomerDomainName": "fabrikam.example", "SubscriptionId": ""}
    estate.invoice("G1", [seat("41200.17", CustomerId=FABRIKAM, **named), seat("3.00")])
    wingtip = {"CustomerName": "Wingtip", "CustomerDomainName": "wingtip.example", "SubscriptionId": ""}
    estate.invoice("G2", [seat("10.00", CustomerId=FABRIKAM, **named), seat("20.00", CustomerId=FOUR, **wingtip)])
    with estates.serve(estate) as served:
        records = estate.records(tmp_path / "records", provider_accounts=estates.without_customer(FABRIKAM))
        made = estates.configure(context, served.url, records=records)
        assert syncing.sync_daily(made, provider_name=PROVIDER, with_estimate=False).exit_code == 1
        yield made


def titles(app: AppTest) -> list[str]:
    return [element.value.strip("*") for element in app.markdown if element.value.startswith("**") and not element.value[2].isdigit()]


def test_where_everything_resolves_it_says_so(inbox, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection)
    app = inbox()
    assert app.title[0].value == "Missing references"
    assert "Every customer, subscription, currency and product that the imported lines refer to is in our records." in said(app)


def test_the_biggest_money_stands_first_with_whose_billing_waits(inbox, shop: Context):
    app = inbox()
    told = said(app)
    assert titles(app) == ["Fabrikam", "Wingtip"]
    assert "Held up by references 41,233.17 EUR" in told and "2 invoices" in told and "3 customers wait" in told
    assert "Map it to Fabrikam (A-2)" in told and "certain · same domain fabrikam\\.example" in told
    assert "Map it to an account that you choose" in told and "no account is like it" in told
    table = app.dataframe[0].value
    assert list(table["Holds up"]) == ["41,233.17", "30.00"] and list(table["Its own lines"]) == ["41,210.17", "20.00"]
    assert list(table["Customers wait"]) == ["3", "2"]


def test_a_fix_says_before_what_it_releases_and_after_what_was_done(inbox, shop: Context):
    app = inbox()
    app.button(f"fix_{key('customer', FABRIKAM)}").click().run()
    told = said(app)
    assert "This would release 1 invoice, 41,203.17 EUR. 1 invoice would stay held up." in told
    assert "G2 still lacks 1 customer \\(Wingtip\\)\\." in told
    assert "3 customers cannot be billed until then" in told and "Fabrikam · 41,210.17 EUR" in told
    app.text_input(f"note_{key('customer', FABRIKAM)}").set_value("asked Bo").run()
    app.button(f"apply_{key('customer', FABRIKAM)}").click().run()
    told = said(app)
    assert f"{FABRIKAM} of csp is account A-2 now." in told and "Validation of 2 invoices: waits for the worker" in told
    with shop.engine.connect() as connection:
        mapped = connection.execute(
            select(provider_account.c.account_id).where(provider_account.c.provider_account_id == FABRIKAM)
        ).scalar()
        logged = connection.execute(select(audit_log.c.reason).where(audit_log.c.action == "map provider account")).scalar()
    assert (mapped, logged) == ("A-2", "asked Bo")
    with working.worker(shop, shop.settings.home / "worker.log"):
        (job,) = [one for one in jobs(shop.engine) if one.kind == "validate"]
        working.ended(shop, job.job_id, shop.settings.home / "worker.log")
    app.run()
    assert "Validation of 2 invoices: 2 invoices: 1 Active, 1 in Error." in said(app) and titles(app) == ["Wingtip"]


def jobs(engine: Engine) -> list[queue.JobRun]:
    with engine.connect() as connection:
        return list(queue.recent(connection))


def test_nothing_happens_before_apply(inbox, shop: Context):
    before = estates.digest(shop.engine)
    app = inbox()
    app.button(f"fix_{key('customer', FOUR)}").click().run()
    app.selectbox(f"account_{key('customer', FOUR)}").set_value("A-1").run()
    assert "This would release no invoice yet; 1 invoice would stay held up." in said(app)
    assert estates.digest(shop.engine) == before and jobs(shop.engine) == []


def test_the_ready_fixes_of_several_are_applied_together(inbox, engine: Engine, shop: Context):
    with engine.begin() as connection:
        connection.execute(text("insert into account (account_id, name, domain) values ('A-9', 'Wingtip', 'wingtip.example')"))
    app = inbox()
    app.button("pick_ready").click().run()
    told = said(app)
    assert "The suggested fixes of 2 missing things, in one transaction." in told
    assert "This would release 2 invoices, 41,233.17 EUR." in told
    app.button("apply_several").click().run()
    assert "Validation of 2 invoices: waits for the worker" in said(app)
    assert "Everything that the lines refer to is in our records by now" in said(app)


def test_what_a_load_has_supplied_meanwhile_waits_only_to_be_validated(inbox, engine: Engine, shop: Context):
    with engine.begin() as connection:
        connection.execute(text("update provider_account set account_id = 'A-2' where provider_account_id = :id"), {"id": FABRIKAM})
    app = inbox()
    told = said(app)
    assert titles(app) == ["Wingtip"]
    assert "1 customer, on 2 invoices that have not been validated since." in told
    app.button("validate_supplied").click().run()
    (job,) = jobs(engine)
    assert job.kind == "validate" and len(job.asked["invoices"]) == 2
    assert "have not been validated since" not in said(app)


def test_the_filters_of_the_sidebar_and_the_kind_apply(inbox, engine: Engine, shop: Context):
    with engine.begin() as connection:
        other = b.invoice(connection, number="P-1", provider="other", status="Error", failure="unresolved_references")
        b.missing(connection, other, kind="subscription", key="s-1", name="Seats", amount="5")
        connection.execute(text("insert into provider (name, type, added_at) values ('other', 'manual', now())"))
    app = inbox()
    assert titles(app) == ["Fabrikam", "Seats", "Wingtip"]
    app.session_state["kind"] = "subscription"
    app.run()
    assert titles(app) == ["Seats"]
    app.session_state["kind"] = None
    app.multiselect("provider").set_value(["csp"]).run()
    assert titles(app) == ["Fabrikam", "Wingtip"]
    app.multiselect("currency").set_value([]).run()
    app.multiselect("provider").set_value(["other"]).run()
    assert titles(app) == ["Seats"]


@pytest.mark.parametrize(("query", "is_said"), [({"provider": "nobody"}, True), ({"status": "Deactivated"}, False)])
def test_where_no_invoice_is_chosen_nothing_is_said_to_be_whole(inbox, shop: Context, query: dict, is_said: bool):
    told = unmarked(inbox(**query))
    assert "No invoice matches these filters" in told and "Nothing is missing" not in told
    assert ("The address asks for provider nobody." in told) == is_said


def test_one_invoice_alone_is_shown_by_the_link_from_its_page(inbox, engine: Engine, shop: Context):
    with engine.connect() as connection:
        invoice_id = connection.execute(
            select(provider_invoice.c.provider_invoice_id).where(provider_invoice.c.invoice_number == "G1")
        ).scalar()
    app = inbox()
    app.query_params["of"] = str(invoice_id)
    app.run()
    assert titles(app) == ["Fabrikam"]
    app.button("inbox_all").click().run()
    assert titles(app) == ["Fabrikam", "Wingtip"]


@pytest.fixture
def small(engine: Engine) -> Engine:
    """One invoice in CHF, which nobody knows, with an unknown product, under a provider whose landing is empty."""
    with engine.begin() as connection:
        connection.execute(text("insert into provider (name, type, added_at) values ('csp', 'manual', now())"))
        b.rates(connection, EUR="1")
        b.customer(connection, "A-1", "Contoso")
        connection.execute(
            text(
                "insert into subscription (subscription_id, provider, account_id, kind, name) values ('S-1', 'csp', 'A-1', 'License', 'Seats')"
            )
        )
        connection.execute(text("insert into product (product_id, name) values ('P-1', 'Known')"))
        waits = b.invoice(connection, provider="csp", status="Error", failure="unresolved_references", currency="CHF")
        for kind, key_, name in (("currency", "CHF", None), ("subscription", "old-1", "Old seats"), ("product", "N-1", "Brand new")):
            b.missing(connection, waits, kind=kind, key=key_, name=name, currency="CHF")
    return engine


def test_a_rate_is_asked_for_and_what_is_no_rate_is_said_to_be_none(inbox, small: Engine):
    app, rate = inbox(), f"rate_{key('currency', 'CHF', None)}"
    app.button(f"fix_{key('currency', 'CHF', None)}").click().run()
    app.text_input(rate).set_value("1,05").run()
    assert "1,05 is no rate; write it with a point, such as 1.0432." in said(app)
    app.text_input(rate).set_value("-1").run()
    assert "expected a rate above zero" in said(app)
    app.text_input(rate).set_value("1.05").run()
    app.button(f"apply_{key('currency', 'CHF', None)}").click().run()
    with small.connect() as connection:
        assert connection.execute(select(currency.c.code)).scalars().all() == ["EUR", "CHF"]


def test_an_old_id_is_created_under_a_manual_provider_or_becomes_an_alias(inbox, small: Engine):
    app, thing = inbox(), key("subscription", "old-1", "csp")
    app.button(f"fix_{thing}").click().run()
    assert "Create it under old-ids: License, of an account that you choose" in said(app)
    app.selectbox(f"account_{thing}").set_value("A-1").run()
    assert "old\\-1 is our subscription old\\-1 now, under old\\-ids, a manual provider made for it\\." in said(app)
    app.radio(f"how_{thing}").set_value("Another id of one we have").run()
    app.selectbox(f"ours_{thing}").set_value("S-1").run()
    app.button(f"apply_{thing}").click().run()
    assert "old-1 of csp is another id of our subscription S-1 now." in said(app)


def test_a_product_is_chosen_or_made_and_does_not_block(inbox, small: Engine):
    app, thing = inbox(), key("product", "N-1", "csp")
    assert titles(app)[-1] == "Brand new" and ":gray-badge[product, does not block]" in said(app)
    app.button(f"fix_{thing}").click().run()
    assert "Products hold nothing up" in said(app)
    app.button(f"apply_{thing}").click().run()
    with small.connect() as connection:
        assert connection.execute(select(product.c.name, product.c.billing_type).where(product.c.product_id == "N-1")).one() == (
            "Brand new",
            "License",
        )
    assert "No invoice waits on that" in said(app)


def test_every_kind_has_a_form_of_its_own():
    assert set(references_fix._FORMS) == set(ReferenceKind)


def test_the_door_that_supplies_brings_no_connector_into_the_web_app():
    source = "import sys, w365core.jobs.supplying; print([m for m in ('requests', 'msal', 'w365core.providers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"
