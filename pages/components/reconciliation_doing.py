"""What does a step of a reconciliation do, and what is said of it afterwards? One receipt over all invoices, with what was announced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pages.components import asking, cached, signed_in
from w365core.errors import CallRefused
from w365core.jobs import reviewing
from w365core.jobs.reviewing import Chosen
from w365core.reconciliation import ReviewState
from w365core.reports import receipts
from w365core.reports.receipts import Part, Twins
from w365core.reports.reconciliation import Row, RowFilter

Rows = RowFilter | tuple[str, ...]  # what a filter leaves, or rows by their ids
ACCEPT, REOPEN, MARK = reviewing.ACCEPT, reviewing.REOPEN, reviewing.MARK
_STATES = {ACCEPT: ReviewState.OPEN, REOPEN: ReviewState.ACCEPTED}  # of rows that a step is for


def twins(action: str, invoices: Sequence[Row], rows: Rows) -> Twins:
    """The rows that the step is for, and that the page does not count since they stand on another of these invoices as well."""
    lines, wanted = (rows, RowFilter()) if isinstance(rows, tuple) else ((), rows)
    if action in _STATES:
        wanted = replace(wanted, states=(_STATES[action],))
    with cached.reading() as opened:
        return receipts.twins(opened, [one["reconciliation_id"] for one in invoices], wanted, lines=lines)


def accept(invoices: Sequence[Row], rows: Rows, why: str) -> Sequence[str]:
    return _each(ACCEPT, invoices, rows, lambda *given, **how: reviewing.accept(*given, reason=why, **how), what="accepted")


def reopen(invoices: Sequence[Row], rows: Rows, why: str) -> Sequence[str]:
    return _each(REOPEN, invoices, rows, lambda *given, **how: reviewing.reopen(*given, reason=why or None, **how), what="open again")


def assign(invoices: Sequence[Row], rows: Rows, who: str) -> Sequence[str]:
    what = f"assigned to {who or 'nobody'}"
    return _each(MARK, invoices, rows, lambda *given, **how: reviewing.mark(*given, assigned_to=who, **how), what=what)


def note(invoices: Sequence[Row], line_id: str, words: str) -> Sequence[str]:
    what = "noted" if words else "note taken away"
    return _each(MARK, invoices, (line_id,), lambda *given, **how: reviewing.mark(*given, note=words, **how), what=what)


def sign_off(one: Row, note: str) -> Sequence[str]:
    named = {"provider": one["provider"], "invoice": one["invoice_number"]}
    done = reviewing.sign_off(cached.engine(), **named, note=note or None, seen=one["reconciliation_id"], **_by_now())
    return [receipts.signed_off(one, rows=done.rows)]


def open_again(one: Row, why: str) -> Sequence[str]:
    named = {"provider": one["provider"], "invoice": one["invoice_number"]}
    return [reviewing.open_again(cached.engine(), **named, reason=why, **_by_now()).sentence]


def _each(action: str, invoices: Sequence[Row], rows: Rows, do: Callable[..., reviewing.Done], *, what: str) -> Sequence[str]:
    """The same step on every invoice that has such rows; an invoice is one transaction, on the run that the person saw. One receipt for all of them; where
    one of them refuses after others are done, it says what is done and why no more."""
    which = Chosen(lines=rows) if isinstance(rows, tuple) else Chosen(**vars(rows))
    counted_elsewhere = twins(action, invoices, rows)  # looked for before: afterwards they are settled
    parts: list[Part] = []
    for one in invoices:
        named = {"provider": one["provider"], "invoice": one["invoice_number"]}
        try:
            plan = reviewing.plan(cached.engine(), which, action=action, **named)
            if plan.refused:
                continue
            made = do(cached.engine(), which, **named, seen=one["reconciliation_id"], **_by_now())
        except CallRefused as refusal:
            if not parts:
                raise
            return [f"{receipts.receipt(parts, (), done=what)} The rest was left: {refusal}"]
        parts.append(Part(made.invoice, made.rows, made.money_at_risk, plan.unknown, made.currency))
    if not parts:
        raise CallRefused("Somebody else has decided of these rows meanwhile, so nothing was done; look at the page again.")
    return [receipts.receipt(parts, counted_elsewhere, done=what)]


def _by_now() -> dict[str, Any]:
    return {"actor": signed_in.person(), "now": cached.installation().now, "form": asking.form()}
