"""Which usage invoices does a contract get in a period, what belongs on each, and why is the rest not billed?

    plan(contract, usage, …)          the drafts of a run, the oldest cycle first, and what is held back
    again(contract, usage, …)         what the Draft of a cycle would hold if it were made now
    comes_to(contract, usage, …)      what an invoice comes to with other usage on it

A run takes everything that is billable of a cycle that is over. Usage of a cycle that has its invoice already is late: it goes onto the invoice of the
next cycle that has none. A later cycle waits while an earlier one is open and has something to bill.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from w365core import money
from w365core.billing import cycles, notes as notes_of
from w365core.billing.billable import blocked_by, currency_of
from w365core.billing.commitments import is_of, potentials
from w365core.billing.cycles import Cycle, Invoiced, Step, Terms
from w365core.billing.lines import Contents, is_worth_an_invoice, lines_of
from w365core.usage_invoice import (
    ARCHIVED,
    DRAFT,
    NOT_BILLABLE,
    Commitment,
    Contract,
    Draft,
    Earlier,
    Held,
    Line,
    Plan,
    Potential,
    Standing,
    Usage,
)


def plan(contract: Contract, usage: Sequence[Usage], *, first: date, last: date, today: date, taken: Collection[str] = ()) -> Plan:
    """The run over the cycles whose invoice date lies in first..last, both inclusive, and that are over on `today`.

    `usage` is what of the contract is not invoiced, `taken` are the invoice numbers that are given already.
    """
    judged = judge(contract, usage, today=today)
    terms, invoices = terms_of(contract), invoices_of(contract)
    open_ones = _worth(contract, terms, invoices, judged)
    dated = {number: _date(terms, cycle, invoices, contract) for number, (cycle, _) in open_ones.items()}
    over = [number for number in sorted(open_ones) if open_ones[number][0].end <= today]
    wanted = [number for number in sorted(open_ones) if first <= dated[number] <= last]
    drafts, waits, notes = [], None, []
    for number in wanted:
        cycle, contents = open_ones[number]
        if number not in over:
            notes.append(notes_of.not_over(contract, cycle))
            continue
        before = [one for one in over if one < number and one not in wanted]
        if before:
            waits = cycle, open_ones[before[0]][0]
            break
        dated[number] = max([dated[number], *(draft.invoice_date for draft in drafts)])
        given = (*taken, *(one.invoice_number for one in drafts))
        draft, terms, said = _draft(contract, terms, invoices, cycle, contents, dated[number], given)
        step = Step.of(draft.next_before, draft.next_after)
        invoices = [*invoices, Invoiced(draft.invoice_number, draft.cycle_start, draft.invoice_date, DRAFT, step)]
        drafts.append(draft)
        notes += [*said, *notes_of.late_on(contract, terms, draft)]
    if drafts:
        notes += notes_of.late_from_now_on(contract, terms, invoices)
    # The earlier one is due on the day that it has once these drafts have moved the contract's date.
    earlier = _earlier(*waits, _date(terms, waits[1], invoices, contract)) if waits else None
    held = (*_held(contract, judged, first, last, today), *_before_the_start(contract, judged, drafts, first, last))
    idle = _potential(contract, usage, max(first, last.replace(day=1)), last, today)
    return Plan(
        contract,
        tuple(drafts),
        held,
        earlier,
        tuple(notes),
        idle,
        notes_of.to_regenerate(contract, terms_of(contract), [one for one, why in judged if why is None], first, last),
    )


def again(contract: Contract, usage: Sequence[Usage], *, of: Standing, next_dates: tuple[date | None, date | None]) -> Draft | None:
    """The invoice `of` as it would be made now: same number, same date. `usage` includes what is on it. None where it would hold nothing."""
    others = _without(contract, of.invoice_number)
    terms = terms_of(contract)
    number = cycles.cycle_of(terms, of.day).number
    found = _worth(others, terms, invoices_of(others), judge(contract, usage)).get(number)
    if found is None:
        return None
    (cycle, contents), (before, after) = found, next_dates
    return Draft(
        of.invoice_number, contract.contract_id or "", contract.account_id, of.invoice_date or cycle.end, cycle.start, cycle.last_day,
        _currency(contents.lines), contents.lines, before, after, commitments=_named(contents, of.invoice_number),
    )  # fmt: skip


def comes_to(contract: Contract, usage: Sequence[Usage], *, of: Standing) -> Decimal:
    """What the invoice `of` comes to with this usage on it and its top-ups, whether or not it could be billed today."""
    terms = terms_of(contract)
    cycle = cycles.cycle_of(terms, of.day)
    own, late = ([one for one in usage if is_of(terms, one.day, cycle) is wanted] for wanted in (True, False))
    contents = lines_of(_without(contract, of.invoice_number), terms, own, late, currency=usage[0].currency)
    return money.total(line.amount for line in contents.lines)


def judge(contract: Contract, usage: Sequence[Usage], *, today: date | None = None) -> list[tuple[Usage, tuple[str, str] | None]]:
    """Each with why it cannot be billed, None where it can: so every amount is billable or held back with a cause. What has not begun `today` waits."""
    currency = currency_of(contract, list(usage))
    judged = [(one, blocked_by(contract, one, currency=currency, today=today)) for one in usage]
    return [(one, why or _after_the_end(contract, one)) for one, why in judged]


def terms_of(contract: Contract) -> Terms:
    return Terms(contract.contract_id or "", contract.frequency, contract.start_date, contract.end_date, contract.next_invoice_date)


def invoices_of(contract: Contract) -> list[Invoiced]:
    """The invoices that stand for its cycles."""
    return [
        Invoiced(one.invoice_number, one.day, one.invoice_date, one.status, Step.of(one.next_before, one.next_after))
        for one in contract.invoices
    ]


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _without(contract: Contract, invoice_number: str) -> Contract:
    """The contract as it would be if that invoice had not been made."""
    kept = {
        name: [one for one in getattr(contract, name) if one.invoice_number != invoice_number] for name in ("invoices", "settled", "sold")
    }
    return replace(contract, **kept)


def _named(contents: Contents, invoice_number: str) -> tuple[Commitment, ...]:
    return tuple(replace(one, invoice_number=invoice_number) for one in contents.commitments)


def _numbers(terms: Terms, invoices: Iterable[Invoiced]) -> set[int]:
    return {cycles.cycle_of(terms, one.cycle_start).number for one in invoices}


def _target(number: int, invoiced: Collection[int]) -> int:
    """The cycle whose invoice takes usage of this one: itself, or where it has its invoice the next that has none."""
    while number in invoiced:
        number += 1
    return number


def _after_the_end(contract: Contract, usage: Usage) -> tuple[str, str] | None:
    """Late usage of an ended contract has no next invoice to go onto."""
    if contract.end_date is None or contract.contract_id is None:
        return None
    terms = terms_of(contract)
    number = cycles.cycle_of(terms, usage.day).number
    target = _target(number, _numbers(terms, invoices_of(contract)))
    if target == number or cycles.cycle(terms, target).start <= contract.end_date:
        return None
    return NOT_BILLABLE, (
        f"Contract {contract.contract_id} ended on {contract.end_date} and its last cycle has its invoice: regenerate that while it is a Draft, or move "
        f"the end date so that the contract has another cycle."
    )


def _worth(
    contract: Contract, terms: Terms, invoices: Sequence[Invoiced], judged: Sequence[tuple[Usage, object]]
) -> dict[int, tuple[Cycle, Contents]]:
    """The open cycles that have something to bill, with what their invoices hold: the cycle's own usage, and late usage of cycles that have theirs.
    What a top-up has paid for already goes along with the next one."""
    invoiced = _numbers(terms, invoices)
    own: dict[int, list[Usage]] = {}
    late: dict[int, list[Usage]] = {}
    for usage, why in judged:
        if why is None:
            number = cycles.cycle_of(terms, usage.day).number
            target = _target(number, invoiced)
            is_own = target == number and not cycles.is_before(terms, usage.day)
            (own if is_own else late).setdefault(target, []).append(usage)
    found, paid_for = {}, []
    for number in sorted({*own, *late}):
        mine = own.get(number, []), [*paid_for, *late.get(number, [])]
        contents = lines_of(contract, terms, *mine, currency=next(usage.currency for rows in mine for usage in rows))
        if is_worth_an_invoice(contents.lines):
            found[number], paid_for = (cycles.cycle(terms, number), contents), []
        elif any(one.top_up < 0 for one in contents.commitments):
            paid_for = [usage for rows in mine for usage in rows]
    return found


def _date(terms: Terms, cycle: Cycle, invoices: Sequence[Invoiced], contract: Contract) -> date:
    oldest = cycles.oldest_open(terms, invoices, first_usage=contract.first_usage)
    return cycles.invoice_date(terms, cycle, invoices, oldest=oldest)


def _draft(
    contract: Contract,
    terms: Terms,
    invoices: Sequence[Invoiced],
    cycle: Cycle,
    contents: Contents,
    dated: date,
    taken: Collection[str],
) -> tuple[Draft, Terms, list[str]]:
    """The draft, the contract's terms after it, and what there is to say: cycles that were passed over, commitments that cannot be compared."""
    lines, oldest = contents.lines, cycles.oldest_open(terms, invoices, first_usage=contract.first_usage)
    invoiced = _numbers(terms, invoices)
    before, after, next_date = _next_dates(terms, invoices, cycle, oldest, invoiced)
    passed = [cycles.cycle(terms, number) for number in range(oldest.number, cycle.number) if number not in invoiced]
    said = [*notes_of.passed_over(contract, passed), *notes_of.not_topped_up(contract, lines, currency=_currency(lines))]
    number = _free_number(f"U{cycle.start:%Y%m}-{contract.contract_id}", taken)
    draft = Draft(
        number, contract.contract_id or "", contract.account_id, dated, cycle.start, cycle.last_day, _currency(lines), lines, before, after, next_date,
        _named(contents, number),
    )  # fmt: skip
    return draft, replace(terms, next_invoice_date=next_date), said


