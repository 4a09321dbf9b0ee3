"""How is usage billed? A door for pages and the command line: what is due, making the Drafts, making them again, taking them back, moving them on.

plans, foretold          what a run would make, contract by contract; in short what it would ask for first, and which late usage it would take
drafts_again             which Drafts would come out otherwise today
bill                     makes the Drafts of a period, one transaction per contract: one that fails takes no other with it
regenerate, unbill, mark one invoice: made again out of what is there now; deleted while it is a Draft; moved on to Billed and Paid

Two runs at once make one Draft: the contract is locked first, and what is due is asked again under the lock.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, Engine, Row

from w365core import money, settings as w365settings
from w365core.billing import cycles, planning
from w365core.correction import Rule
from w365core.errors import CallRefused
from w365core.jobs import correcting
from w365core.jobs.permitting import acts
from w365core.reports import wording
from w365core.store import billing as store, drafts, orders
from w365core.store.engine import guarded
from w365core.store.landing import Landing
from w365core.store.ledger import Who
from w365core.usage_invoice import BILLED, DRAFT, PAID, Contract, Draft, Earlier, Plan, Standing, Usage

STATUSES = (DRAFT, BILLED, PAID)
_BEGINNING = date(2000, 1, 1)


@dataclass(frozen=True)
class Period:
    """The invoice dates that a run is about, both inclusive."""

    first: date
    last: date

    @staticmethod
    def month(text: str) -> Period:
        """Of 2026-11."""
        year, number = int(text[:4]), int(text[5:7])
        return Period(date(year, number, 1), date(year, number, calendar.monthrange(year, number)[1]))

    @staticmethod
    def until(today: date) -> Period:
        """Everything that is due by the end of this month."""
        return replace(Period.month(f"{today:%Y-%m}"), first=_BEGINNING)

    @staticmethod
    def due(today: date) -> Period:
        """Everything whose invoice date has come."""
        return Period(_BEGINNING, today)


@dataclass
class Billed:
    """What a run made, and why the rest was not: `refused` holds something due back, `notes` say what is as it should be."""

    made: list[Draft] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 1 if self.refused else 0


@dataclass(frozen=True)
class Foretold:
    """What a run would do with a contract: the invoice date of the cycle that it would ask to be billed before any of its own, and the late usage that it
    would take, each with the start of the cycle on whose invoice, subscription, currency and amount."""

    first: date | None
    late: tuple[tuple[date, str, str, Decimal], ...]


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


# --- asking --------------------------------------------------------------------------------------------------------------------------------


def plans(connection: Connection, period: Period, *, today: date, contract_id: str | None = None) -> list[Plan]:
    """What a run would make of each contract, and of usage that has none."""
    usage, taken = store.unbilled(connection, contract_id), store.taken(connection)
    return [
        planning.plan(one, usage.get(one.contract_id or "", ()), first=period.first, last=period.last, today=today, taken=taken)
        for one in store.contracts(connection, contract_id)
    ]


def foretold(connection: Connection, period: Period, *, today: date) -> dict[str, Foretold]:
    """By contract what a run over this period would do; contracts without unbilled usage are left out."""
    usage = store.unbilled_in_sums(connection)
    found = {}
    for one in store.contracts(connection):
        if one.contract_id and one.contract_id in usage:
            plan = planning.plan(one, usage[one.contract_id], first=period.first, last=period.last, today=today)
            first = plan.earlier.earlier_invoice_date if plan.earlier is not None and not plan.drafts else None
            late = [(draft.cycle_start, line) for draft in plan.drafts for line in draft.lines if line.late and line.usage is not None]
            found[one.contract_id] = Foretold(
                first, tuple((start, line.subscription_id or "", line.usage.currency, line.amount) for start, line in late)
            )
    return found


def drafts_again(connection: Connection, *, invoice_number: str | None = None) -> list[Again]:
    """Invoices made here, or this one, that would come out otherwise today: Drafts to be made again, Billed and Paid ones whose markup has changed since."""
    made = [one for one in drafts.made_here(connection) if invoice_number in (None, one.invoice_number)]
    usage = store.billed_on(connection, [one.invoice_number for one in made])
    waiting = store.unbilled(connection) if any(one.status == DRAFT for one in made) else {}
    by_id = {one.contract_id: one for one in store.contracts(connection)}
    found = [_again(one, by_id[one.contract_id], usage.get(one.invoice_number, []), waiting) for one in made if one.contract_id in by_id]
    return [one for one in found if _is_otherwise(one)]


# --- a run ---------------------------------------------------------------------------------------------------------------------------------


@acts("bill")
def bill(
    engine: Engine,
    period: Period,
    *,
    actor: str,
    now: datetime,
    contract_id: str | None = None,
    landing: Landing | None = None,
    dry_run: bool = False,
) -> Billed:
    """Makes the Drafts that are due in the period, or says which ones with `dry_run`.

    CallRefused where a named contract is not there, or where nothing can be made of it because an earlier cycle comes first.
    """
    done = Billed()
    with guarded():
        with engine.connect() as connection:
            if contract_id is not None and not store.is_known(connection, contract_id):
                raise CallRefused(f"There is no contract {contract_id}; `load` brings contracts from billing_contracts.csv.")
            found = plans(connection, period, today=now.date(), contract_id=contract_id)
        for plan in found:
            if plan.drafts and not dry_run:
                plan = _made(engine, plan, period, Who(actor, now), _keeper(engine, landing, now))
            _tell(done, plan, named=contract_id is not None)
    return done


def _made(engine: Engine, seen: Plan, period: Period, who: Who, keep: Callable[[str], drafts.Keep]) -> Plan:
    """The contract's Drafts, planned again under its lock: somebody may have billed it in between."""
    contract_id = seen.contract.contract_id or ""
    with engine.begin() as connection:
        store.lock(connection, contract_id)
        (plan,) = plans(connection, period, today=who.now.date(), contract_id=contract_id) or (replace(seen, drafts=()),)
        for draft in plan.drafts:
            drafts.make(connection, draft, who=who, keep=keep(draft.invoice_number))
    return plan


