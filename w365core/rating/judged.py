"""What became of the rows of a correction, and what does it come to? Rows that came, changes, refusals; and the money that the changes move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import NamedTuple

from w365core import money
from w365core.correction import COLUMNS, Conflict, Moved, MovedOf, Preview, Refused
from w365core.model import UsageStatus


class Came(NamedTuple):
    """A row of a file: its number in the spreadsheet, and its cells in the order of COLUMNS."""

    row: int
    cells: Sequence[str]


class Change(NamedTuple):
    """A row that is to have other values: quantity, cost and markup as canonical texts. Row 0 is none of a file."""

    row: int
    usage_id: str
    provider_invoice_id: int
    version: int
    account: str | None
    account_name: str | None
    currency: str
    status: str
    confirmed: bool
    selling_before: Decimal | None
    quantity: str
    cost: str
    markup_pct: str
    selling_amount: Decimal


class Line(NamedTuple):
    """A usage summary as the store prints it: its cells before and after the markup, each joined by cells.SEPARATOR, and what a change needs besides."""

    usage_id: str
    version: int
    before_markup: str
    markup: str
    after_markup: str
    provider_invoice_id: int
    account: str | None
    account_name: str | None
    currency: str
    status: str
    confirmed: bool
    selling_amount: Decimal | None


class Past(NamedTuple):
    """What a usage summary was before and after one correction of it, who made that, and who took it back."""

    usage_id: str
    correction_id: int
    actor: str
    at: datetime
    undone_by: str | None
    undone_at: datetime | None
    before: tuple[Decimal, Decimal, Decimal | None, Decimal | None]  # quantity, cost, markup, selling amount
    after: tuple[Decimal, Decimal, Decimal | None, Decimal | None]


@dataclass(frozen=True)
class Judged:
    """Rows sorted by what becomes of them; `suspects` are those whose stored row is not the exported one."""

    changes: list[Change] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    suspects: list[Came] = field(default_factory=list)


def preview(judged: Judged, *, rows: int, notes: Sequence[str] = (), sealed: bool = False) -> Preview:
    """What it all comes to. `rows` is how many there are, unedited ones included; `sealed` names exactly what becomes of which row."""
    refused = sorted(judged.refused, key=lambda one: (one.row, COLUMNS.index(one.column)))
    customers: dict[tuple[str, str | None, str | None], list[Change]] = {}
    for change in judged.changes:
        customers.setdefault((change.currency, change.account, change.account_name), []).append(change)
    by_account = [
        MovedOf(**vars(_moved(currency, changes)), account_id=account, name=name)
        for (currency, account, name), changes in customers.items()
    ]
    by_currency = [_together(currency, by_account) for currency in {one.currency for one in by_account}]
    return Preview(
        rows=rows,
        changed=len(judged.changes),
        unchanged=rows - len(judged.changes) - len({one.row for one in refused}),
        refused=tuple(refused),
        conflicts=tuple(judged.conflicts),
        by_currency=tuple(sorted(by_currency, key=lambda one: one.currency)),
        by_account=tuple(
            sorted(by_account, key=lambda one: (-one.difference.copy_abs(), one.name or "", one.account_id or "", one.currency))
        ),
        notes=(*notes, *_notes(judged.changes)),
        seal=_seal(judged.changes) if sealed else "",
    )


def _moved(currency: str, changes: Sequence[Change]) -> Moved:
    before = money.total([change.selling_before for change in changes if change.selling_before is not None])
    after = money.total([change.selling_amount for change in changes])
    before, after = money.half_up(before, places=_places(before, currency)), money.half_up(after, places=_places(after, currency))
    blank = sum(change.selling_before is None for change in changes)
    return Moved(currency, len(changes), before, after, money.EXACT.subtract(after, before), blank)


def _together(currency: str, parts: Sequence[Moved]) -> Moved:
    """The parts of one currency."""
    mine = [one for one in parts if one.currency == currency]
    before, after, difference = (
        money.total(getattr(one, name) for one in mine) for name in ("amount_before", "amount_after", "difference")
    )
    return Moved(currency, sum(one.rows for one in mine), before, after, difference, sum(one.were_blank for one in mine))


def _places(amount: Decimal, currency: str) -> int:
    """As many as the amount has, at least the currency's."""
    return max(money.minor_units(currency), -int(amount.as_tuple().exponent))


def _notes(changes: Sequence[Change]) -> list[str]:
    """What to know of the rows that change."""
    archived = sum(change.status == UsageStatus.ARCHIVED for change in changes)
    unconfirmed = sum(not change.confirmed for change in changes)
    blank = sum(change.selling_before is None for change in changes)
    said = [(blank, "had no selling amount before, because the markup was blank"), (archived, "archived: not billed, whatever the markup")]
    said.append((unconfirmed, "not confirmed yet: not billed before that"))
    return [
        f"{count:,} of the changed rows {'' if text.startswith('had') else 'is ' if count == 1 else 'are '}{text}."
        for count, text in said
        if count
    ]


def _seal(changes: Iterable[Change]) -> str:
    """Over what becomes of which version of each row; the order of the rows says nothing."""
    said = sorted(
        f"{one.usage_id}\x1f{one.version}\x1f{one.quantity}\x1f{one.cost}\x1f{one.markup_pct}\x1f{one.selling_amount}" for one in changes
    )
    return blake2b("\n".join(said).encode(), digest_size=16).hexdigest()
