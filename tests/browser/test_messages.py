"""Does a person get from "nobody is told" to mail that has arrived, and does nothing in a mail that is looked at reach the page?"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect
from sqlalchemy import text

from tests import mailboxes
from tests.browser.conftest import running_app, visiting
from tests.jobs.working import worker
from tests.mailboxes import Mailbox
from tests.posted import outbox, told
from tests.reports import builders as b
from w365core.jobs import notifying
from w365core.jobs.context import Context

_EVIL = (
    "<p id='seen'>seen</p><script>alert(1); parent.document.title = 'taken'; fetch('http://stranger.example/x')</script>"
    "<img src='http://stranger.example/seen.png' onerror='alert(2)'><a href='javascript:alert(3)' id='trap'>here</a>"
)


def test_somebody_is_named_a_message_is_sent_its_words_changed_and_a_hostile_one_looked_at(
    context: Context, database_url: str, browser: Browser, tmp_path: Path
) -> None:
    with context.engine.begin() as connection:
        b.clock(connection, context.now)
        tried = {"first_seen": context.now, "last_attempt_at": context.now}
        b.invoice(connection, number="G-BAD", provider="csp", status="Error", failure="provider_error", message="It broke off.", **tried)
    told(context, message_app_address="https://w365.example")
    notifying.daily(context)
    links = {one.kind: one.facts["link"].removeprefix("https://w365.example/") for one in outbox(context.engine)}
    with context.engine.begin() as connection:
        connection.execute(text("update outbox set body_html = :html where kind = 'invoice_failed'"), {"html": _EVIL})
    log = tmp_path / "worker.log"
    with (
        mailboxes.serve(Mailbox()) as box,
        worker(context, log),
        running_app(database_url, tmp_path / "app.log", W365_HOME=str(tmp_path / "home")) as address,
        visiting(browser, address) as visit,
    ):
        told(context, mail_server="127.0.0.1", mail_port=str(box.port), mail_security="none")
        kept_back: list[tuple[str, str | None]] = []
        visit.page.on("requestfailed", lambda request: kept_back.append((request.url, request.failure)))
        page = visit.open("messages?message=Invoice+failed&message_kinds=Invoice+failed")
        expect(page.get_by_text("Nobody is told: To is blank.")).to_be_visible()
        subject = page.get_by_label("Subject", exact=True)
        expect(subject).to_have_value("Failed: invoice {{ invoice.number }} of {{ invoice.provider }}, {{ invoice.amount }}")
        page.get_by_label("To", exact=True).first.fill("ana@x.example")
        page.get_by_label("To", exact=True).first.press("Tab")
        expect(page.get_by_text("From now on messages go to ana@x.example")).to_be_visible()
        page.get_by_role("button", name="Save").first.click()
        expect(page.get_by_text("Messages go to ana@x.example from now on.")).to_be_visible()
        page.get_by_role("button", name="Send", exact=True).first.click()
        expect(page.get_by_text("waits to be sent; a worker sends it within seconds")).to_be_visible()
        expect(page.get_by_test_id("stMetric").nth(3)).to_contain_text("1")  # sent, without anybody asking for the page again
        assert box.taken[0].rcpt_tos == ["ana@x.example"]
        subject.fill("Oh no: {{ invoice.number }}")
        subject.press("Tab")
        expect(page.get_by_text("Oh no: G0000002")).to_be_visible()
        assert "message=Invoice+failed&message_kinds=Invoice+failed" in page.url
        table = page.get_by_test_id("stDataFrame").first
        table.click(position={"x": 16, "y": 50})
        mail = page.frame_locator("iframe").first
        expect(mail.locator("#seen")).to_be_visible()
        mail.locator("#trap").click()
        expect(page).to_have_title("Messages · w365core")
        page.get_by_role("button", name="Send test").dblclick()
        expect(page.get_by_text("waits to be sent to those who would get it")).to_be_visible()
        expect(page.get_by_test_id("stMetric").nth(3)).to_contain_text("2")
        tests = [one for one in outbox(context.engine) if one.key.startswith("test:")]
        assert len(tests) == 1, "a double click is one action"
        for kind, heading in {"invoice_failed": "G-BAD", "daily_summary": "Invoice status"}.items():
            page = visit.open(links[kind])
            expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
            expect(page.get_by_text("Page not found")).to_have_count(0)
        assert visit.dialogs == []
        assert [(url, dict(kept_back).get(url)) for url in visit.strangers] == [(url, "csp") for url in visit.strangers], (
            "nothing was fetched"
        )
    assert "Traceback" not in (tmp_path / "app.log").read_text()
    assert {one.state for one in outbox(context.engine)} == {"sent", "withheld"}
