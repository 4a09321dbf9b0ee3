"""Commands for messages: what there is to be said, the outbox, the templates; the page Messages does the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from w365core import printing
from w365core.commands.typed import Json, opened
from w365core.errors import CallRefused

commands = typer.Typer()
outbox_commands = typer.Typer(no_args_is_help=True, help="Messages that were sent, wait to be sent, or were withheld.")
template_commands = typer.Typer(no_args_is_help=True, help="What messages say, and to whom.")
commands.add_typer(outbox_commands, name="outbox")
commands.add_typer(template_commands, name="template")
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `outbox list` shows it.")]
Kind = Annotated[str, typer.Argument(metavar="KIND", help="As `template list` shows it.")]
_NOT_WELL = ("failed", "waiting", "withheld")
_MOST_SHOWN = 200


@commands.command()
def notify(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be queued, and queue nothing.")] = False, json: Json = False
) -> None:
    """Queues the summary of the day and what else was not said yet, and sends what waits."""
    from w365core.jobs import notifying, sending

    context = opened()
    told = notifying.daily(context, dry_run=dry_run)
    sent = [] if dry_run else sending.send_due(context)
    said = [told.sentence, *(one.text for one in told.queued if dry_run and one.channel == "mail")]
    printing.answer(told.as_dict() | {"sent": [one.as_dict() for one in sent]}, "\n\n".join(said), json)
    raise typer.Exit(1 if any(one.state in _NOT_WELL for one in sent) else 0)


@outbox_commands.command("list")
def outbox_list(
    state: Annotated[str | None, typer.Option("--state", help="waiting, failed, withheld, sent or discarded.")] = None, json: Json = False
) -> None:
    """The newest messages, in the time zone that is set."""
    from w365core.reports import wording
    from w365core.store import outbox, preferences
    from w365core.store.engine import guarded

    if state is not None and state not in outbox.STATES:
        raise CallRefused(f"--state is {state!r}; there are {', '.join(outbox.STATES)}.")
    context = opened()
    with guarded(), context.engine.connect() as connection:
        rows, zone = outbox.briefs(connection, states=(state,) if state else (), most=_MOST_SHOWN), preferences.time_zone(connection)
    if not json:
        rows = [dict(row) | {"queued_at": wording.moment(row["queued_at"].astimezone(zone).replace(tzinfo=None))} for row in rows]
    shown = ("outbox_id", "queued_at", "kind", "channel", "state", "attempts", "mail_to", "subject", "said")
    printing.table(rows, shown, json, empty="No message yet: `notify` queues what there is to be said.")


@outbox_commands.command("show")
def outbox_show(number: Number, json: Json = False) -> None:
    """One message, as it was sent or would be."""
    from w365core.store import outbox
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        message = outbox.find(connection, number)
    if message is None:
        raise CallRefused(f"There is no message {number}; `outbox list` shows those there are.")
    heads = {"To": message.mail_to, "CC": message.mail_cc, "Subject": message.subject, "Message-ID": message.message_id}
    said = "\n".join(f"{name}: {value}" for name, value in heads.items() if value)
    state = f"{message.state} after {message.attempts} attempts. {message.said}".strip()
    printing.answer(
        _row(message) | {"text": message.body_text, "html": message.body_html, "facts": message.facts},
        f"{said}\n{state}\n\n{message.body_text}",
        json,
    )


@outbox_commands.command("send")
def outbox_send(
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", help="This one, now; without it all whose time has come.")] = None,
    json: Json = False,
) -> None:
    """Sends what waits; with a number that one, also where it failed or was withheld."""
    from w365core.jobs import messaging, sending

    context = opened()
    if number is None:
        sent = sending.send_due(context)
    else:
        messaging.release(context.engine, number, actor=context.actor, now=context.now)
        sent = sending.send_now(context, [number])
    said = "\n".join(one.sentence for one in sent) or (
        "It is being sent by somebody else right now." if number else "Nothing waits to be sent."
    )
    printing.answer([one.as_dict() for one in sent], said, json)
    raise typer.Exit(1 if any(one.state != "sent" for one in sent) else 0)


@outbox_commands.command("discard")
def outbox_discard(number: Number, json: Json = False) -> None:
    """Takes a message that was not sent out of the queue for good."""
    from w365core.jobs import messaging

    context = opened()
    message = messaging.discard(context.engine, number, actor=context.actor, now=context.now)
    printing.answer({"outbox_id": number, "state": "discarded"}, f"Message {number}, {message.subject!r}, is not sent any more.", json)


@template_commands.command("list")
def template_list(json: Json = False) -> None:
    """Every message: when it is sent, to whom, and whether somebody has changed its words."""
    from w365core.jobs import messaging, outgoing
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        settings, words = outgoing.values(connection), messaging.words(connection)
    rows = []
    for one in words.values():
        to, cc = outgoing.recipients(one, settings)
        known = {
            "kind": one.kind.name,
            "on": settings[one.kind.setting],
            "mail_to": to or None,
            "mail_cc": cc or None,
            "changed_by": one.set_by,
        }
        rows.append(known | {"subject": one.template.subject, "sent": one.kind.sent})
    printing.table(rows, ("kind", "on", "mail_to", "mail_cc", "changed_by", "sent"), json, empty="")


@template_commands.command("show")
def template_show(kind: Kind, json: Json = False) -> None:
    """The template in force, and what it makes of an example."""
    from w365core.jobs import messaging
    from w365core.messages.rendering import Rendered
    from w365core.store.engine import guarded

    context = opened()
    of = messaging.named(kind)
    with guarded(), context.engine.connect() as connection:
        one = messaging.words(connection)[of.name]
    made = messaging.preview(of.name, messaging.Draft(one.template.subject, one.template.text, one.template.html))
    example = {"subject": made.subject, "text": made.text, "html": made.html} if isinstance(made, Rendered) else {"refused": made.sentence}
    told = {
        "kind": of.name,
        "subject": one.template.subject,
        "text": one.template.text,
        "html": one.template.html,
        "mail_to": one.to,
        "mail_cc": one.cc,
    }
    seen = f"{made.subject}\n\n{made.text}" if isinstance(made, Rendered) else made.sentence
    printing.answer(
        told | {"example": example, "fields": sorted(of.example)},
        f"{one.template.subject}\n\n{one.template.text}\n\n--- an example ---\n{seen}",
        json,
    )


@template_commands.command("set")
def template_set(
    kind: Kind,
    subject: Annotated[str | None, typer.Option("--subject", help="One line.")] = None,
    text: Annotated[Path | None, typer.Option("--text", help="A file with the plain text.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="A file with the HTML; an empty one: text alone.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Who gets this message; blank: those of the setting mail_to.")] = None,
    cc: Annotated[str | None, typer.Option("--cc", help="Who gets a copy; blank: those of the setting mail_cc.")] = None,
    json: Json = False,
) -> None:
    """Changes what is given of a message; the rest stays."""
    from w365core.jobs import messaging
    from w365core.store.engine import guarded

    context = opened()
    of = messaging.named(kind)
    with guarded(), context.engine.connect() as connection:
        one = messaging.words(connection)[of.name]
    given = {"subject": subject, "text": _read(text), "html": _read(html), "to": to, "cc": cc}
    kept = {"subject": one.template.subject, "text": one.template.text, "html": one.template.html, "to": one.to, "cc": one.cc}
    draft = messaging.Draft(**(kept | {name: value for name, value in given.items() if value is not None}))
    changed = messaging.save(context.engine, of.name, draft, seen=one.version, actor=context.actor, now=context.now)
    printing.answer(
        {"kind": of.name, "changed": changed}, f"The template {of.name} {'is changed' if changed else 'reads so already'}.", json
    )


@template_commands.command("clear")
def template_clear(kind: Kind, json: Json = False) -> None:
    """Goes back to the default words, To and CC."""
    from w365core.jobs import messaging

    context = opened()
    of = messaging.named(kind)
    changed = messaging.clear(context.engine, of.name, actor=context.actor, now=context.now)
    printing.answer(
        {"kind": of.name, "changed": changed}, f"The template {of.name} {'has its default again' if changed else 'has its default'}.", json
    )


@template_commands.command("test")
def template_test(
    kind: Kind,
    to: Annotated[str, typer.Option("--to", help="Whom to send it to; without it those who would get the message.")] = "",
    json: Json = False,
) -> None:
    """Sends an example of a message as mail."""
    from w365core.jobs import messaging, sending

    context = opened()
    number = messaging.send_test(context.engine, kind, to=to, actor=context.actor, now=context.now)
    sent = sending.send_now(context, [number])
    printing.answer(
        [one.as_dict() for one in sent], "\n".join(one.sentence for one in sent) or f"Message {number} is being sent by the worker.", json
    )
    raise typer.Exit(1 if any(one.state != "sent" for one in sent) else 0)


def _row(message: object) -> dict:
    """A message as `outbox list` prints it."""
    names = ("outbox_id", "channel", "key", "kind", "message_id", "subject", "mail_to", "mail_cc", "state", "attempts", "said")
    moments = ("queued_at", "next_attempt_at", "last_attempt_at", "sent_at")
    return {name: getattr(message, name) for name in (*names, *moments)}


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError):
        raise CallRefused(f"{path} cannot be read; give a text file in UTF-8.") from None
