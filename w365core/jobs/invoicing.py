"""How is usage billed? A door for pages and the command line: what is due, making the Drafts, taking them back, moving them on.

plans, foretold          what a run would make, contract by contract; in short what it would ask for first, and which late usage it would take
bill                     makes the Drafts of a period, one transaction per contract: one that fails takes no other with it
unbill, mark             one invoice: deleted while it is a Draft; moved on to Billed and Paid

Two runs at once make one Draft: the contract is locked first, and what is due is asked again under the lock.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, Engine, Row

from w365core import money
from w365core.billing import cycles, planning
from w365core.errors import CallRefused
from w365core.jobs.one_invoice import keeper, on_invoice, refuse_license_lines, refuse_what_is_no_draft
from w365core.jobs.permitting import acts
from w365core.reports import wording
from w365core.store import billing as store, drafts
from w365core.store.engine import guarded
from w365core.store.landing import Landing
from w365core.store.ledger import Who
from w365core.usage_invoice import BILLED, DRAFT, PAID, Contract, Draft, Earlier, Plan

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
    """What a run would do with a contract. From the cycle that starts on `waits` on none is billed before an earlier one; `first` is the next invoice date.
    `late` is what it would take of cycles that have their invoice, less what their top-ups give back, each with the start of the cycle on whose invoice,
    subscription, currency and amount."""

    waits: date | None
    first: date | None
    late: tuple[tuple[date, str, str, Decimal], ...]

    def comes_before(self, cycle_start: date) -> date | None:
        """The invoice date of the cycle that has to be billed before the one that starts on that day; None where none has."""
        return self.first if self.waits is not None and cycle_start >= self.waits else None


# --- asking --------------------------------------------------------------------------------------------------------------------------------


def plans(connection: Connection, period: Period, *, today: date, contract_id: str | None = None) -> list[Plan]:
    """What a run would make of each contract, and of usage that has none."""
    usage, taken = store.unbilled(connection, contract_id), store.taken(connection)
    return [
        planning.plan(one, usage.get(one.contract_id or "", ()), first=period.first, last=period.last, today=today, taken=taken)
        for one in store.contracts(connection, contract_id)
    ]


def foretold(connection: Connection, contracts: Iterable[Contract], period: Period, *, today: date) -> dict[str, Foretold]:
    """What a run over this period would do with each of these contracts, which are as they are now; those without unbilled usage are left out."""
    usage = store.unbilled_in_sums(connection)
    found = {}
    for one in contracts:
        if one.contract_id and one.contract_id in usage:
            plan = planning.plan(one, usage[one.contract_id], first=period.first, last=period.last, today=today)
            waits, first = (plan.earlier.cycle_start, plan.earlier.earlier_invoice_date) if plan.earlier else (None, None)
            if waits is not None and plan.drafts:  # the date above is the one that these drafts lead to
                first = plan.drafts[0].invoice_date
            found[one.contract_id] = Foretold(waits, first, tuple(_late_on(plan.drafts)))
    return found


def _late_on(made: Sequence[Draft]) -> Iterator[tuple[date, str, str, Decimal]]:
    for draft in made:
        for line in draft.lines:
            if line.late:
                yield draft.cycle_start, line.subscription_id or "", draft.currency, line.amount
        for one in draft.commitments:
            if one.cycle_start != draft.cycle_start:
                yield draft.cycle_start, one.subscription_id, draft.currency, one.top_up


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
                plan = _made(engine, plan, period, Who(actor, now), keeper(engine, landing, now))
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


@acts("delete draft")
def unbill(
    engine: Engine, invoice_number: str, *, actor: str, now: datetime, landing: Landing | None = None, reason: str | None = None
) -> tuple[str, int]:
    """Deletes a Draft, whose usage is billable again; returns its number and how many usage summaries that were.

    CallRefused where it is Billed or Paid, or a Draft of our records that bills licenses. One that came with our records comes back with the next `load` of them.
    """
    with on_invoice(engine, invoice_number) as (connection, invoice):
        refuse_what_is_no_draft(invoice, "deleted")
        refuse_license_lines(connection, invoice)
        keep = keeper(engine, landing, now)(invoice.invoice_number)
        _put_date_back(connection, invoice)
        return invoice.invoice_number, drafts.unmake(connection, invoice, who=Who(actor, now), keep=keep, reason=reason)


@acts("mark customer invoice")
def mark(engine: Engine, invoice_number: str, status: str, *, actor: str, now: datetime) -> tuple[str, str, bool]:
    """Moves it on to Billed or Paid; returns its number, the status before, and whether anything changed. CallRefused for a step back."""
    wanted = next((one for one in STATUSES if one.casefold() == status.strip().casefold()), None)
    if wanted is None:
        raise CallRefused(f"--status is {status!r}; write Billed or Paid.")
    with on_invoice(engine, invoice_number) as (connection, invoice):
        return invoice.invoice_number, invoice.status or DRAFT, drafts.mark(connection, invoice, wanted, who=Who(actor, now))


# --- helpers -------------------------------------------------------------------------------------------------------------------------------


def _put_date_back(connection: Connection, invoice: Row) -> None:
    """The contract's next invoice date, as far as this invoice has moved it."""
    contract_id = invoice.contract_id or ""
    day, moved = drafts.next_date(connection, contract_id)
    steps = {number: step for number, before, after in moved if (step := cycles.Step.of(before, after))}
    own = steps.pop(invoice.invoice_number, None)
    drafts.move_date(connection, contract_id, day, cycles.taken_back(day, own, steps.values()))
