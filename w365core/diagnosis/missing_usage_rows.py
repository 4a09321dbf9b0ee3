"""Is there usage, may it be billed, and when did it come? The checks of usage summaries, markups, the customer's invoice and the contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from w365core import money
from w365core.diagnosis import missing_usage_documents as documents, words
from w365core.diagnosis.missing_usage_facts import Evidence, Rows, by_currency
from w365core.diagnosis.missing_usage_words import Checked, day, not_reached, word
from w365core.model import UsageStatus

_ACTIVE = ("active", "")


def no_usage_rows(e: Evidence) -> Checked:
    if e.rows:
        return Checked(
            False,
            f"{words.counted(sum(rows.count for rows in e.rows), 'usage summary', 'usage summaries')} of the cycle, on {_documents(e.rows)}.",
        )
    active = [document for document in documents.deciding(e) if document.is_active and document.usage]
    if not active:
        return not_reached("No invoice with usage is Active yet.")
    s = e.subscription
    last = f" It was charged last up to {day(s.last_usage)}." if s.last_usage else " It was never charged before."
    standing = "".join(
        [
            f" The provider calls it {s.at_provider} today." if s.at_provider else "",
            " It is Suspended in our records." if s.status == "Suspended" else "",
            f" It ended on {day(s.end_date)}." if s.end_date and s.end_date < e.cycle_end else "",
            f" It begins on {day(s.start_date)}." if s.start_date and s.start_date >= e.cycle_end else "",
            f" Its minimum commitment of {words.amount(s.minimum_commitment, e.currency or '')} a month is not billed without usage."
            if s.minimum_commitment
            else "",
        ]
    )
    said = f"{_numbers(active)} has usage of others and none of this subscription from {day(e.cycle_start)} to {day(e.cycle_end - timedelta(days=1))}.{last}{standing}"
    fix = "Nothing to bill where it used nothing. If it should have: its usage may stand under another id (`alias-subscription`, page Missing references)."
    return Checked(True, said, fix)


def archived_or_invoiced(e: Evidence) -> Checked:
    archived, invoiced = [r for r in e.rows if r.status == UsageStatus.ARCHIVED], [r for r in e.rows if r.is_invoiced]
    if not archived and not invoiced:
        return Checked(False, "None of it is invoiced or archived.") if e.rows else not_reached("There is no usage.")
    said, fixes = [], []
    for number in dict.fromkeys(rows.invoice_number for rows in invoiced):
        on = [rows for rows in invoiced if rows.invoice_number == number]
        said.append(f"{_amounts(on)} is on invoice {number} of {day(on[0].invoice_date)} ({on[0].invoice_status or 'not in our records'})")
    if invoiced:
        fixes.append("It was billed: see that invoice on the page Usage invoices.")
    if archived:
        said.append(f"{_amounts(archived)} is archived, so it is never billed")
        number = word(archived[0].document)
        fixes.append(
            f"What was archived by mistake comes back with its provider invoice: `deactivate --invoice {number}`, then `sync --invoice {number}`, which "
            f"brings all its usage in anew, not invoiced. Drafts of it have to be deleted before; `deactivate` names them."
        )
    return Checked(True, "; ".join(said) + ".", " ".join(fixes))


def unconfirmed(e: Evidence) -> Checked:
    if any(rows.confirmed for rows in e.rows):
        return Checked(False, "Its usage is confirmed by an invoice of the provider.")
    waiting = [rows for rows in e.rows if not rows.confirmed]
    if not waiting and not e.estimates:
        return not_reached("There is no usage, not even an estimate.")
    sums = _said(
        by_currency((rows.currency, rows.cost) for rows in waiting) or by_currency((one.currency, one.cost) for one in e.estimates)
    )
    when = f", as the provider estimated it on {day(max(one.on for one in e.estimates))}" if e.estimates and not waiting else ""
    return Checked(
        True,
        f"Only unconfirmed usage is here: {sums} at cost{when}. An estimate is never billed.",
        "Wait for the provider's invoice, which confirms it.",
    )


def markup_missing(e: Evidence) -> Checked:
    unrated = [rows for rows in e.rows if rows.status == UsageStatus.NOT_INVOICED and rows.unrated]
    now = e.subscription.markup_pct
    if unrated:
        many = words.counted(sum(rows.unrated for rows in unrated), "usage summary", "usage summaries")
        cost = _said(by_currency((rows.currency, rows.unrated_cost) for rows in unrated))
        today = (
            "and is still blank on the subscription"
            if now is None
            else f"and is {words.rate(now)} on the subscription by now, which lines that are here do not take over"
        )
        said = f"The markup was blank when the usage came in on {day(max(rows.arrived_on for rows in unrated))}, {today}: {many} of {cost} at cost cannot be sold (0 would be a markup)."
        return Checked(
            True,
            said,
            f"Set it on the lines: page Markup updates, or {_export(unrated)}. Set it on the subscription too (`load`), for the months to come.",
        )
    if now is None and not any(rows.is_open or rows.is_invoiced for rows in e.rows):
        said = "The subscription's markup is blank; usage that comes in now would be imported and could not be sold."
        return Checked(True, said, "Set markup_pct of the subscription in the records (`load`) before its usage arrives; 0 is a markup.")
    if not e.rows:
        return Checked(False, f"The subscription's markup is {words.rate(now)}.") if now is not None else not_reached("There is no usage.")
    markups = sorted({markup for rows in e.rows for markup in rows.markups})
    return Checked(
        False, f"Its usage has a markup of {', '.join(words.rate(markup) for markup in markups)}." if markups else "Its usage has a markup."
    )


def markup_changed_after_import(e: Evidence) -> Checked:
    drifted = [rows for rows in e.rows if rows.drifted and rows.confirmed and (rows.is_open or rows.invoice_status == "Draft")]
    now = e.subscription.markup_pct
    if not drifted or now is None:
        return Checked(False, "The markup is the one that the usage came in with.") if e.rows else not_reached("There is no usage.")
    then = sorted({markup for rows in drifted for markup in rows.markups})
    was = f"came in with {', '.join(words.rate(markup) for markup in then)}" if then else "came in without one"
    said = f"The subscription's markup is {words.rate(now)} today; {words.counted(sum(r.drifted for r in drifted), 'usage summary', 'usage summaries')} of {_said(by_currency((r.currency, r.drifted_cost) for r in drifted))} at cost {was}, on {day(max(r.arrived_on for r in drifted))}."
    draft = next((rows.invoice_number for rows in drifted if rows.is_invoiced), None)
    first = f"`unbill --invoice-number {word(draft)}`, then change the markup, then `bill`. " if draft else ""
    return Checked(True, said, f"{first}Where the new markup should hold for this usage: page Markup updates, or {_export(drifted)}.")


def arrived_after_invoice_date(e: Evidence) -> Checked:
    late = [rows for rows in e.live_rows if rows.arrived_on > e.invoice_date]
    if not late:
        if not e.live_rows:
            return not_reached("No usage has arrived.")
        return Checked(
            False,
            f"Its usage arrived on {day(max(rows.arrived_on for rows in e.live_rows))}, in time for the invoice date {day(e.invoice_date)}.",
        )
    arrived = max(rows.arrived_on for rows in late)
    again = f" So did {words.counted(e.late_before, 'cycle')} of the last 12." if e.late_before else ""
    said = f"The invoice date was {day(e.invoice_date)}; its usage arrived on {day(arrived)} ({_documents(late)}), {words.counted((arrived - e.invoice_date).days, 'day')} later.{again}"
    waits = any(rows.is_open for rows in late)  # what is invoiced is not generated again
    steps = [regenerate(e) if waits else "", move(e)]
    return Checked(True, said, " ".join(step for step in steps if step) or "Nothing is left to be done: it is billed.")


def invoice_total_zero(e: Evidence) -> Checked:
    invoice = e.invoice
    if invoice is None:
        return not_reached("There is no usage invoice of the cycle.")
    if invoice.total != money.ZERO or invoice.carries_usage:
        return Checked(False, f"Invoice {invoice.number} comes to {words.amount(invoice.total, invoice.currency or '')}.")
    said = f"Invoice {invoice.number} of {day(invoice.invoice_date)} ({invoice.status}) stands for the cycle, and its total is {words.amount(money.ZERO, invoice.currency or '')}."
    return Checked(True, said, regenerate(e))


def contract_not_billable(e: Evidence) -> Checked:
    found = list(_not_billable(e))
    if found:
        return Checked(True, " ".join(said for said, _ in found), " ".join(dict.fromkeys(fix for _, fix in found)))
    return Checked(
        False,
        f"Contract {e.contract.contract_id if e.contract else ''} is active, and in {e.contract.currency or 'the currency of its usage' if e.contract else ''}.",
    )


def _not_billable(e: Evidence) -> Iterable[tuple[str, str]]:
    """Every reason why the contract cannot be billed for this usage, with what mends it."""
    s, contract = e.subscription, e.contract
    correct = "Correct the record and `load` it."
    if contract is None:
        yield (
            "The subscription has no billing contract, so nobody is ever billed for it.",
            "Give the subscription a contract_id in the records and `load` it.",
        )
        return
    if not contract.is_known:
        yield (
            f"The subscription names contract {contract.contract_id}, which our records do not have.",
            "Load the contract (billing_contracts.csv), or correct the subscription's contract_id.",
        )
        return
    if (contract.status or "").strip().lower() not in _ACTIVE:
        yield f"Contract {contract.contract_id} is {contract.status}.", correct
    if contract.end_date is not None and contract.end_date < e.cycle_start:
        yield f"Contract {contract.contract_id} ended on {day(contract.end_date)}, before the cycle from {day(e.cycle_start)}.", correct
    if contract.start_date is not None and contract.start_date >= e.cycle_end:
        yield (
            f"Contract {contract.contract_id} begins on {day(contract.start_date)}, after the cycle to {day(e.cycle_end - timedelta(days=1))}.",
            "The invoice of its first cycle takes the usage as late. To bill it before, give the contract its earlier start_date in the records and `load` it.",
        )
    if contract.account_id is None:
        yield (
            f"Contract {contract.contract_id} has no account, and neither has the subscription.",
            "Give one of them its account_id in the records and `load` it.",
        )
    if contract.credit_hold:
        yield (
            f"{s.customer or contract.account_id} is on credit hold.",
            "Lift the credit hold in the records (accounts.csv, `load`) once the customer may be billed.",
        )
    if s.start_date is not None and s.start_date > e.today:
        yield f"The subscription begins on {day(s.start_date)}, in the future.", correct
    foreign = by_currency(
        (rows.currency, rows.selling or rows.cost)
        for rows in e.rows
        if rows.status == UsageStatus.NOT_INVOICED and _differs(rows.currency, contract.currency)
    )
    if foreign:
        yield (
            f"{_said(foreign)} of its usage is in {' and '.join(foreign)}, contract {contract.contract_id} is in {contract.currency}: an invoice holds one currency.",
            f"Put the subscription under a contract in {' or '.join(foreign)}, or correct the contract's currency, and `load` it.",
        )


def before_the_start(e: Evidence) -> str:
    """What is said of usage from before the contract, which its first cycle's invoice takes; blank where there is none."""
    early = [rows for rows in e.open_rows if rows.is_before_contract]
    if not early or e.contract is None:
        return ""
    return (
        f" {_amounts(early)} of it is late: it was charged before contract {e.contract.contract_id} began on {day(e.contract.start_date)}."
    )


