"""Does each message leave the outbox once, whoever else is sending, whatever breaks, and does it wait and come back where it cannot be sent?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import mailboxes
from tests.conftest import NOW, ROOT
from tests.jobs import working
from tests.mailboxes import Mailbox
from tests.ports import free_port
from tests.posted import outbox, to_mail, told
from tests.providers.scripted import Step, scripted
from w365core.jobs import notifying, sending
from w365core.jobs.context import Context
from w365core.jobs.sending import MOST_ATTEMPTS, PAUSES
from w365core.store import audit

SECRET = "planted-webhook-secret-Lw90"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailboxes.serve(Mailbox()) as served:
        yield served


@pytest.fixture
def sender(context: Context, box: Mailbox) -> Context:
    to_mail(context, box)
    return context


def queue(context: Context, days: int = 1) -> None:
    """As many messages: a summary a day, up to today."""
    for ago in reversed(range(days)):
        notifying.daily(context.at(context.now - timedelta(days=ago)))


def states(context: Context) -> list[str]:
    return [message.state for message in outbox(context.engine)]


def test_what_waits_is_sent_once_under_its_message_id_and_marked(sender: Context, box: Mailbox) -> None:
    queue(sender, 3)
    assert [one.state for one in sending.send_due(sender)] == ["sent"] * 3
    assert sending.send_due(sender) == []
    kept = outbox(sender.engine)
    assert [message["Message-ID"] for message in box.messages] == [one.message_id for one in kept]
    assert [(one.state, one.attempts, one.sent_at, one.next_attempt_at, one.said) for one in kept] == [("sent", 1, NOW, None, "")] * 3
    assert box.messages[0]["Subject"] == kept[0].subject and box.taken[0].rcpt_tos == ["ana@x.example"]


def test_to_and_cc_of_the_settings_are_those_it_goes_to(sender: Context, box: Mailbox) -> None:
    told(sender, mail_to="ana@x.example; bo@x.example", mail_cc="cy@x.example")
    queue(sender)
    sending.send_due(sender)
    assert box.taken[0].rcpt_tos == ["ana@x.example", "bo@x.example", "cy@x.example"] and box.messages[0]["Cc"] == "cy@x.example"


def test_two_senders_at_once_never_send_the_same(sender: Context, box: Mailbox) -> None:
    queue(sender, 12)
    together = threading.Barrier(4)
    sent: list[int] = []

    def run() -> None:
        together.wait()
        sent.extend(one.outbox_id for one in sending.send_due(sender))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(box.taken) == 12 and sorted(sent) == [one.outbox_id for one in outbox(sender.engine)]
    assert len({message["Message-ID"] for message in box.messages}) == 12 and set(states(sender)) == {"sent"}


def test_a_message_in_one_senders_hands_is_not_sent_by_another_who_insists(sender: Context, box: Mailbox) -> None:
    queue(sender)
    (number,) = [one.outbox_id for one in outbox(sender.engine)]
    come_in, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        come_in.set()
        assert go_on.wait(20)

    box.before_answer = hold
    first = threading.Thread(target=sending.send_due, args=(sender,))
    first.start()
    assert come_in.wait(20)
    assert sending.send_now(sender, [number]) == [] and sending.send_due(sender) == []
    go_on.set()
    first.join()
    assert sending.send_now(sender, [number]) == []
    assert len(box.taken) == 1 and states(sender) == ["sent"]


def test_a_sender_that_dies_after_the_server_took_it_sends_it_once_more_under_the_same_message_id(sender: Context, box: Mailbox) -> None:
    queue(sender, 2)
    program = [sys.executable, "-m", "tests.jobs.killed_sender", sender.settings.database_url, NOW.isoformat()]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        box.before_answer = lambda: os.kill(process.pid, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    box.before_answer = lambda: None
    kept = outbox(sender.engine)
    assert [(one.state, one.attempts) for one in kept] == [("waiting", 1), ("waiting", 0)], "taken by the server, and nobody wrote it down"
    assert [one.outbox_id for one in sending.send_due(sender)] == [kept[1].outbox_id], "the killed one waits for its next attempt"
    assert [one.outbox_id for one in sending.send_due(sender.at(NOW + PAUSES[0]))] == [kept[0].outbox_id]
    assert [message["Message-ID"] for message in box.messages] == [kept[0].message_id, kept[1].message_id, kept[0].message_id]
    assert states(sender) == ["sent", "sent"]


def test_a_server_that_is_down_is_asked_again_after_longer_and_longer_pauses_and_gets_it_when_it_is_up(context: Context) -> None:
    box = Mailbox(port=free_port())
    to_mail(context, box)
    queue(context)
    at = NOW
    for attempt, pause in enumerate(PAUSES[:4], 1):
        (tried,) = sending.send_due(context.at(at))
        assert tried.state == "waiting" and "could not be reached" in tried.said
        (kept,) = outbox(context.engine)
        assert (kept.attempts, kept.next_attempt_at, kept.said) == (attempt, at + pause, tried.said)
        assert sending.send_due(context.at(at + pause - timedelta(seconds=1))) == []
        at += pause
    with mailboxes.serve(box, port=box.port):
        assert [one.state for one in sending.send_due(context.at(at))] == ["sent"]
    assert [message["Message-ID"] for message in box.messages] == [kept.message_id]


def test_a_server_that_stays_down_is_given_up_and_said(context: Context) -> None:
    to_mail(context, Mailbox(port=free_port()))
    queue(context)
    at, seen = NOW, []
    for _ in range(MOST_ATTEMPTS):
        (tried,) = sending.send_due(context.at(at))
        seen.append(tried.state)
        at += PAUSES[-1]
    assert seen == ["waiting"] * (MOST_ATTEMPTS - 1) + ["failed"]
    (kept,) = outbox(context.engine)
    assert kept.said.startswith(f"Given up after {MOST_ATTEMPTS} attempts. ") and sending.send_due(context.at(at)) == []


def test_a_refused_recipient_fails_it_at_once_and_one_of_several_is_named(sender: Context, box: Mailbox) -> None:
    told(sender, mail_to="ana@x.example, bo@x.example")
    box.refused = {"bo@x.example": "550 no such person"}
    queue(sender)
    assert [(one.state, one.said) for one in sending.send_due(sender)] == [("sent", "Not taken for bo@x.example (550 no such person).")]
    box.refused["ana@x.example"] = "550 no such person"
    notifying.daily(sender.at(NOW + timedelta(days=1)))
    (tried,) = sending.send_due(sender.at(NOW + timedelta(days=1)))
    assert tried.state == "failed" and "Correct the addresses" in tried.said
    assert outbox(sender.engine)[1].next_attempt_at is None


def test_one_that_cannot_be_sent_keeps_the_next_from_nothing(sender: Context, box: Mailbox) -> None:
    queue(sender, 3)
    box.answers = ["250 taken", "451 not this one", "250 taken"]
    assert [one.state for one in sending.send_due(sender)] == ["sent", "waiting", "sent"]


def test_what_is_withheld_is_not_sent_by_itself_once_the_settings_are_there(context: Context, box: Mailbox) -> None:
    queue(context)
    to_mail(context, box)
    assert sending.send_due(context.at(NOW + timedelta(days=9))) == [] and states(context) == ["withheld"]


def test_a_setting_that_was_taken_away_makes_it_wait(sender: Context, box: Mailbox) -> None:
    queue(sender)
    told(sender, mail_server="")
    assert [(one.state, "mail_server" in one.said) for one in sending.send_due(sender)] == [("waiting", True)]
    assert not box.taken


def test_what_should_not_happen_is_a_reference_and_keeps_the_others_from_nothing(
    sender: Context, box: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    queue(sender, 2)
    with sender.engine.begin() as connection:
        connection.execute(
            text("insert into preference values ('mail_port', 'none', 'x', now()) on conflict (name) do update set value = 'none'")
        )
    assert [one.state for one in sending.send_due(sender)] == ["waiting", "waiting"]
    kept = outbox(sender.engine)
    assert all("look for reference" in one.said for one in kept) and kept[0].said.split()[-5] in caplog.text


def test_no_password_is_in_the_outbox_or_the_log(sender: Context, box: Mailbox, caplog: pytest.LogCaptureFixture) -> None:
    password = mailboxes.PASSWORD
    secret = replace(sender, settings=replace(sender.settings, environment={"W365_SMTP_PASSWORD": password, "W365_WEBHOOK_SECRET": SECRET}))
    box.answers = [f"554 {password}"]
    told(sender, mail_user="w365", webhook_url=f"http://127.0.0.1:{free_port()}/h")
    queue(sender)
    sending.send_due(secret)
    with sender.engine.connect() as connection:
        everything = "".join(
            str(row) for name in ("outbox", "audit_log", "preference") for row in connection.execute(text(f"select * from {name}"))
        )
    assert password not in everything + caplog.text and SECRET not in everything + caplog.text and password not in repr(secret)


# --- the webhook ---------------------------------------------------------------------------------------------------------------------------


def test_a_webhook_gets_it_beside_the_mail_and_again_where_it_was_in_trouble(sender: Context, box: Mailbox) -> None:
    with scripted() as script:
        script.on("/hook", Step(status=503), Step(status=200))
        told(sender, webhook_url=f"{script.url}/hook")
        signing = replace(sender, settings=replace(sender.settings, environment={"W365_WEBHOOK_SECRET": SECRET}))
        queue(signing)
        assert [(one.channel, one.state) for one in sending.send_due(signing)] == [("mail", "sent"), ("webhook", "waiting")]
        assert [(one.channel, one.state) for one in sending.send_due(signing.at(NOW + MINUTE))] == [("webhook", "sent")]
        assert len({asked.header("Webhook-Id") for asked in script.asked}) == 1 and len(script.asked) == 2
    assert len(box.taken) == 1


# --- who sends -----------------------------------------------------------------------------------------------------------------------------


def test_a_worker_sends_what_waits_by_itself(sender: Context, box: Mailbox, tmp_path: Path) -> None:
    queue(sender)
    log = tmp_path / "worker.log"
    with working.worker(sender, log):
        working.until(lambda: states(sender) == ["sent"], lambda: f"the message to be sent; the worker said: {log.read_text()}")
    assert len(box.taken) == 1 and "(mail): sent" in log.read_text()


def test_sending_is_no_act_of_a_person(sender: Context) -> None:
    with sender.engine.connect() as connection:
        before = connection.execute(text("select count(*) from audit_log")).scalar()
    queue(sender)
    sending.send_due(sender)
    with sender.engine.connect() as connection:
        assert connection.execute(text("select count(*) from audit_log")).scalar() == before and audit.first_broken(connection) is None
