"""Is everything said that is to be said, once, in the words of its page; and is what nobody is told of kept as what would have been sent?"""

from __future__ import annotations

import ast
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, update

from tests import estates
from tests.conftest import NOW, Command
from tests.estates import Estate
from tests.jobs import working
from tests.mailboxes import Mailbox
from tests.posted import outbox, to_mail, told
from tests.reports import builders as b
from tests.usage_rows import Usage
from w365core.jobs import notifying, syncing
from w365core.jobs.context import Context
from w365core.messages.kinds import BY_NAME as KINDS
from w365core.store.tables import provider_invoice, subscription, sync_run

DAY = timedelta(days=1)
Fill = Callable[..., int]


@pytest.fixture
def sender(context: Context) -> Context:
    """An installation with a mail server that nobody asks in these tests."""
    to_mail(context, Mailbox(port=2525))
    return context


ONE_OF_EACH = {
    "G-IN": {"imported_at": NOW},
    "G-NEW": {"imported_at": NOW - 9 * DAY, "changed_at_provider": True, "header_total_now": 12000},
    "G-BAD": {"status": "Error", "failure": "provider_error", "message": "m"},
    "G-LATE": {"status": "Error", "failure": "provider_error", "message": "m", "first_seen": NOW - 13 * DAY},
    "G-WAITS": {"status": "Populating"},
}


def add(context: Context, **invoice: object) -> int:
    """An invoice that was tried this morning unless said otherwise."""
    with context.engine.begin() as connection:
        tried = {"first_seen": context.now - timedelta(hours=2), "last_attempt_at": context.now - timedelta(hours=1), "run": 7}
        return b.invoice(connection, provider="csp", **(tried | invoice))


def kinds(context: Context) -> list[str]:
    return [message.kind for message in outbox(context.engine)]


def texts(context: Context, kind: str) -> list[str]:
    return [message.body_text for message in outbox(context.engine, kind=kind)]


def change(connection: Connection, invoice_id: int, **values: object) -> None:
    connection.execute(update(provider_invoice).where(provider_invoice.c.provider_invoice_id == invoice_id).values(**values))


# --- the daily summary ---------------------------------------------------------------------------------------------------------------------


def test_the_summary_says_what_came_in_what_failed_why_and_what_to_do(sender: Context) -> None:
    add(sender, number="G-IN", header="1234.50", imported_at=NOW - timedelta(hours=1))
    add(sender, number="G-OLD", imported_at=NOW - timedelta(days=9), last_attempt_at=NOW - timedelta(days=9))
    add(
        sender,
        number="G-BAD",
        status="Error",
        header="8100",
        failure="unresolved_references",
        message="3 customers are in nobody's records.",
    )
    add(
        sender,
        number="G-OLD-BAD",
        status="Error",
        header="10",
        failure="invalid_data",
        message="No column for the amount.",
        last_attempt_at=NOW - 5 * DAY,
    )
    add(sender, number="G-WAITS", status="Populating", header="420", currency="USD", imported_at=NOW)
    with sender.engine.begin() as connection:
        run = {"command": "sync", "actor": "x", "started_at": NOW, "status": "failed"}
        connection.execute(sync_run.insert().values(provider="streamone", message="StreamOne did not answer; try later.", **run))
    notifying.daily(sender)
    (summary,) = outbox(sender.engine, kind="daily_summary")
    assert summary.subject == "12 Nov 2026: 1 came in, 2 failed, 8,110.00 EUR and 420.00 USD held up"
    for said in (
        "G-IN of csp, 1,234.50 EUR",
        "G-BAD of csp, 8,100.00 EUR (new)",
        "Why: 3 customers are in nobody's records.",
        "What to do: See what is missing and the suggested fix, add that, then sync it again.",
        "The daily job tries again until 27 Nov 2026, 15 days left.",
        "G-OLD-BAD of csp",
        "G-WAITS of csp, 420.00 USD: Look through its lines, then activate it.",
        "streamone: StreamOne did not answer; try later.",
    ):
        assert said in summary.body_text, said
    assert "G-OLD of" not in summary.body_text
    assert summary.facts["failed"][0]["number"] == "G-BAD", "the biggest money first"


