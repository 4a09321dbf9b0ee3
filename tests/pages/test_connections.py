"""Does the Providers page say who is connected, what is lost and whom nobody has mapped, and does its button queue an account sync once?"""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import said
from w365core.jobs import queue
from w365core.reports import connections
from w365core.store import job_runs

_TOLD = (
    "insert into provider (name, type, added_at) values ('csp', 'partner_center', now()), ('files', 'manual', now())",
    "insert into account (account_id, name, credit_hold) values ('A-1', 'Contoso', false)",
    "insert into sync_run (command, provider, actor, started_at, status, message) values "
    "('sync', 'csp', 'bo', '2026-11-12 06:00+00', 'failed', 'It did not answer.'), ('sync accounts', 'csp', 'bo', '2026-11-13 06:00+00', 'done', '')",
    "insert into provider_pull (provider, what, pulled_until, pulled_at) values ('csp', 'customers', '2026-11-13 06:00+00', '2026-11-13 06:00+00')",
    "insert into provider_pull (provider, what, pulled_until, pulled_at, lost_from, lost_to, message) values "
    "('csp', 'changes', '2026-11-13 06:00+00', '2026-11-13 06:00+00', '2026-05-01', '2026-06-01', 'Changes of May are lost.')",
    "insert into provider_customer (provider, provider_customer_id, name, domain, proposed_account_id, confidence, proposed_because, first_seen_at, "
    "seen_at, gone_at) values ('csp', 'c-1', 'Contoso', 'contoso.example', 'A-1', 1, 'same domain', now(), now(), null), "
    "('csp', 'c-2', 'Gone', null, null, null, null, now(), now(), now()), ('csp', 'c-3', 'Mapped', null, null, null, null, now(), now(), null), "
    "('csp', 'c-4', 'Stranger', null, null, null, null, now(), now(), null)",
    "update provider_customer set refused = 'Partner Center answered 403' where provider_customer_id in ('c-2', 'c-3')",
    "insert into provider_account (provider, provider_account_id, account_id, sync_enabled) values ('CSP', 'C-3', 'A-1', true)",
)


@pytest.fixture
def told(engine: Engine) -> None:
    with engine.begin() as connection:
        for statement in _TOLD:
            connection.execute(text(statement))


@pytest.fixture
def page(frame):
    """Opens the page as its link does; the frame's own page is run once before it."""

    def open_page() -> AppTest:
        app = frame()
        app.switch_page("providers/connections.py")
        return app.run()

    return open_page


def test_without_a_provider_it_says_how_to_add_one(page):
    app = page()
    assert "No provider yet" in said(app)
    app.button("accounts_open").click().run()
    assert "No provider has a connection yet" in said(app)


def test_it_says_who_is_connected_how_fresh_that_is_and_what_is_lost(page, told):
    app = page()
    shown = app.dataframe[0].value.to_dict("list")
    assert (shown["Provider"], shown["Type"], shown["Gives"]) == (
        ["csp", "files"],
        ["Partner Center", "Files by hand"],
        ["invoices, usage, changes", "files only"],
    )
    assert shown["How it ended"] == ["failed: It did not answer.", ""] and shown["Accounts synced"] == ["2026-11-13 06:00", ""]
    assert (shown["Customers"], shown["Subscriptions"]) == (["3", ""], ["0", ""])
    assert "csp: Changes of May are lost." in said(app)
    assert "csp: Partner Center answered 403 when it was asked what Mapped (c-3) owns" in said(app) and "Gone" not in said(app)
    assert len(app.multiselect) == 0  # the filters are about invoices


def test_customers_that_nobody_has_mapped_stand_there_with_the_command_that_maps_them(page, told):
    shown = page().dataframe[1].value.to_dict("list")
    assert (shown["Customer"], shown["Most likely is"]) == (["Contoso", "Stranger"], ["Contoso (A-1)", "—"])
    assert (shown["How sure"], shown["Because"]) == (["certain", ""], ["same domain", "no account is like it"])
    rows = ({"provider": "my csp", "provider_account_id": "c-1", "account_id": known} for known in ("A 1", None))
    assert [connections.mapping_command(row).partition("map-account ")[2] for row in rows] == [
        "--provider 'my csp' --provider-account-id c-1 --account 'A 1'",
        "--provider 'my csp' --provider-account-id c-1 --account ACCOUNT_ID",
    ]


def test_the_button_says_what_it_will_do_queues_it_once_and_shows_how_it_goes(page, told, engine: Engine):
    app = page()
    app.button("accounts_open").click().run()
    assert app.selectbox("accounts_provider").options == ["csp"] and "your own records are left as they are" in said(app)
    app.button("accounts_now").click().run()
    assert "Account sync of csp: waits for the worker" in said(app)
    with engine.begin() as connection:
        (job,) = queue.recent(connection)
        assert (job.kind, job.provider, job.invoice, job.state) == ("sync_accounts", "csp", None, "queued")
        job_runs.end(connection, job.job_id, state="done", message="3 customers.")
    app.run()
    assert "Account sync of csp: 3 customers." in said(app)


def test_a_connection_is_tested_through_the_queue_and_each_right_is_shown_with_what_to_grant(page, told, engine: Engine):
    app = page()
    app.button("test_open").click().run()
    assert app.selectbox("test_provider").options == ["csp"] and "Nothing is imported or changed" in said(app)
    app.button("test_now").click().run()
    assert "Connection test of csp: waits for the worker" in said(app)
    missing = {"capability": "usage", "verdict": "missing", "said": "Grant it.", "status": 403, "code": "Forbidden", "request_id": "r-7"}
    works = {"capability": "customers", "verdict": "works", "said": "", "status": 200, "code": None, "request_id": "r-8"}
    with engine.begin() as connection:
        (job,) = queue.recent(connection)
        assert (job.kind, job.provider) == ("test_connection", "csp")
        job_runs.end(connection, job.job_id, state="done", message="1 of 2 work; missing: usage.", outcome={"checks": [missing, works]})
    app.run()
    for words in ("1 of 2 work", "Grant it.", "403 · Forbidden · r-7", "customers"):
        assert words in said(app)
    assert "r-8" not in said(app)


def test_pdf_is_among_what_a_connection_gives_once_somebody_has_signed_in(page, told, engine: Engine):
    def gives() -> str:
        return page().dataframe[0].value.to_dict("list")["Gives"][0]

    assert "PDF" not in gives()
    with engine.begin() as connection:
        connection.execute(text("insert into stored_token (provider, purpose, encrypted, issued_at) values ('csp', 'user', 'x', now())"))
    assert gives() == "invoices, usage, changes, PDF"
