"""How is one row of a diagnosis said? Outcomes and causes in words, what its button starts, its money, and why in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from w365core import money
from w365core.reports import wording

Row = Mapping[str, Any]
BLOCKED, LATE, READY, NOT_DUE, BILLED, ZERO = ("blocked", "late_bills_next_cycle", "ready", "not_due_yet", "billed", "zero_by_nature")
OUTCOMES = {
    BLOCKED: "Blocked",
    LATE: "Late, next cycle",
    READY: "Ready to bill",
    NOT_DUE: "Not due yet",
    BILLED: "Billed",
    ZERO: "No usage",
}
CAUSES = {
    "provider_has_no_usage": "The provider brings no usage",
    "not_published": "Not published yet",
    "not_pulled": "Published, not fetched",
    "populating": "Waits to be activated",
    "unresolved_references": "A reference is missing",
    "checksum_failed": "Its sums do not agree",
    "zero_invoice": "An invoice without usage",
    "deactivated": "The invoice is deactivated",
    "no_usage_rows": "No usage of this subscription",
    "archived_or_invoiced": "Invoiced or archived",
    "unconfirmed": "Only unconfirmed usage",
    "markup_missing": "The markup is blank",
    "markup_changed_after_import": "The markup was changed after the import",
    "arrived_after_invoice_date": "Arrived after the invoice date",
    "invoice_total_zero": "The customer's invoice comes to 0",
    "contract_not_billable": "The contract cannot be billed",
}
SYNC, INVOICE, REFERENCES, MARKUP, BILL = "sync", "invoice", "references", "markup", "bill"  # what a button starts
_STARTS = {
    "provider_has_no_usage": (INVOICE, "Import its file"),
    "not_published": (SYNC, "Sync"),
    "not_pulled": (SYNC, "Sync"),
    "populating": (INVOICE, "Activate"),
    "unresolved_references": (REFERENCES, "Map it"),
    "checksum_failed": (INVOICE, "Open the invoice"),
    "zero_invoice": (INVOICE, "Open the invoice"),
    "deactivated": (INVOICE, "Open the invoice"),
    "markup_missing": (MARKUP, "Set the markup"),
    "unconfirmed": (SYNC, "Sync"),
}
_BILLS = (READY, LATE)
_BEFORE_A_COMMAND = re.compile(r"[\s:;,(]*(\b(or|and|then))?[\s:;,(]*$")


@dataclass(frozen=True)
class Start:
    """What a button starts: which of the pages or the queue, what it says, and what about."""

    what: str
    label: str
    provider: str | None = None
    document: str | None = None
    invoice_id: int | None = None
    contract_id: str | None = None
    subscription_ids: tuple[str, ...] = ()


def told(row: Row) -> Row:
    """The row with what a table shows beside it. `told_by` is the cause that its sentence speaks of."""
    codes = [cause["code"] for cause in row["causes"]]
    speaks = [cause["code"] for cause in row["causes"] if cause["evidence"] == row["sentence"]]
    told_by = speaks[0] if speaks else row["headline"] or (codes[-1] if codes else None)
    at_risk = None if row["outcome"] in (BILLED, ZERO) else row["amount_at_risk"] or None
    more = {
        "said": OUTCOMES[row["outcome"]],
        "cause": CAUSES.get(told_by or "", ""),
        "codes": ", ".join(codes),
        "at_risk": at_risk,
        "told_by": told_by,
    }
    return {**row, **more, "outcome": str(row["outcome"]), "billed_amount": row["billed_amount"] or None}


def check_of(row: Row, code: str) -> Row:
    return next(checked for checked in row["checks"] if checked["code"] == code)


def at_risk(rows: Iterable[Row]) -> tuple[dict[str, Decimal], bool]:
    """By currency what is unbilled, and whether any of it is at cost."""
    sums: dict[str, Decimal] = {}
    at_cost = False
    for row in rows:
        code = row["currency"] or ""
        cost = row["cost_at_risk"] or money.ZERO
        at_cost = at_cost or bool(cost)
        sums[code] = money.total((sums.get(code, money.ZERO), row["amount_at_risk"], cost))
    return dict(sorted(sums.items(), key=lambda item: (-item[1].copy_abs(), item[0]))), at_cost


def start_of(row: Row) -> Start | None:
    """The button of one row."""
    if row["outcome"] in _BILLS:
        label = "Bill" if row["invoice_number"] is None else "Regenerate" if row["outcome"] == READY else "See the invoice"
        return Start(BILL, label, document=row["invoice_number"], contract_id=row["contract_id"])
    if row["outcome"] != BLOCKED or row["told_by"] not in _STARTS:
        return None
    what, label = _STARTS[row["told_by"]]
    checked = check_of(row, row["told_by"])
    return Start(what, label, row["provider"], checked["document"], checked["invoice_id"], row["contract_id"], (row["subscription_id"],))


def money_said(row: Row) -> str:
    """What is at risk of a row; what has no selling amount yet is said to be cost."""
    sums, at_cost = at_risk([row])
    if row["outcome"] == BILLED:
        return wording.rounded(row["billed_amount"], row["currency"] or "")
    return sums_said(sums) + (" at cost" if at_cost else "") if any(sums.values()) else wording.ABSENT


def brief(row: Row) -> str:
    """The first sentence of why; the whole stands with its checks."""
    first, end, _ = _without_own_share(row["sentence"]).partition(". ")
    return f"{first}." if end else first


def without_commands(fix: str) -> str:
    """What to do in plain words; the commands stand with the checks and in the table."""
    return _BEFORE_A_COMMAND.sub("", fix.partition("`")[0]) if "`" in fix else fix


def cycle_said(row: Row) -> str:
    """usage of Oct 2026, or its days where the cycle is no calendar month."""
    start, end = row["cycle_start"], row["cycle_end"]
    is_month = start.day == 1 and (end + timedelta(days=1)).day == 1 and (start.year, start.month) == (end.year, end.month)
    return f"usage of {wording.month(f'{start:%Y-%m}')}" if is_month else f"usage of {wording.day(start)} to {wording.day(end)}"


def sums_said(sums: Mapping[str, Decimal]) -> str:
    return " + ".join(wording.rounded(value, code) for code, value in sums.items() if value) or wording.ABSENT


def how_many(rows: Sequence[Row]) -> str:
    contracts = len({row["contract_id"] for row in rows})
    return f"{wording.counted(len(rows), 'subscription')} of {wording.counted(contracts, 'contract')}"


def in_base(sums: Mapping[str, Decimal], rates: Mapping[str, Decimal]) -> Decimal:
    """Its size for an order; a currency without a rate is measured as if it were base."""
    return money.total(money.EXACT.multiply(value.copy_abs(), rates.get(code.upper(), Decimal(1))) for code, value in sums.items())


def _without_own_share(sentence: str) -> str:
    """What is said of several subscriptions: not how much of it is the first one's."""
    return sentence.partition(" It holds up ")[0]