def test_a_day_without_anything_is_said_too_once(sender: Context) -> None:
    assert [one.kind for one in notifying.daily(sender).queued] == ["daily_summary"]
    assert notifying.daily(sender).queued == ()
    assert notifying.daily(sender.at(NOW + timedelta(hours=5))).queued == ()
    assert "No invoice came in" in texts(sender, "daily_summary")[0] and "nothing needs attention" in texts(sender, "daily_summary")[0]
    assert [one.kind for one in notifying.daily(sender.at(NOW + DAY)).queued] == ["daily_summary"]


def test_the_day_is_that_of_the_time_zone(sender: Context) -> None:
    told(sender, time_zone="Pacific/Auckland")
    late = sender.at(NOW.replace(hour=23))
    assert [one.key for one in notifying.daily(late).queued] == ["daily_summary:2026-11-13"]
    assert [one.key for one in notifying.daily(late.at(NOW.replace(day=13, hour=10))).queued] == []
    assert [one.key for one in notifying.daily(late.at(NOW.replace(day=13, hour=11))).queued] == ["daily_summary:2026-11-14"]


def test_a_summary_begins_where_the_one_before_ended(sender: Context) -> None:
    notifying.daily(sender.at(NOW - 3 * DAY))
    add(sender, number="G-IN", imported_at=NOW - 2 * DAY, last_attempt_at=NOW - 2 * DAY)
    notifying.daily(sender)
    notifying.daily(sender.at(NOW + DAY))
    assert ["G-IN" in text for text in texts(sender, "daily_summary")] == [False, True, False]


def test_a_dry_run_says_the_same_and_queues_nothing(sender: Context) -> None:
    add(sender, number="G-BAD", status="Error", failure="provider_error", message="It broke off.")
    dry = notifying.daily(sender, dry_run=True)
    assert outbox(sender.engine) == [] and {one.kind for one in dry.queued} == {"daily_summary", "invoice_failed"}
    real = notifying.daily(sender)
    assert [(one.key, one.subject, one.text) for one in dry.queued] == [(one.key, one.subject, one.text) for one in real.queued]
    assert all(one.outbox_id is None for one in dry.queued) and "would be queued" in dry.sentence


# --- single events -------------------------------------------------------------------------------------------------------------------------


def test_an_invoice_that_came_in_is_said_once_per_import(sender: Context) -> None:
    mine = add(sender, number="G-IN", header="1234.50", imported_at=NOW)
    for _ in range(2):
        notifying.after(sender)
    assert (
        kinds(sender) == ["invoice_available"]
        and "G-IN of csp, dated 8 Nov 2026, has come in: 1,234.50 EUR" in texts(sender, "invoice_available")[0]
    )
    with sender.engine.begin() as connection:
        change(connection, mine, import_run_id=8)
    notifying.after(sender)
    assert kinds(sender) == ["invoice_available"] * 2


def test_a_failure_is_said_once_per_reason_however_often_it_is_tried(sender: Context) -> None:
    mine = add(sender, number="G-BAD", status="Error", failure="provider_error", message="It broke off.")
    for day in range(3):
        with sender.engine.begin() as connection:
            change(connection, mine, last_attempt_at=NOW + day * DAY, import_run_id=100 + day)
        notifying.after(sender.at(NOW + day * DAY))
    assert kinds(sender) == ["invoice_failed"]
    with sender.engine.begin() as connection:
        change(connection, mine, last_attempt_at=NOW + 3 * DAY, failure="invalid_data", message="No column for the amount.")
    notifying.after(sender.at(NOW + 3 * DAY))
    assert kinds(sender) == ["invoice_failed"] * 2 and "No column for the amount." in texts(sender, "invoice_failed")[1]


def test_what_failed_long_ago_and_was_not_tried_since_is_left_to_the_summary(sender: Context) -> None:
    add(
        sender,
        number="G-BAD",
        status="Error",
        failure="provider_error",
        message="m",
        first_seen=NOW - 5 * DAY,
        last_attempt_at=NOW - 5 * DAY,
    )
    assert notifying.after(sender).queued == ()


