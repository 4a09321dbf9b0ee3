"""How are the checks of missing usage put into words? Days, commands, whose a missing reference is, and what mends what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from w365core import money
from w365core.diagnosis import words
from w365core.diagnosis.missing_usage_facts import ANOTHER, OWN, Document, Evidence, Missing
from w365core.model import shortened

_MOST_NAMED, _LONGEST = 3, 400
_COMMANDS = ("map-account ", "add-subscription ", "alias-subscription ", "load ")


@dataclass(frozen=True)
class Checked:
    """What one check found. `applies` None: not reached. `whose` only of missing references; `document` is the number of the one at fault."""

    applies: bool | None
    evidence: str
    fix: str = ""
    whose: str | None = None
    document: str | None = None
    invoice_id: int | None = None


Check = Callable[[Evidence], Checked]


def whose_fault(document: Document, pairs: Sequence[tuple[str, Missing]]) -> str:
    """Whose reference keeps the document out, its own before those of others."""
    number, blame = document.number, pairs[0][0]
    own = [one for said, one in pairs if said == OWN]
    others = [one for said, one in pairs if said == ANOTHER]
    if own:
        more = f"; beside it {_named(others)} of other customers" if others else ""
        return f"This subscription's own reference is missing, which keeps {number} out: {_named(own)}{more}."
    if blame != ANOTHER:
        same = [one for said, one in pairs if said == blame]
        return f"A reference of the same customer is missing, which keeps {number} out and may be this subscription's own: {_named(same)}."
    return f"Another customer's reference is missing, which keeps {number} out: {_named(others)}. This subscription's own are all there."


def _named(missing: Sequence[Missing]) -> str:
    said = [
        f"{one.kind} {one.name or one.key} ({one.key}, {words.amount(one.amount, one.currency)})"
        if one.name
        else f"{one.kind} {one.key} ({words.amount(one.amount, one.currency)})"
        for one in missing[:_MOST_NAMED]
    ]
    more = len(missing) - _MOST_NAMED
    return ", ".join(said) + (f" and {more} more" if more > 0 else "")


def supply(missing: Missing, document: Document) -> str:
    whose = f"--provider {word(document.provider)}"
    if missing.suggestion:
        said, _, command = missing.suggestion.removesuffix(".").rpartition(": ")
        return f"{said}: `{command}`" if command.startswith(_COMMANDS) else missing.suggestion.removesuffix(".")
    if missing.kind == "customer":
        return f"Map the customer: `map-account {whose} --provider-account-id {word(missing.key)} --account ACCOUNT_ID`"
    if missing.kind == "subscription":
        return f"Add the subscription: `add-subscription {whose} --provider-subscription-id {word(missing.key)} --kind Usage`, or `alias-subscription` where it is an old id"
    return (
        f"Add the currency {missing.key} to currencies.csv (`load`)"
        if missing.key.upper() == document.currency.upper()
        else "Ask the provider for an invoice in each currency"
    )


def mend(document: Document, e: Evidence) -> str:
    number = f"`sync --invoice {word(document.number)}"
    if document.lacks_daily_usage:
        return f"Wait for the daily usage. {_tries(document, e)} {number}` tries at once."
    if document.proven_cause:
        return f"Look at the difference on its page and accept it there, or {number} --override-tolerance N` with the N that its message proposes."
    return f"{_tries(document, e)} Most mend themselves the next day; else find the difference on its page, and override it only once you know what it is: {number} --override-tolerance N`; or ask the provider."


def _tries(document: Document, e: Evidence) -> str:
    if document.retried_until is None:
        return ""
    until = day(document.retried_until)
    return (
        f"The daily job tries again until {until}." if document.retried_until >= e.today else f"The daily job tries no more since {until}."
    )


def held(document: Document, e: Evidence) -> str:
    cost = document.held_cost
    return (
        f" It holds up {words.amount(cost, document.currency)} of this subscription's usage, at cost."
        if cost is not None and cost != money.ZERO
        else ""
    )


def run_said(e: Evidence) -> str:
    run = e.source.run
    if run is None:
        return "No sync has run yet."
    ended = {"done": "it ended well", "failed": "it failed", "abandoned": "it was broken off", "running": "it is still running"}[run.status]
    return f"The last sync was on {day(run.on)}: {ended}{f' ({short(run.message)})' if run.message and run.status != 'done' else ''}."


def if_it_failed(e: Evidence) -> str:
    failed = e.source.run is not None and e.source.run.status == "failed"
    return "Test the connection on the page Providers: its rights, its consent and its secret." if failed else ""


def wait_until(expected: date, today: date, what: str, asked: str) -> str:
    if today <= expected:
        return f"Wait until {day(expected)}; {asked}."
    return f"Ask the provider's support: {what} is {words.counted((today - expected).days, 'day')} late; {asked}."


def not_reached(why: str) -> Checked:
    return Checked(None, why)


def at_fault(document: Document, evidence: str, fix: str, *, whose: str | None = None) -> Checked:
    return Checked(True, evidence, fix, whose, document.number, document.invoice_id)


def word(text: str | None) -> str:
    """As one word of a command."""
    text = text or "NAME"
    return text if text.replace("-", "").replace("_", "").replace(".", "").isalnum() else "'" + text.replace("'", "'\\''") + "'"


def number_and_day(document: Document) -> str:
    return f"{document.number} of {day(document.invoice_date)}"


def short(text: str) -> str:
    return shortened(" ".join(text.split()), _LONGEST)


def day(said: date | None) -> str:
    return "an unknown day" if said is None else said.isoformat()


def month_of(said: date) -> str:
    return f"{said:%Y-%m}"