def _tell(done: Billed, plan: Plan, *, named: bool) -> None:
    if plan.earlier is not None:
        sentence = _comes_first(plan.contract, plan.earlier)
        if named and not plan.drafts:
            raise CallRefused(sentence)
        done.refused.append(sentence)
    done.made += plan.drafts
    done.notes += plan.notes
    done.refused += plan.to_regenerate
    done.refused += held_sentences(plan)
    done.notes += [
        f"Contract {plan.contract.contract_id}: subscription {one.subscription_id} has no usage from {one.cycle_start} to {one.cycle_end}; its minimum "
        f"commitment of {wording.amount(one.amount, one.currency)} is not billed by itself."
        for one in plan.potential
    ]


def held_sentences(plan: Plan) -> list[str]:
    """What is held back, one sentence per cause: which contract, how much, why, what to do."""
    groups: dict[tuple[str, str, str], list[Decimal | None]] = {}
    for held in plan.held:
        groups.setdefault((held.code, held.sentence, held.usage.currency), []).append(held.usage.selling_amount)
    whose = f"Contract {plan.contract.contract_id}" if plan.contract.contract_id else "Without a contract"
    return [
        f"{whose}: {len(amounts):,} usage {'summary' if len(amounts) == 1 else 'summaries'}{_sum_of(amounts, currency)} held back ({code}). {sentence}"
        for (code, sentence, currency), amounts in groups.items()
    ]


def _sum_of(amounts: Sequence[Decimal | None], currency: str) -> str:
    """What they sell for, and how many of them have no markup yet."""
    known = [amount for amount in amounts if amount is not None]
    if not known:
        return f" in {currency}"
    lacking = len(amounts) - len(known)
    return f", {wording.amount(money.total(known), currency)}{f' and {lacking:,} without a markup' if lacking else ''},"


def _comes_first(contract: Contract, earlier: Earlier) -> str:
    return (
        f"Contract {contract.contract_id}: cycle {earlier.cycle_start} to {earlier.cycle_end} waits, because {earlier.earlier_start} to "
        f"{earlier.earlier_end} is open and has billable usage. Bill that first: `bill --period {earlier.earlier_invoice_date:%Y-%m} "
        f"--contract {contract.contract_id}`."
    )


# --- one invoice ---------------------------------------------------------------------------------------------------------------------------


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
    who, keep = Who(actor, now), _keeper(engine, landing, now)
    with _on(engine, invoice_number, undone=dry_run) as (connection, invoice):
        _refuse_what_is_no_draft(invoice, "made again")
        _refuse_strange(connection, invoice)
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


@acts("delete draft")
def unbill(
    engine: Engine, invoice_number: str, *, actor: str, now: datetime, landing: Landing | None = None, reason: str | None = None
) -> tuple[str, int]:
    """Deletes a Draft made of usage, whose usage is billable again; returns its number and how many usage summaries that were.

    CallRefused where it is Billed or Paid, or a Draft that was not made of usage.
    """
    with _on(engine, invoice_number) as (connection, invoice):
        _refuse_what_is_no_draft(invoice, "deleted")
        _refuse_strange(connection, invoice)
        keep = _keeper(engine, landing, now)(invoice.invoice_number)
        _put_date_back(connection, invoice)
        return invoice.invoice_number, drafts.unmake(connection, invoice, who=Who(actor, now), keep=keep, reason=reason)


