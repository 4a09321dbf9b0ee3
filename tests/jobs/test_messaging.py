"""Can people change what messages say, try it, and put right what was not sent; each step whole, on what they saw, and in the log?"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import mailboxes
from tests.conftest import NOW, Command
from tests.mailboxes import Mailbox
from tests.ports import free_port
from tests.posted import outbox, to_mail, told
from w365core.errors import CallRefused
from w365core.jobs import messaging, notifying, sending
from w365core.jobs.context import Context
from w365core.jobs.messaging import Draft, Rendered, Unfit

ANA = {"actor": "ana", "now": NOW}
DRAFT = Draft("Today: {{ headline }}", "{{ headline }}\n{% for one in failed %}\n{{ one.number }}\n{% endfor %}", "<p>{{ headline }}</p>")


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailboxes.serve(Mailbox()) as served:
        yield served


@pytest.fixture
def sender(context: Context, box: Mailbox) -> Context:
    to_mail(context, box)
    return context


def words(context: Context, kind: str = "daily_summary") -> messaging.Words:
    with context.engine.connect() as connection:
        return messaging.words(connection)[kind]


def logged(context: Context) -> list[tuple]:
    query = text(
        "select actor, action, target_kind, target, before, after from audit_log where target_kind like 'message%' order by audit_id"
    )
    with context.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


# --- templates -----------------------------------------------------------------------------------------------------------------------------


def test_changed_words_are_those_that_are_sent_until_they_are_taken_back(sender: Context, box: Mailbox) -> None:
    assert messaging.save(sender.engine, "daily_summary", DRAFT, seen=0, **ANA) is True
    assert messaging.save(sender.engine, "daily-summary", DRAFT, seen=1, **ANA) is False
    notifying.daily(sender)
    assert messaging.clear(sender.engine, "daily_summary", seen=1, **ANA) is True
    assert messaging.clear(sender.engine, "daily_summary", **ANA) is False
    notifying.daily(sender.at(NOW.replace(day=13)))
    mine, default = outbox(sender.engine)
    assert (
        mine.subject.startswith("Today: No invoice came in since")
        and mine.body_html.startswith("<p>No invoice")
        and default.subject.startswith("13 Nov 2026:")
    )
    assert [(row[0], row[1], row[3]) for row in logged(sender)] == [
        ("ana", "set template", "daily_summary"),
        ("ana", "clear template", "daily_summary"),
    ]
    assert logged(sender)[0][5]["subject"] == DRAFT.subject == logged(sender)[1][4]["subject"]


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        (Draft("x", "{{ ''.__class__ }}"), "no attribute"),
        (Draft("x", "{{ cycler() }}"), "uses call"),
        (Draft("x", "{{ number }}"), "which this message does not have"),
        (Draft("x", "ok", "<script>x()</script>"), "<script>"),
        (Draft("x", "ok", "<p style={{ day }}>k</p>"), "holds the attribute nov"),
        (Draft("", "ok"), "subject is blank"),
        (Draft("x", " "), "text is blank"),
        (Draft("x", "ok", to="nobody"), "To is 'nobody'"),
        (Draft("x", "ok", cc="a@x.example\nBcc: b@x.example"), "CC is"),
    ],
)
def test_a_template_that_makes_no_message_or_more_than_a_message_is_not_kept(context: Context, draft: Draft, said: str) -> None:
    with pytest.raises(CallRefused, match=said.replace("(", r"\(")):
        messaging.save(context.engine, "daily_summary", draft, **ANA)
    assert words(context).is_default and logged(context) == []


def test_who_has_seen_another_version_changes_nothing(context: Context) -> None:
    messaging.save(context.engine, "daily_summary", DRAFT, seen=0, **ANA)
    for refused in (
        lambda: messaging.save(context.engine, "daily_summary", Draft("a", "b"), seen=0, **ANA),
        lambda: messaging.clear(context.engine, "daily_summary", seen=0, **ANA),
    ):
        with pytest.raises(CallRefused, match="changed by ana since you opened it"):
            refused()
    assert words(context).template.subject == DRAFT.subject


def test_of_two_who_change_it_at_once_one_is_told(context: Context) -> None:
    together, ends = threading.Barrier(2), []

    def run(name: str) -> None:
        together.wait()
        try:
            ends.append(messaging.save(context.engine, "daily_summary", Draft(name, "text"), seen=0, actor=name, now=NOW))
        except CallRefused as refused:
            ends.append(str(refused))

    threads = [threading.Thread(target=run, args=(name,)) for name in ("ana", "bo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        sorted(map(str, ends))[0]
        == "The template daily_summary was changed by "
        + words(context).set_by
        + " since you opened it; look at it again, then make your change."
    )
    assert ends.count(True) == 1 and len(logged(context)) == 1


def test_a_template_of_its_own_to_comes_before_that_of_the_settings(sender: Context) -> None:
    told(sender, mail_cc="cy@x.example")
    messaging.save(sender.engine, "daily_summary", Draft(DRAFT.subject, DRAFT.text, to="bo@x.example"), **ANA)
    notifying.daily(sender)
    (kept,) = outbox(sender.engine)
    assert (kept.mail_to, kept.mail_cc) == ("bo@x.example", "")


def test_a_kept_template_that_does_not_fit_its_facts_any_more_is_replaced_by_the_default(
    sender: Context, caplog: pytest.LogCaptureFixture
) -> None:
    messaging.save(sender.engine, "daily_summary", DRAFT, **ANA)
    with sender.engine.begin() as connection:
        connection.execute(text("update message_template set body_text = '{{ gone }}'"))
    notifying.daily(sender)
    assert outbox(sender.engine)[0].subject.startswith("12 Nov 2026:") and "The default was used" in caplog.text


def test_a_preview_is_what_would_be_sent_of_the_example_or_of_today(sender: Context) -> None:
    made = messaging.preview("daily_summary", DRAFT)
    assert isinstance(made, Rendered) and "G0000002" in made.text
    with sender.engine.connect() as connection:
        today = messaging.today(connection, now=NOW)
    assert list(today) == ["daily_summary"]
    made = messaging.preview("daily_summary", DRAFT, today["daily_summary"])
    messaging.save(sender.engine, "daily_summary", DRAFT, **ANA)
    notifying.daily(sender)
    (kept,) = outbox(sender.engine)
    assert made == Rendered(kept.subject, kept.body_text, kept.body_html)
    assert isinstance(messaging.preview("daily_summary", Draft("x", "{{ nobody }}")), Unfit)


# --- test send -----------------------------------------------------------------------------------------------------------------------------


def test_a_test_goes_to_those_named_alone_with_the_words_of_the_draft_and_as_often_as_one_likes(sender: Context, box: Mailbox) -> None:
    told(sender, mail_cc="cy@x.example", webhook_url="https://hooks.x.example/h")
    for _ in range(2):
        messaging.send_test(sender.engine, "daily_summary", DRAFT, to="eve@x.example", **ANA)
    assert [one.state for one in sending.send_due(sender)] == ["sent", "sent"]
    assert [one.rcpt_tos for one in box.taken] == [["eve@x.example"]] * 2
    assert box.messages[0]["Subject"].startswith("[Test] Today: 1 invoice came in")
    assert {row[1] for row in logged(sender)} == {"send test"}
    assert [one.kind for one in notifying.daily(sender).queued][:1] == ["daily_summary"], "a test is no summary"


def test_a_test_that_could_not_be_sent_is_refused(context: Context) -> None:
    with pytest.raises(CallRefused, match="To is blank: set mail_to"):
        messaging.send_test(context.engine, "daily_summary", **ANA)
    with pytest.raises(CallRefused, match="No mail server is set: set mail_server"):
        messaging.send_test(context.engine, "daily_summary", to="eve@x.example", **ANA)
    assert outbox(context.engine) == []


# --- the outbox ----------------------------------------------------------------------------------------------------------------------------


def test_what_was_withheld_is_sent_once_somebody_says_so_and_somebody_is_named(context: Context, box: Mailbox) -> None:
    notifying.daily(context)
    (kept,) = outbox(context.engine)
    with pytest.raises(CallRefused, match="To is blank: set mail_to"):
        messaging.release(context.engine, kept.outbox_id, **ANA)
    to_mail(context, box)
    messaging.release(context.engine, kept.outbox_id, **ANA)
    assert [one.state for one in sending.send_due(context)] == ["sent"]
    assert box.taken[0].rcpt_tos == ["ana@x.example"] and box.messages[0]["Message-ID"] == kept.message_id
    with pytest.raises(CallRefused, match="was sent; only what was not sent"):
        messaging.release(context.engine, kept.outbox_id, **ANA)
    assert [row[1] for row in logged(context)] == ["send message again"]


def test_what_failed_is_sent_again_to_the_corrected_address_under_its_message_id(sender: Context, box: Mailbox) -> None:
    box.refused = {"ana@x.example": "550 no such person"}
    notifying.daily(sender)
    sending.send_due(sender)
    (kept,) = outbox(sender.engine)
    assert kept.state == "failed"
    told(sender, mail_to="anna@x.example")
    messaging.release(sender.engine, kept.outbox_id, **ANA)
    sending.send_due(sender)
    assert box.taken[0].rcpt_tos == ["anna@x.example"] and box.messages[0]["Message-ID"] == kept.message_id


def test_what_is_tried_in_vain_is_tried_at_once_where_somebody_says_so(sender: Context, box: Mailbox) -> None:
    box.answers = ["451 later"]
    notifying.daily(sender)
    sending.send_due(sender)
    (kept,) = outbox(sender.engine)
    assert kept.state == "waiting" and sending.send_due(sender) == []
    messaging.release(sender.engine, kept.outbox_id, **ANA)
    messaging.release(sender.engine, kept.outbox_id, **ANA)
    assert [one.state for one in sending.send_due(sender)] == ["sent"] and [row[1] for row in logged(sender)] == ["send message again"]


def test_what_is_discarded_is_never_sent_nor_said_again(sender: Context, box: Mailbox) -> None:
    notifying.daily(sender)
    (kept,) = outbox(sender.engine)
    for _ in range(2):
        messaging.discard(sender.engine, kept.outbox_id, **ANA)
    assert sending.send_due(sender) == [] and notifying.daily(sender).queued == () and not box.taken
    assert [row[1] for row in logged(sender)] == ["discard message"]
    with pytest.raises(CallRefused, match="discarded"):
        messaging.release(sender.engine, kept.outbox_id, **ANA)
    with pytest.raises(CallRefused, match="There is no message 99"):
        messaging.discard(sender.engine, 99, **ANA)


def test_what_was_sent_cannot_be_discarded(sender: Context) -> None:
    notifying.daily(sender)
    sending.send_due(sender)
    with pytest.raises(CallRefused, match="nobody can take it back"):
        messaging.discard(sender.engine, outbox(sender.engine)[0].outbox_id, **ANA)


# --- commands ------------------------------------------------------------------------------------------------------------------------------


def document(done) -> list | dict:
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_notify_says_what_it_would_send_then_sends_it(w365: Command, box: Mailbox) -> None:
    for name, value in {
        "mail_to": "ana@x.example",
        "mail_server": "127.0.0.1",
        "mail_port": str(box.port),
        "mail_security": "none",
    }.items():
        assert w365("settings", "set", name, value).returncode == 0
    dry = w365("notify", "--dry-run")
    assert "1 message would be queued." in dry.stdout and "No invoice came in" in dry.stdout and not box.taken
    told = document(w365("notify", "--json"))
    assert [one["state"] for one in told["sent"]] == ["sent"] and len(box.taken) == 1
    assert document(w365("notify", "--json")) == {"dry_run": False, "queued": [], "sent": []}
    (row,) = document(w365("outbox", "list", "--json"))
    assert (row["kind"], row["channel"], row["state"], row["attempts"]) == ("daily_summary", "mail", "sent", 1)
    assert document(w365("outbox", "show", str(row["outbox_id"]), "--json"))["text"].startswith("No invoice came in")


def test_an_empty_to_is_a_warning_and_no_failure(w365: Command) -> None:
    done = w365("notify")
    assert done.returncode == 0 and "withheld: To is blank, so nobody was told: set mail_to" in done.stdout
    assert [row["state"] for row in document(w365("outbox", "list", "--state", "withheld", "--json"))] == ["withheld"]
    assert w365("outbox", "send", "1").returncode == 2


def test_a_server_that_is_down_is_exit_1_and_outbox_send_sends_it_when_it_is_up(w365: Command) -> None:
    box = Mailbox(port=free_port())
    for name, value in {
        "mail_to": "ana@x.example",
        "mail_server": "127.0.0.1",
        "mail_port": str(box.port),
        "mail_security": "none",
    }.items():
        w365("settings", "set", name, value)
    down = w365("notify")
    assert down.returncode == 1 and "could not be reached" in down.stderr
    assert "Nothing waits to be sent." in w365("outbox", "send").stdout, "its time has not come"
    with mailboxes.serve(box, port=box.port):
        up = w365("outbox", "send", "1")
    assert (up.returncode, len(box.taken)) == (0, 1), up.stderr
    assert w365("outbox", "send", "1").returncode == 2 and w365("outbox", "discard", "1").returncode == 2


def test_templates_are_set_shown_tried_and_cleared_by_command(w365: Command, box: Mailbox, tmp_path: Path) -> None:
    for name, value in {"mail_server": "127.0.0.1", "mail_port": str(box.port), "mail_security": "none"}.items():
        w365("settings", "set", name, value)
    (tmp_path / "body.txt").write_text("It failed: {{ invoice.number }}")
    (tmp_path / "empty.html").write_text("")
    done = w365(
        "template", "set", "invoice_failed", "--text", tmp_path / "body.txt", "--html", tmp_path / "empty.html", "--to", "bo@x.example"
    )
    assert "is changed" in done.stdout, done.stderr
    shown = document(w365("template", "show", "invoice_failed", "--json"))
    assert shown["example"]["text"] == "It failed: G0000002\n" and shown["mail_to"] == "bo@x.example" and shown["html"] == ""
    listed = {row["kind"]: row for row in document(w365("template", "list", "--json"))}
    assert listed["invoice_failed"]["mail_to"] == "bo@x.example" and listed["daily_summary"]["changed_by"] is None
    assert w365("template", "test", "invoice_failed").returncode == 0
    assert box.messages[0]["To"] == "bo@x.example" and box.messages[0].get_content().strip() == "It failed: G0000002"
    assert "has its default again" in w365("template", "clear", "invoice_failed").stdout
    refused = w365("template", "set", "invoice_failed", "--subject", "{{ ''.__class__.__mro__ }}")
    assert refused.returncode == 2 and "no attribute" in refused.stderr
    assert w365("template", "show", "nonsense").returncode == 2 and w365("outbox", "list", "--state", "lost").returncode == 2
    assert w365("template", "set", "invoice_failed", "--text", tmp_path / "nowhere").returncode == 2