def _next_dates(
    terms: Terms, invoices: Sequence[Invoiced], cycle: Cycle, oldest: Cycle, invoiced: Collection[int]
) -> tuple[date | None, date | None, date | None]:
    """The contract's date before the invoice, after its own step, and where it ends past later cycles that have their invoice. A cycle that was left
    out moves nothing."""
    before = terms.next_invoice_date
    if before is None or cycle.number < oldest.number:
        return before, before, before
    steps = [one.step for one in invoices if one.step]
    on_by = cycle.number + 1 - oldest.number
    after = cycles.moved_on(terms, before, cycles=on_by, steps=steps)
    while oldest.number + on_by in invoiced and cycles.landed(after, steps) == after:  # no step leads past an invoice that stands already
        on_by += 1
        after = cycles.moved_on(terms, before, cycles=on_by, steps=steps)
    return before, after, cycles.landed(after, steps)


def _free_number(wanted: str, taken: Collection[str]) -> str:
    given = {number.casefold() for number in taken}
    number, more = wanted, 2
    while number.casefold() in given:
        number, more = f"{wanted}-{more}", more + 1
    return number


def _currency(lines: Sequence[Line]) -> str:
    return next(line.usage.currency for line in lines if line.usage is not None)


def _held(
    contract: Contract, judged: Sequence[tuple[Usage, tuple[str, str] | None]], first: date, last: date, today: date
) -> tuple[Held, ...]:
    """What is not billed of the cycles that are over and invoiced in first..last, also where the cycle's invoice was made without it; archived usage is
    no loss but a decision."""
    terms, invoices = (
        replace(terms_of(contract), end_date=None),
        invoices_of(contract),
    )  # usage after the end is held back where it would be due
    invoiced = _numbers(terms, invoices)
    found = []
    for usage, why in judged:
        if why is None or why[0] == ARCHIVED:
            continue
        number = cycles.cycle_of(terms, usage.day).number
        waited_for = (cycles.cycle(terms, one) for one in (number, _target(number, invoiced)))
        days = [_date(terms, cycle, invoices, contract) for cycle in waited_for if cycle.end <= today]
        found += [Held(usage, *why, day) for day in days if first <= day <= last][:1]
    return tuple(found)


