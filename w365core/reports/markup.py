"""Which usage needs a markup or another one, how much money that holds up or moves, and what does a correction come to?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.correction import Conflict, MovedOf, Preview, Refused
from w365core.frames import Kind
from w365core.reports import wording
from w365core.reports.headlines import Note, Tile
from w365core.reports.tables import Column, Table, amount, moment, number
from w365core.store import corrections, drift, references, usage_choices
from w365core.store.usage_rows import Chosen

BARS = 10
NOBODY = "no customer of ours"

REFUSED_COLUMNS = (
    number("row", "Row", width=60),
    Column("column", "Column", width=120),
    Column("value", "Value", width=150),
    Column("reason", "Reason", width=560),
)
CONFLICT_COLUMNS = (
    number("row", "Row", width=60), Column("usage_id", "Usage", Kind.ID, width=190), Column("column", "Column", width=100),
    Column("exported", "At the export", width=110), Column("edited", "The file says", width=110), Column("in_force", "In force now", width=110),
    Column("changed_by", "Changed by", width=110), moment("changed_at", "When (UTC)", width=130),
)  # fmt: skip
ACCOUNT_COLUMNS = (
    Column("customer", "Customer", width=240), Column("account_id", "Account", Kind.ID, width=100), Column("rows", "Rows", Kind.WHOLE, width=70),
    amount("amount_before", "Sells for, before", width=130), amount("amount_after", "After", width=130), amount("difference", "Difference", width=120),
    Column("currency", "Currency", width=75), Column("were_blank", "Were blank", Kind.WHOLE, width=90),
)  # fmt: skip
RECEIPT_COLUMNS = (
    Column("correction_id", "Correction", Kind.WHOLE, width=80), moment("at", "When (UTC)", width=120), Column("actor", "Who", width=80),
    Column("what", "What", width=225), Column("of_currency", "Rows", Kind.WHOLE, width=60), amount("difference", "Difference", width=100),
    Column("currency", "Currency", width=70), Column("stands", "What of it stands", width=170), Column("reason", "Reason", width=190),
    amount("before", "Before", width=110), amount("after", "After", width=110), Column("fingerprint", "File's fingerprint", Kind.ID, shown=False),
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One thing to do about a subscription's usage: what is the matter, the money it moves (drift) or holds up (blank), whose it is."""

    kind: str  # drift | removed | blank
    subscription_id: str | None
    subscription: str
    customer: str
    sentence: str
    money: Decimal
    currency: str
    rows: int
    account_id: str | None

    @property
    def key(self) -> str:
        return f"{self.kind}_{self.subscription_id or self.account_id}_{self.currency}"


@dataclass(frozen=True)
class MarkupWork:
    """What needs doing, the biggest money first; its headline figures; the table of it; and the latest corrections."""

    items: tuple[Item, ...]
    tiles: tuple[Tile, ...]
    table: Table
    receipts: Table
    has_usage: bool


def load(connection: Connection) -> MarkupWork:
    """As things are now."""
    rates = references.currencies(connection)
    found = build(drift.drifted(connection), drift.blank(connection), rates)
    choices = usage_choices.choices(connection)
    return MarkupWork(found, _tiles(found), _table(found), receipts(corrections.receipts(connection)), bool(choices["invoices"]))


def build(drifted: Iterable[Mapping[str, Any]], blank: Iterable[Mapping[str, Any]], rates: Mapping[str, Decimal]) -> tuple[Item, ...]:
    """Drift and blank markups as one list, by the size of the money in base currency at today's rate."""
    items = [_of_drift(row) for row in drifted] + [_of_blank(row) for row in blank]

    def size(item: Item) -> Decimal:
        return money.EXACT.multiply(item.money.copy_abs(), rates.get(item.currency.upper(), Decimal(1)))

    return tuple(sorted(items, key=lambda item: (-size(item), item.kind, item.subscription_id or "", item.currency)))


