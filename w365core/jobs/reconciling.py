"""How is a provider invoice held against our records? Read whole, worked out bucket by bucket, kept as a run, and told with what people decided of it.

An invoice in Error is worked out from its staged lines, as a preview that is not kept. Where nothing that goes in has changed since the last run, that
run is the answer again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from w365core import money
from w365core.errors import CallRefused, StoreUnavailable, W365Error
from w365core.frames import Column, Kind
from w365core.jobs import closing
from w365core.jobs.context import Context
from w365core.jobs.two_at_once import two_at_once
from w365core.model import StatusReason
from w365core.reconciliation import EXPLANATION, FINDING, ROW, ReviewState, Verdict
from w365core.store import (
    across_months,
    charged_elsewhere,
    ledger,
    odd_lines,
    odd_usage,
    queries,
    reconciliation_inputs as inputs,
    reconciliation_reviews as reviews,
    reconciliations as store,
    stage,
)
from w365core.store.engine import guarded
from w365core.store.reconciliation_inputs import Inputs
from w365core.store.reconciliations import Run

if TYPE_CHECKING:
    from w365core.kernels.reconcile import Reconciled

RULES = 3  # which rules a run was worked out by: another number makes every run a new one
KEPT = ("Active", "Active Usage", "Populating")
_MOST_NAMED = 5
_UNPAID = {"repaid": None, "repaid_by": [], "is_closed": False}  # a finding of a preview
_INPUTS = {
    "rules": "the rules",
    "header": "the invoice's header",
    "lines": "its license lines",
    "subscriptions": "our subscriptions",
    "change_logs": "our license change logs",
    "usage": "what its usage and earlier invoices say",
}


@dataclass(frozen=True)
class Changed:
    """What is other than in the run before: which inputs, and the subscriptions of ours whose rows may differ for it."""

    inputs: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Blank where nothing has changed."""
        if not self.inputs:
            return ""
        named = ", ".join(self.subscriptions[:_MOST_NAMED])
        more = f" and {len(self.subscriptions) - _MOST_NAMED:,} more" if len(self.subscriptions) > _MOST_NAMED else ""
        whose = f" Rows of {named}{more} may differ." if self.subscriptions else ""
        return f"Since the last run {', '.join(_INPUTS[name] for name in self.inputs)} changed.{whose}"


@dataclass(frozen=True)
class Reconciliation:
    """What came out. `rows` are the worklist, the biggest money at risk first, each with its review and its change logs; `run_id` is None for a preview,
    which is not kept. `is_new` where it was worked out now, and not found again."""

    provider: str
    invoice: str
    currency: str
    run_id: int | None
    is_new: bool
    message: str
    totals: Mapping[str, Decimal | None]
    rows: Sequence[Mapping[str, Any]]
    findings: Sequence[Mapping[str, Any]]
    changed: Changed = field(default_factory=Changed)
    sign_off: Mapping[str, Any] | None = None

    @property
    def is_preview(self) -> bool:
        return self.run_id is None

    @property
    def open_rows(self) -> int:
        return sum(row["review_state"] == ReviewState.OPEN for row in self.rows)

    @property
    def exit_code(self) -> int:
        """1 while something is open or odd, or the invoice is in Error."""
        return 1 if self.is_preview or self.open_rows or any(not one["is_closed"] for one in self.findings) else 0


@dataclass(frozen=True)
class Kept:
    """The short answer of a job: which run, whether it is new, and what is left to do."""

    run_id: int | None
    is_new: bool
    rows: int
    sentence: str


def reconcile(context: Context, *, provider_name: str | None, invoice_number: str) -> Reconciliation:
    """Reconciles the invoice and returns all of it. CallRefused where there is none, or it is being imported."""
    with guarded():
        invoice = ledger.named(context.engine, provider_name=provider_name, invoice_number=invoice_number)
        with store.alone(context.engine, provider=invoice.provider, invoice_number=invoice.invoice_number):
            invoice = ledger.named(context.engine, provider_name=invoice.provider, invoice_number=invoice.invoice_number)
            if invoice.status_reason not in KEPT:
                return _preview(context, invoice)
            run_id, is_new, changed = _run(context, invoice)
        with context.engine.connect() as connection:
            return _told(connection, invoice, run_id, is_new=is_new, changed=changed)


