"""Does the page Jobs say what failed, runs, waits and runs by itself, in the time zone that is set, and do its buttons do what they say, once?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from tests.billing.books import Books, day
from tests.pages.conftest import page_at, unmarked
from tests.reports import builders as b
from w365core.jobs import due, preferring, queue
from w365core.jobs.context import Context
from w365core.store import job_runs, schedule
from w365core.store.tables import billing_contract

NOW = datetime(2026, 11, 12, 6, tzinfo=UTC)


@pytest.fixture
def page(frame) -> Callable[..., AppTest]:
    return page_at(frame, "jobs/jobs.py")


@pytest.fixture
def known(engine: Engine) -> Engine:
    """A demo whose clock stands at six, with a provider; times are shown in Berlin's."""
    with engine.begin() as connection:
        b.clock(connection, NOW)
        connection.execute(text("insert into provider (name, type, added_at) values ('csp', 'partner_center', now())"))
    preferring.change(engine, "time_zone", "Europe/Berlin", actor="ana", now=NOW)
    return engine


def ask(engine: Engine, **asked) -> int:
    return queue.ask(engine, **{"kind": "sync_invoice", "provider": "csp", "invoice": "G1", "actor": "ana", **asked})


def end(engine: Engine, job_id: int, state: str = "failed", message: str = "csp does not answer.", outcome: dict | None = None) -> int:
    with engine.begin() as connection:
        for status in ("doing", "failed"):
            connection.execute(text(f"update procrastinate_jobs set status = '{status}' where id = :id"), {"id": job_id})
        job_runs.end(connection, job_id, state=state, message=message, outcome=outcome)
    return job_id


def jobs(engine: Engine) -> list[queue.JobRun]:
    with engine.connect() as connection:
        return list(queue.recent(connection))


def told(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_an_installation_in_which_nothing_has_run_says_so(page, engine: Engine):
    app = page()
    said = unmarked(app)
    for words in ("No worker is there", "Nothing runs and nothing waits.", "No provider has a connection yet", "No job has ended yet"):
        assert words in said
    assert told(app)["Failed"] == "none" and "Daily sync" in said and "every day at 06:00" in said
    assert not app.exception


def test_what_failed_stands_on_top_with_its_sentence_and_is_tried_again_once(page, known: Engine):
    failed = end(known, ask(known))
    app = page()
    assert told(app)["Failed"] == "1" and "csp does not answer." in unmarked(app)
    app.button(f"retry_{failed}").click().run()
    assert "as it was asked for then by ana, and in your name now" in unmarked(app)
    app.button("job_now").click().run()
    again = jobs(known)[0]
    assert (again.job_id, again.state, again.invoice) == (failed + 1, "queued", "G1")
    assert f"Queued as job {again.job_id}: Sync of csp, invoice G1." in unmarked(app)
    assert told(app)["Failed"] == "none" and len(jobs(known)) == 2


def test_what_needs_nobody_is_dismissed_and_stays_in_the_history(page, known: Engine):
    failed = end(known, ask(known))
    app = page()
    app.button(f"dismiss_{failed}").click().run()
    assert "stays in the history. Nothing is queued" in unmarked(app)
    app.button("job_now").click().run()
    assert told(app)["Failed"] == "none" and app.dataframe[-1].value.to_dict("list")["How it ended"] == [["✕ Failed"]]
    assert len(jobs(known)) == 1


def test_a_retry_that_could_do_nothing_is_not_offered(page, known: Engine):
    with known.begin() as connection:
        b.invoice(connection, number="G1", provider="csp")
    failed = end(known, ask(known))
    app = page()
    app.button(f"retry_{failed}").click().run()
    assert app.button("job_now").disabled and "Deactivate it first" in unmarked(app)
    app.button("job_leave").click().run()
    assert len(jobs(known)) == 1


def test_a_retry_of_what_somebody_has_done_meanwhile_says_so_and_queues_nothing(page, known: Engine):
    failed = end(known, ask(known))
    app = page()
    app.button(f"retry_{failed}").click().run()
    end(known, ask(known), "done", "Invoice G1 is Active.")
    app.button("job_now").click().run()
    assert "has done the same since; nothing was queued" in unmarked(app) and len(jobs(known)) == 2


def test_what_runs_says_how_far_it_is_and_what_waits_can_be_taken_back(page, known: Engine):
    running, waiting = ask(known), ask(known, invoice="G2")
    with known.begin() as connection:
        job_runs.begin(connection, running)
        job_runs.report(connection, running, attempt=1, progress="G1: keeping 355 rows", lines=12_000, lines_per_second=4_000)
    app = page()
    said = unmarked(app)
    assert "G1: keeping 355 rows" in said and "12,000 lines · 4,000 lines/s" in said and "waits for 1 job before it" in said
    assert told(app)["Running"] == "1"
    app.button(f"cancel_{waiting}").click().run()
    app.button("job_now").click().run()
    assert f"Job {waiting} is cancelled: Sync of csp, invoice G2." in unmarked(app)
    assert [one.state for one in jobs(known)] == ["cancelled", "running"]


def test_the_schedule_says_the_next_run_in_the_zone_and_is_changed_from_its_next_time_on(page, known: Engine):
    app = page()
    assert told(app)["Next by itself"] == "today 09:00" and "Daily summary, Europe/Berlin" in unmarked(app)
    assert "tomorrow 06:00" in unmarked(app)  # six here was an hour ago
    app.button("change_sync").click().run()
    app.time_input("schedule_at").set_value(datetime(2026, 1, 1, 7, 30).time()).run()
    app.button("job_now").click().run()
    assert "Daily sync runs every day at 07:30 (Europe/Berlin), next on 2026-11-12 07:30." in unmarked(app)
    assert told(app)["Next by itself"] == "today 07:30"
    app.button("change_sync").click().run()
    app.toggle("schedule_on").set_value(False).run()
    app.button("job_now").click().run()
    assert "Daily sync is off; its time of day is 07:30 (Europe/Berlin)." in unmarked(app)
    assert told(app)["Next by itself"] == "today 09:00"


def test_run_now_says_what_it_will_do_and_queues_it(page, known: Engine):
    app = page()
    app.button("run_sync").click().run()
    assert "Asks every provider for its invoices" in unmarked(app) and "beside its schedule" in unmarked(app)
    app.button("job_now").click().run()
    (asked,) = jobs(known)
    assert (asked.kind, asked.provider, asked.state) == ("sync", "csp", "queued") and asked.actor != due.ACTOR
    assert f"Daily sync is queued: job {asked.job_id}." in unmarked(app)


def test_billing_says_beforehand_how_much_it_would_make(page, context: Context):
    books = Books(context)
    books.contract()
    books.subscription()
    books.change(billing_contract, next_invoice_date=day("2026-11-12"))
    books.used("100.00")
    with context.engine.begin() as connection:
        b.clock(connection, NOW)
    app = page()
    app.button("run_bill").click().run()
    assert "Would make 1 Draft now: 100.00 EUR." in unmarked(app)


def test_how_the_last_run_went_and_a_run_that_waits_for_a_worker_are_said(page, known: Engine):
    with known.begin() as connection:
        schedule.save(connection, "sync", schedule.Standing(True, datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 11, 5, tzinfo=UTC)))
        schedule.save_run(connection, "sync", job_ids=[], message="No provider has a connection yet, so there was nobody to ask.")
    app = page()
    assert told(app)["Next by itself"] == "due" and "waits for a worker since 2026-11-12 06:00" in unmarked(app)
    assert ": No provider has a connection yet, so there was nobody to ask." in unmarked(app)
    run = due.look_and_queue(known, now=NOW)[0]
    end(known, run.job_ids[0], "failed", "csp refused the secret.")
    app = page()
    assert "csp refused the secret." in unmarked(app) and told(app)["Failed"] == "1" and told(app)["Next by itself"] == "today 09:00"


