"""Does mail arrive at a real server as it was meant, and is everything that a server can do wrong a sentence?"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import mailboxes
from tests.mailboxes import PASSWORD, USER, Mailbox
from tests.ports import free_port
from w365core.channels import mail
from w365core.channels.mail import Mail, Server
from w365core.channels.outcome import Delivered, Postponed, Refused
from w365core.model import Secret

MAIL = Mail(
    message_id="<0123abcd@w365.example>",
    sender="w365@w365.example",
    to=("ana@x.example", "bo@x.example"),
    cc=("cy@x.example",),
    subject="Rechnung für Müller: 12,345.60 €",
    text="Grüße\n\n.\n. a line that begins with a point\n" + "long " * 300 + "\n",
    html="<p>Gr&uuml;&szlig;e</p>",
    at=datetime(2026, 11, 12, 6, tzinfo=UTC),
)


def server(port: int, **more) -> Server:
    return Server(**({"host": "127.0.0.1", "port": port, "security": "none", "user": "", "password": Secret(""), "seconds": 5} | more))


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailboxes.serve(Mailbox()) as served:
        yield served


def test_it_arrives_whole_for_to_and_cc_under_its_message_id(box: Mailbox) -> None:
    assert mail.send(server(box.port), MAIL) == Delivered()
    (envelope,), (message,) = box.taken, box.messages
    assert (envelope.mail_from, envelope.rcpt_tos) == (MAIL.sender, ["ana@x.example", "bo@x.example", "cy@x.example"])
    assert [message[name] for name in ("Message-ID", "From", "To", "Cc", "Subject", "Date", "Auto-Submitted")] == [
        *(MAIL.message_id, MAIL.sender, "ana@x.example, bo@x.example", "cy@x.example", MAIL.subject),
        *("Thu, 12 Nov 2026 06:00:00 +0000", "auto-generated"),
    ]
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == MAIL.text
    assert MAIL.html in message.get_body(("html",)).get_content()


def test_every_line_on_the_wire_is_one_that_every_server_takes(box: Mailbox) -> None:
    mail.send(server(box.port), MAIL)
    lines = mail.composed(MAIL).split(b"\r\n")
    assert max(map(len, lines)) <= 998 and b"".join(lines).isascii() and b"\n" not in b"".join(lines)


def test_without_html_there_is_text_alone(box: Mailbox) -> None:
    mail.send(server(box.port), replace(MAIL, html=""))
    assert not box.messages[0].is_multipart()


def test_one_who_is_on_both_lists_gets_it_once(box: Mailbox) -> None:
    mail.send(server(box.port), replace(MAIL, cc=("ana@x.example",)))
    assert box.taken[0].rcpt_tos == ["ana@x.example", "bo@x.example"]


@pytest.mark.parametrize("field", ["subject", "sender", "message_id"])
def test_a_line_break_in_a_header_sends_nothing(box: Mailbox, field: str) -> None:
    outcome = mail.send(server(box.port), replace(MAIL, **{field: "x@x.example\r\nBcc: eve@x.example"}))
    assert isinstance(outcome, Refused) and not box.taken


def test_a_recipient_with_a_line_break_sends_nothing(box: Mailbox) -> None:
    assert isinstance(mail.send(server(box.port), replace(MAIL, to=("ana@x.example\r\nRCPT TO:<eve@x.example>",))), Refused)
    assert not box.taken


def test_one_refused_recipient_keeps_it_from_nobody_else_and_is_named(box: Mailbox) -> None:
    box.refused["bo@x.example"] = "550 5.1.1 no such person"
    outcome = mail.send(server(box.port), MAIL)
    assert isinstance(outcome, Delivered) and "bo@x.example (550 5.1.1 no such person)" in outcome.said
    assert box.taken[0].rcpt_tos == ["ana@x.example", "cy@x.example"]


@pytest.mark.parametrize(("answer", "kind"), [("550 no such person", Refused), ("450 not now", Postponed)])
def test_refused_by_all_is_for_good_only_where_the_server_says_so(box: Mailbox, answer: str, kind: type) -> None:
    box.refused = dict.fromkeys(MAIL.recipients, answer)
    outcome = mail.send(server(box.port), MAIL)
    assert isinstance(outcome, kind) and "ana@x.example" in outcome.said and not box.taken


@pytest.mark.parametrize(("answer", "kind"), [("554 looks like spam\x1b[31m", Refused), ("451 try later", Postponed)])
def test_a_message_that_is_not_taken_is_for_good_only_where_the_server_says_so(box: Mailbox, answer: str, kind: type) -> None:
    box.answers = [answer]
    outcome = mail.send(server(box.port), MAIL)
    assert isinstance(outcome, kind) and answer[4:9] in outcome.said and outcome.said.isprintable()


def test_nobody_listens() -> None:
    outcome = mail.send(server(free_port()), MAIL)
    assert isinstance(outcome, Postponed) and "could not be reached" in outcome.said


def test_a_name_that_nobody_knows() -> None:
    assert isinstance(mail.send(server(25, host="nowhere.invalid"), MAIL), Postponed)


@pytest.mark.parametrize("host", ["", "a b", "x.example\r\n", "-x", "http://x.example"])
def test_what_is_no_host_is_asked_nothing(host: str) -> None:
    outcome = mail.send(server(25, host=host), MAIL)
    assert isinstance(outcome, Postponed) and "which is no host" in outcome.said


@contextmanager
def silent(*says: bytes) -> Iterator[int]:
    """A server that says this and then nothing, or hangs up where it says nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept = []

        def answer() -> None:
            connection, _ = listening.accept()
            kept.append(connection)
            for one in says:
                connection.sendall(one)
            if not says:
                connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)
        for connection in kept:
            connection.close()