def topped_up(e: Evidence) -> str:
    """What is said of a minimum commitment beside what can be billed; blank where the usage is beyond it."""
    least, sold = e.subscription.minimum_commitment, money.total(rows.selling for rows in e.open_rows)
    is_below = e.open_rows and least and sold < least
    return f", and what its minimum commitment of {words.amount(least, e.currency or '')} a month adds," if is_below else ""


def late_with_it(e: Evidence) -> str:
    """What is said of late usage that a run now would bill with the cycle; blank where there is none."""
    if not e.late_with_it:
        return ""
    late = _said(dict(e.late_with_it))
    if e.open_rows:
        return f" With it goes {late} of late usage of an invoiced cycle."
    return f" {late} of late usage of an invoiced cycle waits for its invoice: `bill` makes one of that alone, and what comes of the cycle itself is late then."


# --- in words ----------------------------------------------------------------------------------------------------------------------------


def _differs(currency: str, contract: str | None) -> bool:
    return contract is not None and currency.upper() != contract.upper()


def regenerate(e: Evidence) -> str:
    """How the cycle's invoice comes to carry the usage, or that it cannot any more."""
    if e.contract is None:
        return "Give the subscription a contract_id in the records and `load` it; only then can it be billed."
    period, contract = f"{e.invoice_date:%Y-%m}", word(e.contract.contract_id)
    if e.billed_before_it is not None and e.invoice is None:
        first = f"`bill --period {e.billed_before_it:%Y-%m} --contract {contract}`"
        return f"An earlier cycle is open and comes first: {first}. Then ask again here; it has moved the contract's invoice date."
    if e.invoice is None and e.today < e.invoice_date:
        return f"Nothing is to be done before {day(e.invoice_date)}; then `bill --period {period} --contract {contract}` generates it."
    if e.invoice is None:
        return f"Generate it now: `bill --period {period} --contract {contract}`, or Generate on the page Usage invoices."
    if e.invoice.is_out:
        return f"Invoice {e.invoice.number} is {e.invoice.status} and stays as it is: the usage is billed with the next cycle."
    return f"Delete the Draft and generate it anew: `unbill --invoice-number {word(e.invoice.number)}`, then `bill --period {period} --contract {contract}`."


