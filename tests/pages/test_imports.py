"""Does the Import dialog have files looked at before it lets anybody import them, and show what was found? The worker's part is played by its own words."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.pages.conftest import said
from w365core.jobs import handed, queue
from w365core.store import job_runs

PROBLEM = {"file": "large.csv", "row": 3, "column": "subtotal", "value": "=hundred\n", "expected": "a number"}
FILE = {
    "file": "large.csv", "kind": "plain", "rows": 2, "encoding": "cp1252", "compression": "none", "separator": ";", "decimal_comma": True,
    "decimal_settled_by": "the file", "date_order": "MDY", "date_order_settled_by": "default", "unknown_columns": ["x"],
    "notes": ["Its text is not UTF-8."],
}  # fmt: skip
SUM = {
    "file": "large.csv",
    "kind": "plain",
    "lines_of": "license",
    "currency": "EUR",
    "lines": 2,
    "subtotal": "1200.5",
    "tax": "0",
    "total": "1200.5",
}
READY = {"ready": True, "files": [FILE], "sums": [SUM], "problems": [], "bad": 0}
NOT_READY = {"ready": False, "files": [], "sums": [], "problems": [PROBLEM], "bad": 120}


@pytest.fixture
def shop(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("W365_HOME", str(tmp_path / "home"))
    with engine.begin() as connection:
        connection.execute(
            text("insert into provider (name, type, added_at) values ('csp', 'partner_center', now()), ('hand', 'manual', now())")
        )
        connection.execute(text("insert into procrastinate_workers default values"))
    (handed.inbox(tmp_path / "home", "hand") / "large.csv").write_text("x")
    return engine


def opened(frame):
    app = frame()
    app.button("import_open").click().run()
    app.selectbox("import_provider").set_value("hand").run()
    return app


def checked(frame, engine: Engine, outcome: dict, message: str):
    """The dialog after the worker has looked at the file."""
    app = opened(frame)
    app.multiselect("import_inbox").select("large.csv · 1 bytes").run()
    app.text_input("import_number").set_value("F1").run()
    app.button("import_check").click().run()
    assert "waits for the worker" in said(app)
    with engine.connect() as connection:
        (job,) = queue.recent(connection)
    assert queue.is_look(job) and job.asked["files"] == [{"name": "large.csv", "size": 1, "upload": None, "inbox": "hand"}]
    with engine.begin() as connection:
        job_runs.begin(connection, job.job_id)
        job_runs.end(connection, job.job_id, state="done", message=message, outcome=outcome)
    return app.run()


def test_without_a_provider_it_says_how_to_add_one(frame):
    app = frame()
    app.button("import_open").click().run()
    assert "There is no provider yet" in said(app)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("import_number", "", "Say the invoice's number"),
        ("import_total", "1.234,50", "The header's total is '1.234,50'; write a number with a decimal point"),
        ("import_currency", "EU1", "EU1 is no currency"),
        ("import_override", "-1", "A tolerance is an amount of at least 0"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_queued(frame, shop: Engine, key: str, value: str, told: str):
    app = opened(frame)
    app.button("import_check").click().run()
    assert "Choose at least one file" in said(app)
    app.multiselect("import_inbox").select("large.csv · 1 bytes").run()
    app.text_input("import_number").set_value("F1").run()
    app.text_input(key).set_value(value).run()
    app.button("import_check").click().run()
    assert told in said(app)
    with shop.connect() as connection:
        assert not queue.recent(connection)


def test_what_was_found_is_shown_and_only_then_it_can_be_imported(frame, shop: Engine):
    app = checked(frame, shop, READY, "Imports invoice F1 of hand: 2 lines, 1,200.50 EUR. It would be Active.")
    told = said(app)
    assert "Imports invoice F1 of hand: 2 lines" in told and "Its text is not UTF-8." in told
    assert "large.csv: Windows-1252, semicolon, decimal comma (proven by the file), 1 unknown column kept beside." in told
    assert app.dataframe[0].value.to_dict("list")["With tax"] == ["1,200.50"]
    app.button("import_now").click().run()
    with shop.connect() as connection:
        job, look = queue.recent(connection)
    assert (queue.is_look(look), queue.is_look(job), job.invoice, job.state) == (True, False, "F1", "queued")
    assert "Import of files as invoice F1 of hand" in said(app)


def test_a_header_of_nothing_is_said_to_the_worker_and_a_blank_one_is_not(frame, shop: Engine):
    app = opened(frame)
    app.multiselect("import_inbox").select("large.csv · 1 bytes").run()
    app.text_input("import_number").set_value("F1").run()
    app.text_input("import_currency").set_value("eur").run()
    for typed, told in (("", None), ("0", "0")):
        app.text_input("import_total").set_value(typed).run()
        app.button("import_check").click().run()
        with shop.connect() as connection:
            look = queue.recent(connection)[0]
        assert (look.asked.get("total"), look.asked["currency"]) == (told, "EUR")


def test_a_change_after_the_look_asks_for_another(frame, shop: Engine):
    app = checked(frame, shop, READY, "Imports invoice F1.")
    app.text_input("import_total").set_value("5").run()
    assert "check them again" in said(app) and "import_now" not in [button.key for button in app.button]


def test_cells_at_fault_are_a_table_and_there_is_nothing_to_import(frame, shop: Engine):
    app = checked(frame, shop, NOT_READY, "Nothing would be imported: 120 cells cannot be read.")
    assert "120 cells cannot be read" in said(app) and "The first 100 of 120" in said(app)
    (row,) = app.dataframe[0].value.to_dict("records")
    assert (row["Row"], row["Column"], row["Found"], row["Expected"]) == ("3", "subtotal", "=hundred\\u000a", "a number")
    assert "import_now" not in [button.key for button in app.button]


def test_an_import_that_was_refused_shows_its_cells_and_one_that_was_done_leads_to_the_invoice(frame, shop: Engine):
    what = queue.FilesAsked("hand", "F1", (handed.HandedFile("large.csv", 1, inbox="hand"),))
    for outcome, state in (({"problems": [PROBLEM], "bad": 1}, "failed"), ({"invoice_id": 7}, "done")):
        job_id = queue.ask_files(shop, what, look=False, actor="bo")
        app = frame()
        assert "Import of files as invoice F1 of hand" in said(app)
        with shop.begin() as connection:
            job_runs.begin(connection, job_id)
            job_runs.end(connection, job_id, state=state, message="That was it.", outcome=outcome)
        app.run()
        assert "That was it." in said(app)
        assert bool(app.dataframe) is (state == "failed")
    app.button("sync_open_invoice").click().run()
    assert app.query_params["invoice"] == "7"
