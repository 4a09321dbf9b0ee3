"""How do people decide of a reconciliation? A door for pages and the command line: rows one by one or many at once, and the sign-off of an invoice.

plan                       what an action would do to the chosen rows: how many, how much, what it leaves alone and why
accept, reopen, mark       a difference is accepted for a reason; a decision is taken back; whose a row is, and a note
sign_off, open_again       the invoice as a whole, when nothing is open; opening it again is an event

`seen` is the number of the run that the person looked at: where another one holds by now nothing is done. Each action is one transaction with one
audit row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, Row

from w365core import money
from w365core.errors import CallRefused
from w365core.jobs.permitting import acts
from w365core.model import StatusReason
from w365core.reconciliation import ReviewState
from w365core.store import ledger, reconciliation_reviews as store, reconciliations
from w365core.store.engine import guarded
from w365core.store.ledger import Who
from w365core.store.reconciliation_reviews import Chosen

__all__ = ["Chosen", "Done", "Plan", "accept", "mark", "open_again", "plan", "reopen", "sign_off", "sign_off_plan"]

ACCEPT, REOPEN, MARK = "accept", "reopen", "mark"
_LONGEST = 500
_MOST_SEALED = 5_000  # line ids that an audit row names; of more it says how many


@dataclass(frozen=True)
class Plan:
    """What an action would do to the chosen rows of a run. `left` counts what it would leave alone; `unknown` are rows whose money nobody knows."""

    reconciliation_id: int
    invoice: str
    currency: str
    rows: int
    money_at_risk: Decimal
    unknown: int
    by_verdict: Mapping[str, int]
    left: int
    sentence: str

    @property
    def refused(self) -> bool:
        return not self.rows


@dataclass(frozen=True)
class Done:
    """What was done: how many rows, how much money, in a sentence."""

    reconciliation_id: int
    invoice: str
    rows: int
    money_at_risk: Decimal
    currency: str
    sentence: str


# --- rows --------------------------------------------------------------------------------------------------------------------------------


def plan(engine: Engine, which: Chosen, *, action: str, provider: str | None, invoice: str) -> Plan:
    """What `accept`, `reopen` or `mark` with the same rows would do; changes nothing."""
    with guarded(), engine.connect() as connection:
        run = _latest(connection, engine, provider, invoice)
        return _plan(run, store.chosen(connection, run.reconciliation_id, which), action)


@acts("decide differences")
def accept(
    engine: Engine, which: Chosen, *, provider: str | None, invoice: str, reason: str, seen: int | None = None, actor: str, now: datetime
) -> Done:
    """Accepts the differences of the chosen rows that are open. CallRefused without a reason, or where none of them is open."""
    said = _reason(reason, "A difference is accepted for a reason: say which.")
    return _decide(
        engine, which, provider, invoice, seen, Who(actor, now), action=ACCEPT, state=ReviewState.ACCEPTED, reason=said, done="accepted"
    )


@acts("decide differences")
def reopen(
    engine: Engine,
    which: Chosen,
    *,
    provider: str | None,
    invoice: str,
    reason: str | None = None,
    seen: int | None = None,
    actor: str,
    now: datetime,
) -> Done:
    """Takes the decisions on the chosen rows back. CallRefused where there is none: a row confirmed by rule has no decision to take back."""
    who = Who(actor, now)
    return _decide(
        engine, which, provider, invoice, seen, who, action=REOPEN, state=ReviewState.OPEN, reason=_text(reason), done="open again"
    )


@acts("mark differences")
def mark(
    engine: Engine,
    which: Chosen,
    *,
    provider: str | None,
    invoice: str,
    assigned_to: str | None = None,
    note: str | None = None,
    seen: int | None = None,
    actor: str,
    now: datetime,
) -> Done:
    """Says whose the chosen rows are, and a note; None leaves what is there, blank takes it away."""
    if assigned_to is None and note is None:
        raise CallRefused("Say whose the rows are, or what is to be noted.")
    told = {"assigned_to": _plain(assigned_to), "note": _plain(note)}
    who = Who(actor, now)
    with _on(engine, provider, invoice, seen) as (connection, run):
        found = _plan(run, rows := store.chosen(connection, run.reconciliation_id, which), MARK)
        _refuse_nothing(found, rows)
        lines = [row["line_id"] for row in rows]
        store.mark(connection, run.reconciliation_id, lines, **told, who=who)
        after = {name: value for name, value in told.items() if value is not None}
        _seal(connection, run, "mark reconciliation lines", after.get("note"), who, rows, after)
    what = " and ".join(
        filter(
            None,
            [
                None
                if told["assigned_to"] is None
                else f"assigned to {told['assigned_to']}"
                if told["assigned_to"]
                else "assigned to nobody",
                None if told["note"] is None else "noted",
            ],
        )
    )
    return _done(run, rows, f"{_rows(len(rows))} of invoice {run.invoice_number} {_are(len(rows))} {what}.")


def _decide(
    engine: Engine, which: Chosen, provider: str | None, invoice: str, seen: int | None, who: Who, *, action: str, state: ReviewState,
    reason: str | None, done: str,
) -> Done:  # fmt: skip
    with _on(engine, provider, invoice, seen) as (connection, run):
        if which.is_everything:
            raise CallRefused("Choose rows: a line, a verdict, a customer or a product.")
        rows = store.chosen(connection, run.reconciliation_id, which)
        _refuse_nothing(_plan(run, rows, action), rows)
        mine = [row for row in rows if _is_for(action, row)]
        store.decide(connection, run.reconciliation_id, [row["line_id"] for row in mine], state=state, reason=reason, who=who)
        _end_sign_off(connection, run, who, reason) if action == REOPEN else None
        _seal(connection, run, f"{action} reconciliation lines", reason, who, mine, {})
    return _done(run, mine, f"{_rows(len(mine))} of invoice {run.invoice_number}, {_amount(run, mine)}: {done}.")


def _is_for(action: str, row: Mapping[str, Any]) -> bool:
    if action == ACCEPT:
        return row["review_state"] == ReviewState.OPEN
    if action == REOPEN:
        return row["decided"] in (ReviewState.ACCEPTED, ReviewState.CONFIRMED)
    return True


def _plan(run: Row, rows: Sequence[Mapping[str, Any]], action: str) -> Plan:
    mine = [row for row in rows if _is_for(action, row)]
    left, number = len(rows) - len(mine), run.invoice_number
    what = {ACCEPT: "Accepts the differences of", REOPEN: "Takes back the decisions on", MARK: "Marks"}[action]
    sentence = f"{what} {_rows(len(mine))} of invoice {number}, {_amount(run, mine)}."
    if left:
        why = {ACCEPT: "settled already", REOPEN: "without a decision"}.get(action, "left")
        sentence += f" {left:,} more {_are(left)} {why}, and stay as they are."
    if not mine:
        nothing = {ACCEPT: "no open row", REOPEN: "no row with a decision; one that is confirmed by rule has none to take back"}
        sentence = f"Invoice {number} has {nothing.get(action, 'no row')} among those that are chosen; nothing would be done."
    sums = money.total(row["money_at_risk"] for row in mine if row["money_at_risk"] is not None)
    unknown = sum(row["money_at_risk"] is None for row in mine)
    verdicts = dict(Counter(row["verdict"] for row in mine).most_common())
    return Plan(run.reconciliation_id, number, run.currency, len(mine), sums, unknown, verdicts, left, sentence)


# --- the invoice -------------------------------------------------------------------------------------------------------------------------


def sign_off_plan(engine: Engine, *, provider: str | None, invoice: str) -> Plan:
    """What a sign-off would say, or why it is refused: `left` counts the rows that are open."""
    with guarded(), engine.connect() as connection:
        run = _latest(connection, engine, provider, invoice)
        still = store.open_of(connection, run.reconciliation_id)
        said = _why_not(connection, run)
        sentence = said or f"Signs invoice {run.invoice_number} off: all {run.rows:,} rows are settled. {run.message}".strip()
        return Plan(
            run.reconciliation_id, run.invoice_number, run.currency, 0 if said else max(run.rows, 1), still.money_at_risk, still.unknown, {}, still.rows,
            sentence,
        )  # fmt: skip


@acts("sign off")
def sign_off(
    engine: Engine, *, provider: str | None, invoice: str, note: str | None = None, seen: int | None = None, actor: str, now: datetime
) -> Done:
    """Signs the invoice off on the run that holds. CallRefused while something is open (how many rows, how much money), or it is signed off already."""
    who, said = Who(actor, now), _text(note)
    with _on(engine, provider, invoice, seen) as (connection, run):
        if why := _why_not(connection, run):
            raise CallRefused(why)
        named = {"provider": run.provider, "invoice_number": run.invoice_number}
        store.sign(connection, **named, run_id=run.reconciliation_id, note=said, who=who)
        sums = {name: money.plain(getattr(run, name)) for name in reconciliations.SUMS}
        after = {"reconciliation_id": run.reconciliation_id, "rows": run.rows, **sums}
        store.sealed(connection, **named, action="sign off reconciliation", reason=said, after=after, who=who)
    return Done(
        run.reconciliation_id, run.invoice_number, run.rows, money.ZERO, run.currency,
        f"Invoice {run.invoice_number} is signed off: {_rows(run.rows)}, {money.in_currency(run.lines, run.currency):,f} {run.currency} of license lines. {run.message}".strip(),
    )  # fmt: skip


@acts("open again")
def open_again(engine: Engine, *, provider: str | None, invoice: str, reason: str, actor: str, now: datetime) -> Done:
    """Takes a sign-off back; it stays to be told of. CallRefused without a reason, or where none stands."""
    said, who = _reason(reason, "A sign-off is taken back for a reason: say which."), Who(actor, now)
    with _on(engine, provider, invoice, None) as (connection, run):
        if not _end_sign_off(connection, run, who, said):
            raise CallRefused(f"Invoice {run.invoice_number} is not signed off, so there is nothing to open again.")
    return Done(
        run.reconciliation_id, run.invoice_number, run.rows, money.ZERO, run.currency, f"Invoice {run.invoice_number} is open again: {said}"
    )


def _end_sign_off(connection: Connection, run: Row, who: Who, reason: str | None) -> bool:
    why = reason or "a row was opened again"
    return store.end_sign_off(connection, provider=run.provider, invoice_number=run.invoice_number, reason=why, who=who)


def _why_not(connection: Connection, run: Row) -> str:
    """Why the invoice cannot be signed off; blank where it can."""
    standing = store.signed_off(connection, provider=run.provider, invoice_number=run.invoice_number)
    if standing is not None:
        return f"Invoice {run.invoice_number} is signed off already, by {standing['actor']} on {standing['at']:%Y-%m-%d}."
    still = store.open_of(connection, run.reconciliation_id)
    if still.rows:
        unknown = f", and {still.unknown:,} of them with money that nobody knows" if still.unknown else ""
        return (
            f"Invoice {run.invoice_number} cannot be signed off: {_rows(still.rows)} {_are(still.rows)} open, with {money.in_currency(still.money_at_risk, run.currency):,f} "
            f"{run.currency} at risk{unknown}. Accept or mend them first."
        )
    return ""


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


@contextmanager
def _on(engine: Engine, provider: str | None, invoice: str, seen: int | None) -> Iterator[tuple[Connection, Row]]:
    """One transaction on the run that holds, with nobody reconciling meanwhile. CallRefused where it is not the one that the person saw."""
    with guarded():
        known = ledger.named(engine, provider_name=provider, invoice_number=invoice)
        with (
            reconciliations.alone(engine, provider=known.provider, invoice_number=known.invoice_number),
            engine.begin() as connection,
        ):
            run = _latest(connection, engine, known.provider, known.invoice_number)
            if seen is not None and seen != run.reconciliation_id:
                raise CallRefused(
                    f"Invoice {run.invoice_number} has been reconciled anew since you looked at it; nothing was done. Look at it again, then decide."
                )
            yield connection, run


def _latest(connection: Connection, engine: Engine, provider: str | None, invoice: str) -> Row:
    known = ledger.named(engine, provider_name=provider, invoice_number=invoice)
    number = known.invoice_number
    if known.status_reason in (StatusReason.ERROR, StatusReason.DEACTIVATED):
        raise CallRefused(
            f"Invoice {number} is {known.state}/{known.status_reason}: what `reconcile` shows of it is a preview, nothing to decide of."
        )
    run = reconciliations.latest(connection, provider=known.provider, invoice_number=number)
    if run is None:
        raise CallRefused(f"Invoice {number} is not reconciled yet: `reconcile --invoice {number}` does it.")
    if run.import_run_id != known.import_run_id:
        raise CallRefused(f"Invoice {number} was imported anew since it was reconciled: `reconcile --invoice {number}` first, then decide.")
    return run


def _refuse_nothing(found: Plan, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        raise CallRefused(f"Invoice {found.invoice} has no such row; `reconcile --invoice {found.invoice}` lists them.")
    if found.refused:
        raise CallRefused(found.sentence.replace("nothing would be done", "nothing was done"))


def _seal(
    connection: Connection, run: Row, action: str, reason: str | None, who: Who, rows: Sequence[Mapping[str, Any]], after: Mapping[str, Any]
) -> None:
    lines = [row["line_id"] for row in rows]
    told = {
        "reconciliation_id": run.reconciliation_id,
        "rows": len(rows),
        "money_at_risk": money.plain(_risk(rows)),
        "currency": run.currency,
    }
    named = {"line_ids": lines} if len(lines) <= _MOST_SEALED else {}
    before = {"provider": run.provider, "invoice_number": run.invoice_number}
    store.sealed(connection, **before, action=action, reason=reason, after={**told, **named, **after}, who=who)


def _done(run: Row, rows: Sequence[Mapping[str, Any]], sentence: str) -> Done:
    return Done(run.reconciliation_id, run.invoice_number, len(rows), _risk(rows), run.currency, sentence)


def _risk(rows: Sequence[Mapping[str, Any]]) -> Decimal:
    return money.total(row["money_at_risk"] for row in rows if row["money_at_risk"] is not None)


def _amount(run: Row, rows: Sequence[Mapping[str, Any]]) -> str:
    unknown = sum(row["money_at_risk"] is None for row in rows)
    return f"{money.in_currency(_risk(rows), run.currency):,f} {run.currency} at risk{f' and {unknown:,} without a known amount' if unknown else ''}"


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _reason(reason: str | None, without: str) -> str:
    said = _text(reason)
    if not said:
        raise CallRefused(without)
    return said


def _text(reason: str | None) -> str | None:
    return _plain(reason) or None


def _plain(said: str | None) -> str | None:
    if said is None:
        return None
    folded = " ".join(said.split())
    if len(folded) > _LONGEST or not folded.isprintable():
        raise CallRefused(f"A reason or note is plain text of at most {_LONGEST} characters.")
    return folded