def _of_drift(row: Mapping[str, Any]) -> Item:
    lowest, highest = row["markup_lowest"], row["markup_highest"]
    was = (
        "no markup"
        if lowest is None
        else f"{wording.digits(lowest)} %"
        if lowest == highest
        else f"{wording.digits(lowest)} to {wording.digits(highest)} %"
    )
    if row["blank"] and lowest is not None:
        was += " or none"
    rows, invoices = wording.counted(row["rows"], "row"), wording.counted(row["invoices"], "invoice")
    if row["markup_now"] is None:
        sold = (
            f"It stays billable as it is; with that it would not be: {wording.amount(row['amount_before'], row['currency'])} less. What comes in from now "
            f"on cannot be billed, until the subscription has one again (subscriptions.csv, `load`)."
        )
        have = "has" if row["rows"] == 1 else "have"
        return _item(
            "removed", row, f"{rows} of {invoices} {have} {was}; the subscription's markup was taken away since. {sold}", row["difference"]
        )
    now = f"the subscription says {wording.digits(row['markup_now'])} % now"
    sold = f"It sells for {wording.amount(row['amount_before'], row['currency'])}, and would for {wording.amount(row['amount_after'], row['currency'])}."
    sentence = f"{rows} of {invoices} {'has' if row['rows'] == 1 else 'have'} {was}; {now}. {sold}"
    return _item("drift", row, sentence, row["difference"])


def _of_blank(row: Mapping[str, Any]) -> Item:
    rows, invoices = wording.counted(row["rows"], "row"), wording.counted(row["invoices"], "invoice")
    whose = "the subscription has none either" if row["subscription_id"] else "no subscription of ours is behind it"
    return _item("blank", row, f"{rows} of {invoices} without a markup, and {whose}: not billable until one is set.", row["cost"])


def _item(kind: str, row: Mapping[str, Any], sentence: str, amount: Decimal) -> Item:
    name = row["subscription_name"] or row["subscription_id"] or "No subscription"
    customer = row["account_name"] or row["account_id"] or NOBODY
    return Item(kind, row["subscription_id"], name, customer, sentence, amount, row["currency"], row["rows"], row["account_id"])


def _tiles(items: Sequence[Item]) -> tuple[Tile, ...]:
    """Per currency what is held up, and what drift moves up and down; nothing is added up across currencies."""
    tiles = []
    for currency in dict.fromkeys(item.currency for item in items):
        mine = [item for item in items if item.currency == currency]
        blank, drifted = ([item for item in mine if item.kind in kinds] for kinds in (("blank",), ("drift", "removed")))
        if blank:
            note = Note(f"cost of {wording.counted(len(blank), 'subscription')}; cannot be billed", is_alarming=True)
            tiles.append(
                Tile(f"No markup, {currency}", wording.rounded(money.total(item.money for item in blank), currency), (note,), currency)
            )
        if drifted:
            up, down = (money.total(i.money for i in drifted if (i.money > 0) == is_up) for is_up in (True, False))
            note = Note(
                f"+{wording.rounded(up, currency)}, {wording.rounded(down, currency)}; {wording.counted(len(drifted), 'subscription')}"
            )
            tiles.append(Tile(f"Markup changed since import, {currency}", _signed(money.EXACT.add(up, down), currency), (note,), currency))
    return tuple(tiles)


def _signed(number: Decimal, currency: str) -> str:
    said = wording.rounded(number, currency)
    return f"+{said}" if number > 0 else said


def _table(items: Sequence[Item]) -> Table:
    columns = (
        Column("kind", "What", width=70), Column("customer", "Customer", width=200), Column("subscription", "Subscription", width=200),
        Column("subscription_id", "Id", Kind.ID, width=90), Column("rows", "Rows", Kind.WHOLE, width=60), amount("money", "Money", width=110),
        Column("currency", "Currency", width=70), Column("sentence", "Sentence", width=500),
    )  # fmt: skip
    return Table("markups to look at", columns, [asdict(item) for item in items])


# --- what is chosen ------------------------------------------------------------------------------------------------------------------------


def chosen(connection: Connection, which: Chosen) -> list[str]:
    """What the chosen usage comes to, a sentence per currency."""
    return [_sum(row) for row in usage_choices.sums(connection, which)]


def choices(connection: Connection) -> dict[str, dict[str, str]]:
    """By kind what can be chosen: key to label."""
    found = usage_choices.choices(connection)
    return {
        kind: {row["key"]: f"{row['name'] or row['key']}{' · ' + row['more'] if row['more'] else ''}" for row in rows}
        for kind, rows in found.items()
    }


