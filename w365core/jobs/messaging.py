"""What can people do with messages? Change their words, look at them, send one as a test, send again what failed, discard it. A door for pages and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, Engine

from w365core import preferences as checking
from w365core.errors import CallRefused
from w365core.jobs import outgoing, preferring
from w365core.jobs.outgoing import Words, words
from w365core.jobs.permitting import acts
from w365core.messages import rendering
from w365core.messages.kinds import BY_NAME, KINDS, Kind
from w365core.messages.rendering import Facts, Rendered, Template, Unfit
from w365core.preferences import Expected
from w365core.reports import message_facts
from w365core.store import audit, message_templates, outbox, preferences
from w365core.store.engine import guarded
from w365core.store.ledger import Who
from w365core.store.outbox import Message

__all__ = [
    "KINDS",
    "Draft",
    "Facts",
    "Kind",
    "Rendered",
    "Unfit",
    "Words",
    "clear",
    "discard",
    "fields",
    "named",
    "preview",
    "release",
    "save",
    "send_test",
    "tell",
    "today",
    "words",
]


@dataclass(frozen=True)
class Draft:
    """A template as a person has written it. Blank `to` and `cc`: those of the settings."""

    subject: str
    text: str
    html: str = ""
    to: str = ""
    cc: str = ""

    @property
    def template(self) -> Template:
        return Template(self.subject, self.text, self.html)


def named(kind: str) -> Kind:
    """The kind of that name. CallRefused names those there are."""
    found = BY_NAME.get(kind.strip().lower().replace("-", "_"))
    if found is None:
        raise CallRefused(f"There is no message {kind.strip()[:60]!r}; there are {', '.join(BY_NAME)}.")
    return found


def fields(kind: Kind) -> list[tuple[str, tuple[str, ...]]]:
    """What its templates may name, and of a list or a whole what is in each."""
    found = []
    for name, value in kind.example.items():
        one = value[0] if isinstance(value, list) and value else value
        found.append((name, tuple(one) if isinstance(one, Mapping) else ()))
    return found


def preview(kind: str, draft: Draft, facts: Facts | None = None) -> Rendered | Unfit:
    """What the draft makes of these facts, else of the kind's example."""
    return rendering.render(_normal(draft).template, named(kind).example if facts is None else facts)


def today(connection: Connection, *, now: datetime) -> dict[str, Facts]:
    """For each kind that there is anything to say of today, the facts of the first such message."""
    found: dict[str, Facts] = {}
    for event in message_facts.of_today(message_facts.load(connection, now=now)):
        found.setdefault(event.kind, event.facts)
    return found


@acts("set setting")
def tell(engine: Engine, to: str, cc: str, *, actor: str, now: datetime, seen: tuple[str, str] | None = None) -> bool:
    """Sets who is told, To and CC together; False where they are told already. CallRefused where To and CC are no longer what was `seen`."""
    written = {"mail_to": _addresses(to, "To"), "mail_cc": _addresses(cc, "CC")}
    with guarded(), engine.begin() as connection:
        preferences.one_by_one(connection)
        for (name, value), before in zip(written.items(), seen or (None, None), strict=True):
            preferring.refuse_changed(connection, checking.BY_NAME[name], seen=before, wanted=value)
        changed = [preferences.save(connection, checking.BY_NAME[name], value, who=Who(actor, now)) for name, value in written.items()]
    return any(changed)


@acts("edit templates")
def save(engine: Engine, kind: str, draft: Draft, *, seen: int | None = None, actor: str, now: datetime) -> bool:
    """Keeps a template; False where it reads so already. CallRefused says what is wrong with it, or that somebody has changed it since `seen`."""
    of, normal = named(kind), _normal(draft)
    wrong = rendering.check(normal.template, of.example)
    if wrong:
        raise CallRefused(wrong)
    written = {
        "subject": normal.subject,
        "body_text": normal.text,
        "body_html": normal.html,
        "mail_to": _addresses(draft.to, "To"),
        "mail_cc": _addresses(draft.cc, "CC"),
    }
    with guarded(), engine.begin() as connection:
        return message_templates.save(connection, of.name, written, seen=seen, who=Who(actor, now))


@acts("edit templates")
def clear(engine: Engine, kind: str, *, seen: int | None = None, actor: str, now: datetime) -> bool:
    """Back to the default; False where nobody had changed it."""
    with guarded(), engine.begin() as connection:
        return message_templates.clear(connection, named(kind).name, seen=seen, who=Who(actor, now))


