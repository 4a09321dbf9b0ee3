"""Would a message arrive? Whether mail and the webhook are set up, and whether their hosts have an address; nothing is sent, and no secret is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from sqlalchemy import Connection

from w365core.channels import webhook
from w365core.errors import ProviderRefused
from w365core.jobs import outgoing, sending
from w365core.jobs.checkup import Check, Verdict
from w365core.jobs.context import Context
from w365core.providers.addresses import system_resolver, vetted

_SET = "`python -m w365core settings set {} …`"


def _mail(context: Context, connection: Connection) -> Iterator[Check]:
    settings = outgoing.values(connection)
    server, port = settings["mail_server"], int(settings["mail_port"])
    named = {to for one in outgoing.words(connection).values() if (to := outgoing.recipients(one, settings)[0])}
    if not server and not named:
        yield Check("mail", Verdict.OK, "Nobody is told by mail: mail_server and mail_to are blank.")
    elif not server:
        yield Check("mail", Verdict.WARN, "No mail server is set, so every message is withheld.", f"Set it: {_SET.format('mail_server')}.")
    elif not named:
        said = f"Mail goes by {server}, and nobody is named, so every message is withheld."
        yield Check("mail", Verdict.WARN, said, f"Name somebody: {_SET.format('mail_to')}.")
    elif settings["mail_user"] and not context.settings.smtp_password():
        cure = "Put it into the environment variable W365_SMTP_PASSWORD of the worker, and of whoever sends by command."
        yield Check(
            "mail", Verdict.WARN, f"mail_user is set for {server}, and its password is not in the environment of this command.", cure
        )
    elif not _resolves(server, port):
        cure = f"Correct it, {_SET.format('mail_server')}, or see that this machine has a name server."
        yield Check("mail", Verdict.FAIL, f"The mail server {server} has no address that this machine can find.", cure)
    else:
        whom = "one recipient" if len(named) == 1 and "," not in next(iter(named)) else "several recipients"
        yield Check("mail", Verdict.OK, f"Mail for {whom} goes by {server}, port {port}, {settings['mail_security']}.")


def _webhook(context: Context, connection: Connection) -> Iterator[Check]:
    settings = outgoing.values(connection)
    if not settings["webhook_url"]:
        yield Check("webhook", Verdict.OK, "No webhook is set.")
        return
    receiver = webhook.Receiver(settings["webhook_url"], tuple(sending.hosts(settings)), context.settings.webhook_secret())
    wrong = webhook.why_not(receiver)
    if wrong:
        yield Check("webhook", Verdict.WARN, wrong, "Until then its messages wait in the outbox, and fail after some days.")
        return
    yield _leads(settings)


def _leads(settings: Mapping[str, str]) -> Check:
    """Whether the address, which is a plain one, leads somewhere it may; its path may hold a secret and is not said."""
    address = urlsplit(settings["webhook_url"])
    host, cure = address.hostname or "", f"Correct it: {_SET.format('webhook_url')}."
    try:
        vetted(host, address.port or 443, resolve=system_resolver)
    except ProviderRefused as error:
        return Check("webhook", Verdict.FAIL, str(error), cure)
    except (OSError, UnicodeError):
        return Check("webhook", Verdict.FAIL, f"The webhook's host {host} has no address that this machine can find.", cure)
    return Check("webhook", Verdict.OK, f"Every message is posted to {host}, signed.")


def _resolves(host: str, port: int) -> bool:
    """A text that cannot be a host's name is a UnicodeError."""
    try:
        return bool(system_resolver(host, port))
    except (OSError, UnicodeError):
        return False


QUESTIONS = (_mail, _webhook)