def test_a_change_at_the_provider_is_said_once_per_change(sender: Context) -> None:
    mine = add(
        sender,
        number="G-NEW",
        header="10000",
        imported_at=NOW - 9 * DAY,
        last_attempt_at=NOW - 9 * DAY,
        changed_at_provider=True,
        header_total_now=12000,
    )
    notifying.after(sender)
    notifying.daily(sender)
    assert kinds(sender) == ["invoice_changed", "daily_summary"]
    assert "its total is 12,000.00 EUR now, it was 10,000.00 EUR" in texts(sender, "invoice_changed")[0]
    with sender.engine.begin() as connection:
        change(connection, mine, header_total_now=13000)
    notifying.after(sender)
    assert kinds(sender)[2:] == ["invoice_changed"]


@pytest.mark.parametrize(("age", "lapses"), [(11, False), (12, True), (15, True), (16, False)])
def test_a_window_that_is_about_to_lapse_is_said_once_in_its_last_days(sender: Context, age: int, lapses: bool) -> None:
    old = {"first_seen": NOW - age * DAY, "last_attempt_at": NOW - 3 * DAY}
    add(sender, number="G-BAD", status="Error", failure="provider_error", message="m", **old)
    notifying.daily(sender)
    notifying.daily(sender.at(NOW + timedelta(hours=1)))
    assert ("retry_lapsing" in kinds(sender)) is lapses and len(set(kinds(sender))) == len(kinds(sender))


def test_files_by_hand_have_no_window_that_could_lapse(sender: Context) -> None:
    add(sender, number="M-1", status="Error", failure="invalid_data", message="m", source="file", first_seen=NOW - 14 * DAY)
    notifying.daily(sender)
    assert "retry_lapsing" not in kinds(sender)


def test_markups_that_have_changed_since_are_said_once_per_state_with_what_it_moves(sender: Context) -> None:
    usage = Usage(sender.engine)
    usage.add("100.00", "15")
    usage.add("7.00", None, account_id="A-2")
    with sender.engine.begin() as connection:
        connection.execute(update(subscription).where(subscription.c.subscription_id == "U-1").values(markup_pct=18))
        connection.execute(update(subscription).where(subscription.c.subscription_id == "U-2").values(markup_pct=None))
    for hour in range(2):
        notifying.daily(sender.at(NOW + timedelta(hours=hour)))
    (drift,) = outbox(sender.engine, kind="markup_drift")
    assert drift.subject == "Markups have changed: 3.00 EUR on usage that is not invoiced yet"
    assert "Contoso, Contoso Azure: 15 % then, 18 % now, 3.00 EUR" in drift.body_text
    assert "Fabrikam, Fabrikam Azure: cost of 7.00 EUR cannot be sold" in drift.body_text
    with sender.engine.begin() as connection:
        connection.execute(update(subscription).where(subscription.c.subscription_id == "U-1").values(markup_pct=20))
    notifying.daily(sender)
    assert [message.subject[:27] for message in outbox(sender.engine, kind="markup_drift")] == [
        "Markups have changed: 3.00 ",
        "Markups have changed: 5.00 ",
    ]


def test_a_kind_that_is_switched_off_is_not_said(sender: Context) -> None:
    add(sender, number="G-IN", imported_at=NOW)
    told(sender, message_invoice_available="no", message_daily_summary="no")
    assert notifying.daily(sender).queued == ()
    told(sender, message_invoice_available="yes")
    assert [one.kind for one in notifying.daily(sender).queued] == ["invoice_available"]


def test_links_are_there_where_the_application_has_an_address(sender: Context) -> None:
    mine = add(sender, number="G-IN", imported_at=NOW)
    told(sender, message_app_address="https://w365.example/")
    notifying.daily(sender)
    assert f"https://w365.example/?invoice={mine}\n" in texts(sender, "invoice_available")[0]
    assert "https://w365.example/\n" in texts(sender, "daily_summary")[0]


def pages() -> set[str]:
    """The addresses of the pages there are, as a browser writes them; that of the first one is blank, whatever it is called."""
    tree = ast.parse((Path(__file__).resolve().parents[2] / "pages" / "frame.py").read_text())
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "st.Page"]
    named = [{one.arg: one.value for one in call.keywords} for call in found]
    return {"" if "default" in page else page["url_path"].value for page in named}


