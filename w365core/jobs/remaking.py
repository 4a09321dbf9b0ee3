"""How do usage invoices come out again? A door for pages and the command line: which would be otherwise today, and Drafts made again.

drafts_again                    the Drafts that would come out otherwise today, and what was Billed with markups that have changed since
regenerate, regenerate_period   a Draft, or those of a period, out of what is there now: number and date stay
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, Engine, Row

from w365core import money
from w365core.billing import planning
from w365core.correction import Rule
from w365core.errors import CallRefused
from w365core.jobs import correcting
from w365core.jobs.invoicing import Billed, Period
from w365core.jobs.one_invoice import keeper, on_invoice, refuse_strange, refuse_what_is_no_draft
from w365core.jobs.permitting import acts
from w365core.store import billing as store, drafts
from w365core.store.engine import guarded
from w365core.store.landing import Landing
from w365core.store.ledger import Who
from w365core.usage_invoice import DRAFT, Contract, Draft, Standing, Usage


@dataclass(frozen=True)
class Again:
    """A customer invoice that would come out otherwise today. `now` is the Draft with the markups that are on its usage, `taking` with those that the
    subscriptions have today; both are None where it would hold nothing, or is no Draft any more. `drifted` are the summaries whose subscription has
    another markup by now, `drift` what that moves on the invoice; `came` and `went` count summaries."""

    invoice_number: str
    contract: Contract
    status: str
    currency: str
    before: Decimal
    now: Draft | None
    taking: Draft | None
    drifted: tuple[Usage, ...]
    drift: Decimal
    reconciles: bool
    came: int = 0
    went: int = 0


def drafts_again(connection: Connection, *, invoice_number: str | None = None) -> list[Again]:
    """Invoices made here, or this one, that would come out otherwise today: Drafts to be made again, Billed and Paid ones whose markup has changed since."""
    made = [one for one in drafts.made_here(connection) if invoice_number in (None, one.invoice_number)]
    usage = store.billed_on(connection, [one.invoice_number for one in made])
    waiting = store.unbilled(connection) if any(one.status == DRAFT for one in made) else {}
    by_id = {one.contract_id: one for one in store.contracts(connection)}
    found = [_again(one, by_id[one.contract_id], usage.get(one.invoice_number, []), waiting) for one in made if one.contract_id in by_id]
    return [one for one in found if _is_otherwise(one)]


def has_drifted(contract: Contract, usage: Usage) -> bool:
    """Whether the subscription's markup was changed after the import, and is not the one that the usage is sold with. What a person made of the row
    while the subscription stayed as it was is no drift."""
    subscription = contract.subscriptions.get(usage.subscription_id or "")
    markup = subscription.markup_pct if subscription else None
    return markup is not None and markup not in (usage.markup_pct, usage.stamped_markup_pct)


@acts("bill")
def regenerate(
    engine: Engine,
    invoice_number: str,
    *,
    actor: str,
    now: datetime,
    landing: Landing | None = None,
    reason: str | None = None,
    take_markups: bool = False,
    dry_run: bool = False,
) -> Draft:
    """Makes a Draft again: number and date stay, usage that came since is on it, with `take_markups` at the markups that the subscriptions have today.

    All or nothing. CallRefused where it is no Draft, was not made here, or would hold nothing.
    """
    who, keep = Who(actor, now), keeper(engine, landing, now)
    with on_invoice(engine, invoice_number, undone=dry_run) as (connection, invoice):
        refuse_what_is_no_draft(invoice, "made again")
        refuse_strange(connection, invoice)
        taken = None
        if take_markups:
            drifted = _drifted_on(connection, invoice)
            taken = drafts.take_off(connection, invoice.invoice_number)  # a correction takes usage that is not invoiced
            if drifted:
                correct_to_subscriptions(connection, engine, drifted, who=who, landing=landing, reason=reason)
        contract, on_it, waiting = _stored(connection, invoice)
        draft = _planned(contract, invoice, on_it, waiting)
        if draft is None:
            raise CallRefused(
                f"Invoice {invoice.invoice_number} would hold nothing: its usage is not billable any more. Delete the Draft: "
                f"`unbill --invoice-number {invoice.invoice_number}`."
            )
        drafts.remake(connection, invoice, draft, taken=taken, who=who, keep=keep(draft.invoice_number), reason=reason)
    return draft


@acts("bill")
def regenerate_period(
    engine: Engine,
    period: Period,
    *,
    contract_id: str,
    actor: str,
    now: datetime,
    landing: Landing | None = None,
    take_markups: bool = False,
    dry_run: bool = False,
) -> Billed:
    """The contract's Drafts whose invoice date lies in the period, each made again as `regenerate` does it. CallRefused where there is none."""
    with guarded(), engine.connect() as connection:
        if not store.is_known(connection, contract_id):
            raise CallRefused(f"There is no contract {contract_id}; `load` brings contracts from billing_contracts.csv.")
        mine = [one for contract in store.contracts(connection, contract_id) for one in contract.invoices]
    dated = [one for one in mine if one.invoice_date is not None and period.first <= one.invoice_date <= period.last]
    wanted = [one.invoice_number for one in dated if one.status == DRAFT]
    if not wanted:
        said = ", ".join(f"{one.invoice_number} is {one.status}: credit it instead" for one in dated)
        raise CallRefused(
            f"Contract {contract_id} has no Draft of {period.first:%Y-%m} to make again{f' ({said})' if said else '; `bill` without --regenerate makes one'}."
        )
    how = {"actor": actor, "now": now, "landing": landing, "take_markups": take_markups, "dry_run": dry_run}
    return Billed(made=[regenerate(engine, number, **how) for number in wanted])


