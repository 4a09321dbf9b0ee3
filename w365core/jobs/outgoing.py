"""How does a message get into the outbox? In the words of its template, for those whom it or the settings name, once per key and channel.

Where nobody is named, or no mail server, the message is written all the same and withheld: the outbox is the log of what would have been sent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from w365core.messages.kinds import BY_NAME, Kind
from w365core.messages.rendering import Facts, Rendered, Template, Unfit, render
from w365core.store import message_templates, outbox, preferences
from w365core.store.ledger import Who

MAIL, WEBHOOK = "mail", "webhook"
_log = logging.getLogger("w365core.messages")


@dataclass(frozen=True)
class Words:
    """A kind's template as it is in force. `version` 0: nobody has changed it. Blank `to` and `cc`: those of the settings."""

    kind: Kind
    template: Template
    to: str
    cc: str
    version: int
    set_by: str | None
    set_at: datetime | None

    @property
    def is_default(self) -> bool:
        return self.version == 0


@dataclass(frozen=True)
class Queued:
    """A message that was put into the outbox, or would be. `said` is why it is withheld."""

    kind: str
    channel: str
    key: str
    subject: str
    text: str
    to: str
    cc: str
    state: str
    said: str
    outbox_id: int | None = None

    @property
    def sentence(self) -> str:
        whom = f" for {', '.join(filter(None, (self.to, self.cc)))}" if self.to else ""
        return f"{self.subject} ({self.channel}{whom}){f': withheld. {self.said}' if self.said else ''}"

    def as_dict(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("outbox_id", "kind", "channel", "key", "subject", "text", "state", "said")}
        return told | {"mail_to": self.to, "mail_cc": self.cc}


def words(connection: Connection) -> dict[str, Words]:
    """Every kind's template in force, by its name."""
    changed = message_templates.all_of_them(connection)
    return {name: _words(kind, changed.get(name)) for name, kind in BY_NAME.items()}


def queue(
    connection: Connection,
    kind: Kind,
    key: str,
    facts: Facts,
    *,
    words: Words,
    settings: Mapping[str, str],
    who: Who,
    dry_run: bool = False,
) -> list[Queued]:
    """Writes one message per channel in the caller's transaction; nothing for a channel that has one of that key. `settings` are the values in force.
    With `dry_run` says what it would write."""
    made = _made(kind, words.template, facts)
    found = []
    for one in _per_channel(kind, key, made, words, settings):
        outbox_id = None if dry_run else _write(connection, one, made, facts, settings, who)
        if dry_run or outbox_id is not None:
            found.append(replace(one, outbox_id=outbox_id))
            if one.said:
                _log.warning("withheld: %s", one.sentence)
    return found


def why_withheld(to: str, settings: Mapping[str, str]) -> str:
    """What keeps mail for these from being sent, as the settings are; blank where nothing does."""
    if not to:
        return "To is blank, so nobody was told: set mail_to, or the template's own To."
    return "" if settings["mail_server"] else "No mail server is set, so nobody was told: set mail_server."


def recipients(words: Words, settings: Mapping[str, str]) -> tuple[str, str]:
    """To and CC of a message: the template's own, else those of the settings."""
    return (words.to, words.cc) if words.to else (settings["mail_to"], words.cc or settings["mail_cc"])


def sender(settings: Mapping[str, str], to: str) -> str:
    """Whom mail comes from: mail_from, else the first that messages go to."""
    return (settings["mail_from"] or settings["mail_to"] or to).split(",")[0].strip()


def _words(kind: Kind, row: Mapping[str, Any] | None) -> Words:
    if row is None:
        return Words(kind, kind.default, "", "", 0, None, None)
    template = Template(row["subject"], row["body_text"], row["body_html"])
    return Words(kind, template, row["mail_to"], row["mail_cc"], row["version"], row["set_by"], row["set_at"])


def _made(kind: Kind, template: Template, facts: Facts) -> Rendered:
    """The message; in the default's words where the changed template makes none of these facts, which is said in the log."""
    made = render(template, facts)
    if isinstance(made, Unfit):
        _log.warning("template %s: %s The default was used.", kind.name, made.sentence)
        made = render(kind.default, facts)
    if isinstance(made, Unfit):  # facts that no template can say; what happened is said all the same
        made = Rendered(kind.title, f"{kind.title}: {made.sentence}\n")
    return made


def _per_channel(kind: Kind, key: str, made: Rendered, words: Words, settings: Mapping[str, str]) -> Sequence[Queued]:
    to, cc = recipients(words, settings)
    said = why_withheld(to, settings)
    found = [Queued(kind.name, MAIL, key, made.subject, made.text, to, cc, "withheld" if said else "waiting", said)]
    if settings["webhook_url"]:
        found.append(Queued(kind.name, WEBHOOK, key, made.subject, made.text, "", "", "waiting", ""))
    return found


def _write(connection: Connection, one: Queued, made: Rendered, facts: Facts, settings: Mapping[str, str], who: Who) -> int | None:
    domain = sender(settings, one.to).rpartition("@")[2]
    return outbox.add(
        connection,
        channel=one.channel,
        key=one.key,
        kind=one.kind,
        message_id=f"<{uuid4().hex}@{domain if domain.isascii() and domain else 'w365core.invalid'}>",
        subject=made.subject,
        body_text=made.text,
        body_html=made.html,
        facts=dict(facts),
        mail_to=one.to,
        mail_cc=one.cc,
        state=one.state,
        said=one.said,
        actor=who.actor,
        queued_at=who.now,
        next_attempt_at=who.now if one.state == "waiting" else None,
    )


def values(connection: Connection) -> dict[str, str]:
    """The settings in force."""
    return preferences.values(connection)