def test_each_providers_last_success_and_what_the_daily_sync_tries_again_stand_there(page, known: Engine):
    with known.begin() as connection:
        connection.execute(
            text(
                "insert into sync_run (command, provider, actor, started_at, status, message) values ('sync', 'csp', 'schedule', '2026-11-10 06:00+00', 'done', ''), "
                "('sync', 'csp', 'schedule', '2026-11-11 06:00+00', 'failed', 'It did not answer.'), ('sync invoice', 'csp', 'ana', '2026-11-11 09:00+00', 'done', '')"
            )
        )
        b.invoice(connection, number="E1", provider="csp", status="Error", header="1200.50", first_seen=datetime(2026, 11, 9, tzinfo=UTC))
        b.invoice(connection, number="E2", provider="csp", status="Error", header="10", first_seen=datetime(2026, 10, 1, tzinfo=UTC))
    app = page()
    syncs, retries = (frame.value.to_dict("list") for frame in app.dataframe)
    assert (syncs["Last success"], syncs["Ago"], syncs["How that ended"]) == (
        ["2026-11-10 07:00"],
        ["2 days (late)"],
        ["failed: It did not answer."],
    )
    assert (retries["Invoice"], retries["Total"], retries["Days left"]) == (["E1"], ["1,200.50"], ["12"])
    assert told(app)["Tried again by itself"] == "1 invoice" and "1,200.50 EUR" in unmarked(app)


def test_a_sync_that_left_an_invoice_in_error_is_not_green(page, known: Engine):
    for number, failure in (("G7", None), ("G8", "checksum_failed")):
        outcome = {"invoices": [{"invoice": number, "failure": failure}]}
        end(known, ask(known, kind="sync", invoice=None), "done", f"Invoice {number}.", outcome)
    app = page()
    shown = app.dataframe[-1].value.to_dict("list")
    assert (shown["What it said"], shown["How it ended"]) == (["Invoice G8.", "Invoice G7."], [["! Done, with errors"], ["✓ Done"]])


def test_the_history_is_filtered_and_says_where_nothing_matches(page, known: Engine):
    end(known, ask(known, invoice="G7"), "done", "Invoice G7 is Active, 8 lines.")
    end(known, ask(known, invoice="G8"))
    app = page()
    shown = app.dataframe[-1].value.to_dict("list")
    assert (shown["What"], shown["How it ended"]) == (["Sync of csp, invoice G8", "Sync of csp, invoice G7"], [["✕ Failed"], ["✓ Done"]])
    app.multiselect("job_state").select("failed").run()
    assert app.dataframe[-1].value.to_dict("list")["What"] == ["Sync of csp, invoice G8"]
    app.multiselect("job_state").set_value(["cancelled"]).run()
    assert "No job matches these filters." in unmarked(app)
    app.button("clear_jobs").click().run()
    assert len(app.dataframe[-1].value) == 2
    said = unmarked(page(job_provider="nobody"))
    assert "The address asks for provider nobody" in said and "No job matches these filters." in said


def test_names_from_outside_are_no_markdown(page, known: Engine):
    end(known, ask(known, invoice="[x](http://evil) **G**"), "failed", "Nothing like `that` is listed.")
    app = page()
    assert not app.exception and "\\[x\\]" in "\n".join(one.value for one in app.markdown)
