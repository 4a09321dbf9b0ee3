"""Who is told of what, what was not sent and why, and which messages were? The page Messages: what needs a person first, the biggest money first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.messages.kinds import BY_NAME, KINDS
from w365core.reports import wording
from w365core.reports.headlines import Note, Tile
from w365core.reports.tables import Column, Table, moment
from w365core.store import outbox, preferences
from w365core.store.outbox import STATES, Message

MOST_SHOWN = 500
STANDINGS = {state: state.capitalize() for state in STATES}
TITLES = {kind.name: kind.title for kind in KINDS}


@dataclass(frozen=True)
class Way:
    """One channel: whether messages leave by it, and a sentence about it."""

    label: str
    is_on: bool
    is_wanted: bool  # else nobody has asked for it, and nothing is wrong
    sentence: str


@dataclass(frozen=True)
class Unsent:
    """A message that needs a person: what it says, what it is about in money, and why it was not sent."""

    message: Message
    title: str
    about: str
    why: str
    since: str


@dataclass(frozen=True)
class Messages:
    """The page. `withheld` is how many have the same reason: that nobody is told."""

    ways: tuple[Way, ...]
    tiles: tuple[Tile, ...]
    unsent: tuple[Unsent, ...]
    table: Table
    settings: Mapping[str, str]
    zone: ZoneInfo
    is_empty: bool


def load(connection: Connection, *, states: Sequence[str], kinds: Sequence[str], now: datetime) -> Messages:
    """The page as things are now; `states` and `kinds` narrow the table alone."""
    known = preferences.values(connection)
    found = outbox.listed(connection, most=MOST_SHOWN)
    needing = [
        *outbox.listed(connection, state="failed"),
        *outbox.listed(connection, state="withheld"),
        *outbox.listed(connection, state="waiting"),
    ]
    return build(found, needing, outbox.counted(connection), known, states=states, kinds=kinds, now=now)


def build(
    found: Sequence[Message],
    needing: Sequence[Message],
    counts: Mapping[str, int],
    settings: Mapping[str, str],
    *,
    states: Sequence[str],
    kinds: Sequence[str],
    now: datetime,
) -> Messages:
    zone = ZoneInfo(settings["time_zone"])
    shown = [one for one in found if (not states or one.state in states) and (not kinds or one.kind in kinds)]
    stuck = [one for one in needing if one.state != "waiting" or one.said]
    return Messages(
        ways=(_mail(settings), _webhook(settings)),
        tiles=_tiles(counts, stuck),
        unsent=tuple(_unsent(one, now) for one in sorted(stuck, key=_first)),
        table=Table("messages", _columns(zone), [_row(one, zone) for one in shown]),
        settings=settings,
        zone=zone,
        is_empty=not found,
    )


def message(connection: Connection, outbox_id: int) -> Message | None:
    """One of them."""
    return outbox.find(connection, outbox_id)


def settings(connection: Connection) -> Mapping[str, str]:
    """The settings in force."""
    return preferences.values(connection)


def about(message: Message) -> str:
    """The money that a message is about, blank where it is about none."""
    facts = message.facts
    one = facts.get("invoice")
    return str((one or {}).get("amount") or facts.get("held_up") or facts.get("difference") or "")


def title(kind: str) -> str:
    """As people call it."""
    return BY_NAME[kind].title if kind in BY_NAME else kind


# --- the ways ------------------------------------------------------------------------------------------------------------------------------


def _mail(settings: Mapping[str, str]) -> Way:
    to, server = settings["mail_to"], settings["mail_server"]
    if not to:
        return Way(
            "Mail",
            False,
            True,
            "Nobody is told: To is blank. Messages are written all the same, and kept below as what would have been sent.",
        )
    if not server:
        return Way(
            "Mail", False, True, f"Nobody is told: no mail server is set. Messages for {to} are kept below as what would have been sent."
        )
    copies = f", copies to {settings['mail_cc']}" if settings["mail_cc"] else ""
    how = {"none": "without encryption", "tls": "by TLS", "starttls": "by STARTTLS"}[settings["mail_security"]]
    return Way("Mail", True, True, f"To {to}{copies}, through {server}, port {settings['mail_port']}, {how}.")


def _webhook(settings: Mapping[str, str]) -> Way:
    if not settings["webhook_url"]:
        return Way(
            "Webhook",
            False,
            False,
            "Not set. Every message can also be posted as signed JSON: set webhook_url, and webhook_hosts to the hosts it may lead to.",
        )
    return Way("Webhook", True, True, f"Every message is posted to {_host(settings['webhook_url'])} as signed JSON.")


def _host(url: str) -> str:
    """Of an address the scheme and the host: what follows may be a secret of the receiver's."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0].rpartition('@')[2]}"


# --- figures and rows ------------------------------------------------------------------------------------------------------------------------


def _tiles(counts: Mapping[str, int], stuck: Sequence[Message]) -> tuple[Tile, ...]:
    trying = sum(one.state == "waiting" for one in stuck)
    retried = (Note(f"{trying:,} tried in vain so far", is_alarming=True),) if trying else (Note("sent within seconds"),)
    return (
        Tile("Failed", f"{counts['failed']:,}", (Note("nobody tries them again by itself", is_alarming=bool(counts["failed"])),)),
        Tile("Withheld", f"{counts['withheld']:,}", (Note("nobody was told", is_alarming=bool(counts["withheld"])),)),
        Tile("Waiting", f"{counts['waiting']:,}", retried),
        Tile("Sent", f"{counts['sent']:,}", (Note("taken by the other side"),)),
    )


def _first(one: Message) -> tuple:
    """What failed before what was withheld before what is still tried; in each the biggest money first, by its currency."""
    amount = (one.facts.get("invoice") or {}).get("total")
    size = Decimal(amount).copy_abs() if amount else money.ZERO
    return (("failed", "withheld", "waiting").index(one.state), -size, -one.outbox_id)


def _unsent(one: Message, now: datetime) -> Unsent:
    again = f" Tried {wording.counted(one.attempts, 'time')}; tried again by itself." if one.state == "waiting" else ""
    since = wording.age(one.queued_at, now=now)
    return Unsent(one, title(one.kind), about(one), one.said + again, since if since == "just now" else f"{since} ago")


def _columns(zone: ZoneInfo) -> tuple[Column, ...]:
    where = f"Time zone {zone.key}"
    return (
        Column("outbox_id", "Number", Kind.ID, width=70),
        moment("queued_at", "Queued", width=125, help=where),
        Column("standing", "Status", width=105),
        Column("title", "Message", width=170),
        Column("channel", "By", width=75),
        Column("subject", "Subject", width=380),
        Column("about", "About", width=130, help="The money that it is about"),
        Column("mail_to", "To", width=200),
        Column("attempts", "Attempts", Kind.WHOLE, width=70),
        Column("said", "How it went", width=320),
        moment("sent_at", "Sent", width=125, help=where),
        Column("mail_cc", "CC", shown=False),
        Column("message_id", "Message-ID", Kind.ID, shown=False),
        Column("key", "Said once per", Kind.ID, shown=False),
    )


def _row(one: Message, zone: ZoneInfo) -> dict[str, Any]:
    names = ("outbox_id", "channel", "subject", "mail_to", "mail_cc", "attempts", "said", "message_id", "key")
    told = {name: getattr(one, name) for name in names} | {"outbox_id": str(one.outbox_id)}
    moments = {name: value.astimezone(zone) if (value := getattr(one, name)) else None for name in ("queued_at", "sent_at")}
    return told | moments | {"standing": STANDINGS[one.state], "title": title(one.kind), "about": about(one)}
