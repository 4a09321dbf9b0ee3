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
from w365core.store import message_templates, outbox, preferences
from w365core.store.outbox import STATES, Message

Row = Mapping[str, Any]
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
    """A message that needs a person: what it is, what it is about in money, why it was not sent, and whether it could be now."""

    number: int
    state: str
    channel: str
    title: str
    subject: str
    to: str
    about: str
    why: str
    since: str
    can_be_sent: bool


@dataclass(frozen=True)
class Messages:
    """The page. `going` is how many are about to be sent for the first time."""

    ways: tuple[Way, ...]
    tiles: tuple[Tile, ...]
    unsent: tuple[Unsent, ...]
    table: Table
    settings: Mapping[str, str]
    going: int
    is_empty: bool


def load(connection: Connection, *, states: Sequence[str], kinds: Sequence[str], now: datetime) -> Messages:
    """The page as things are now; `states` and `kinds` narrow the table alone."""
    return build(
        outbox.briefs(connection, states=states, kinds=kinds, most=MOST_SHOWN),
        outbox.briefs(connection, stuck=True, most=MOST_SHOWN),
        outbox.counted(connection),
        preferences.values(connection),
        own_to={kind: row["mail_to"] for kind, row in message_templates.all_of_them(connection).items() if row["mail_to"]},
        now=now,
    )


def build(
    shown: Sequence[Row],
    stuck: Sequence[Row],
    counts: Mapping[str, int],
    settings: Mapping[str, str],
    *,
    own_to: Mapping[str, str],
    now: datetime,
) -> Messages:
    """`shown` are the rows of the table, `stuck` what needs a person; `own_to` whom templates name themselves, by kind."""
    zone = ZoneInfo(settings["time_zone"])
    return Messages(
        ways=(_mail(settings, own_to), _webhook(settings)),
        tiles=_tiles(counts, stuck),
        unsent=tuple(_unsent(one, settings, own_to, now) for one in sorted(stuck, key=_first)),
        table=Table("messages", _columns(zone), [_row(one, zone) for one in shown]),
        settings=settings,
        going=counts["waiting"] - _in_vain(stuck),
        is_empty=not any(counts.values()),
    )


def message(connection: Connection, outbox_id: int) -> Message | None:
    """One of them."""
    return outbox.find(connection, outbox_id)


def going(connection: Connection) -> int:
    """How many are about to be sent for the first time."""
    return outbox.counted(connection)["waiting"] - _in_vain(outbox.briefs(connection, stuck=True, most=MOST_SHOWN))


def title(kind: str) -> str:
    """As people call it."""
    return BY_NAME[kind].title if kind in BY_NAME else kind


# --- the ways ------------------------------------------------------------------------------------------------------------------------------


def _mail(settings: Mapping[str, str], own_to: Mapping[str, str]) -> Way:
    to, server = settings["mail_to"], settings["mail_server"]
    if server and own_to and not to:
        named = ", ".join(title(kind).lower() for kind in own_to)
        return Way(
            "Mail", False, True, f"Only those whom templates name are told ({named}); every other message is kept below, since To is blank."
        )
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


def _tiles(counts: Mapping[str, int], stuck: Sequence[Row]) -> tuple[Tile, ...]:
    trying = _in_vain(stuck)
    retried = (Note(f"{trying:,} tried in vain so far", is_alarming=True),) if trying else (Note("sent within seconds"),)
    return (
        Tile("Failed", f"{counts['failed']:,}", (Note("nobody tries them again by itself", is_alarming=bool(counts["failed"])),)),
        Tile("Withheld", f"{counts['withheld']:,}", (Note("nobody was told", is_alarming=bool(counts["withheld"])),)),
        Tile("Waiting", f"{counts['waiting']:,}", retried),
        Tile("Sent", f"{counts['sent']:,}", (Note("taken by the other side"),)),
    )


def _in_vain(stuck: Sequence[Row]) -> int:
    """How many wait for another attempt."""
    return sum(one["state"] == "waiting" for one in stuck)


def _first(one: Row) -> tuple:
    """What failed before what was withheld before what is still tried; in each the summary, then the biggest money first."""
    size = Decimal(one["total"]).copy_abs() if one["total"] else money.ZERO
    return (("failed", "withheld", "waiting").index(one["state"]), one["kind"] != "daily_summary", -size, -one["outbox_id"])


def _unsent(one: Row, settings: Mapping[str, str], own_to: Mapping[str, str], now: datetime) -> Unsent:
    again = f" Tried {wording.counted(one['attempts'], 'time')}; tried again by itself." if one["state"] == "waiting" else ""
    since = wording.age(one["queued_at"], now=now)
    named = settings["mail_to"] or own_to.get(one["kind"]) or (one["mail_to"] if one["key"].startswith("test:") else "")
    can_be_sent = one["channel"] != "mail" or bool(named and settings["mail_server"])
    ready = one["state"] == "withheld" and can_be_sent
    return Unsent(
        number=one["outbox_id"],
        state=one["state"],
        channel=one["channel"],
        title=title(one["kind"]),
        subject=one["subject"],
        to=one["mail_to"],
        about=one["about"],
        why="Written while nobody was told; it can be sent now." if ready else one["said"] + again,
        since=since if since == "just now" else f"{since} ago",
        can_be_sent=can_be_sent,
    )


def _columns(zone: ZoneInfo) -> tuple[Column, ...]:
    where = f"Time zone {zone.key}"
    return (
        Column("outbox_id", "Number", Kind.ID, width=62),
        moment("queued_at", "Queued", width=118, help=where),
        Column("standing", "Status", width=98),
        Column("title", "Message", width=150),
        Column("subject", "Subject", width=325),
        Column("about", "About", width=115, help="The money that it is about"),
        Column("mail_to", "To", width=150),
        Column("channel", "By", width=75),
        Column("attempts", "Attempts", Kind.WHOLE, width=70),
        Column("said", "How it went", width=320),
        moment("sent_at", "Sent", width=125, help=where),
        Column("mail_cc", "CC", shown=False),
        Column("message_id", "Message-ID", Kind.ID, shown=False),
        Column("key", "Said once per", Kind.ID, shown=False),
    )


def _row(one: Row, zone: ZoneInfo) -> dict[str, Any]:
    names = ("channel", "subject", "about", "mail_to", "mail_cc", "attempts", "said", "message_id", "key")
    moments = {name: one[name].astimezone(zone) if one[name] else None for name in ("queued_at", "sent_at")}
    known = {"outbox_id": str(one["outbox_id"]), "standing": STANDINGS[one["state"]], "title": title(one["kind"])}
    return {name: one[name] for name in names} | moments | known
