"""Which license change logs do not hold together, what is each worth, and what mends it? The four checks as lists of things to do, the biggest money first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from w365core import money
from w365core.frames import Kind
from w365core.reports import wording
from w365core.reports.headlines import Note, Tile
from w365core.reports.tables import Column, Table, amount, day, number

Row = Mapping[str, Any]

MISMATCH, MISSING, ARCHIVED, WAITING = "mismatch", "missing_data", "archived_without_invoice", "awaiting_or_failed"
TITLES = {
    MISMATCH: "Do not come to what the subscription says",
    ARCHIVED: "Archived and never billed",
    WAITING: "Not through at the provider",
    MISSING: "Lack what billing needs",
}
_TILES = {MISMATCH: "Do not add up", ARCHIVED: "Archived, never billed", WAITING: "Waiting or failed", MISSING: "Data missing"}
_NOUNS = {MISMATCH: "subscription", ARCHIVED: "change log", WAITING: "change log", MISSING: "change log"}
_NOTHING = {
    MISMATCH: "The change logs of every license come to what its subscription says.",
    ARCHIVED: "No archived change log is without an invoice.",
    WAITING: "Every change is through at the provider.",
    MISSING: "Every change log has a price, a currency, a quantity, a subscription and a day.",
}
COLUMNS = (
    Column("customer", "Customer", width=180),
    Column("subscription_name", "Subscription", width=190),
    Column("subscription_id", "Our subscription", Kind.ID, width=115),
    Column("change_log_id", "Change log", Kind.ID, width=110),
    number("quantity", "Seats", width=65),
    day("effective_date", "Effective", width=92),
    number("residual", "Missing", width=75),
    amount("amount", "A month", width=95),
    Column("currency", "Currency", width=72),
    Column("suggestion", "What to do", width=460),
    Column("behind", "Holds up", width=150),
    Column("initiated_by", "Who", width=140),
    Column("account_id", "Our account", Kind.ID, shown=False),
)


@dataclass(frozen=True)
class Proposed:
    """The change log that would mend a subscription, in words."""

    subscription_id: str
    sentence: str


@dataclass(frozen=True)
class Item:
    """One thing to mend."""

    customer: str
    what: str
    sentence: str
    money: str
    small_print: str
    proposed: Proposed | None


@dataclass(frozen=True)
class Check:
    """One of the four."""

    name: str
    title: str
    items: tuple[Item, ...]
    table: Table
    nothing: str


@dataclass(frozen=True)
class ChangeLogs:
    """The page."""

    tiles: tuple[Tile, ...]
    checks: tuple[Check, ...]
    is_empty: bool


def build(found: Mapping[str, Sequence[Row]], *, logs: int) -> ChangeLogs:
    """`found` are the entries of the four checks, `logs` how many change logs there are at all."""
    checks = tuple(_check(name, found[name]) for name in TITLES)
    return ChangeLogs(tuple(_tile(name, found[name]) for name in TITLES), checks, not logs and not any(found.values()))


def _check(name: str, rows: Sequence[Row]) -> Check:
    table = Table(TITLES[name], COLUMNS, [{**row, "behind": ", ".join(row.get("holds_up", ()))} for row in rows])
    return Check(name, TITLES[name], tuple(_item(name, row) for row in rows), table, _NOTHING[name])


def _tile(name: str, rows: Sequence[Row]) -> Tile:
    """How much a month it is about, the currency with the most entries first, and how many; money that nobody knows is said."""
    by_currency: dict[str, list[Decimal]] = {}
    for row in rows:
        if row.get("amount") is not None and row.get("currency"):
            by_currency.setdefault(row["currency"], []).append(row["amount"])
    ordered = sorted(by_currency, key=lambda code: (-len(by_currency[code]), code))
    said = [wording.rounded(money.total(by_currency[code]), code) for code in ordered]
    unknown = sum(row.get("amount") is None for row in rows)
    notes = [Note(wording.counted(len(rows), _NOUNS[name]) if rows else "nothing", is_alarming=bool(rows))]
    notes += [Note(f"and {more}") for more in said[1:]]
    if unknown:
        notes.append(Note(f"{unknown:,} without a price"))
    return Tile(_TILES[name], said[0] if said else f"{len(rows):,}", tuple(notes), ordered[0] if ordered else "")


def _item(name: str, row: Row) -> Item:
    worth = None if row.get("amount") is None else _worth(row)
    about = {
        MISMATCH: "a month of seats",
        ARCHIVED: "a month, never billed",
        WAITING: "a month, waits",
        MISSING: "a month, cannot be billed",
    }
    proposed = Proposed(row["subscription_id"], mending_said(row["mending"])) if row.get("mending") else None
    return Item(
        row.get("customer") or row.get("account_id") or "No customer",
        " · ".join(one for one in (row.get("subscription_name"), row["subscription_id"], row.get("change_log_id")) if one)
        or "no subscription",
        _sentence(name, row, proposed),
        worth or "price unknown",
        about[name] if worth else "no selling price",
        proposed,
    )


def _sentence(name: str, row: Row, proposed: Proposed | None) -> str:
    """What is wrong and what to do, with the day as a page has it; of a mismatch without the command, since a button stands beside it."""
    if name == MISMATCH and proposed is not None:
        come = f"its change logs come to {wording.digits(row['logged'])}" if row["logs"] else "it has no change log"
        return f"The subscription says {wording.digits(row['quantity'])}, {come}. {proposed.sentence}"
    return row["suggestion"].replace(f"on {row['effective_date']}", f"on {wording.day(row['effective_date'])}")


def _worth(row: Row) -> str:
    return wording.rounded(row["amount"], row["currency"] or "").strip()


def mending_said(log: Row) -> str:
    """Proposed: Update of +4, effective 12 Nov 2026 (the subscription began on that day), at 12.00 EUR a seat."""
    sign = "+" if log["quantity"] > 0 else ""
    price = (
        "without a selling price"
        if log["selling_price"] is None
        else f"at {wording.amount(log['selling_price'], log['currency'] or '').strip()} a seat"
    )
    day = f"{wording.day(log['effective_date'])} ({log['because']})"
    return f"Proposed: {log['event']} of {sign}{wording.digits(log['quantity'])}, effective {day}, {price}."