def _before_the_start(
    contract: Contract, judged: Sequence[tuple[Usage, tuple[str, str] | None]], drafts: Sequence[Draft], first: date, last: date
) -> tuple[Held, ...]:
    """Billable usage from before the contract that these drafts do not take: held back where it would have been due, the month after it."""
    terms, taken = terms_of(contract), {usage.usage_id for draft in drafts for usage in draft.usage}
    found = []
    for usage, why in judged:
        due = cycles.month_after(usage.day)
        if why is None and cycles.is_before(terms, usage.day) and first <= due <= last and usage.usage_id not in taken:
            found.append(
                Held(
                    usage,
                    NOT_BILLABLE,
                    f"Contract {contract.contract_id} begins on {contract.start_date}, after this usage: the invoice of its next cycle takes it as "
                    f"late. To bill it before, give the contract its earlier start_date in billing_contracts.csv, and load that.",
                    due,
                )
            )
    return tuple(found)


def _potential(contract: Contract, usage: Sequence[Usage], first: date, last: date, today: date) -> tuple[Potential, ...]:
    if contract.contract_id is None or not any(one.minimum_commitment for one in contract.subscriptions.values()):
        return ()
    terms, invoices = terms_of(contract), invoices_of(contract)
    currency = contract.currency or contract.account_currency
    oldest = cycles.oldest_open(terms, invoices, first_usage=contract.first_usage)
    found: list[Potential] = []
    invoiced = _numbers(terms, invoices)
    for cycle in cycles.cycles_from(terms, oldest, until=today):
        day = cycles.invoice_date(terms, cycle, invoices, oldest=oldest)
        if cycle.end <= today and first <= day <= last and cycle.number not in invoiced:
            mine = [one for one in usage if cycles.cycle_of(terms, one.day) == cycle]
            found += potentials(contract, cycle, mine, currency=currency)
    return tuple(found)


def _earlier(later: Cycle, earlier: Cycle, dated: date) -> Earlier:
    return Earlier(later.start, later.last_day, earlier.start, earlier.last_day, dated)