def move(e: Evidence) -> str:
    """That the contract's invoice date is better moved behind the usual arrival; blank where it is not before it."""
    if e.recommended_day is None or e.contract is None:
        return ""
    return f"Move the contract's invoice date to the {words.ordinal(e.recommended_day)} of the month, after the usual arrival, so that it does not happen each month: on the page Settings, or `contract set-invoice-date --contract {word(e.contract.contract_id)} --date YYYY-MM-DD`."


def _export(rows: Sequence[Rows]) -> str:
    number = word(rows[0].document)
    return f"`markup export --invoice {number} --out markup.csv`, edit, `markup import markup.csv`"


def _amounts(rows: Sequence[Rows]) -> str:
    """What they sell for, and what those cost that have no markup."""
    sold = _said({code: value for code, value in by_currency((one.currency, one.selling) for one in rows).items()})
    unrated = by_currency((one.currency, one.unrated_cost) for one in rows if one.unrated)
    return f"{sold} and {_said(unrated)} at cost" if unrated else sold


def _said(sums: dict[str, Decimal]) -> str:
    """To the coin, as on the page; what is less than one keeps its digits."""
    return " and ".join(words.amount(money.in_currency(value, code) or value, code) for code, value in sums.items())


def _documents(rows: Iterable[Rows]) -> str:
    return ", ".join(dict.fromkeys(one.document for one in rows))


def _numbers(found: Sequence) -> str:
    return ", ".join(document.number for document in found)
