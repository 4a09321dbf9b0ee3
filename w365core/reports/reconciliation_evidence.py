"""Why does the provider's quantity differ from ours on one row? Its lines, both seat histories with the window between them, and every change log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.reconciliation import EXPLAINED, Verdict
from w365core.reports import decision_words, price_history, reconciliation, verdict_words, wording
from w365core.reports.reconciliation import Finding, Wanted
from w365core.reports.reconciliation_scope import Scope
from w365core.reports.reconciliation_tables import CHANGE_LOGS, LINES, WINDOWS
from w365core.reports.tables import Table
from w365core.store import across_months, decided, odd_lines, reconciled, reconciled_lines

Row = Mapping[str, Any]
_DAYS_BEFORE = 120  # so much of the history is drawn before the window


@dataclass(frozen=True)
class Step:
    """From this day on so many seats; None where nobody says how many."""

    day: date
    seats: Decimal | None
    why: str = ""


@dataclass(frozen=True)
class History:
    """Both sides as steps, oldest first, and the window and the day that the provider counted on. `ends` is the last day drawn."""

    ours: tuple[Step, ...]
    theirs: tuple[Step, ...]
    window: tuple[date, date] | None
    snapshot: date | None
    begins: date
    ends: date


@dataclass(frozen=True)
class Evidence:
    """One row, opened. `before` and `after` are its neighbours in the worklist, `(run, line id)`."""

    row: Row
    invoice: Row
    provider: str
    decisions: tuple[str, ...]  # the newest first
    sentence: str
    step: str
    more: tuple[str, ...]
    figures: tuple[tuple[str, str, str], ...]
    history: History | None
    change_logs: Table
    lines: Table
    windows: Table
    findings: tuple[Finding, ...]
    subscription: Row | None
    place: int
    rows: int
    before: tuple[int, str] | None
    after: tuple[int, str] | None

    @property
    def customer(self) -> str:
        row = self.row
        return row["customer"] or row["account_id"] or row["provider_customer_id"] or "No customer"

    @property
    def product(self) -> str:
        return self.row["product_name"] or self.row["subscription_name"] or self.row["product_id"] or "No product"


def load(connection: Connection, scope: Scope, wanted: Wanted, *, run: int, line_id: str) -> Evidence | None:
    """The row of that name with its evidence; None where the run has none, or is not the latest of its invoice any more."""
    invoice = scope.of_run(run)
    row = reconciled.row(connection, run, line_id) if invoice is not None else None
    if invoice is None or row is None:
        return None
    whose = row["subscription_id"]
    return build(
        row,
        invoice,
        logs=reconciled.change_logs(connection, [(run, line_id)])[run, line_id],
        all_logs=reconciled.all_change_logs(connection, whose) if whose else (),
        windows=reconciled.windows(connection, whose) if whose else (),
        lines=reconciled_lines.lines_of(connection, invoice["provider_invoice_id"], row),
        findings=odd_lines.of_runs(connection, [run], line_id=line_id, most=50),
        subscription=reconciled.subscription(connection, whose) if whose else None,
        beside=reconciled.beside(connection, scope.runs, wanted.rows, run=run, line_id=line_id),
        months=across_months.of_run(connection, run, lines=[line_id]).get(line_id, across_months.NEW),
        provider=scope.provider_of(run),
        decisions=decided.of_row(connection, provider=row["provider"], invoice_number=row["invoice_number"], line_id=line_id),
    )


def build(
    row: Row,
    invoice: Row,
    *,
    logs: Sequence[Row],
    all_logs: Sequence[Row],
    windows: Sequence[Row],
    lines: Sequence[Row],
    findings: Sequence[Row],
    subscription: Row | None,
    beside: Row,
    months: Row,
    provider: str,
    decisions: Sequence[Row] = (),
) -> Evidence:
    """`logs` are those of the run, `all_logs` those that our records have now; a log of the run that is gone since is shown all the same."""
    return Evidence(
        row=row,
        invoice=invoice,
        provider=provider,
        decisions=tuple(decision_words.sentence(one) for one in decisions),
        sentence=verdict_words.sentence(row, logs, provider=provider),
        step=verdict_words.STEPS[row["verdict"]],
        more=_more(row, months, provider, price_history.sentence(row, all_logs, subscription)),
        figures=_figures(row, provider),
        history=_history(row, all_logs or logs, windows),
        change_logs=Table("change logs", CHANGE_LOGS, _logs(row, logs, all_logs)),
        lines=Table("provider lines", LINES, lines),
        windows=Table("other invoices", WINDOWS, [_window(one) for one in windows]),
        findings=tuple(reconciliation.finding(one) for one in findings),
        subscription=subscription,
        place=beside.get("place") or 0,
        rows=beside.get("rows") or 0,
        before=_neighbour(beside, "before"),
        after=_neighbour(beside, "after"),
    )


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _window(one: Row) -> dict[str, Any]:
    """Another window of the subscription. Where both sides agreed on the day that the provider counted, what differs now is changes since."""
    now, then, theirs = one["our_quantity"], one["our_quantity_then"], one["provider_quantity"]
    since = theirs is not None and then == theirs and now != theirs
    return {**one, "verdict_label": verdict_words.LABELS[one["verdict"]], "then_label": "agreed; changed later" if since else ""}


def _neighbour(beside: Row, which: str) -> tuple[int, str] | None:
    run = beside.get(f"run_{which}")
    return None if run is None else (run, beside[f"line_{which}"])


def _more(row: Row, months: Row, provider: str, prices: str | None) -> tuple[str, ...]:
    """What else is to be said of it: the fit, the price, how long it has lasted, what it was decided on."""
    return tuple(
        said
        for said in (
            verdict_words.lapsed_sentence(row),
            verdict_words.fit_sentence(row, provider=provider),
            lasting(months, row["currency"], is_explained=row["verdict"] in EXPLAINED),
            _three_ways(row, provider),
            verdict_words.price_sentence(row),
            prices,
        )
        if said
    )


def lasting(months: Row, currency: str, *, is_explained: bool = False) -> str | None:
    """Third month in a row and what that comes to so far, or that the provider has paid it back; None in the first month.

    What is explained by a later change was no difference in the months before that change, so that nothing is counted of it.
    """
    if months["is_closed"]:
        return f"Paid back by the provider on {', '.join(months['repaid_by'])}: {wording.rounded(months['repaid'], currency)}."
    said = []
    if months["months"] > 1 and not is_explained:
        ordinal = wording.ordinal(months["months"]).capitalize()
        so_far = f", {wording.rounded(months['so_far'], currency)} so far" if months["so_far"] is not None else ""
        said.append(f"{ordinal} month in a row{so_far}.")
    if months["repaid"]:
        said.append(f"{wording.rounded(months['repaid'], currency)} of it were paid back on {', '.join(months['repaid_by'])}.")
    return " ".join(said) or None


def _three_ways(row: Row, provider: str) -> str | None:
    """What the provider says today, where it is known."""
    now = row["provider_quantity_now"]
    if now is None:
        return None
    if now == row["our_quantity"]:
        return f"{provider} says {wording.digits(now)} today, as we do: only this invoice differs."
    return f"{provider} says {wording.digits(now)} today, we have {wording.digits(row['our_quantity'])}: the difference goes on."


def _figures(row: Row, provider: str) -> tuple[tuple[str, str, str], ...]:
    """Label, value and what is under it: both sides of the row."""
    difference = row["quantity_difference"]
    sign = "+" if difference is not None and difference > 0 else ""
    return (
        (f"{provider} charged", wording.digits(row["provider_quantity"]), f"counted on {wording.day(row['snapshot'])}"),
        ("Ours on that day", wording.digits(row["our_quantity_then"]), "by our change logs"),
        ("Ours now", wording.digits(row["our_quantity"]), "by our subscription"),
        ("Difference", f"{sign}{wording.digits(difference)}", f"{provider} less ours now"),
        ("Left over", wording.digits(row["residual"]), "that no change explains"),
        (
            "At risk",
            wording.rounded(row["money_at_risk"], row["currency"]),
            f"of {wording.rounded(row['subtotal'], row['currency'])} charged",
        ),
    )


def _logs(row: Row, logs: Sequence[Row], all_logs: Sequence[Row]) -> list[dict[str, Any]]:
    """Every change log with what the run says of it, oldest first, with our seats after each."""
    said = {log["change_log_id"]: log for log in logs}
    known = {log["change_log_id"] for log in all_logs}
    whole = [*all_logs, *(log for log in logs if log["change_log_id"] not in known)]
    whole.sort(key=lambda log: (log["effective_date"] or date.min, log["change_log_id"]))
    rows, after = [], money.ZERO
    for log in whole:
        after = money.EXACT.add(after, log["quantity"] or money.ZERO)
        mine = said.get(log["change_log_id"])
        worth = mine["worth"] if mine else None
        rows.append(
            {
                **log, "after": after, "worth": worth, "currency": (mine["worth_currency"] if mine else None) or row["currency"],
                "part": _counted(row, mine),
                "billing_label": _billing(log, mine),
            }
        )  # fmt: skip
    return rows


def _counted(row: Row, mine: Row | None) -> str:
    """Whether the provider's quantity counts the log. A run lists at least those that it does not; of a row that no view fits nobody knows."""
    if mine is not None:
        return "no" if mine["outside"] else "yes"
    return "yes" if row["verdict"] in (*EXPLAINED, Verdict.PARTLY_EXPLAINED) else ""


