"""Does each step say before what it will do to what money, do it once on what the person saw, and say after what it did?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from tests.pages.conftest import said
from tests.reports import builders as b
from w365core.jobs import queue
from w365core.store import transitions
from w365core.store.ledger import Who


def keys(app) -> list[str]:
    return [button.key for button in app.button]


def offered(app) -> set[str]:
    return {key.removeprefix("action_") for key in keys(app) if key and key.startswith("action_")}


def stored(engine: Engine, invoice_id: int) -> str | None:
    with engine.connect() as connection:
        return connection.execute(
            text("select status_reason from provider_invoice where provider_invoice_id = :id"), {"id": invoice_id}
        ).scalar()


def logged(engine: Engine) -> tuple:
    with engine.connect() as connection:
        return tuple(connection.execute(text("select action, reason from audit_log order by audit_id desc limit 1")).one())


@pytest.mark.parametrize(
    ("status", "source", "steps"),
    [
        ("Active", "synced", {"deactivate", "delete"}),
        ("Error", "synced", {"sync", "delete"}),
        ("Error", "file", {"sync", "upload", "delete"}),
        ("Deactivated", "synced", {"sync", "delete"}),
        ("Populating", "file", {"sync", "upload", "activate", "deactivate", "delete"}),
    ],
)
def test_the_steps_are_those_that_the_state_allows(frame, engine: Engine, status: str, source: str, steps: set[str]):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, status=status, source=source)
    assert offered(frame(invoice=str(invoice_id))) == steps


def test_deactivating_says_what_it_will_do_does_it_and_says_what_it_did_until_dismissed(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, header="10116", usage="3")
        for n in range(2):
            b.summary(connection, invoice_id, usage_id=f"u-{n}", cost="1.50")
    app = frame(invoice=str(invoice_id))
    app.button("action_deactivate").click().run()
    assert "Takes 10,116.00 EUR and 2 usage summaries out of billing; its lines stay until it is synced again." in said(app)
    assert stored(engine, invoice_id) == "Active"
    app.text_input("action_reason").set_value("wrong month").run()
    app.button("action_now").click().run()
    assert stored(engine, invoice_id) == "Deactivated" and logged(engine) == ("deactivate provider invoice", "wrong month")
    told = "Took 10,116.00 EUR and 2 usage summaries out of billing."
    assert told in said(app) and "action_now" not in keys(app) and "sync" in offered(app)
    app.button("back").click().run()
    assert told in said(app)
    app.button("done_0").click().run()
    assert told not in said(app)


def test_what_is_left_stays(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection)
    app = frame(invoice=str(invoice_id))
    app.button("action_delete").click().run()
    app.button("action_leave").click().run()
    assert "action_now" not in keys(app) and stored(engine, invoice_id) == "Active"


def test_deleting_leads_back_to_the_list_and_says_how_it_would_come_back(frame, engine: Engine):
    with engine.begin() as connection:
        b.clock(connection)
        invoice_id = b.invoice(connection, status="Error", header="12", license_lines=3)
    app = frame(invoice=str(invoice_id))
    app.button("action_delete").click().run()
    assert "Removes the invoice with 3 lines here, 12.00 EUR, a preview that was never imported" in said(app)
    assert "the daily job brings it back until 24 Nov 2026" in said(app)
    app.button("action_now").click().run()
    assert stored(engine, invoice_id) is None and app.title[0].value == "Invoice status"
    assert "Invoice D0300A1B2C of csp-demo is deleted here, with 3 lines" in said(app)


def test_activating_says_what_becomes_billable(frame, engine: Engine):

    with engine.begin() as connection:
        invoice_id = b.invoice(connection, status="Populating", source="file", header="12", imported_at=b.NOW)
        b.summary(connection, invoice_id, cost="10", selling_amount=Decimal("11.5"))
        b.summary(connection, invoice_id, usage_id="u-2", cost="2")
    app = frame(invoice=str(invoice_id))
    app.button("action_activate").click().run()
    told = said(app)
    assert "Makes 2 usage summaries billable: 12.00 EUR of cost, sold for 11.50 EUR." in told and "1 of them lack a markup" in told
    app.button("action_now").click().run()
    assert stored(engine, invoice_id) == "Active" and "is Active. Made 2 usage summaries billable" in said(app)


def test_activating_queues_the_reconciliation_of_the_license_lines_and_says_so(frame, engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("insert into provider (name, type, added_at) values ('csp-demo', 'manual', :now)"), {"now": b.NOW})
        invoice_id = b.invoice(connection, status="Populating", source="file", header="12", imported_at=b.NOW, license_lines=4)
    app = frame(invoice=str(invoice_id))
    app.button("action_activate").click().run()
    assert "Its 4 license lines will be reconciled then." in said(app)
    app.button("action_now").click().run()
    with engine.connect() as connection:
        (job,) = queue.unfinished(connection)
    assert (job.kind, job.invoice) == ("reconcile", "D0300A1B2C") and stored(engine, invoice_id) == "Active"
    assert f"Reconciling its 4 license lines is queued as job {job.job_id}" in said(app)


def test_an_import_that_has_not_ended_cannot_be_activated(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, status="Populating")
    assert frame(invoice=str(invoice_id)).button("action_activate").disabled


def test_a_step_on_what_somebody_else_has_changed_meanwhile_is_refused_and_says_by_whom(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection)
    app = frame(invoice=str(invoice_id))
    app.button("action_delete").click().run()
    with engine.begin() as connection:
        transitions.deactivate(connection, provider_invoice_id=invoice_id, who=Who("bo", b.NOW))
    app.button("action_now").click().run()
    told = said(app)
    assert "has changed since you looked at it: deactivate provider invoice by bo" in told and stored(engine, invoice_id) == "Deactivated"
    app.button("look_again").click().run()
    assert "sync" in offered(app) and "has changed since" not in said(app)


def test_a_step_is_refused_while_its_usage_is_invoiced(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection)
        b.summary(connection, invoice_id, status="Invoiced", invoice_number="U-7")
    app = frame(invoice=str(invoice_id))
    app.button("action_deactivate").click().run()
    app.button("action_now").click().run()
    assert "its usage is billed on" in said(app) and "U-7" in said(app) and stored(engine, invoice_id) == "Active"


def test_sync_again_opens_the_dialog_with_the_invoice_chosen(frame, engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("insert into provider (name, type, added_at) values ('csp-demo', 'partner_center', now())"))
        invoice_id = b.invoice(connection, status="Error", failure="provider_error")
    app = frame(invoice=str(invoice_id))
    app.button("action_sync").click().run()
    assert app.text_input("sync_number").value == "D0300A1B2C" and "Tries invoice D0300A1B2C again" in said(app)


def test_files_are_uploaded_again_for_the_same_invoice(frame, engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("insert into provider (name, type, added_at) values ('csp-demo', 'manual', now())"))
        invoice_id = b.invoice(connection, status="Error", source="file", header="12.5")
    app = frame(invoice=str(invoice_id))
    app.button("action_upload").click().run()
    fields = {field.key: field.value for field in app.text_input}
    assert (fields["import_number"], fields["import_total"], fields["import_currency"]) == ("D0300A1B2C", "12.5", "EUR")
