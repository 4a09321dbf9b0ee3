"""How does a message go by mail? One connection to one SMTP server, private unless somebody said otherwise, bounded in time, headers that nobody can add to.

The server has taken a message when it has answered to its last line. A connection that breaks before that answer leaves open whether it was taken:
it is sent again under the same Message-ID, which is what a mailbox or a person tells the two apart by.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import Any

from w365core.channels.outcome import Delivered, Outcome, Postponed, Refused
from w365core.model import Secret

SECONDS = 20
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[?[0-9A-Fa-f:.]{2,45}\]?", re.ASCII)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SHOWN = 300
_MOST_PAUSES = 6  # times the seconds of one answer: what a whole delivery may take


@dataclass(frozen=True)
class Server:
    """How the mail server is reached. `security`: starttls, tls or none."""

    host: str
    port: int
    security: str
    user: str
    password: Secret
    seconds: float = SECONDS


@dataclass(frozen=True)
class Mail:
    """A message as it is to be sent; addresses as the settings keep them."""

    message_id: str
    sender: str
    to: Sequence[str]
    cc: Sequence[str]
    subject: str
    text: str
    html: str
    at: datetime

    @property
    def is_plain(self) -> bool:
        """Whether every address is ASCII, as every server takes it."""
        return all(address.isascii() for address in (self.sender, *self.recipients))

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.to, *self.cc)))


def send(server: Server, mail: Mail) -> Outcome:
    """Hands the mail to the server. What it says of each recipient is in the outcome; the password never is."""
    wrong = _wrong(server)
    if wrong:
        return Postponed(wrong)
    try:
        content = composed(mail)
    except (ValueError, UnicodeError):
        return Refused("Its subject or an address holds something that no mail header may; correct the template or the address.")
    where = f"The mail server {server.host}, port {server.port},"
    try:
        return _handed(server, mail, content, where)
    except smtplib.SMTPRecipientsRefused as error:
        return _all_refused(error.recipients, server)
    except smtplib.SMTPAuthenticationError as error:
        return Postponed(
            f"{where} refused the sign-in of {server.user}: {_said(error.smtp_error, server)}. Correct mail_user or W365_SMTP_PASSWORD."
        )
    except smtplib.SMTPNotSupportedError as error:
        return Postponed(f"{where} cannot do that: {_said(str(error), server)}. See mail_security and mail_user.")
    except smtplib.SMTPResponseException as error:
        said = f"{where} answered {error.smtp_code}: {_said(error.smtp_error, server)}."
        return Refused(said) if error.smtp_code // 100 == 5 else Postponed(said)
    except ssl.SSLError as error:
        return Postponed(
            f"{where} gave no connection that is private: {_said(error.reason or str(error), server)}. See mail_security and mail_port."
        )
    except TimeoutError:
        return Postponed(f"{where} did not answer within {server.seconds:g} seconds.")
    except smtplib.SMTPServerDisconnected:
        return Postponed(f"{where} hung up or fell silent; whether it has taken the message is not known.")
    except (OSError, smtplib.SMTPException) as error:
        return Postponed(f"{where} could not be reached: {_said(getattr(error, 'strerror', None) or str(error), server)}.")


def composed(mail: Mail) -> bytes:
    """The message as it goes over the wire. ValueError where a header would hold a line break."""
    message = EmailMessage(SMTP if mail.is_plain else SMTPUTF8)
    message["Message-ID"] = mail.message_id
    message["Date"] = format_datetime(mail.at)
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    if mail.cc:
        message["Cc"] = ", ".join(mail.cc)
    message["Subject"] = mail.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text, cte="quoted-printable")
    if mail.html:
        message.add_alternative(f"<!doctype html><html><body>{mail.html}</body></html>", subtype="html", cte="quoted-printable")
    return message.as_bytes()


def _wrong(server: Server) -> str:
    """What of the settings keeps everything from being sent; blank where nothing does."""
    if not _HOST.fullmatch(server.host):
        return f"mail_server is {server.host[:60]!r}, which is no host; write a name such as smtp.example.com."
    if server.user and not server.password:
        return "mail_user is set and its password is not: put it into the environment variable W365_SMTP_PASSWORD of the worker, or clear mail_user."
    if server.user and server.security == "none" and server.host not in _LOOPBACK:
        return "A password is not sent in the clear: set mail_security to starttls or tls, or clear mail_user."
    return ""


def _handed(server: Server, mail: Mail, content: bytes, where: str) -> Outcome:
    connection = _connected(server)
    try:
        if server.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
        if server.user:
            connection.login(server.user, server.password.reveal())
        options = () if mail.is_plain else ("SMTPUTF8",)
        refused = connection.sendmail(mail.sender, list(mail.recipients), content, mail_options=options)
    finally:
        connection.watch.cancel()
        with suppress(OSError, smtplib.SMTPException):
            connection.quit()
    return Delivered(f"Not taken for {_each(refused, server)}." if refused else "")


class _Watched:
    """A connection that is cut off when the whole takes too long: a server that drips its answers, byte by byte, would never time out."""

    watch: threading.Timer

    def connect(self, *where: Any, **how: Any) -> tuple[int, bytes]:
        self.watch = threading.Timer(_MOST_PAUSES * self.timeout, _cut_off, [self])
        self.watch.daemon = True
        self.watch.start()
        try:
            return super().connect(*where, **how)
        except BaseException:
            self.watch.cancel()
            raise


class _Plain(_Watched, smtplib.SMTP):
    pass


class _Secure(_Watched, smtplib.SMTP_SSL):
    pass


def _connected(server: Server) -> _Plain | _Secure:
    host = server.host.strip("[]")
    if server.security == "tls":
        return _Secure(host, server.port, timeout=server.seconds, context=ssl.create_default_context())
    return _Plain(host, server.port, timeout=server.seconds)


def _cut_off(connection: smtplib.SMTP) -> None:
    if connection.sock is not None:
        with suppress(OSError):  # it has just been closed
            # The plain socket's own method: that of a TLS socket pulls the session away under the reading thread.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _all_refused(recipients: dict[str, tuple[int, bytes]], server: Server) -> Outcome:
    said = f"Taken for nobody: {_each(recipients, server)}."
    return (
        Refused(f"{said} Correct the addresses, then send it again.")
        if all(code // 100 == 5 for code, _ in recipients.values())
        else Postponed(said)
    )


def _each(refused: dict[str, tuple[int, bytes]], server: Server) -> str:
    return "; ".join(f"{address} ({code} {_said(said, server)})" for address, (code, said) in refused.items())


def _said(words: bytes | str, server: Server) -> str:
    """The server's words as one printable line, without the password that they may quote."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    if server.password:
        text = text.replace(server.password.reveal(), "(cut)")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_SHOWN].rstrip(".")
