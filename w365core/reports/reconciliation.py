"""What of the provider's invoices needs looking at, why, and how much money is it about? The worklist of a reconciliation and how it adds up.

Rows stand by money at risk, the biggest first, each with a sentence in place of its verdict. Currencies are never added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.reconciliation import EXPLAINED, ReviewState, Verdict
from w365core.reports import finding_words, reconciliation_scope, reconciliation_sums, verdict_words, wording
from w365core.reports.headlines import Tile
from w365core.reports.reconciliation_scope import Scope
from w365core.reports.reconciliation_sums import UNEXPLAINED, Flow, Part
from w365core.reports.reconciliation_tables import FINDINGS, GROUPS
from w365core.reports.tables import Table
from w365core.store import across_months, odd_lines, reconciled
from w365core.store.reconciled import RowFilter

__all__ = ["UNEXPLAINED", "Finding", "Flow", "Group", "Item", "Part", "Reconciliation", "RowFilter", "Wanted", "build", "load"]

Row = Mapping[str, Any]
PAGE = 12


@dataclass(frozen=True)
class Wanted:
    """Which invoice or month, which rows of it, grouped by what, and which page of them."""

    invoice_id: int | None = None
    month: str | None = None
    rows: RowFilter = RowFilter(states=(ReviewState.OPEN,))
    by: str | None = None
    page: int = 0


@dataclass(frozen=True)
class Item:
    """One row of the worklist."""

    run: int
    line_id: str
    customer: str
    product: str
    window: str
    verdict: str
    label: str
    sentence: str
    step: str
    money: str
    small_print: str
    state: str
    assigned_to: str | None
    lapsed: str | None


@dataclass(frozen=True)
class Group:
    """Like rows together: `key` is what the filter takes."""

    by: str
    key: str
    name: str
    currency: str
    rows: int
    open_rows: int
    money: Decimal

    @property
    def said(self) -> str:
        done = self.rows - self.open_rows
        return (
            f"{wording.counted(self.rows, 'row')}{f', {done:,} of them done' if done and self.open_rows else ', all done' if done else ''}"
        )


@dataclass(frozen=True)
class Finding:
    """What is odd about single lines."""

    run: int | None
    line_id: str | None
    label: str
    whose: str
    sentence: str
    money: str
    is_closed: bool  # the provider has paid it back


@dataclass(frozen=True)
class Reconciliation:
    """The page."""

    scope: Scope
    tiles: tuple[tuple[Tile, ...], ...]
    items: tuple[Item, ...]
    groups: tuple[Group, ...]
    groups_table: Table
    matching: tuple[Row, ...]  # rows that the filter finds and their money at risk, by currency
    page: int
    flows: tuple[Flow, ...]
    findings: tuple[Finding, ...]
    findings_table: Table
    open_rows: int
    confirmed_rows: int
    all_rows: int
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def found(self) -> int:
        return sum(row["rows"] for row in self.matching)

    @property
    def found_money(self) -> str:
        return wording.sums((money.in_currency(row["money_at_risk"], row["currency"]), row["currency"]) for row in self.matching)

    @property
    def pages(self) -> int:
        return -(-self.found // PAGE)


def load(connection: Connection, wanted: Wanted, *, scope: Scope | None = None) -> Reconciliation:
    """The page of what is wanted."""
    scope = scope or reconciliation_scope.load(connection, invoice_id=wanted.invoice_id, month=wanted.month)
    runs = scope.runs
    if not runs:
        return build(scope, wanted, sums=(), matching=(), rows=(), logs={}, months={}, groups=(), findings=(), finding_sums=(), choices={})
    sums = reconciled.sums(connection, runs)
    only_states = wanted.rows == RowFilter(states=wanted.rows.states)
    matching = _matching(sums, wanted.rows.states) if only_states else reconciled.count(connection, runs, wanted.rows)
    rows = [] if wanted.by else reconciled.page(connection, runs, wanted.rows, offset=wanted.page * PAGE, most=PAGE)
    return build(
        scope,
        wanted,
        sums=sums,
        matching=matching,
        rows=rows,
        logs=reconciled.change_logs(connection, [(row["reconciliation_id"], row["line_id"]) for row in rows]),
        groups=reconciled.groups(connection, runs, wanted.rows, by=wanted.by) if wanted.by else (),
        months=_months(connection, rows),
        findings=odd_lines.of_runs(connection, runs, most=200),
        finding_sums=odd_lines.sums(connection, runs),
        choices={
            **_choices(reconciled.choices(connection, runs, RowFilter(states=wanted.rows.states))),
            "assignees": {name: name for name in reconciled.assignees(connection, runs)},
        },
    )


def build(
    scope: Scope,
    wanted: Wanted,
    *,
    sums: Sequence[Row],
    matching: Sequence[Row],
    rows: Sequence[Row],
    logs: Mapping[tuple[int, str], Sequence[Row]],
    months: Mapping[tuple[int, str], Row],
    groups: Sequence[Row],
    findings: Sequence[Row],
    finding_sums: Sequence[Row],
    choices: Mapping[str, Mapping[str, str]],
) -> Reconciliation:
    """Out of what the store says of the chosen runs. `sums` are of all their rows, whatever the filter; the rest is of the rows that are wanted."""
    currencies = sorted({row["currency"] for row in sums} | {one["currency"] for one in scope.reconciled}, key=_weight(scope))
    grouped = tuple(_group(wanted.by, row, scope) for row in groups) if wanted.by else ()
    return Reconciliation(
        scope=scope,
        tiles=tuple(reconciliation_sums.tiles([row for row in sums if row["currency"] == code], finding_sums, code) for code in currencies),
        items=tuple(_item(row, logs.get(_named(row), ()), months.get(_named(row), across_months.NEW), scope) for row in rows),
        groups=grouped,
        groups_table=Table(f"reconciliation by {wanted.by}", GROUPS, [vars(one) for one in grouped]),
        matching=tuple(matching),
        page=wanted.page,
        flows=tuple(reconciliation_sums.flow([row for row in sums if row["currency"] == code], scope, code) for code in currencies),
        findings=tuple(finding(row) for row in findings),
        findings_table=Table("reconciliation findings", FINDINGS, [_finding_row(row) for row in findings]),
        open_rows=sum(row["rows"] for row in sums if row["review_state"] == ReviewState.OPEN),
        confirmed_rows=sum(row["rows"] for row in sums if row["verdict"] == Verdict.CONFIRMED),
        all_rows=sum(row["rows"] for row in sums),
        choices=choices,
    )


# --- the worklist ------------------------------------------------------------------------------------------------------------------------


def _matching(sums: Sequence[Row], states: Sequence[str]) -> list[Row]:
    """What `count` would say of a filter that chooses no more than states: it is in the sums already."""
    mine = [row for row in sums if not states or row["review_state"] in states]
    names, found = ("money_at_risk", "subtotal"), []
    for code in dict.fromkeys(row["currency"] for row in mine):
        same = [row for row in mine if row["currency"] == code]
        found.append(
            {"currency": code, "rows": reconciliation_sums.count(same), **{name: reconciliation_sums.total(same, name) for name in names}}
        )
    return sorted(found, key=lambda row: row["currency"])


def _item(row: Row, logs: Sequence[Row], months: Row, scope: Scope) -> Item:
    provider = scope.provider_of(row["reconciliation_id"])
    return Item(
        run=row["reconciliation_id"],
        line_id=row["line_id"],
        customer=row["customer"] or row["account_id"] or row["provider_customer_id"] or "No customer",
        product=row["product_name"] or row["subscription_name"] or row["product_id"] or "No product",
        window=window_said(row) if scope.is_one else f"{window_said(row)} · {row['invoice_number']}",
        verdict=row["verdict"],
        label=verdict_words.LABELS[row["verdict"]],
        sentence=verdict_words.sentence(row, logs, provider=provider),
        step=verdict_words.STEPS[row["verdict"]],
        money=wording.rounded(row["money_at_risk"], row["currency"]) if row["money_at_risk"] is not None else "price unknown",
        small_print=_small_print(row, months),
        state=row["review_state"],
        assigned_to=row["assigned_to"],
        lapsed=verdict_words.lapsed_sentence(row),
    )


def window_said(row: Row) -> str:
    """Mar 2026 where it is a whole month, else 5 Mar 2026 to 4 Apr 2026."""
    if row["charge_start"] is None and row["charge_end"] is None:
        return "no charge window" if row["verdict"] != Verdict.NOT_ON_INVOICE else "no line"
    start, end = row["charge_start"], row["charge_end"]
    if start and end and start.day == 1 and (end + timedelta(days=1)).day == 1 and f"{start:%Y-%m}" == f"{end:%Y-%m}":
        return wording.month(f"{start:%Y-%m}")
    return f"{wording.day(start)} to {wording.day(end)}"


def _named(row: Row) -> tuple[int, str]:
    return row["reconciliation_id"], row["line_id"]


def _months(connection: Connection, rows: Sequence[Row]) -> dict[tuple[int, str], Row]:
    """How long each of the rows has gone on."""
    by_run: dict[int, list[str]] = {}
    for row in rows:
        by_run.setdefault(row["reconciliation_id"], []).append(row["line_id"])
    return {(run, line): said for run, lines in by_run.items() for line, said in across_months.of_run(connection, run, lines=lines).items()}


def _small_print(row: Row, months: Row) -> str:
    """Whose decision, where there is one; else how long it has gone on, or what the line costs."""
    if row["review_state"] == ReviewState.ACCEPTED:
        return f"accepted by {row['reviewed_by']}"
    if row["review_state"] == ReviewState.CONFIRMED:
        return "confirmed by rule" if row["verdict"] == Verdict.CONFIRMED else f"confirmed by {row['reviewed_by']}"
    if months["is_closed"]:
        return "paid back by the provider"
    if months["months"] > 1 and months["so_far"] and row["verdict"] not in EXPLAINED:
        return f"{wording.ordinal(months['months'])} month, {wording.rounded(months['so_far'], row['currency'])} so far"
    return f"of {wording.rounded(row['subtotal'], row['currency'])} charged" if row["subtotal"] is not None else "nothing charged"


def _group(by: str, row: Row, scope: Scope) -> Group:
    name = verdict_words.LABELS[row["key"]] if by == "verdict" else row["name"] or row["key"] or f"No {by}"
    return Group(by, row["key"], name, row["currency"], row["rows"], row["open_rows"], row["money_at_risk"])


def _choices(found: Sequence[Row]) -> dict[str, dict[str, str]]:
    """What can be filtered by, each with how many rows it has in the view (to do, or all)."""
    named: dict[str, dict[str, str]] = {"customers": {}, "products": {}, "verdicts": {}}
    for row in found:
        name = verdict_words.LABELS[row["key"]] if row["by"] == "verdicts" else row["name"] or row["key"] or f"No {row['by'][:-1]}"
        named[row["by"]][row["key"]] = f"{name} ({row['rows']:,})"
    return named


def _paid_back(row: Row) -> str:
    if not row["repaid"]:
        return ""
    return f" Paid back on {', '.join(row['repaid_by'])}: {wording.rounded(row['repaid'], row['currency'] or '')}."


def finding(row: Row) -> Finding:
    """A finding in words."""
    whose = " · ".join(one for one in (row.get("customer"), row.get("product_name")) if one) or "the invoice's usage"
    return Finding(
        row.get("reconciliation_id"),
        row["line_id"],
        f"{finding_words.LABELS[row['kind']]}{', paid back' if row['is_closed'] else ''}",
        whose,
        finding_words.sentence(row) + _paid_back(row),
        wording.rounded(row["amount"], row["currency"] or "") if row["amount"] is not None else wording.ABSENT,
        row["is_closed"],
    )


def _finding_row(row: Row) -> dict[str, Any]:
    return {**row, "label": finding_words.LABELS[row["kind"]], "reason": finding_words.sentence(row)}


def _weight(scope: Scope):
    rows = {code: sum(one["rows"] or 0 for one in scope.reconciled if one["currency"] == code) for code in scope.currencies}
    return lambda code: (-rows.get(code, 0), code)