def _billing(log: Row, mine: Row | None) -> str:
    if mine and mine["billing"]:
        return verdict_words.BILLING[mine["billing"]]
    code = "invoiced" if log["invoice_number"] else "excluded" if log["status_reason"] == "Archived" else "not_invoiced"
    return verdict_words.BILLING[code]


def _history(row: Row, logs: Sequence[Row], windows: Sequence[Row]) -> History | None:
    """Both sides as steps; None where neither is known."""
    dated = [log for log in logs if log["effective_date"] is not None and log["quantity"] is not None]
    ours, after = [], money.ZERO
    for log in sorted(dated, key=lambda one: (one["effective_date"], one["change_log_id"])):
        after = money.EXACT.add(after, log["quantity"])
        who = f" by {log['initiated_by']}" if log["initiated_by"] else ""
        ours.append(
            Step(
                log["effective_date"], after, f"{verdict_words.changed(log)}{who}, {log['provisioning_status'] or 'no provisioning status'}"
            )
        )
    theirs: list[Step] = []
    for one in windows:
        if one["charge_start"] is None or one["provider_quantity"] is None:
            continue
        if theirs and theirs[-1].seats is None and theirs[-1].day >= one["charge_start"]:
            del theirs[-2:]  # one window follows on the other: one line
        theirs.append(Step(one["charge_start"], one["provider_quantity"], f"invoice {one['invoice_number']}"))
        if one["charge_end"] is not None:
            theirs.append(Step(one["charge_end"] + timedelta(days=1), one["provider_quantity"], "end of the charge window"))
            theirs.append(Step(one["charge_end"] + timedelta(days=1), None))
    days = [step.day for step in (*ours, *theirs)] + [one for one in (row["charge_start"], row["charge_end"], row["snapshot"]) if one]
    if not ours and not theirs or not days:
        return None
    window = (row["charge_start"], row["charge_end"]) if row["charge_start"] and row["charge_end"] else None
    begins = max(min(days), (window[0] if window else max(days)) - timedelta(days=_DAYS_BEFORE))
    return History(tuple(ours), tuple(theirs), window, row["snapshot"], begins, max(days) + timedelta(days=7))
