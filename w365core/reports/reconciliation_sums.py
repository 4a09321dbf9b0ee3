"""How does a reconciliation add up, and how much of it is left to do? In one currency: the tiles, two identities, and the steps down to what is unexplained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from w365core import money
from w365core.reconciliation import EXPLAINED, ReviewState, Verdict
from w365core.reports import verdict_words, wording
from w365core.reports.headlines import Note, Tile
from w365core.reports.reconciliation_scope import Scope

Row = Mapping[str, Any]
UNEXPLAINED = tuple(verdict for verdict in Verdict if verdict is not Verdict.CONFIRMED and verdict not in EXPLAINED)


@dataclass(frozen=True)
class Part:
    """A term of an identity. `leads` names what the figure is made of: a group of verdicts of this page, or lines of the invoice."""

    label: str
    sign: str
    amount: Decimal
    currency: str
    note: str
    leads: str


@dataclass(frozen=True)
class Flow:
    """How one currency adds up: two identities, and the steps from what was charged down to what is unexplained."""

    currency: str
    header: tuple[Part, ...]
    lines: tuple[Part, ...]
    steps: tuple[tuple[str, Decimal, bool], ...]  # label, amount, whether it is a total


def tiles(sums: Sequence[Row], finding_sums: Sequence[Row], currency: str) -> tuple[Tile, ...]:
    """What is to be done and how much money it is about, in one currency."""
    still = [row for row in sums if row["review_state"] == ReviewState.OPEN]
    odd = [row for row in finding_sums if row["currency"] == currency]
    rows, unknown = count(still), sum(row["unknown"] for row in still)
    lapsed, done, everything = sum(row["lapsed"] for row in still), count(sums) - count(still), count(sums)
    notes = [Note(f"{wording.counted(rows, 'row')} to look at" if rows else "nothing left to do")]
    if unknown:
        notes.append(Note(f"{wording.counted(unknown, 'row')} without a price", is_alarming=True))
    if lapsed:
        notes.append(Note(f"{lapsed:,} open again since {'it' if lapsed == 1 else 'they'} changed", is_alarming=True))
    unbilled = [row for row in still if row["unbilled"]]
    no_rule = [row for row in still if row["verdict"] in UNEXPLAINED]
    confirmed = [row for row in sums if row["verdict"] == Verdict.CONFIRMED]
    return (
        Tile("At risk", wording.rounded(total(still, "money_at_risk"), currency), tuple(notes), currency),
        Tile("Not billed by us yet", wording.rounded(total(still, "unbilled"), currency), (Note(_rows_said(unbilled)),), currency),
        Tile("Without explanation", wording.rounded(total(no_rule, "money_at_risk"), currency), (Note(_rows_said(no_rule)),), currency),
        Tile(
            "Odd lines",
            wording.rounded(total(odd, "amount"), currency),
            (Note(wording.counted(sum(r["findings"] for r in odd), "finding")),),
        ),
        Tile("Done", f"{done:,} of {everything:,}", (Note(f"{count(confirmed):,} confirmed by rule"),), currency),
    )


def flow(sums: Sequence[Row], scope: Scope, currency: str) -> Flow:
    """The two identities of the chosen invoices, and what of their lines is confirmed and explained, one verdict after the other."""
    mine = [one for one in scope.reconciled if one["currency"] == currency]
    named = {name: money.total(one[name] for one in mine) for name in ("header", "lines", "usage", "tax", "rounding", "overridden")}
    named |= {name: money.total(one[name] for one in mine) for name in ("confirmed", "explained", "unexplained")}
    counted = wording.counted(len(mine), "invoice")
    header = [
        Part("Header", "", named["header"], currency, counted, "header"),
        Part("Lines", "=", named["lines"], currency, wording.counted(sum(one["license_lines"] for one in mine), "license line"), "lines"),
        Part("Usage", "+", named["usage"], currency, wording.counted(sum(one["usage_lines"] for one in mine), "usage line"), "usage"),
        Part("Tax", "+", named["tax"], currency, "lines with tax", "tax"),
        Part("Rounding", "+", named["rounding"], currency, "within the tolerance", "rounding"),
    ]
    if named["overridden"]:
        header.append(Part("Overridden", "+", named["overridden"], currency, "let pass by a person", "rounding"))

    def rows(*verdicts: str) -> str:
        return wording.counted(count([row for row in sums if row["verdict"] in verdicts]), "row")

    lines = (
        Part("Lines", "", named["lines"], currency, rows(*Verdict), "all"),
        Part("Confirmed", "=", named["confirmed"], currency, rows(Verdict.CONFIRMED), "confirmed"),
        Part("Explained", "+", named["explained"], currency, rows(*EXPLAINED), "explained"),
        Part("Unexplained", "+", named["unexplained"], currency, rows(*UNEXPLAINED), "unexplained"),
    )
    by_verdict = {verdict: total([row for row in sums if row["verdict"] == verdict], "subtotal") for verdict in Verdict}
    steps = [("Lines charged", named["lines"], True), ("Confirmed", by_verdict[Verdict.CONFIRMED].copy_negate(), False)]
    steps += [(verdict_words.LABELS[verdict], by_verdict[verdict].copy_negate(), False) for verdict in EXPLAINED if by_verdict[verdict]]
    return Flow(currency, tuple(header), lines, (*steps, ("Unexplained", named["unexplained"], True)))


def _rows_said(rows: Sequence[Row]) -> str:
    return wording.counted(count(rows), "row") if rows else "nothing"


def count(rows: Sequence[Row]) -> int:
    """How many rows these sums are of."""
    return sum(row["rows"] for row in rows)


def total(rows: Sequence[Row], name: str) -> Decimal:
    """The exact sum of one amount."""
    return money.total(row[name] for row in rows)
