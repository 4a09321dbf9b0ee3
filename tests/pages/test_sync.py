"""Does the Sync button say what it will do, queue it once, and show how it goes and what it did? The worker's part is played by its own words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests import estates
from tests.jobs import working
from tests.pages.conftest import said
from tests.reports import builders as b
from w365core.jobs import queue
from w365core.jobs.context import Context
from w365core.model import ProviderType
from w365core.providers import registry
from w365core.store import job_runs

NOBODY = "No worker is there to do it"


@pytest.fixture
def provider(engine: Engine) -> str:
    with engine.begin() as connection:
        connection.execute(
            text("insert into provider (name, type, added_at) values ('csp', 'partner_center', now()), ('files', 'manual', now())")
        )
    return "csp"


@pytest.fixture
def works(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("insert into procrastinate_workers default values"))


def jobs(engine: Engine) -> list[queue.JobRun]:
    with engine.connect() as connection:
        return list(queue.recent(connection))


def badges(app) -> list[str]:
    return [element.value for element in app.markdown if "-badge[" in element.value]


def test_without_a_connected_provider_it_says_how_to_add_one(frame):
    app = frame()
    app.button("sync_open").click().run()
    assert "No provider has a connection yet" in said(app)


def test_the_dialog_says_what_it_will_do_and_a_click_queues_it_and_shows_it(frame, engine: Engine, provider: str):
    app = frame()
    app.button("sync_open").click().run()
    assert app.selectbox("sync_provider").options == ["csp", "files"] and app.selectbox("sync_provider").value == "csp"
    told = said(app)
    assert "Imports what is new of its latest invoice month" in told and NOBODY in told
    app.button("sync_now").click().run()
    (job,) = jobs(engine)
    assert (job.kind, job.provider, job.invoice, job.state, job.actor) == ("sync", "csp", None, "queued", queue.person())
    assert "Sync of csp: waits for the worker" in said(app) and NOBODY in said(app)


def test_where_a_worker_lives_nobody_is_told_to_start_one(frame, engine: Engine, provider: str, works: None):
    app = frame()
    app.button("sync_open").click().run()
    assert "Imports what is new" in said(app) and NOBODY not in said(app)


def test_an_active_invoice_is_refused_before_anything_is_queued(frame, engine: Engine, provider: str):
    with engine.begin() as connection:
        b.invoice(connection, number="G7", provider="csp")
    app = frame()
    app.button("sync_open").click().run()
    app.radio("sync_kind").set_value("sync_invoice").run()
    assert "Nobody has asked csp yet what it lists." in said(app)
    app.text_input("sync_number").set_value(" g7 ").run()
    assert "Invoice G7 is Active and is not downloaded again" in said(app) and "sync_now" not in [button.key for button in app.button]
    app.text_input("sync_number").set_value("G8").run()
    app.button("sync_now").click().run()
    assert [(job.kind, job.invoice) for job in jobs(engine)] == [("sync_invoice", "G8")]


def test_progress_then_what_it_did_until_it_is_closed(frame, engine: Engine, provider: str, works: None):
    job_id = queue.ask(engine, kind="sync", provider="csp", actor="bo")
    with engine.begin() as connection:
        job_runs.begin(connection, job_id)
        job_runs.report(connection, job_id, attempt=1, progress="G1: 200,000 lines read", lines=234567, lines_per_second=45678)
    app = frame()
    told = said(app)
    assert "Sync of csp: G1: 200,000 lines read" in told and "234,567 lines · 45,678 lines/s · 0 s" in told and NOBODY not in told
    bad = {
        "provider": "csp",
        "invoice": "G2",
        "status": "Inactive/Error",
        "failure": "checksum_failed",
        "message": "It is 3.00 EUR short.",
        "lines": 4,
    }
    good = {"provider": "csp", "invoice": "G1", "status": "Active/Active", "failure": None, "message": "", "lines": 234567}
    with engine.begin() as connection:
        job_runs.end(
            connection, job_id, state="done", message="2 invoices: 1 Active, 1 in Error.", outcome={"invoices": [good, bad]}, lines=234571
        )
        b.invoice(connection, number="G1", provider="csp")
    app.run()
    told = said(app)
    assert "Sync of csp: 2 invoices: 1 Active, 1 in Error." in told and told.index("G2: Error. It is 3.00 EUR short.") < told.index(
        "G1: Active."
    )
    assert list(app.dataframe[0].value["Number"]) == ["G1"]
    assert [badge for badge in badges(app) if "Done" in badge] == [":orange-badge[:material/warning: Done, with errors]"]
    app.button("sync_close").click().run()
    assert "Sync of csp" not in said(app)


def test_a_job_that_left_nothing_in_error_is_done(frame, engine: Engine, provider: str):
    job_id = queue.ask(engine, kind="sync", provider="csp", actor="bo")
    app = frame()
    good = {"provider": "csp", "invoice": "G1", "status": "Active/Active", "failure": None, "message": "", "lines": 4}
    with engine.begin() as connection:
        job_runs.begin(connection, job_id)
        job_runs.end(connection, job_id, state="done", message="Invoice G1 is Active.", outcome={"invoices": [good]}, lines=4)
    app.run()
    assert [badge for badge in badges(app) if "Done" in badge] == [":green-badge[:material/check_circle: Done]"]


def test_what_waits_can_be_cancelled_and_says_so(frame, engine: Engine, provider: str):
    queue.ask(engine, kind="sync", provider="csp", actor="bo")
    app = frame()
    app.button("sync_cancel").click().run()
    app.run()
    assert f"Cancelled by {queue.person()} before it began." in said(app) and jobs(engine)[0].state == "cancelled"


def test_the_providers_offered_are_those_whose_invoices_a_connector_lists():
    assert [kind for kind in ProviderType if registry.capabilities(kind).invoices] == list(queue.CONNECTED)


def test_the_queues_door_brings_no_connector_into_the_web_app():
    source = "import sys, w365core.jobs.queue; print([m for m in ('requests', 'msal', 'w365core.providers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"


def test_a_click_is_carried_out_by_a_worker_and_the_page_shows_the_invoice(frame, context: Context, tmp_path: Path):
    estate = estates.Estate(tmp_path / "estate")
    estates.two_invoices_worth(estate)
    with estates.serve(estate) as served:
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        app = frame()
        app.button("sync_open").click().run()
        app.button("sync_now").click().run()
        with working.worker(configured, tmp_path / "worker.log"):
            working.ended(configured, jobs(context.engine)[0].job_id, tmp_path / "worker.log")
    app.run()
    assert "Invoice G1 is Active, 8 lines." in said(app) and list(app.dataframe[0].value["Number"]) == ["G1"]
