"""Does the Sync dialog show what the provider lists with what there is of it here, and propose a tolerance only where it can say why?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from tests.pages.conftest import said
from tests.reports import builders as b
from w365core.jobs import queue
from w365core.model import InvoiceHeader
from w365core.store import job_runs, listings


@pytest.fixture
def provider(engine: Engine) -> None:
    with engine.begin() as connection:
        b.clock(connection)
        connection.execute(
            text("insert into provider (name, type, added_at) values ('csp', 'partner_center', now()), ('files', 'manual', now())")
        )
        connection.execute(text("insert into procrastinate_workers default values"))


def listed(engine: Engine, *numbers: str) -> None:
    headers = [InvoiceHeader(number, date(2026, 11, 8), "EUR", Decimal(100)) for number in numbers]
    with engine.begin() as connection:
        listings.replace(connection, "csp", headers, at=b.NOW)


def failed(engine: Engine, number: str, *, difference: str, **more) -> int:
    with engine.begin() as connection:
        return b.invoice(
            connection, number=number, provider="csp", status="Error", failure="checksum_failed", difference=difference, run=7, **more
        )


def one_invoice(frame, number: str = ""):
    app = frame()
    app.button("sync_open").click().run()
    app.radio("sync_kind").set_value("sync_invoice").run()
    return app.text_input("sync_number").set_value(number).run() if number else app


def job(engine: Engine) -> queue.JobRun:
    with engine.connect() as connection:
        return queue.recent(connection)[0]


def overrides(app) -> list[str]:
    return [field.value for field in app.text_input if field.key.startswith("sync_override")]


def test_the_list_shows_what_is_here_of_each_and_a_click_chooses_it(frame, engine: Engine, provider: None):
    with engine.begin() as connection:
        b.invoice(connection, number="G1", provider="csp")
    listed(engine, "G1", "G2")
    app = one_invoice(frame)
    table = next(element.value for element in app.dataframe if "A sync" in element.value)
    assert [list(table[name]) for name in ("Number", "A sync")] == [["G1", "G2"], ["refused: deactivate it first", "imports it"]]
    assert [list(cell) for cell in table["Here"]] == [["✓ Active"], ["○ Not here"]]
    assert "As csp listed them just now, the newest first." in said(app)
    app.session_state["sync_list_csp"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    assert app.text_input("sync_number").value == "G2"
    app.button("sync_now").click().run()
    assert (job(engine).kind, job(engine).invoice, job(engine).override_tolerance) == ("sync_invoice", "G2", None)


def test_refresh_asks_the_provider_and_its_progress_stands_in_the_dialog(frame, engine: Engine, provider: None):
    app = one_invoice(frame)
    app.button("sync_refresh").click().run()
    asked = job(engine)
    assert (asked.kind, asked.provider, asked.state) == ("list_invoices", "csp", "queued")
    assert "waits for the worker" in said(app) and "Sync of csp" not in said(app)
    listed(engine, "G9")
    with engine.begin() as connection:
        job_runs.begin(connection, asked.job_id)
        job_runs.end(connection, asked.job_id, state="done", message="csp lists 1 invoice, 1 of them not here.")
    app.run()
    assert list(app.dataframe[-1].value["Number"]) == ["G9"]
    with engine.begin() as connection:
        connection.execute(text("update job_run set state = 'failed', message = 'csp refused.' where job_id = :id"), {"id": asked.job_id})
    assert "csp refused." in said(app.run())


def test_an_active_invoice_leads_to_deactivating_it(frame, engine: Engine, provider: None):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, number="G1", provider="csp", header="10116")
    app = one_invoice(frame, "g1")
    app.button("sync_deactivate").click().run()
    assert app.query_params["invoice"] in (str(invoice_id), [str(invoice_id)])
    assert "Takes 10,116.00 EUR out of billing" in said(app) and "sync_provider" not in [box.key for box in app.selectbox]


def test_a_small_difference_is_let_pass_by_one_click(frame, engine: Engine, provider: None):
    failed(engine, "G1", difference="0.50")
    app = one_invoice(frame, "G1")
    assert overrides(app)[0] == "1" and "the difference of 0.50 EUR is at most 0.50" in said(app)
    app.button("sync_now").click().run()
    assert (job(engine).override_tolerance, job(engine).reason) == (Decimal(1), None)


def test_a_difference_of_unknown_cause_gets_no_proposal_and_needs_a_reason(frame, engine: Engine, provider: None):
    failed(engine, "G1", difference="-1329.7525")
    app = one_invoice(frame, "G1")
    assert overrides(app)[0] == "" and "Nothing is proposed" in said(app) and "1330 would pass" in said(app)
    override = next(field for field in app.text_input if field.key.startswith("sync_override"))
    override.set_value("1330").run()
    app.button("sync_now").click().run()
    assert "Say why this difference may pass" in said(app)
    next(field for field in app.text_input if field.key.endswith("_why")).set_value(" a reservation ").run()
    app.button("sync_now").click().run()
    assert (job(engine).override_tolerance, job(engine).reason) == (Decimal(1330), "a reservation")


def test_a_proven_cause_is_the_reason_of_the_proposal(frame, engine: Engine, provider: None):
    failed(engine, "G1", difference="1911.55", proven_cause="19 % tax stands on the header alone.")
    app = one_invoice(frame, "G1")
    assert overrides(app)[0] == "1912" and "19 % tax stands on the header alone." in said(app)


@pytest.mark.parametrize("typed", ["1,330", "-5", "many", "NaN"])
def test_a_tolerance_that_cannot_be_read_queues_nothing(frame, engine: Engine, provider: None, typed: str):
    failed(engine, "G1", difference="1911.55")
    app = one_invoice(frame, "G1")
    next(field for field in app.text_input if field.key.startswith("sync_override")).set_value(typed).run()
    app.button("sync_now").click().run()
    assert "write a number with a decimal point" in said(app)
    with engine.connect() as connection:
        assert queue.recent(connection) == []


def test_no_tolerance_is_offered_where_none_would_help(frame, engine: Engine, provider: None):
    with engine.begin() as connection:
        b.invoice(connection, number="G1", provider="csp", status="Error", failure="unresolved_references")
        b.invoice(connection, number="G2", provider="csp", status="Error", failure="checksum_failed", message="Daily usage not published.")
    for number in ("G1", "G2", "G3"):
        assert overrides(one_invoice(frame, number)) == []


def test_a_provider_of_files_leads_to_the_import(frame, engine: Engine, provider: None):
    app = frame()
    app.button("sync_open").click().run()
    app.selectbox("sync_provider").set_value("files").run()
    assert "its invoices come as files" in said(app)
    app.button("sync_files").click().run()
    assert app.selectbox("import_provider").value == "files" and "sync_provider" not in [box.key for box in app.selectbox]


def test_what_a_sync_by_hand_did_leads_to_its_invoice(frame, engine: Engine, provider: None):
    asked = queue.ask(engine, kind="sync_invoice", provider="csp", invoice="G1", actor="ana")
    app = frame()
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, number="G1", provider="csp")
        job_runs.begin(connection, asked)
        job_runs.end(connection, asked, state="done", message="Invoice G1 is Active, 8 lines.")
    app.run()
    app.button("sync_open_invoice").click().run()
    assert app.query_params["invoice"] in (str(invoice_id), [str(invoice_id)])
    assert "sync_open_invoice" not in [button.key for button in app.button]
