"""Does the timeline tell what happened to an invoice, who did it and why, and what lies ahead, the latest first?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine

from tests.reports import builders as b
from w365core.reports import provider_invoice, timeline
from w365core.reports.timeline import Event, Tone

SEEN = b.NOW - timedelta(days=3)


def subject(engine: Engine, **said: Any):
    with engine.begin() as connection:
        b.invoice(connection, **said)
        return named(connection)


def named(connection: Connection):
    return provider_invoice.named(connection, provider="csp-demo", number="D0300A1B2C")


def built(of: provider_invoice.Invoice, **told: Any) -> list[Event]:
    nothing = {"entries": [], "runs": [], "asked": [], "billed": [], "listed": None, "listed_last": None}
    return list(timeline.build(of, **(nothing | told), now=b.NOW))


def entry(action: str, *, at=b.NOW, actor: str = "ana", reason: str | None = None, before=None, **after: Any) -> dict[str, Any]:
    return {"at": at, "action": action, "actor": actor, "reason": reason, "before": before, "after": after}


def run(number: int, status: str, *, lines: int = 0, message: str = "", seconds: int = 0) -> dict[str, Any]:
    ended = None if status == "running" else b.NOW + timedelta(seconds=seconds)
    return {
        "import_run_id": number,
        "status": status,
        "lines": lines,
        "message": message,
        "started_at": b.NOW,
        "finished_at": ended,
    }


def titles(events: list[Event]) -> list[str]:
    return [event.title for event in events]


def test_what_lies_ahead_comes_first_then_the_latest_and_of_one_moment_the_first_sight_last(engine: Engine):
    failed = entry("fail provider invoice", at=SEEN, status_reason="Error", import_run_id=1)
    events = built(subject(engine, status="Error"), entries=[failed], runs=[run(1, "failed", lines=5, message="It is short.")])
    assert titles(events) == ["Retries end", "Failed", "First seen"]
    assert events[0].said == "The daily job tries it until then: 12 days left." and events[0].tone is Tone.AHEAD
    assert (events[1].said, events[1].who) == ("5 lines. It is short.", "ana")


def test_a_window_that_has_closed_is_no_longer_ahead(engine: Engine):
    events = built(subject(engine, status="Error", first_seen=b.NOW - timedelta(days=16)))
    assert titles(events) == ["Retries ended", "First seen"] and events[0].tone is Tone.WARNING


def test_an_attempt_says_its_lines_and_how_long_it_took(engine: Engine):
    imported = entry("import provider invoice", status_reason="Active", import_run_id=1)
    (event, _) = built(subject(engine), entries=[imported], runs=[run(1, "done", lines=1234, seconds=7)])
    assert (event.title, event.said, event.tone) == ("Imported", "1,234 lines in 7 seconds.", Tone.GOOD)


def test_a_tolerance_says_who_gave_it_and_why_also_where_only_the_job_knows(engine: Engine):
    of = subject(engine)
    given = entry("import provider invoice", status_reason="Active", import_run_id=1, override_tolerance="1330")
    asked = [{"override_tolerance": Decimal(1330), "actor": "ana", "reason": "a reservation", "asked_at": b.NOW}]
    assert built(of, entries=[given], asked=asked)[1] == Event(
        b.NOW, "Tolerance given", "A difference of up to 1,330.00 EUR was let pass. Why: a reservation", "ana", Tone.PERSON
    )
    elsewhere = [{**asked[0], "actor": "bo"}, {**asked[0], "override_tolerance": Decimal(2)}]
    assert "Why" not in built(of, entries=[given], asked=elsewhere)[1].said
    assert "Why: in the log" in built(of, entries=[{**given, "reason": "in the log"}], asked=asked)[1].said


def test_decisions_and_changes_are_told_with_their_reason(engine: Engine):
    changed = entry("notice change at provider", before={"header_total": "100"}, header_total="120")
    deactivated = entry("deactivate provider invoice", reason="wrong month")
    events = built(subject(engine), entries=[deactivated, changed])
    assert [event.said for event in events[:2]] == [
        "Taken out of billing. Why: wrong month",
        "Its total became 120.00 EUR, it was 100.00 EUR when it was imported; the stored one stays.",
    ]


def test_an_attempt_that_runs_and_is_not_in_the_log_is_told_too(engine: Engine):
    assert titles(built(subject(engine), runs=[run(1, "running")])) == ["Importing", "First seen"]


def test_an_entry_of_a_kind_that_is_not_known_here_is_told_in_its_own_words(engine: Engine):
    told = built(subject(engine), entries=[entry("unlink usage", reason="credited")])[0]
    assert (told.title, told.said, told.who) == ("Unlink usage", "credited", "ana")


def test_what_is_listed_no_more_is_said_and_files_are_never_listed(engine: Engine):
    of = subject(engine)
    assert titles(built(of, listed_last=b.NOW)) == ["No longer listed", "First seen"]
    assert titles(built(of, listed={"listed_at": b.NOW}, listed_last=b.NOW)) == ["Still listed", "First seen"]
    assert titles(built(of, listed={"listed_at": SEEN}, listed_last=SEEN)) == ["First seen"]


def test_the_customer_invoices_of_a_day_are_one_event(engine: Engine):
    billed = [{"invoice_date": date(2026, 11, 11), "invoice_number": f"U-{n}", "summaries": 2, "selling": Decimal("1.5")} for n in range(5)]
    (event, _) = built(subject(engine), billed=billed)
    assert event.said == "10 usage summaries for 7.50 EUR on U-0, U-1, U-2 and 2 more."


def test_it_is_told_from_the_store_whole(engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection)
        b.happened(connection, provider="csp-demo", number="D0300A1B2C", invoice_id=invoice_id)
        b.summary(connection, invoice_id, status="Invoiced", invoice_number="U-7", selling_amount=Decimal(3))
        found = timeline.load(connection, named(connection), now=b.NOW)
    assert {"Import provider invoice", "First seen"} <= set(titles(list(found)))
