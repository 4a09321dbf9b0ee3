"""What of our customers' usage is to be billed now, which Drafts are to be made again, what is held back and why, and which usage invoices are there?

What a run would make, and what would come out otherwise, is found where it is done; it is handed in. Currencies are never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.reports import wording
from w365core.reports.headlines import Note, Tile
from w365core.reports.tables import Column, Table, amount, day
from w365core.store import references, usage_invoices as store
from w365core.usage_invoice import DRAFT, MARKUP_MISSING, Draft, Held, Plan

STATUSES = ("Draft", "Billed", "Paid")
CAUSES = {
    "populating": "Provider invoice not activated",
    "deactivated": "Provider invoice deactivated",
    "unconfirmed": "Estimate only",
    "markup_missing": "Markup is blank",
    "contract_not_billable": "Contract not billable",
}

INVOICES = (
    Column("invoice_number", "Invoice", Kind.ID, width=145),
    Column("standing", "Status", width=82),
    Column("customer", "Customer", width=165),
    Column("contract_id", "Contract", Kind.ID, width=85),
    day("invoice_date", "Invoice date", width=92),
    day("cycle_start", "Cycle from", width=88),
    day("cycle_end", "to", width=88),
    Column("lines", "Lines", Kind.WHOLE, width=50),
    amount("total", "Total", width=90),
    Column("currency", "Currency", width=70),
    amount("cost", "Cost", shown=False),
    Column("account_id", "Our account", Kind.ID, shown=False),
    Column("made_here", "Made here", Kind.FLAG, shown=False),
    Column("made_by", "Made by", shown=False),
)
HELD = (
    Column("customer", "Customer", width=180),
    Column("contract_id", "Contract", Kind.ID, width=95),
    Column("cause", "Held back because", width=190),
    Column("summaries", "Usage", Kind.WHOLE, width=65, help="Usage summaries"),
    amount("selling", "Sells for", width=105, help="Blank where the markup is"),
    amount("cost", "Cost", width=105),
    Column("currency", "Currency", width=75),
    day("invoice_date", "Due on", width=95),
    Column("sentence", "What to do", width=420),
    Column("code", "Code", shown=False),
)
OWED = (
    Column("invoice_number", "Invoice", Kind.ID, width=150),
    Column("standing", "Status", width=90),
    Column("customer", "Customer", width=200),
    amount("total", "Charged", width=110),
    amount("would_be", "With today's markups", width=140),
    Column("to_do", "To do", width=190),
    Column("summaries", "Usage", Kind.WHOLE, width=70, help="Usage summaries whose subscription has another markup by now"),
    amount("drift", "Difference", shown=False),
    Column("currency", "Currency", width=75),
)
DUE = (
    Column("invoice_number", "Invoice to be", Kind.ID),
    Column("customer", "Customer"),
    Column("contract_id", "Contract", Kind.ID),
    day("invoice_date", "Invoice date"),
    day("cycle_start", "Cycle from"),
    day("cycle_end", "to"),
    Column("lines", "Lines", Kind.WHOLE),
    Column("late_lines", "Late lines", Kind.WHOLE),
    amount("top_up_total", "Top-ups"),
    amount("total", "Total"),
    Column("currency", "Currency"),
)


@dataclass(frozen=True)
class Wanted:
    """Which ones; an empty choice means all. Months are those of the invoice date, customers account ids."""

    months: Sequence[str] = ()
    customers: Sequence[str] = ()
    statuses: Sequence[str] = ()
    currencies: Sequence[str] = ()


@dataclass(frozen=True)
class Due:
    """A contract that can be billed now, and the drafts that would be made; `notes` are what a run would say of it."""

    contract_id: str
    customer: str
    drafts: tuple[Draft, ...]
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        return money.total(draft.total for draft in self.drafts)

    @property
    def currency(self) -> str:
        return self.drafts[0].currency

    @property
    def sentence(self) -> str:
        """What the invoices would hold."""
        said = []
        for draft in self.drafts:
            late = sum(line.late for line in draft.lines)
            more = [f"{late:,} late" if late else ""]
            more += [f"top-up {wording.amount(draft.top_up_total, draft.currency)}" if draft.top_up_total else ""]
            said.append(
                ", ".join(
                    filter(
                        None,
                        [
                            f"{wording.day(draft.cycle_start)} to {wording.day(draft.cycle_end)}: {wording.counted(len(draft.lines), 'line')}",
                            *more,
                        ],
                    )
                )
            )
        return "; ".join(said)


@dataclass(frozen=True)
class ToRemake:
    """A Draft that would come out otherwise today, in words and amounts. `after_markups` is with the markups of today, where those have drifted."""

    invoice_number: str
    customer: str
    currency: str
    before: Decimal
    after: Decimal | None
    after_markups: Decimal | None
    sentence: str


@dataclass(frozen=True)
class UsageInvoices:
    """The page: tiles by currency, what to do, and every invoice that matches."""

    tiles: tuple[tuple[Tile, ...], ...]
    due: tuple[Due, ...]
    due_table: Table
    waits: tuple[str, ...]
    remake: tuple[ToRemake, ...]
    owed: Table
    held: Table
    invoices: Table
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def load(connection: Connection, plans: Sequence[Plan], again: Sequence[Any], wanted: Wanted, *, today: date) -> UsageInvoices:
    """The page of what is wanted."""
    return build(plans, again, store.all_of_them(connection), wanted, rates=references.currencies(connection), today=today)


def build(
    plans: Sequence[Plan],
    again: Sequence[Any],
    invoices: Sequence[Mapping[str, Any]],
    wanted: Wanted,
    *,
    rates: Mapping[str, Decimal],
    today: date,
) -> UsageInvoices:
    """Out of what a run would make, what would come out otherwise, and the invoices there are."""

    def size(number: Decimal, currency: str) -> Decimal:
        return money.EXACT.multiply(number.copy_abs(), rates.get(currency.upper(), Decimal(1)))

    due = [_due(plan, wanted) for plan in plans]
    due = sorted((one for one in due if one.drafts), key=lambda one: (-size(one.total, one.currency), one.contract_id))
    held = sorted(_held(plans, wanted), key=lambda row: (-size(row["selling"] or row["cost"], row["currency"]), row["contract_id"] or ""))
    rows = [_invoice(row) for row in invoices if _matches(row, wanted)]
    mine = [one for one in again if _fits(one, wanted)]
    owed = sorted((_owed(one) for one in mine if one.status != DRAFT), key=lambda row: -size(row["drift"], row["currency"]))
    remake = sorted(
        (_remake(one) for one in mine if one.status == DRAFT), key=lambda one: (-size(one.before, one.currency), one.invoice_number)
    )
    return UsageInvoices(
        tiles=_tiles(due, rows, held, today),
        due=tuple(due),
        due_table=Table("due usage invoices", DUE, [draft.as_dict() | {"customer": one.customer} for one in due for draft in one.drafts]),
        waits=tuple(_waits(plan) for plan in plans if plan.earlier is not None and _is_wanted(plan, wanted)),
        remake=tuple(remake),
        owed=Table("to credit or charge", OWED, owed),
        held=Table("held back usage", HELD, held),
        invoices=Table("usage invoices", INVOICES, rows),
        choices=_choices(plans, invoices, due),
    )


def to_remake(again: Sequence[Any]) -> ToRemake | None:
    """The one Draft of these that would come out otherwise today, in words and amounts."""
    return next((_remake(one) for one in again if one.status == DRAFT), None)


# --- helpers -------------------------------------------------------------------------------------------------------------------------------


def _due(plan: Plan, wanted: Wanted) -> Due:
    drafts = plan.drafts if _is_wanted(plan, wanted) else ()
    kept = tuple(draft for draft in drafts if _in(f"{draft.invoice_date:%Y-%m}", wanted.months) and _in(draft.currency, wanted.currencies))
    return Due(
        plan.contract.contract_id or "", plan.contract.customer, kept if not wanted.statuses or DRAFT in wanted.statuses else (), plan.notes
    )


def _waits(plan: Plan) -> str:
    earlier = plan.earlier
    assert earlier is not None
    return (
        f"{plan.contract.customer}, contract {plan.contract.contract_id}: {earlier.cycle_start} to {earlier.cycle_end} waits, because "
        f"{earlier.earlier_start} to {earlier.earlier_end} comes first and is invoiced on {earlier.earlier_invoice_date}."
    )


def _held(plans: Iterable[Plan], wanted: Wanted) -> list[dict[str, Any]]:
    """One row per contract, cause and currency."""
    groups: dict[tuple, list[Held]] = {}
    for plan in plans:
        for one in plan.held if _is_wanted(plan, wanted) else ():
            if _in(f"{one.invoice_date:%Y-%m}", wanted.months) and _in(one.usage.currency, wanted.currencies):
                groups.setdefault(
                    (plan.contract.contract_id, plan.contract.customer, one.code, one.sentence, one.usage.currency), []
                ).append(one)
    rows = []
    for (contract_id, customer, code, sentence, currency), group in groups.items():
        sold = [one.usage.selling_amount for one in group if one.usage.selling_amount is not None]
        rows.append(
            {
                "contract_id": contract_id, "customer": customer, "code": code, "cause": CAUSES.get(code, code), "sentence": sentence,
                "currency": currency, "summaries": len(group), "invoice_date": min(one.invoice_date for one in group),
                "selling": money.total(sold) if code != MARKUP_MISSING and sold else None, "cost": money.total(one.usage.cost for one in group),
                "without_markup": sorted({one.usage.subscription_id for one in group if code == MARKUP_MISSING and one.usage.subscription_id}),
            }
        )  # fmt: skip
    return rows


def _invoice(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "standing": row["status"], "customer": row["customer"] or row["account_id"] or ""}


def _owed(one: Any) -> dict[str, Any]:
    """What a Billed or Paid invoice was charged too much or too little, by the markups of today."""
    verb = "Charge" if one.drift > 0 else "Credit"
    return {
        "invoice_number": one.invoice_number, "standing": one.status, "customer": one.contract.customer, "total": one.before, "drift": one.drift,
        "would_be": money.EXACT.add(one.before, one.drift), "summaries": len(one.drifted), "currency": one.currency,
        "to_do": f"{verb} {wording.amount(one.drift.copy_abs(), one.currency)}",
    }  # fmt: skip


def _remake(one: Any) -> ToRemake:
    said = []
    if not one.reconciles:
        said.append("usage was taken off it, so that its lines say more than its usage sells for")
    if one.came:
        said.append(f"{wording.counted(one.came, 'usage summary has', 'usage summaries have')} come since")
    if one.went:
        said.append(f"{wording.counted(one.went, 'usage summary is', 'usage summaries are')} not billable on it any more")
    if one.drifted:
        said.append(
            f"the markup of {wording.counted(len(one.drifted), 'usage summary', 'usage summaries')} has changed in its subscription"
        )
    if not said:
        said.append("its top-ups or amounts come out otherwise")
    sentence = "; ".join(said)
    after = one.now.total if one.now else None
    taking = one.taking.total if one.drifted and one.taking else None
    return ToRemake(
        one.invoice_number, one.contract.customer, one.currency, one.before, after, taking, f"{sentence[0].upper()}{sentence[1:]}."
    )


def _tiles(
    due: Sequence[Due], rows: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]], today: date
) -> tuple[tuple[Tile, ...], ...]:
    """A row of four for each currency in which something is due, held back, a Draft, or billed this month; the busiest first."""
    month = f"{today:%Y-%m}"
    drafts = [row for row in rows if row["status"] == DRAFT]
    billed = [row for row in rows if row["status"] != DRAFT and row["invoice_date"] is not None and f"{row['invoice_date']:%Y-%m}" == month]
    weight: dict[str, int] = {}
    for code in [*(one.currency for one in due), *(row["currency"] for row in (*drafts, *billed, *held))]:
        weight[code] = weight.get(code, 0) + 1
    return tuple(
        (
            _tile("Billable now", [one.total for one in due if one.currency == code], code, "contract"),
            _tile("Drafts", [row["total"] for row in drafts if row["currency"] == code], code, "invoice"),
            _tile(f"Billed in {wording.month(month)}", [row["total"] for row in billed if row["currency"] == code], code, "invoice"),
            _held_tile([row for row in held if row["currency"] == code], code),
        )
        for code in sorted(weight, key=lambda code: (-weight[code], code))
    )


def _tile(label: str, amounts: Sequence[Decimal], currency: str, noun: str) -> Tile:
    note = Note(wording.counted(len(amounts), noun) if amounts else f"no {noun}")
    return Tile(label, wording.rounded(money.total(amounts), currency), (note,), currency)


def _held_tile(held: Sequence[Mapping[str, Any]], currency: str) -> Tile:
    """What it sells for, at cost where there is no price yet."""
    known = money.total(row["cost"] if row["selling"] is None else row["selling"] for row in held)
    unpriced = any(row["selling"] is None for row in held)
    said = f"{wording.counted(len(held), 'cause')}{', at cost where the markup is blank' if unpriced else ''}" if held else "nothing"
    return Tile("Held back", wording.rounded(known, currency), (Note(said, is_alarming=bool(held)),), currency)


def _choices(plans: Sequence[Plan], invoices: Sequence[Mapping[str, Any]], due: Sequence[Due]) -> dict[str, dict[str, str]]:
    months = {f"{row['invoice_date']:%Y-%m}" for row in invoices if row["invoice_date"]}
    months |= {f"{draft.invoice_date:%Y-%m}" for one in due for draft in one.drafts}
    customers = {plan.contract.account_id: plan.contract.customer for plan in plans if plan.contract.account_id}
    customers |= {row["account_id"]: row["customer"] or row["account_id"] for row in invoices if row["account_id"]}
    currencies = {row["currency"] for row in invoices if row["currency"]} | {one.currency for one in due}
    return {
        "months": {month: wording.month(month) for month in sorted(months, reverse=True)},
        "customers": dict(sorted(customers.items(), key=lambda one: one[1].casefold())),
        "statuses": {status: status for status in STATUSES},
        "currencies": {code: code for code in sorted(currencies)},
    }


def _matches(row: Mapping[str, Any], wanted: Wanted) -> bool:
    month = f"{row['invoice_date']:%Y-%m}" if row["invoice_date"] else ""
    return (
        _in(month, wanted.months)
        and _in(row["account_id"], wanted.customers)
        and _in(row["status"], wanted.statuses)
        and _in(row["currency"], wanted.currencies)
    )


def _fits(one: Any, wanted: Wanted) -> bool:
    return _in(one.contract.account_id, wanted.customers) and _in(one.status, wanted.statuses) and _in(one.currency, wanted.currencies)


def _is_wanted(plan: Plan, wanted: Wanted) -> bool:
    return _in(plan.contract.account_id, wanted.customers)


def _in(value: str | None, chosen: Sequence[str]) -> bool:
    return not chosen or value in chosen
