"""How does a message leave the outbox? Taken by one sender alone, handed to its channel, and marked in the same breath.

A sender that dies after the other side has taken a message and before that is written down sends it once more, under the same Message-ID: at least
once, and twice only then. Two senders at once never send the same message.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from w365core.channels import mail, webhook
from w365core.channels.outcome import Delivered, Outcome, Postponed, Refused
from w365core.jobs import outgoing
from w365core.jobs.context import Context
from w365core.jobs.outgoing import WEBHOOK
from w365core.store import outbox
from w365core.store.engine import guarded
from w365core.store.outbox import Message

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440))
MOST_ATTEMPTS = len(PAUSES) + 1
_log = logging.getLogger("w365core.messages")


@dataclass(frozen=True)
class Sent:
    """How an attempt went."""

    outbox_id: int
    channel: str
    subject: str
    state: str  # sent, waiting or failed
    said: str

    @property
    def sentence(self) -> str:
        how = {"sent": "sent", "waiting": "not sent yet", "failed": "failed"}[self.state]
        return f"{self.outbox_id} {self.subject} ({self.channel}): {how}.{f' {self.said}' if self.said else ''}"

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def send_due(context: Context, *, goes_on: Callable[[], bool] = lambda: True) -> list[Sent]:
    """Sends what waits and whose time has come, one after the other, as long as `goes_on` says so."""
    with guarded(), context.engine.connect() as connection:
        waiting = outbox.due(connection, context.now)
    return _each(context, waiting, forced=False, goes_on=goes_on)


def send_now(context: Context, ids: Sequence[int]) -> list[Sent]:
    """Sends these, whether or not their time has come; what waits no more, or is in another sender's hands, is left out."""
    return _each(context, ids, forced=True)


def _each(context: Context, ids: Sequence[int], *, forced: bool, goes_on: Callable[[], bool] = lambda: True) -> list[Sent]:
    found = []
    for outbox_id in ids:
        if not goes_on():
            break
        sent = _send(context, outbox_id, forced=forced)
        if sent is not None:
            found.append(sent)
            context.report(sent.sentence)
    return found


def _send(context: Context, outbox_id: int, *, forced: bool) -> Sent | None:
    """One message: the attempt is counted before it is made, so that one that kills its sender is not tried for ever."""
    with guarded(), context.engine.begin() as connection:
        if not outbox.take(connection, outbox_id, now=context.now, pauses=PAUSES, forced=forced):
            return None
    with guarded(), context.engine.begin() as connection:
        message = outbox.hold(connection, outbox_id)
        if message is None:
            return None
        outcome = _handed_over(context, message, outgoing.values(connection))
        state = _marked(context, connection, message, outcome)
    return Sent(outbox_id, message.channel, message.subject, state, outcome.said)


def _marked(context: Context, connection: Any, message: Message, outcome: Outcome) -> str:
    if isinstance(outcome, Delivered):
        outbox.mark_sent(connection, message.outbox_id, now=context.now, said=outcome.said)
        return "sent"
    if isinstance(outcome, Refused) or message.attempts >= MOST_ATTEMPTS:
        given_up = f"Given up after {message.attempts} attempts. " if isinstance(outcome, Postponed) else ""
        outbox.mark_failed(connection, message.outbox_id, said=given_up + outcome.said)
        _log.warning("message %s failed: %s", message.outbox_id, outcome.said)
        return "failed"
    outbox.mark_postponed(connection, message.outbox_id, said=outcome.said)
    return "waiting"


def _handed_over(context: Context, message: Message, settings: dict[str, str]) -> Outcome:
    try:
        return _by_webhook(context, message, settings) if message.channel == WEBHOOK else _by_mail(context, message, settings)
    except Exception:
        reference = secrets.token_hex(4)
        _log.exception("message %s could not be sent, reference %s", message.outbox_id, reference)
        return Postponed(f"Something went wrong that should not have; look for reference {reference} in the worker's log.")


def _by_mail(context: Context, message: Message, settings: dict[str, str]) -> Outcome:
    why = outgoing.why_withheld(message.mail_to, settings)
    if why:
        return Postponed(why)
    server = mail.Server(
        settings["mail_server"],
        int(settings["mail_port"]),
        settings["mail_security"],
        settings["mail_user"],
        context.settings.smtp_password(),
    )
    whole = mail.Mail(
        message.message_id,
        outgoing.sender(settings, message.mail_to),
        _addresses(message.mail_to),
        _addresses(message.mail_cc),
        message.subject,
        message.body_text,
        message.body_html,
        message.queued_at,
    )
    return mail.send(server, whole)


def _by_webhook(context: Context, message: Message, settings: dict[str, str]) -> Outcome:
    if not settings["webhook_url"]:
        return Refused("No webhook is set any more: set webhook_url, then send it again.")
    receiver = webhook.Receiver(settings["webhook_url"], tuple(hosts(settings)), context.settings.webhook_secret())
    told = webhook.Notice(
        message.message_id.strip("<>"), message.kind, message.key, message.subject, message.body_text, message.facts, message.queued_at
    )
    return webhook.send(receiver, told, now=context.now)


def hosts(settings: dict[str, str]) -> list[str]:
    """The hosts that the webhook may lead to, in lower case."""
    return [one.strip().lower().lstrip(".") for one in settings["webhook_hosts"].replace(";", ",").split(",") if one.strip().strip(".")]


def _addresses(kept: str) -> list[str]:
    return [one.strip() for one in kept.split(",") if one.strip()]