def links(said: Any) -> Iterator[str]:
    """Every address of the application in facts or words, however deep."""
    if isinstance(said, Mapping):
        said = said.values()
    if isinstance(said, str):
        yield from re.findall(r"https://w365\.example[^\s\"<]*", said)
    elif isinstance(said, Iterable):
        for one in said:
            yield from links(one)


def test_every_link_of_every_message_leads_to_a_page_that_there_is(sender: Context) -> None:
    ours = {name: add(sender, number=name, **given) for name, given in ONE_OF_EACH.items()}
    Usage(sender.engine).add("7.00", None, account_id="A-2")
    told(sender, message_app_address="https://w365.example", webhook_url="https://hooks.x.example/w365", webhook_hosts="hooks.x.example")
    notifying.daily(sender)
    sent = outbox(sender.engine)
    assert {one.kind for one in sent} == set(KINDS) and {one.channel for one in sent} == {"mail", "webhook"}
    found = {link for one in sent for link in links([one.body_text, one.body_html, one.facts])}
    found |= {link for kind in KINDS.values() for link in links(kind.example)}
    assert {urlsplit(link).path.removeprefix("/") for link in found} <= pages()
    assert {f"https://w365.example/?invoice={number}" for number in ours.values()} <= found and "https://w365.example/markup" in found


@pytest.mark.parametrize("address", ["w365.example", "javascript:alert(1)", 'https://x.example/"><b>', "https://ana@x.example"])
def test_what_is_no_address_makes_no_link_and_spoils_no_message(sender: Context, address: str) -> None:
    told(sender, message_app_address=address)
    notifying.daily(sender)
    (summary,) = outbox(sender.engine)
    assert summary.facts["link"] == "" and "<p" in summary.body_html and "href" not in summary.body_html


# --- nobody to tell ------------------------------------------------------------------------------------------------------------------------