def correct_to_subscriptions(
    connection: Connection, engine: Engine, usage_ids: Sequence[str], *, who: Who, landing: Landing | None, reason: str | None
) -> None:
    """Gives this usage, none of which is invoiced, the markups that its subscriptions have today: a correction, in the caller's transaction."""
    rule = Rule(to_subscription=True, usage_ids=tuple(usage_ids))
    correcting.correct_within(connection, engine, rule, who=who, landing=landing, reason=reason)


# --- helpers -------------------------------------------------------------------------------------------------------------------------------


def _stored(connection: Connection, invoice: Row) -> tuple[Contract, list[Usage], list[Usage]]:
    """The contract of a Draft, the usage on it and the usage that waits. CallRefused where the contract is gone."""
    found = store.contracts(connection, invoice.contract_id)
    if not found:
        raise CallRefused(
            f"Contract {invoice.contract_id} of invoice {invoice.invoice_number} has no usage subscription any more; delete the Draft."
        )
    on_it = store.billed_on(connection, [invoice.invoice_number]).get(invoice.invoice_number, [])
    return found[0], on_it, store.unbilled(connection, invoice.contract_id).get(invoice.contract_id, [])


def _planned(contract: Contract, invoice: Row, on_it: Sequence[Usage], waiting: Sequence[Usage]) -> Draft | None:
    free = [replace(one, status="Not invoiced") for one in on_it]
    dates = (invoice.next_invoice_date_before, invoice.next_invoice_date_after)
    return planning.again(contract, [*free, *waiting], of=_standing(invoice), next_dates=dates)


def _standing(invoice: Row) -> Standing:
    return Standing(invoice.invoice_number, invoice.cycle_start or invoice.invoice_date, invoice.invoice_date, invoice.status)


def _moved(contract: Contract, invoice: Row, usage: Sequence[Usage]) -> Decimal:
    """What the markups of today move on the invoice: a top-up takes in what it can."""
    rated = [_rated_now(contract, one) for one in usage]
    then, today = (planning.comes_to(contract, rows, of=_standing(invoice)) for rows in (usage, rated))
    return money.EXACT.subtract(today, then)


def _again(invoice: Row, contract: Contract, on_it: Sequence[Usage], waiting: Mapping[str, Sequence[Usage]]) -> Again:
    is_draft = invoice.status == DRAFT
    unbilled = waiting.get(invoice.contract_id, ())
    now = _planned(contract, invoice, on_it, unbilled) if is_draft else None
    drifted = tuple(one for one in (now.usage if now else on_it) if has_drifted(contract, one))
    drift = _moved(contract, invoice, now.usage if now else on_it) if drifted else money.ZERO
    taking = (
        _planned(contract, invoice, [_rated_now(contract, one) for one in on_it], [_rated_now(contract, one) for one in unbilled])
        if now
        else None
    )
    ids, then = {one.usage_id for one in now.usage} if now else set(), {one.usage_id for one in on_it}
    return Again(
        invoice.invoice_number, contract, invoice.status, invoice.currency, invoice.total, now, taking, drifted, drift, invoice.reconciles,
        len(ids - then), len(then - ids) if is_draft else 0,
    )  # fmt: skip


def _rated_now(contract: Contract, usage: Usage) -> Usage:
    """The same with its subscription's markup of today, where that has drifted."""
    if not has_drifted(contract, usage):
        return usage
    markup = contract.subscriptions[usage.subscription_id or ""].markup_pct or money.ZERO
    return replace(usage, markup_pct=markup, selling_amount=money.selling_amount(usage.cost, markup, usage.currency))


def _is_otherwise(one: Again) -> bool:
    if one.status != DRAFT:
        return bool(one.drift)
    return not one.reconciles or bool(one.drifted) or bool(one.came or one.went) or one.now is None or one.now.total != one.before


def _drifted_on(connection: Connection, invoice: Row) -> list[str]:
    """The usage that would be on the Draft with the markups of today, and is sold with another one now."""
    contract, on_it, waiting = _stored(connection, invoice)
    rated = [[_rated_now(contract, one) for one in rows] for rows in (on_it, waiting)]
    taking = _planned(contract, invoice, *rated)
    before = {one.usage_id: one.markup_pct for one in (*on_it, *waiting)}
    return [one.usage_id for one in (taking.usage if taking else ()) if before[one.usage_id] != one.markup_pct]