def test_a_server_that_falls_silent_is_given_up() -> None:
    with silent(b"220 hello\r\n") as port:
        outcome = mail.send(server(port, seconds=0.3), MAIL)
    assert isinstance(outcome, Postponed) and "fell silent; whether it has taken the message is not known" in outcome.said


def test_a_server_that_drips_is_cut_off() -> None:
    over = threading.Event()

    def drip() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"220")
            while not over.wait(0.05):
                connection.sendall(b"-")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        began = time.monotonic()
        outcome = mail.send(server(listening.getsockname()[1], seconds=0.2), MAIL)
        over.set()
        thread.join(5)
    assert isinstance(outcome, Postponed) and 1 < time.monotonic() - began < 10


def test_a_server_that_hangs_up_leaves_it_open() -> None:
    with silent() as port:
        outcome = mail.send(server(port), MAIL)
    assert isinstance(outcome, Postponed)


def test_what_is_no_mail_server_is_a_sentence() -> None:
    with silent(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert isinstance(mail.send(server(port, seconds=0.3), MAIL), Postponed)


# --- private -------------------------------------------------------------------------------------------------------------------------------


def test_with_starttls_and_the_password_it_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, trusted = mailboxes.certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    signing = {"host": "localhost", "security": "starttls", "user": USER, "password": Secret(PASSWORD)}
    with mailboxes.serve(Mailbox(), tls=tls) as box:
        assert mail.send(server(box.port, **signing), MAIL) == Delivered()
        assert (len(box.taken), box.signed_in) == (1, [USER])
        wrong = mail.send(server(box.port, **{**signing, "password": Secret("wrong-password-Xy1")}), MAIL)
    assert isinstance(wrong, Postponed) and "refused the sign-in of w365" in wrong.said and "wrong-password" not in wrong.said


def test_a_certificate_that_nobody_vouches_for_gets_no_password(tmp_path: Path) -> None:
    tls, _ = mailboxes.certificate(tmp_path)
    with mailboxes.serve(Mailbox(), tls=tls) as box:
        outcome = mail.send(server(box.port, host="localhost", security="starttls", user=USER, password=Secret(PASSWORD)), MAIL)
    assert isinstance(outcome, Postponed) and "no connection that is private" in outcome.said and not box.signed_in


def test_a_server_without_starttls_gets_nothing(box: Mailbox) -> None:
    outcome = mail.send(server(box.port, security="starttls"), MAIL)
    assert isinstance(outcome, Postponed) and "cannot do that" in outcome.said and not box.taken


def test_tls_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, trusted = mailboxes.certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    box = Mailbox(port=free_port())
    controller = mailboxes.Controller(box, hostname="localhost", port=box.port, ssl_context=tls)
    controller.start()
    try:
        assert mail.send(server(box.port, host="localhost", security="tls"), MAIL) == Delivered()
    finally:
        controller.stop()
    assert len(box.taken) == 1


def test_a_password_is_never_sent_in_the_clear_to_another_machine() -> None:
    outcome = mail.send(server(25, host="mail.x.example", user=USER, password=Secret(PASSWORD)), MAIL)
    assert isinstance(outcome, Postponed) and "not sent in the clear" in outcome.said


def test_a_user_without_password_is_said() -> None:
    outcome = mail.send(server(25, user=USER), MAIL)
    assert isinstance(outcome, Postponed) and "W365_SMTP_PASSWORD" in outcome.said


def test_a_server_that_quotes_the_password_is_not_quoted(box: Mailbox) -> None:
    box.answers = [f"554 your password {PASSWORD} is known"]
    outcome = mail.send(server(box.port, password=Secret(PASSWORD)), MAIL)
    assert isinstance(outcome, Refused) and "(cut)" in outcome.said and PASSWORD not in outcome.said
