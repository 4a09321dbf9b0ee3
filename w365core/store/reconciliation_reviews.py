"""What have people decided of the rows of a reconciliation, and who signed it off? Decisions by the invoice and the row's own name.

A decision stands while verdict and residual are those that it was made on. Where they have changed the row is open again, and says since when and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from w365core import money
from w365core.reconciliation import ReviewState, Verdict
from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.review_states import CUSTOMER, FROM, LAPSED, PRODUCT, STANDS, STATE

_BLANK = {"review_reason": None, "reviewed_by": None, "reviewed_at": None, "reopened_because": None, "assigned_to": None, "note": None}
TARGET = "reconciliation"  # of audit rows; not replayed by a rebuild, since no table of the ledger changes


@dataclass(frozen=True)
class Chosen:
    """Which rows of a run: each that is given narrows it. `customers` are our accounts, else the provider's customers; `products` names, else ids;
    `states` review states. `subscriptions` are ours."""

    lines: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    customers: Sequence[str] = ()
    products: Sequence[str] = ()
    subscriptions: Sequence[str] = ()
    states: Sequence[str] = ()
    assigned_to: str | None = None

    @property
    def is_everything(self) -> bool:
        return self == Chosen()


@dataclass(frozen=True)
class Counted:
    """So many rows and their money at risk; `unknown` are those whose money nobody knows."""

    rows: int
    money_at_risk: Decimal
    unknown: int


def by_rule(verdict: str) -> dict[str, Any]:
    """The review of a row that nobody has decided of."""
    return {"review_state": ReviewState.CONFIRMED if verdict == Verdict.CONFIRMED else ReviewState.OPEN, **_BLANK}


def states(connection: Connection, run_id: int) -> dict[str, dict[str, Any]]:
    """The review of every row: its state, who decided it and why, and of a decision that no longer stands what has changed."""
    query = text(f"""
        select l.line_id, l.verdict, l.residual, {STATE} as state, {LAPSED} as lapsed, r.reason, r.verdict as then_verdict, r.residual as then_residual,
            r.state as then_state, r.assigned_to, r.note, r.at, r.actor
        from {FROM} where l.reconciliation_id = :run
    """)
    return {row.line_id: _review(row) for row in connection.execute(query, {"run": run_id})}


def decided_by(connection: Connection, run_id: int, actor: str) -> list[str]:
    """The rows whose decision that stands is this one's."""
    query = text(
        f"select l.line_id from {FROM} where l.reconciliation_id = :run and r.actor = :actor and r.state <> 'open' and {STANDS} order by l.line_id"
    )
    return list(connection.execute(query, {"run": run_id, "actor": actor}).scalars())


def chosen(connection: Connection, run_id: int, which: Chosen) -> list[Mapping[str, Any]]:
    """The rows that are meant, each with its verdict, residual, money and review state."""
    query = text(f"""
        select l.line_id, l.verdict, l.residual, l.money_at_risk, l.subtotal, l.currency, {STATE} as review_state, r.state as decided
        from {FROM} where l.reconciliation_id = :run and {_condition(which)} order by l.line_id
    """)
    return [dict(row) for row in connection.execute(query, {"run": run_id, **_bound(which)}).mappings()]


def open_of(connection: Connection, run_id: int) -> Counted:
    """What is still open."""
    query = text(f"""
        select count(*), coalesce(sum(l.money_at_risk), 0), count(*) filter (where l.money_at_risk is null) from {FROM}
        where l.reconciliation_id = :run and l.verdict <> 'confirmed' and {STATE} = 'open'
    """)
    return Counted(*connection.execute(query, {"run": run_id}).one())


# --- deciding ----------------------------------------------------------------------------------------------------------------------------


def decide(connection: Connection, run_id: int, lines: Sequence[str], *, state: ReviewState, reason: str | None, who: Who) -> int:
    """Puts a decision on these rows as they are in this run; assignment and note stay. Returns how many."""
    query = text("""
        insert into reconciliation_review (provider, invoice_number, line_id, state, reason, verdict, residual, at, actor)
        select n.provider, n.invoice_number, l.line_id, :state, :reason, l.verdict, l.residual, :now, :actor
        from reconciliation_line l join reconciliation n using (reconciliation_id) where l.reconciliation_id = :run and l.line_id = any(:lines)
        on conflict (provider, invoice_number, line_id) do update set state = excluded.state, reason = excluded.reason, verdict = excluded.verdict,
            residual = excluded.residual, at = excluded.at, actor = excluded.actor
    """)
    bound = {"run": run_id, "lines": list(lines), "state": str(state), "reason": reason, "now": who.now, "actor": who.actor}
    return connection.execute(query, bound).rowcount