@acts("mark customer invoice")
def mark(engine: Engine, invoice_number: str, status: str, *, actor: str, now: datetime) -> tuple[str, str, bool]:
    """Moves it on to Billed or Paid; returns its number, the status before, and whether anything changed. CallRefused for a step back."""
    wanted = next((one for one in STATUSES if one.casefold() == status.strip().casefold()), None)
    if wanted is None:
        raise CallRefused(f"--status is {status!r}; write Billed or Paid.")
    with _on(engine, invoice_number) as (connection, invoice):
        return invoice.invoice_number, invoice.status or DRAFT, drafts.mark(connection, invoice, wanted, who=Who(actor, now))


# --- helpers -------------------------------------------------------------------------------------------------------------------------------


@contextmanager
def _on(engine: Engine, invoice_number: str, *, undone: bool = False) -> Iterator[tuple[Connection, Row]]:
    """One transaction on the invoice, its contract locked first, as everybody who bills does it; with `undone` taken back in the end."""
    with guarded(), engine.connect() as connection, connection.begin() as transaction:
        found = drafts.find(connection, invoice_number)
        if found is None:
            raise CallRefused(f"There is no customer invoice {invoice_number.strip()}; `bill` makes them, `load` brings those of before.")
        store.lock(connection, found.contract_id or "")
        locked = drafts.find(connection, found.invoice_number, locked=True)
        if locked is None:
            raise CallRefused(f"Customer invoice {found.invoice_number} is not here any more: somebody else has deleted it.")
        yield connection, locked
        if undone:
            transaction.rollback()


def _refuse_what_is_no_draft(invoice: Row, done: str) -> None:
    if invoice.status != DRAFT:
        raise CallRefused(
            f"Invoice {invoice.invoice_number} is {invoice.status} and cannot be {done}: the customer has it. Credit it instead; usage that comes late goes "
            f"onto the next invoice by itself."
        )


def _refuse_strange(connection: Connection, invoice: Row) -> None:
    if invoice.made_at is None and not drafts.is_made_of_usage(connection, invoice.invoice_number):
        raise CallRefused(
            f"Invoice {invoice.invoice_number} was not made here: it came with our records and has lines without usage. Change it where it was made, and "
            f"load it again."
        )


def _put_date_back(connection: Connection, invoice: Row) -> None:
    """The contract's next invoice date, as far as this invoice has moved it."""
    contract_id = invoice.contract_id or ""
    day, moved = drafts.next_date(connection, contract_id)
    steps = {number: step for number, before, after in moved if (step := cycles.Step.of(before, after))}
    own = steps.pop(invoice.invoice_number, None)
    drafts.move_date(connection, contract_id, day, cycles.taken_back(day, own, steps.values()))


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


def has_drifted(contract: Contract, usage: Usage) -> bool:
    """Whether the subscription's markup was changed after the import, and is not the one that the usage is sold with. What a person made of the row
    while the subscription stayed as it was is no drift."""
    subscription = contract.subscriptions.get(usage.subscription_id or "")
    markup = subscription.markup_pct if subscription else None
    return markup is not None and markup not in (usage.markup_pct, usage.stamped_markup_pct)


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


def correct_to_subscriptions(
    connection: Connection, engine: Engine, usage_ids: Sequence[str], *, who: Who, landing: Landing | None, reason: str | None
) -> None:
    """Gives this usage, none of which is invoiced, the markups that its subscriptions have today: a correction, in the caller's transaction."""
    rule = Rule(to_subscription=True, usage_ids=tuple(usage_ids))
    correcting.correct_within(connection, engine, rule, who=who, landing=landing, reason=reason)


def _keeper(engine: Engine, landing: Landing | None, now: datetime) -> Callable[[str], drafts.Keep]:
    """Lands the document of a change of that invoice."""
    where = landing or Landing(w365settings.read().landing)

    def keep_of(invoice_number: str) -> drafts.Keep:
        told = {"purpose": drafts.PURPOSE, "name": f"usage invoice {invoice_number}", "provider": "all providers", "invoice_number": None}
        return lambda document: orders.keep(engine, where, document, **told, sync_run_id=None, at=now)

    return keep_of