def _sum(row: Mapping[str, Any]) -> str:
    closed = f"{row['closed']:,} more {'is' if row['closed'] == 1 else 'are'} invoiced, archived or of an invoice that is not Active, and stay as they are."
    if not row["rows"]:
        return f"{row['currency']}: nothing open. {closed}"
    said = f"{row['currency']}: {wording.counted(row['rows'], 'open row')} of {wording.counted(row['customers'], 'customer')}"
    said += f" on {wording.counted(row['invoices'], 'invoice')}, cost {wording.rounded(row['cost'], row['currency'])}"
    blank = f", {row['blank']:,} without a markup" if row["blank"] else ""
    said += f", sells for {wording.rounded(row['selling'], row['currency'])}{blank}."
    return f"{said} {closed}" if row["closed"] else said


# --- what a correction comes to ------------------------------------------------------------------------------------------------------------


def tiles_of(preview: Preview, *, done: bool = False) -> tuple[Tile, ...]:
    """Rows changed and refused, and per currency the money before and after."""
    refused = len({one.row for one in preview.refused})
    first = Tile(
        "Rows changed" if done else "Rows to change",
        f"{preview.changed:,}",
        (Note(f"of {preview.rows:,}; {preview.unchanged:,} unedited"),),
    )
    second = Tile(
        "Rows refused",
        f"{refused:,}",
        (Note("nothing is changed while one is" if refused else "none: it can be applied", is_alarming=bool(refused)),),
    )
    sums = [
        Tile(
            f"Sells for, {one.currency}",
            wording.rounded(one.amount_after, one.currency),
            (Note(f"{wording.rounded(one.amount_before, one.currency)} before: {_signed(one.difference, one.currency)}"),),
            one.currency,
        )
        for one in preview.by_currency
    ]
    return (first, *sums) if done else (first, second, *sums)


def refused(rows: Sequence[Refused]) -> Table:
    return Table("refused rows", REFUSED_COLUMNS, [asdict(row) | {"row": Decimal(row.row)} for row in rows])


def conflicts(rows: Sequence[Conflict]) -> Table:
    return Table("rows changed since", CONFLICT_COLUMNS, [asdict(row) | {"row": Decimal(row.row)} for row in rows])


def by_account(rows: Sequence[MovedOf]) -> Table:
    return Table("money by customer", ACCOUNT_COLUMNS, [asdict(row) | {"customer": row.name or row.account_id or NOBODY} for row in rows])


@dataclass(frozen=True)
class Step:
    """A bar of the waterfall: before and after are totals, between them what each customer adds."""

    label: str
    amount: Decimal
    said: str
    is_total: bool = False


def steps(preview: Preview, currency: str) -> list[Step]:
    """From the money before to the money after: the customers that move most, the others together."""
    whole = next(one for one in preview.by_currency if one.currency == currency)
    moved = [one for one in preview.by_account if one.currency == currency and one.difference]
    bars = [Step(one.name or one.account_id or NOBODY, one.difference, _signed(one.difference, currency)) for one in moved[:BARS]]
    if len(moved) > BARS:
        others = money.total(one.difference for one in moved[BARS:])
        bars.append(Step(f"{len(moved) - BARS:,} others", others, _signed(others, currency)))
    first = Step("Before", whole.amount_before, wording.rounded(whole.amount_before, currency), is_total=True)
    return [first, *bars, Step("After", whole.amount_after, wording.rounded(whole.amount_after, currency), is_total=True)]


# --- what was done -------------------------------------------------------------------------------------------------------------------------


def receipts(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The latest corrections, one row per currency, with what of each stands."""
    return Table("corrections of usage", RECEIPT_COLUMNS, [_receipt(row) for row in rows])


def _receipt(row: Mapping[str, Any]) -> dict[str, Any]:
    what = {"file": f"file {row['name']}", "page": "edited in the page", "rule": row["name"]}[row["source"]]
    difference = money.EXACT.subtract(row["after"], row["before"])
    return {**row, "what": what, "difference": difference, "stands": _stands(row), "undoable": _stands(row) == "all of it"}


def _stands(row: Mapping[str, Any]) -> str:
    if row["undone_at"] is not None:
        return f"undone by {row['undone_by']}, {wording.moment(row['undone_at'])}"
    lost = ((row["invoiced"], "invoiced since"), (row["changed"], "changed again"), (row["gone"], "not there any more"))
    said = [f"{count:,} {what}" for count, what in lost if count]
    return ", ".join(said) or "all of it"