def mark(connection: Connection, run_id: int, lines: Sequence[str], *, assigned_to: str | None, note: str | None, who: Who) -> int:
    """Says whose these rows are and what is to be known of them; None leaves what is there, blank takes it away. No decision is touched."""
    query = text("""
        insert into reconciliation_review (provider, invoice_number, line_id, state, verdict, residual, assigned_to, note, at, actor)
        select n.provider, n.invoice_number, l.line_id, 'open', l.verdict, l.residual, nullif(:assigned_to, ''), nullif(:note, ''), :now, :actor
        from reconciliation_line l join reconciliation n using (reconciliation_id) where l.reconciliation_id = :run and l.line_id = any(:lines)
        on conflict (provider, invoice_number, line_id) do update set
            assigned_to = case when cast(:assigned_to as text) is null then reconciliation_review.assigned_to else excluded.assigned_to end,
            note = case when cast(:note as text) is null then reconciliation_review.note else excluded.note end
    """)
    bound = {"run": run_id, "lines": list(lines), "assigned_to": assigned_to, "note": note, "now": who.now, "actor": who.actor}
    return connection.execute(query, bound).rowcount


def sealed(
    connection: Connection, *, provider: str, invoice_number: str, action: str, reason: str | None, after: Mapping[str, Any], who: Who
) -> int:
    """One audit row of a decision; returns its number."""
    target = f"{provider} {invoice_number}"
    return audit.append(
        connection, at=who.now, actor=who.actor, action=action, target_kind=TARGET, target=target, reason=reason, after=dict(after)
    )


# --- signing off -------------------------------------------------------------------------------------------------------------------------


def signed_off(connection: Connection, *, provider: str, invoice_number: str) -> Mapping[str, Any] | None:
    """The sign-off that stands: who, when, on which run, with which note; None where there is none."""
    query = text("""
        select sign_off_id, reconciliation_id, at, actor, note from reconciliation_sign_off
        where provider = :provider and invoice_number = :invoice_number and reopened_at is null
    """)
    found = connection.execute(query, {"provider": provider, "invoice_number": invoice_number}).mappings().first()
    return dict(found) if found else None


def sign(connection: Connection, *, provider: str, invoice_number: str, run_id: int, note: str | None, who: Who) -> int:
    """Signs the invoice off on that run."""
    query = text("""
        insert into reconciliation_sign_off (provider, invoice_number, reconciliation_id, at, actor, note)
        values (:provider, :invoice_number, :run, :now, :actor, :note) returning sign_off_id
    """)
    bound = {"provider": provider, "invoice_number": invoice_number, "run": run_id, "now": who.now, "actor": who.actor, "note": note}
    return connection.execute(query, bound).scalar_one()


def open_again(connection: Connection, sign_off_id: int, *, reason: str, who: Who) -> None:
    """Ends a sign-off; it stays to be told of."""
    query = text("""
        update reconciliation_sign_off set reopened_at = :now, reopened_by = :actor, reopened_because = :reason where sign_off_id = :id
    """)
    connection.execute(query, {"id": sign_off_id, "now": who.now, "actor": who.actor, "reason": reason})


def end_sign_off(connection: Connection, *, provider: str, invoice_number: str, reason: str, who: Who) -> bool:
    """Ends the sign-off that stands, as an event of its own; False where none does."""
    standing = signed_off(connection, provider=provider, invoice_number=invoice_number)
    if standing is None:
        return False
    open_again(connection, standing["sign_off_id"], reason=reason, who=who)
    after = {"signed_by": standing["actor"], "signed_at": standing["at"], "reconciliation_id": standing["reconciliation_id"]}
    action = "open reconciliation again"
    sealed(connection, provider=provider, invoice_number=invoice_number, action=action, reason=reason, after=after, who=who)
    return True


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _review(row: Any) -> dict[str, Any]:
    decided = row.state == row.then_state and row.state != ReviewState.OPEN and not row.lapsed
    told = {"assigned_to": row.assigned_to, "note": row.note, "reopened_because": _because(row) if row.lapsed else None}
    if decided:
        told |= {"review_reason": row.reason, "reviewed_by": row.actor, "reviewed_at": row.at}
    return {"review_state": row.state, **_BLANK, **told}


def _because(row: Any) -> str:
    def said(verdict: str, residual: Decimal | None) -> str:
        return f"{verdict}{'' if residual is None else f' with a residual of {money.plain(money.trimmed(residual))}'}"

    return (
        f"{row.then_state} by {row.actor} on {row.at:%Y-%m-%d} as {said(row.then_verdict, row.then_residual)}; it is "
        f"{said(row.verdict, row.residual)} now."
    )


def _condition(which: Chosen) -> str:
    expressions = {
        "lines": "l.line_id",
        "verdicts": "l.verdict",
        "customers": CUSTOMER,
        "products": PRODUCT,
        "subscriptions": "l.subscription_id",
        "states": STATE,
    }
    clauses = [f"{expression} = any(:{name})" for name, expression in expressions.items() if getattr(which, name)]
    if which.assigned_to:
        clauses.append("r.assigned_to = :assigned_to")
    return " and ".join(clauses) or "true"


def _bound(which: Chosen) -> dict[str, Any]:
    names = ("lines", "verdicts", "customers", "products", "subscriptions", "states")
    bound: dict[str, Any] = {name: list(getattr(which, name)) for name in names if getattr(which, name)}
    return bound | ({"assigned_to": which.assigned_to} if which.assigned_to else {})
