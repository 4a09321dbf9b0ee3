"""What is a correction of usage made of, before anybody stores, shows or prints it? The columns of its file, refusals, and the money it moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from w365core import money

# One row of the file per usage summary, in this order; `row_hash` covers all the others.
COLUMNS = (
    "usage_id", "row_hash", "invoice", "account", "subscription", "product", "charge_start", "charge_end", "quantity", "cost", "currency",
    "markup_pct", "selling_amount", "status",
)  # fmt: skip
EDITABLE = ("quantity", "cost", "markup_pct")
MOST_MARKUP = Decimal(1000)


@dataclass(frozen=True)
class Refused:
    """One cell that cannot be taken: its spreadsheet row (the header is row 1), its column, what stands there, and why."""

    row: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class Conflict:
    """An edited row whose usage somebody else has changed since the export: what the file says, what is in force, and who made it so where known."""

    row: int
    usage_id: str
    column: str
    exported: str | None
    edited: str
    in_force: str | None
    changed_by: str | None
    changed_at: datetime | None


@dataclass(frozen=True)
class Moved:
    """What the changed rows of one currency sell for, before and after. A blank selling amount counts as nothing sold: so many `were_blank`."""

    currency: str
    rows: int
    amount_before: Decimal
    amount_after: Decimal
    difference: Decimal
    were_blank: int


@dataclass(frozen=True)
class MovedOf(Moved):
    """The same of one customer; without an account the usage is nobody's of ours."""

    account_id: str | None
    name: str | None


@dataclass(frozen=True)
class Preview:
    """What a correction would do, or did. With one refused row nothing is done. `notes` are sentences on what is left alone and why."""

    rows: int
    changed: int
    unchanged: int
    refused: tuple[Refused, ...]
    conflicts: tuple[Conflict, ...]
    by_currency: tuple[Moved, ...]
    by_account: tuple[MovedOf, ...]
    notes: tuple[str, ...]
    seal: str  # of a rule: over what exactly would be changed into what. A row of a file says itself what it was.

    @property
    def amount_before(self) -> Decimal | None:
        """The sum where one currency is touched; amounts of several are never added, and are null here."""
        return _only([one.amount_before for one in self.by_currency])

    @property
    def amount_after(self) -> Decimal | None:
        return _only([one.amount_after for one in self.by_currency])


@dataclass(frozen=True)
class Applied:
    """What was done; without an id there was nothing to do, or it was refused."""

    preview: Preview
    correction_id: int | None


@dataclass(frozen=True)
class Undone:
    """A correction that was taken back: so many rows have the values of before."""

    correction_id: int
    rows: int


@dataclass(frozen=True)
class Edit:
    """One row edited in the page: the cells as typed, against the row as it was shown (`row_hash`). None leaves a cell as it is."""

    usage_id: str
    row_hash: str
    markup_pct: str | None = None
    quantity: str | None = None
    cost: str | None = None


@dataclass(frozen=True)
class Rule:
    """One markup for many rows: `markup_pct`, or what each row's subscription says now. Of usage that is not invoiced, chosen by any of these
    together; blank chooses all. A rule names at least one of them, or is one to the subscription."""

    markup_pct: Decimal | None = None
    to_subscription: bool = False
    invoices: tuple[int, ...] = ()  # provider_invoice_id
    accounts: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    usage_ids: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """As a sentence begins: markup 12 % for 14 customers."""
        what = (
            "markup as the subscriptions say now" if self.markup_pct is None else f"markup {money.plain(money.trimmed(self.markup_pct))} %"
        )
        named = (
            ("customer", self.accounts),
            ("subscription", self.subscriptions),
            ("product", self.products),
            ("provider invoice", self.invoices),
        )
        named = (*named, ("row", self.usage_ids))
        parts = [f"{len(chosen):,} {noun}{'' if len(chosen) == 1 else 's'}" for noun, chosen in named if chosen]
        return f"{what} for {', '.join(parts) or 'all usage not invoiced'}"


def _only(amounts: list[Decimal]) -> Decimal | None:
    """That of the one currency; nothing moved is 0, several currencies have no sum."""
    return None if len(amounts) > 1 else amounts[0] if amounts else Decimal("0")