def carry_out(context: Context, *, provider_name: str | None, invoice_number: str) -> Kept:
    """The same for a job that nobody reads the rows of: an Active invoice's run is kept, and a sentence says what there is to do."""
    with guarded():
        invoice = ledger.named(context.engine, provider_name=provider_name, invoice_number=invoice_number)
        if invoice.status_reason not in KEPT:
            raise CallRefused(
                f"Invoice {invoice.invoice_number} is {invoice.state}/{invoice.status_reason}, so nothing of it is kept; `reconcile --invoice "
                f"{invoice.invoice_number}` shows a preview of its staged lines."
            )
        with store.alone(context.engine, provider=invoice.provider, invoice_number=invoice.invoice_number):
            run_id, is_new, changed = _run(context, invoice)
        with context.engine.connect() as connection:
            found = reviews.open_of(connection, run_id)
            rows = store.latest(connection, provider=invoice.provider, invoice_number=invoice.invoice_number).rows
    said = " ".join(filter(None, [f"Invoice {invoice.invoice_number}: {_todo(found, rows, invoice.currency)}", changed.sentence]))
    return Kept(run_id, is_new, rows, said)


def _todo(still: reviews.Counted, rows: int, currency: str) -> str:
    """What there is left to do, in a sentence."""
    if still.rows:
        are = "is" if still.rows == 1 else "are"
        return f"{still.rows:,} of {rows:,} rows {are} open, {money.in_currency(still.money_at_risk, currency):,f} {currency} at risk."
    if not rows:
        return "It has no license lines: nothing was confirmed."
    return "Its one row is settled." if rows == 1 else f"All {rows:,} rows are settled."


def after_import(context: Context, *, provider: str, invoice_number: str) -> str:
    """Reconciles an invoice that has just become Active, where it has license lines; what went wrong as a sentence, which fails no import."""
    try:
        invoice = ledger.find(context.engine, provider_name=provider, invoice_number=invoice_number)
        if invoice is not None and invoice.status_reason == StatusReason.ACTIVE and invoice.license_lines:
            carry_out(context.uncounted(), provider_name=provider, invoice_number=invoice_number)
    except StoreUnavailable:
        raise
    except W365Error as error:
        said = f"{invoice_number} is in, but was not reconciled: {error}"
        context.report(said)
        return said
    return ""


def reconcile_every(context: Context) -> int:
    """Reconciles every Active invoice with license lines, oldest first; returns how many."""
    with guarded(), context.engine.connect() as connection:
        found = queries.provider_invoices(connection, queries.InvoiceFilter())
    wanted = [row for row in found if row["status_reason"] in KEPT and row["license_lines"]]
    for place, row in enumerate(sorted(wanted, key=lambda row: (row["invoice_date"] or date.min, row["invoice_number"])), 1):
        context.report(f"{row['invoice_number']}: reconciling, {place} of {len(wanted)}")
        carry_out(context, provider_name=row["provider"], invoice_number=row["invoice_number"])
    return len(wanted)


# --- the steps ---------------------------------------------------------------------------------------------------------------------------


def _run(context: Context, invoice: Row) -> tuple[int, bool, Changed]:
    """The run of what is there now: read, and where it is not here yet, worked out and kept."""
    context.report(f"{invoice.invoice_number}: reading its license lines and our records")
    read, before, odd = _read(context, invoice, staged=False)
    said = _inputs(invoice, read, odd)
    fingerprint = _fingerprint(said)
    changed = _changed(before, said)
    message = "" if read.lines.num_rows else "The invoice has no license lines: nothing was confirmed."
    run = Run(invoice.provider, invoice.invoice_number, invoice.currency, fingerprint, said, {}, message)
    with context.engine.begin() as connection:
        again = store.found_again(connection, run, who=context.who)
    if again is not None:
        context.counted(read.lines.num_rows)
        return again, False, changed
    context.report(f"{invoice.invoice_number}: reconciling {read.lines.num_rows:,} lines with {read.change_logs.num_rows:,} change logs")
    done = _worked_out(read, invoice.currency)
    context.counted(read.lines.num_rows)
    totals = _totals(invoice, done)
    context.report(f"{invoice.invoice_number}: keeping {done.rows.num_rows:,} rows")
    kept = Run(invoice.provider, invoice.invoice_number, invoice.currency, fingerprint, said, totals, message)
    with context.engine.begin() as connection:
        tables = {"rows": done.rows, "change_logs": done.change_logs, "findings": done.findings}
        run_id = store.keep(connection, kept, **tables, more_findings=_beside(odd, done.findings), who=context.who)
    closing.after_run(context, provider=invoice.provider, invoice_number=invoice.invoice_number, run_id=run_id)
    return run_id, True, changed


def _read(context: Context, invoice: Row, *, staged: bool) -> tuple[Inputs, Mapping[str, Any] | None, list[dict[str, Any]]]:
    """What goes in, as of one moment, what the run before was made of, and what is odd beside the lines themselves. CallRefused while the
    invoice is being imported."""
    with context.engine.connect() as connection:
        connection.exec_driver_sql("set transaction isolation level repeatable read")
        if store.is_being_imported(connection, invoice.provider_invoice_id):
            raise CallRefused(f"Invoice {invoice.invoice_number} is being imported right now; reconcile it when that has ended.")
        last = store.latest(connection, provider=invoice.provider, invoice_number=invoice.invoice_number)
        before = None if last is None else store.made_of(connection, last.reconciliation_id)
        read = inputs.read(connection, invoice, period=period_of(invoice), staged=staged)
        odd = [] if staged else _odd(connection, invoice)
        connection.rollback()
    return read, before, odd