@acts("send messages")
def send_test(engine: Engine, kind: str, draft: Draft | None = None, *, to: str = "", actor: str, now: datetime) -> int:
    """Queues a message with the kind's example, as the draft or the template in force words it; returns its number. CallRefused where it could not be
    sent."""
    of = named(kind)
    with guarded(), engine.begin() as connection:
        settings, kept = outgoing.values(connection), words(connection)[of.name]
        whom = _addresses(to, "To") or _addresses(draft.to if draft else "", "To") or outgoing.recipients(kept, settings)[0]
        why = outgoing.why_withheld(whom, settings)
        if why:
            raise CallRefused(why.replace(", so nobody was told", ""))
        template = _normal(draft).template if draft else kept.template
        wrong = rendering.check(template, of.example)
        if wrong:
            raise CallRefused(wrong)
        tried = Words(of, Template(f"[Test] {template.subject}", template.text, template.html), whom, "", kept.version, None, None)
        only_mail = settings | {"webhook_url": "", "mail_cc": ""}
        queued = outgoing.queue(connection, of, f"test:{uuid4().hex}", of.example, words=tried, settings=only_mail, who=Who(actor, now))[0]
        _say(connection, "send test", str(queued.outbox_id), Who(actor, now), {"kind": of.name, "mail_to": whom})
        assert queued.outbox_id is not None, "a key of its own is never taken"
        return queued.outbox_id


@acts("send messages")
def release(engine: Engine, outbox_id: int, *, actor: str, now: datetime) -> Message:
    """A message that was not sent is sent next, for those whom the template or the settings name now. CallRefused where it was sent, or could not be."""
    with guarded(), engine.begin() as connection:
        message = _locked(connection, outbox_id)
        if message.state in ("sent", "discarded"):
            raise CallRefused(f"Message {outbox_id} was {message.state}; only what was not sent is sent again.")
        if message.state == "waiting" and not message.attempts:
            return message
        settings = outgoing.values(connection)
        to, cc = message.mail_to, message.mail_cc
        if message.channel == outgoing.MAIL:
            if not message.key.startswith("test:"):
                to, cc = outgoing.recipients(words(connection)[message.kind], settings)
            why = outgoing.why_withheld(to, settings)
            if why:
                raise CallRefused(why.replace(", so nobody was told", ""))
        outbox.release(connection, outbox_id, now=now, mail_to=to, mail_cc=cc)
        _say(
            connection,
            "send message again",
            str(outbox_id),
            Who(actor, now),
            {"mail_to": to, "mail_cc": cc},
            before={"state": message.state},
        )
        return message


@acts("send messages")
def discard(engine: Engine, outbox_id: int, *, actor: str, now: datetime) -> Message:
    """It is not sent any more. CallRefused where it was sent."""
    with guarded(), engine.begin() as connection:
        message = _locked(connection, outbox_id)
        if message.state == "sent":
            raise CallRefused(f"Message {outbox_id} was sent; nobody can take it back.")
        if message.state != "discarded":
            outbox.discard(connection, outbox_id)
            _say(connection, "discard message", str(outbox_id), Who(actor, now), {"state": "discarded"}, before={"state": message.state})
        return message


def _locked(connection: Connection, outbox_id: int) -> Message:
    message = outbox.locked(connection, outbox_id)
    if message is None:
        raise CallRefused(f"There is no message {outbox_id}; `outbox list` shows those there are.")
    return message


def _normal(draft: Draft) -> Draft:
    """Line ends as they are written here, and no blank space around."""
    text, html = (part.replace("\r\n", "\n").strip() for part in (draft.text, draft.html))
    return Draft(rendering.one_line(draft.subject), text, html, draft.to, draft.cc)


def _addresses(written: str, what: str) -> str:
    """Addresses in their one form; blank where there are none. CallRefused where they are none."""
    kept = checking.checked(checking.BY_NAME["mail_to"], written)
    if isinstance(kept, Expected):
        raise CallRefused(f"{what} is {written.strip()[:60]!r}; expected: {kept.sentence}.")
    return kept


def _say(connection: Connection, action: str, target: str, who: Who, after: dict, before: dict | None = None) -> None:
    audit.append(connection, at=who.now, actor=who.actor, action=action, target_kind="message", target=target, before=before, after=after)