def test_a_blank_to_warns_and_keeps_what_would_have_been_sent(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    told(context, mail_server="127.0.0.1")
    said: list[str] = []
    result = notifying.daily(replace(context, report=said.append))
    (kept,) = outbox(context.engine)
    assert (kept.state, kept.said) == ("withheld", "To is blank, so nobody was told: set mail_to, or the template's own To.")
    assert "No invoice came in" in kept.body_text and "withheld" in result.sentence
    assert "To is blank" in said[0] and kept.subject in said[0]
    assert "To is blank" in caplog.text and kept.subject in caplog.text


def test_without_a_mail_server_it_is_withheld_too(context: Context) -> None:
    told(context, mail_to="ana@x.example")
    notifying.daily(context)
    assert [(one.state, one.said) for one in outbox(context.engine)] == [
        ("withheld", "No mail server is set, so nobody was told: set mail_server.")
    ]


def test_a_webhook_is_a_channel_of_its_own(sender: Context) -> None:
    told(sender, webhook_url="https://hooks.x.example/w365")
    notifying.daily(sender)
    assert [(one.channel, one.key, one.state, one.mail_to) for one in outbox(sender.engine)] == [
        ("mail", "daily_summary:2026-11-12", "waiting", "ana@x.example"),
        ("webhook", "daily_summary:2026-11-12", "waiting", ""),
    ]


def test_message_ids_are_those_of_the_sender_and_never_the_same(sender: Context) -> None:
    for day in range(3):
        notifying.daily(sender.at(NOW + day * DAY))
    ids = [one.message_id for one in outbox(sender.engine)]
    assert len(set(ids)) == 3 and all(one.startswith("<") and one.endswith("@w365.example>") for one in ids)


def test_several_at_once_queue_each_message_once(sender: Context) -> None:
    for number in range(20):
        add(sender, number=f"G-{number}", imported_at=NOW)
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        notifying.daily(sender)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [one.key for one in outbox(sender.engine)]
    assert len(keys) == len(set(keys)) == 21


# --- after a real import -------------------------------------------------------------------------------------------------------------------


def test_after_a_sync_it_is_said_what_came_in_and_what_did_not(sender: Context, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "estate")
    estates.two_invoices_worth(estate)
    estate.invoice("G2", [estates.seat(CustomerId="99999999-0000-4000-8000-000000000009", CustomerName="<b>Eve</b> {{ 7*7 }}")])
    with estates.serve(estate) as served:
        configured = estates.configure(sender, served.url, records=estate.records(tmp_path / "records"))
        syncing.sync_daily(configured, provider_name=None, with_estimate=False)
    notifying.after(configured)
    assert sorted(kinds(sender)) == ["invoice_available", "invoice_failed"]
    (failed,) = outbox(sender.engine, kind="invoice_failed")
    assert "invoice G2 of csp" in failed.subject and "What to do: See what is missing" in failed.body_text
    assert "<b>Eve" not in failed.body_html


def test_a_name_that_is_markup_or_a_template_stays_a_name(sender: Context) -> None:
    add(
        sender,
        number="G-BAD",
        status="Error",
        failure="unresolved_references",
        message="<script>x()</script> {{ 7*7 }} is in nobody's records.\r\nBcc: x",
    )
    notifying.daily(sender)
    (failed,) = outbox(sender.engine, kind="invoice_failed")
    assert "<script>x()</script> {{ 7*7 }} is in nobody's records. Bcc: x" in failed.body_text
    assert "&lt;script&gt;x()&lt;/script&gt; {{ 7*7 }}" in failed.body_html and "<script" not in failed.body_html


def test_messages_that_cannot_be_queued_fail_no_import(sender: Context, caplog: pytest.LogCaptureFixture) -> None:
    with sender.engine.begin() as connection:
        connection.exec_driver_sql("alter table outbox rename to outbox_away")
    assert notifying.after(sender).queued == ()
    assert "the daily run queues them" in caplog.text


def test_a_job_of_the_queue_says_what_became_of_its_invoice(sender: Context, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "estate")
    estates.two_invoices_worth(estate)
    with estates.serve(estate) as served:
        configured = estates.configure(sender, served.url, records=estate.records(tmp_path / "records"))
        told(sender, mail_server="")
        log = tmp_path / "worker.log"
        with working.worker(configured, log):
            job = working.ended(configured, working.queued(configured), log)
            working.until(lambda: outbox(sender.engine), lambda: f"a message; the worker said: {log.read_text()}")
    assert job.state == "done"
    assert [(one.kind, one.state) for one in outbox(sender.engine)] == [("invoice_available", "withheld")]


def test_commands_that_import_say_it_too(w365: Command, written: Callable[[str, str], Path]) -> None:
    assert w365("init").returncode == 0
    assert w365("provider", "add", "shop", "--type", "manual").returncode == 0
    records = {"currencies.csv": "code,rate_to_base\nEUR,1\n", "accounts.csv": "account_id,name\nA-1,Contoso\n"}
    for name, content in records.items():
        written(f"records/{name}", content)
    assert w365("load", written("records/products.csv", "product_id,name\nP,Plan\n").parent).returncode == 0
    heads = "customer_id,subscription_id,product_id,charge_type,charge_start,charge_end,quantity,unit_price,subtotal,tax,total,currency"
    file = written("lines.csv", f"{heads}\nC-9,S-9,P,new,2026-10-01,2026-10-31,1,10,10,0,10,EUR\n")
    done = w365(
        "import", file, "--provider", "shop", "--invoice", "M-1", "--total", "10", "--currency", "EUR", "--invoice-date", "2026-11-08"
    )
    assert done.returncode == 1, done.stderr
    listed = json.loads(w365("outbox", "list", "--json").stdout)
    assert [(one["kind"], one["state"]) for one in listed] == [("invoice_failed", "withheld")] and "M-1" in listed[0]["subject"]
    assert w365("settings", "set", "time_zone", "Asia/Kolkata").returncode == 0
    there = datetime.fromisoformat(listed[0]["queued_at"]).astimezone(ZoneInfo("Asia/Kolkata"))
    assert f"{there:%Y-%m-%d %H:%M}  " in w365("outbox", "list").stdout