def _odd(connection: Connection, invoice: Row) -> list[dict[str, Any]]:
    """What no license line of the invoice shows by itself: of its usage, and of what earlier invoices charged or ended."""
    found = charged_elsewhere.of_invoice(connection, invoice.provider_invoice_id)
    usage = odd_usage.of_invoice(connection, invoice.provider_invoice_id) if invoice.usage_lines or invoice.usage_total else []
    return [*found, *usage]


def period_of(invoice: Row) -> tuple[date, date]:
    """The first and the last day that an invoice is about: its header's billing period, else the calendar month before its date."""
    if invoice.period_start is not None and invoice.period_end is not None and invoice.period_start <= invoice.period_end:
        return invoice.period_start, invoice.period_end
    dated = invoice.invoice_date or invoice.first_seen_at.date()
    last = dated.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def _worked_out(read: Inputs, currency: str) -> Reconciled:
    from w365core.kernels.buckets import reconcile_all  # loads polars, which a run that is found again does without

    return reconcile_all(read.lines, read.subscriptions, read.change_logs, currency=currency, over=two_at_once)


def _inputs(invoice: Row, read: Inputs, odd: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a run says of what it was made of."""
    names = ("header_total", "license_total", "usage_total", "tax_total", "rounding", "overridden")
    header = {name: money.plain(getattr(invoice, name)) for name in names}
    header |= {"currency": invoice.currency, "period": [day.isoformat() for day in period_of(invoice)]}
    made_of = {"import_run_id": invoice.import_run_id, "version": invoice.version, "lines_read": read.lines.num_rows}
    usage = hashlib.blake2b(json.dumps(odd, default=str).encode(), digest_size=16).hexdigest()
    return {"rules": RULES, "header": header, **read.fingerprints, "usage": usage, **made_of, "by_subscription": dict(read.by_subscription)}


def _beside(odd: Sequence[Mapping[str, Any]], findings: Any) -> list[Mapping[str, Any]]:
    """What is not said of the same line already."""
    names = ("line_id", "line_number", "kind")
    said = {tuple(one[name] for name in names) for one in _pylist(findings, names)}
    return [one for one in odd if tuple(one[name] for name in names) not in said]


def _fingerprint(said: Mapping[str, Any]) -> str:
    content = json.dumps({name: said[name] for name in _INPUTS}, sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _changed(before: Mapping[str, Any] | None, said: Mapping[str, Any]) -> Changed:
    if before is None:
        return Changed()
    was, now = before.get("by_subscription", {}), said["by_subscription"]
    others = tuple(sorted(name for name in {*was, *now} if name and was.get(name) != now.get(name)))
    names = tuple(name for name in _INPUTS if before.get(name) != said[name])
    return Changed(names, others)


def _totals(invoice: Row, done: Reconciled) -> dict[str, Decimal]:
    """The two sums that have to hold, asserted before anything is written."""
    parts = _parts(done.rows)
    totals = {
        "header": invoice.header_total,
        "lines": invoice.license_total,
        "usage": invoice.usage_total,
        "tax": invoice.tax_total,
        "rounding": invoice.rounding,
        "overridden": invoice.overridden,
        **parts,
    }
    rest = money.total((totals["lines"], totals["usage"], totals["tax"], totals["rounding"], totals["overridden"]))
    assert totals["header"] == rest, f"header {totals['header']} is not its parts {rest}"
    assert totals["lines"] == money.total(parts.values()), f"lines {totals['lines']} are not what the rows come to {parts}"
    return totals


def _parts(rows: Any) -> dict[str, Decimal]:
    """What the rows, in Arrow, come to: confirmed, explained, and the rest."""
    from w365core.kernels import conserved  # loads polars, as above

    found = conserved.parts(rows)
    return {name: money.trimmed(getattr(found, name), least=2) for name in ("confirmed", "explained", "unexplained")}


# --- telling -----------------------------------------------------------------------------------------------------------------------------


def _told(connection: Connection, invoice: Row, run_id: int, *, is_new: bool, changed: Changed) -> Reconciliation:
    """A kept run with what people decided of it, and what earlier and later invoices say."""
    run = store.latest(connection, provider=invoice.provider, invoice_number=invoice.invoice_number)
    logs, states = store.change_logs_of(connection, run_id), reviews.states(connection, run_id)
    history = across_months.of_run(connection, run_id)
    rows = [
        row | {"change_logs": logs.get(row["line_id"], []), **states[row["line_id"]], **history.get(row["line_id"], across_months.NEW)}
        for row in store.rows_of(connection, run_id)
    ]
    return Reconciliation(
        invoice.provider, invoice.invoice_number, invoice.currency, run_id, is_new, run.message, {name: getattr(run, name) for name in store.SUMS}, rows,
        _findings(connection, run_id), changed, reviews.signed_off(connection, provider=invoice.provider, invoice_number=invoice.invoice_number),
    )  # fmt: skip


def _findings(connection: Connection, run_id: int) -> list[dict[str, Any]]:
    names = (*(column.name for column in FINDING), "repaid", "repaid_by", "is_closed")
    return [{name: one[name] for name in names} for one in odd_lines.of_runs(connection, [run_id])]


def _preview(context: Context, invoice: Row) -> Reconciliation:
    """From the staged lines, where there are any; the totals are what the failed import made of them."""
    number = invoice.invoice_number
    with context.engine.connect() as connection:
        run_id = queries.staged_run(connection, invoice.provider_invoice_id)
        table = None if run_id is None else stage.table_of(stage.LICENSE, run_id)
        usage, tax = (money.ZERO, money.ZERO) if table is None else store.staged_sums(connection, table, invoice.currency)
    deactivated = invoice.status_reason == StatusReason.DEACTIVATED
    if run_id is None and not deactivated:
        said = f"Preview: invoice {number} is in Error and none of its lines are here: nothing was confirmed. {invoice.message}".strip()
        return Reconciliation(
            invoice.provider, number, invoice.currency, None, True, said, _preview_totals(invoice, {}, usage, tax), (), ()
        )
    read, _, _ = _read(context, invoice, staged=run_id is not None)
    done = _worked_out(read, invoice.currency)
    logs: dict[str, list[Mapping[str, Any]]] = {}
    for log in _typed(done.change_logs, EXPLANATION):
        logs.setdefault(log["line_id"], []).append(log)
    rows = [
        row
        | {
            "customer": row["customer_name"],
            "change_logs": logs.get(row["line_id"], []),
            **reviews.by_rule(row["verdict"]),
            **across_months.NEW,
        }
        for row in sorted(_typed(done.rows, ROW), key=_by_money)
    ]
    parts = _parts(done.rows)
    totals = _preview_totals(invoice, parts, invoice.usage_total if deactivated else usage, invoice.tax_total if deactivated else tax)
    foreign = ""
    if read.foreign:
        foreign = (
            f" {read.foreign:,} line{'' if read.foreign == 1 else 's'} in another currency {'is' if read.foreign == 1 else 'are'} left out."
        )
    what = "deactivated, and these are the lines it had" if deactivated else "in Error, and these are its staged lines"
    said = f"Preview: invoice {number} is {what}; nothing was stored.{foreign}"
    return Reconciliation(
        invoice.provider,
        number,
        invoice.currency,
        None,
        True,
        said,
        totals,
        rows,
        [one | _UNPAID for one in _typed(done.findings, FINDING)],
    )


def _preview_totals(invoice: Row, parts: Mapping[str, Decimal], usage: Decimal | None, tax: Decimal | None) -> dict[str, Decimal | None]:
    """The identity of a failed import: what its header has beyond its lines is overridden by nobody yet, and stands there all the same."""
    parts = {name: parts.get(name, money.ZERO) for name in ("confirmed", "explained", "unexplained")}
    lines, header = money.total(parts.values()), invoice.header_total
    sums = {"header": header, "lines": lines, "usage": usage or money.ZERO, "tax": tax or money.ZERO}
    if header is None:
        return {**sums, "rounding": None, "overridden": None, **parts}
    rest = money.EXACT.subtract(header, money.total((lines, sums["usage"], sums["tax"])))
    within = invoice.overridden is not None and not invoice.overridden and invoice.rounding == rest
    return {**sums, "rounding": rest if within else money.ZERO, "overridden": money.ZERO if within else rest, **parts}


def _by_money(row: Mapping[str, Any]) -> tuple:
    at_risk = row["money_at_risk"]
    known = at_risk is not None or row["verdict"] == Verdict.CONFIRMED
    return (known, -(at_risk or money.ZERO), -(row["subtotal"] or money.ZERO).copy_abs(), row["line_id"])


def _pylist(table: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    return table.select(list(names)).to_pylist()


def _typed(table: Any, columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    """Rows out of Arrow, numbers as decimals."""
    numbers = [column.name for column in columns if column.kind is Kind.NUMBER]
    return [
        row | {name: None if row[name] is None else Decimal(row[name]) for name in numbers}
        for row in _pylist(table, [column.name for column in columns])
    ]
