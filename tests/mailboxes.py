"""A real SMTP server on loopback, in this process: what it took, and what it is to refuse.

Mailbox     `taken` are the messages it has answered 250 to; `refused` is what it says to which recipient, `answers` what it says to the next messages
serve       the mailbox behind a port, for the length of a block
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.ports import free_port

USER, PASSWORD = "w365", "planted-mail-password-Qp73"


@dataclass
class Mailbox:
    """One server's post."""

    taken: list[Envelope] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    before_answer: Callable[[], None] = lambda: None  # called when a message has come in whole, in the server's thread
    signed_in: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(self, _server, _session, envelope, address, _options) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope) -> str:
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith("250"):
            self.taken.append(envelope)
        self.before_answer()
        return answer

    def sign_in(self, _server, _session, _envelope, _mechanism, given: LoginPassword) -> AuthResult:
        """The one account there is."""
        self.signed_in.append(given.login.decode())
        fits = given == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=fits, handled=fits)

    @property
    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(one.content, policy=policy.default) for one in self.taken]


@contextmanager
def serve(mailbox: Mailbox, *, port: int = 0, tls: ssl.SSLContext | None = None, **more) -> Iterator[Mailbox]:
    """The server; with `tls` it offers STARTTLS, and sign-in once that is done."""
    mailbox.port = port or free_port()
    secure = {"tls_context": tls, "authenticator": mailbox.sign_in, "auth_required": True} if tls else {}
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **secure, **more)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for localhost, and the file that makes it trusted."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "mail.pem", folder / "mail.key"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted
