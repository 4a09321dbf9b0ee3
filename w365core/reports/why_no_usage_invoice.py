"""Why is there no usage invoice? The month of usage contracts: what is at risk, what holds it up and what starts the fix, each contract, and the calendar.

The rows are handed in as the diagnosing door gives them; nothing is judged here, and amounts of different currencies are never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from w365core import money
from w365core.frames import Kind
from w365core.reports import wording
from w365core.reports.headlines import Note, Tile
from w365core.reports.tables import Column, Table, amount, day
from w365core.reports.why_rows import (
    BILL,
    BILLED,
    BLOCKED,
    CAUSES,
    LATE,
    OUTCOMES,
    READY,
    Start,
    at_risk,
    brief,
    check_of,
    how_many,
    in_base,
    start_of,
    told,
)

Row = Mapping[str, Any]
TABLE_COLUMNS = (
    Column("customer", "Customer", width=190),
    Column("contract_id", "Contract", Kind.ID, width=90),
    Column("subscription_id", "Subscription", Kind.ID, width=95),
    Column("said", "Outcome", width=115),
    Column("cause", "Cause", width=190),
    amount("at_risk", "At risk", width=95, help="Unbilled selling amount"),
    amount(
        "cost_at_risk",
        "… at cost",
        width=95,
        places=2,
        help="Unbilled, and no selling amount yet: a blank markup, or lines that an invoice in Error holds up",
    ),
    amount("billed_amount", "Billed", width=95),
    Column("currency", "Currency", width=70),
    day("invoice_date", "Invoice date", width=95),
    day("arrived_on", "Usage arrived", width=95),
    Column("invoice_number", "Invoice", Kind.ID, width=110),
    day("cycle_start", "Cycle from", width=95),
    day("cycle_end", "Cycle to", width=95),
    Column("sentence", "Why", width=500),
    Column("fix", "What mends it", width=500),
    Column("codes", "Causes", width=200),
    Column("outcome", "Outcome code", shown=False),
)
ARRIVAL_COLUMNS = (
    Column("provider", "Provider", width=120),
    Column("number", "Invoice", Kind.ID, width=120),
    Column("currency", "Currency", width=75),
    day("last_day", "Bills up to", width=100),
    day("arrived_on", "Arrived", width=100),
    Column("day", "On day", Kind.WHOLE, width=70, help="Days after the end of what it bills"),
)
EARLY_COLUMNS = (
    Column("customer", "Customer", width=200),
    Column("contract_id", "Contract", Kind.ID, width=100),
    Column("provider", "Provider", width=120),
    day("invoice_date", "Invoice date", width=105),
    Column("day", "Is day", Kind.WHOLE, width=65),
    Column("arrives_on_day", "Usage is here by day", Kind.WHOLE, width=140, help="Nine of ten invoices of the last twelve months"),
    day("move_to", "Move it to", width=105),
)
BEHIND_COLUMNS = (
    Column("customer", "Customer", width=200),
    Column("contract_id", "Contract", Kind.ID, width=100),
    day("cycle_start", "Usage from", width=100),
    day("cycle_end", "to", width=100),
    day("invoice_date", "Is invoiced on", width=105),
    day("move_to", "Move it to", width=105),
)


@dataclass(frozen=True)
class Found:
    """A month as the diagnosing door gives it: its rows, the lateness of providers' invoices, and rates to base for the order alone."""

    period: str
    today: date
    rows: Sequence[Row]
    late: Mapping[str, Any]
    rates: Mapping[str, Decimal]


@dataclass(frozen=True)
class Knot:
    """One thing that holds up one or many rows: the same cause, on the same document. `sums` say the money by currency, `at_cost` whether it is cost."""

    id: str
    outcome: str
    title: str
    document: str | None
    sentence: str
    fix: str
    rows: tuple[Row, ...]
    sums: Mapping[str, Decimal]
    at_cost: bool
    start: Start | None

    @property
    def customers(self) -> int:
        return len({row["customer"] for row in self.rows})


@dataclass(frozen=True)
class Marked:
    """One contract on the calendar: the days on which something is expected, came or was invoiced."""

    label: str
    outcome: str
    expected_on: date | None
    arrived_on: date | None
    invoice_date: date
    is_billed: bool


@dataclass(frozen=True)
class Why:
    """The page. `rows` are those that the filters leave, `knots` what holds them up, the biggest money first."""

    period: str
    today: date
    tiles: tuple[Tile, ...]
    knots: tuple[Knot, ...]
    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    table: Table
    calendar: tuple[Marked, ...]
    usual: tuple[Row, ...]
    arrivals: Table
    early: Table
    behind: Table


def build(found: Found, *, outcomes: Sequence[str] = (), customers: Sequence[str] = ()) -> Why:
    """`outcomes` and `customers` leave the others out; the tiles count every outcome all the same."""
    period, today, rates, late = found.period, found.today, found.rates, found.late
    of_customers = [row for row in found.rows if not customers or row["customer"] in customers]
    everything = [told(row) for row in of_customers]
    rows = tuple(row for row in everything if not outcomes or row["outcome"] in outcomes)
    return Why(
        period=period,
        today=today,
        tiles=_tiles(everything, rates, today),
        knots=tuple(sorted(_knots(rows, today), key=lambda knot: (-in_base(knot.sums, rates), knot.title, knot.document or ""))),
        rows=rows,
        counts={outcome: sum(row["outcome"] == outcome for row in of_customers) for outcome in OUTCOMES},
        table=Table(f"why no usage invoice {period}", TABLE_COLUMNS, rows),
        calendar=tuple(_marked(rows)),
        usual=tuple(late["usual"]),
        arrivals=Table(
            f"arrivals before {period}",
            ARRIVAL_COLUMNS,
            sorted(late["arrivals"], key=lambda one: (one["provider"], one["last_day"]), reverse=True),
        ),
        early=Table("contracts invoiced too early", EARLY_COLUMNS, late["early"]),
        behind=Table("contracts invoiced a cycle late", BEHIND_COLUMNS, late["behind"]),
    )


def customers(rows: Iterable[Row]) -> list[str]:
    """Whose contracts there are."""
    return sorted({row["customer"] for row in rows if row["customer"]})


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _knots(rows: Sequence[Row], today: date) -> Iterable[Knot]:
    """What has to be done: rows that the same cause on the same document holds up are one thing to do."""
    grouped: dict[tuple, list[Row]] = {}
    for row in rows:
        if row["outcome"] not in (BLOCKED, LATE) and not (row["outcome"] == READY and row["invoice_date"] <= today):
            continue
        document = check_of(row, row["told_by"])["document"] if row["told_by"] else None
        by_contract = row["contract_id"] if row["told_by"] == "contract_not_billable" else None
        key = (
            row["outcome"],
            row["told_by"] if row["outcome"] == BLOCKED else None,
            document if row["outcome"] == BLOCKED else None,
            by_contract,
        )
        grouped.setdefault(key, []).append(row)
    for (outcome, cause, document, _), mine in grouped.items():
        sums, at_cost = at_risk(mine)
        yield Knot(
            id=f"{outcome}_{cause}_{document}_{mine[0]['contract_id']}".replace(" ", "_"),
            outcome=outcome,
            title=_title(outcome, cause),
            document=document,
            sentence=_sentence(outcome, mine),
            fix=_fix(outcome, mine),
            rows=tuple(mine),
            sums=sums,
            at_cost=at_cost,
            start=_start(outcome, mine),
        )


def _title(outcome: str, cause: str | None) -> str:
    return {READY: "Due, and everything is there", LATE: "Late: goes with the next cycle"}.get(outcome) or CAUSES.get(
        cause or "", "Blocked"
    )


