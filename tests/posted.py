"""An installation that sends messages: settings by name, a mailbox behind a port, and what lies in the outbox.

told        sets settings as the command does;  to_mail sets those that lead to a mailbox
outbox      the messages, oldest first
"""

from __future__ import annotations

from sqlalchemy import Engine

from tests.mailboxes import Mailbox
from w365core.jobs import preferring
from w365core.jobs.context import Context
from w365core.store import outbox as store
from w365core.store.outbox import Message


def told(context: Context, **settings: str) -> None:
    for name, value in settings.items():
        preferring.change(context.engine, name, value, actor="ana", now=context.now)


def to_mail(context: Context, box: Mailbox, **settings: str) -> None:
    known = {"mail_to": "ana@x.example", "mail_from": "w365@w365.example", "mail_server": "127.0.0.1", "mail_security": "none"}
    told(context, **(known | {"mail_port": str(box.port)} | settings))


def outbox(engine: Engine, kind: str | None = None) -> list[Message]:
    with engine.connect() as connection:
        numbers = [row["outbox_id"] for row in store.briefs(connection, kinds=(kind,) if kind else ())]
        return [store.find(connection, number) for number in reversed(numbers)]