def _sentence(outcome: str, rows: Sequence[Row]) -> str:
    if len(rows) == 1:
        return rows[0]["sentence"]
    if outcome == READY:
        return f"The usage of {how_many(rows)} is confirmed, has its markup and its contract; the invoice date has come."
    if outcome == LATE:
        return f"The usage of {how_many(rows)} came after the invoice, which is out."
    return brief(rows[0])


def _fix(outcome: str, rows: Sequence[Row]) -> str:
    if len(rows) == 1 or outcome == BLOCKED:
        return rows[0]["fix"]
    if outcome == READY:
        return f"Generate the invoices: `bill --period {rows[0]['invoice_date']:%Y-%m}`, or on the page Usage invoices."
    return "The next invoice of each contract takes it along; move the invoice dates, so that it does not happen each month."


def _start(outcome: str, rows: Sequence[Row]) -> Start | None:
    if outcome == READY and len(rows) > 1:
        return Start(BILL, "Bill them")
    start = start_of(rows[0])
    return None if start is None else replace(start, subscription_ids=tuple(row["subscription_id"] for row in rows))


def _tiles(rows: Sequence[Row], rates: Mapping[str, Decimal], today: date) -> tuple[Tile, ...]:
    """Per currency: at risk and blocked, ready to bill, late, billed; nothing is added up across currencies."""
    found = []
    weight: dict[str, Decimal] = {}
    for row in rows:
        code = row["currency"] or ""
        weight[code] = money.total((weight.get(code, money.ZERO), *at_risk([row])[0].values(), row["billed_amount"] or money.ZERO))
    for code in sorted(weight, key=lambda code: (-in_base({code: weight[code]}, rates), code)):
        mine = [row for row in rows if (row["currency"] or "") == code]
        for label, outcome in (("Blocked", BLOCKED), ("Late", LATE), ("Ready to bill", READY), ("Billed", BILLED)):
            of = [row for row in mine if row["outcome"] == outcome]
            if of:
                found.append(_tile(f"{label}, {code}" if code else label, code, of, outcome, today))
    return tuple(found)


def _tile(label: str, code: str, rows: Sequence[Row], outcome: str, today: date) -> Tile:
    sums, at_cost = at_risk(rows)
    value = money.total(row["billed_amount"] or money.ZERO for row in rows) if outcome == BILLED else sums.get(code, money.ZERO)
    notes = [Note(how_many(rows))]
    if at_cost and outcome != BILLED:
        is_whole = not any(row["amount_at_risk"] for row in rows)
        notes.append(Note("at cost: no selling amount yet" if is_whole else "some of it at cost: no selling amount yet"))
    if outcome == READY:
        due = at_risk([row for row in rows if row["invoice_date"] <= today])[0].get(code, money.ZERO)
        notes.append(Note(f"{wording.rounded(due, code)} of it due by now"))
    return Tile(label, wording.rounded(value, code).removesuffix(f" {code}"), tuple(notes), code)


def _marked(rows: Sequence[Row]) -> Iterable[Marked]:
    """One line per contract and cycle, by invoice date; of its subscriptions the worst outcome and the last arrival."""
    order = tuple(OUTCOMES)
    grouped: dict[tuple, list[Row]] = {}
    for row in rows:
        grouped.setdefault((row["contract_id"] or row["subscription_id"], row["cycle_start"]), []).append(row)
    for _, mine in sorted(grouped.items(), key=lambda item: (item[1][0]["invoice_date"], item[0])):
        arrived = [row["arrived_on"] for row in mine if row["arrived_on"]]
        yield Marked(
            label=f"{mine[0]['customer'] or ''} · {mine[0]['contract_id'] or mine[0]['subscription_id']}",
            outcome=min((row["outcome"] for row in mine), key=order.index),
            expected_on=mine[0]["expected_on"],
            arrived_on=max(arrived) if arrived else None,
            invoice_date=mine[0]["invoice_date"],
            is_billed=any(row["outcome"] == BILLED for row in mine) or mine[0]["invoice_status"] in ("Billed", "Paid"),
        )
