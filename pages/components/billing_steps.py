"""What can a person do about usage invoices? Bill, make again, delete, mark: each says before what it will do, and after what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.components import address, asking, cached, done, plain, problems, signed_in
from pages.components.asking import BILLING
from w365core.errors import CallRefused
from w365core.jobs import invoicing, remaking
from w365core.jobs.invoicing import Period
from w365core.reports import wording
from w365core.reports.usage_invoice_detail import Opened
from w365core.reports.usage_invoices import Due, ToRemake

_MOST_SAID = 8
_MOST_NOTES = 3
_MOST_CHARACTERS = 500


@dataclass(frozen=True)
class Step:
    """A step that waits to be confirmed: its title, its button, what it will do, and the doing, which returns what it did."""

    title: str
    label: str
    icon: str
    before: tuple[str, ...]
    do: Callable[..., Sequence[str]]
    takes_reason: bool = False
    choice: tuple[str, str] | None = None  # a checkbox, ticked at first: what it says, and the name of the argument that it sets


@problems.callback
def ask_bill(due: Sequence[Due]) -> None:
    """Called by a button: the question whether to bill these contracts."""
    drafts = [(one, draft) for one in due for draft in one.drafts]
    named = [
        f"{draft.invoice_number}, {one.customer}: {wording.counted(len(draft.lines), 'line')}, {wording.amount(draft.total, draft.currency)}"
        for one, draft in drafts[:_MOST_SAID]
    ]
    more = [f"… and {len(drafts) - _MOST_SAID:,} more"] if len(drafts) > _MOST_SAID else []
    totals = wording.sums((draft.total, draft.currency) for _, draft in drafts)
    said = (
        f"Makes {wording.counted(len(drafts), 'Draft')}, {totals}, and marks the usage on them as invoiced. A Draft can be deleted again."
    )
    title = f"Bill {due[0].customer}?" if len(due) == 1 else f"Bill {len(due):,} contracts?"
    _ask(Step(title, "Bill", ":material/request_quote:", (said, *named, *more), lambda: _bill(due)))


@problems.callback
def ask_remake(one: ToRemake) -> None:
    """Called by a button: the question whether to make a Draft again."""
    now, after, choice = f"It is {wording.amount(one.before, one.currency)} now", "", None
    if one.after is None:
        after = f"{now}, and would hold nothing: delete it instead."
    elif one.after_markups is None:
        after = f"{now}, and would be {wording.amount(one.after, one.currency)}."
    else:
        after = (
            f"{now}, and would be {wording.amount(one.after_markups, one.currency)} with the markups that its subscriptions have today; with those that its "
            f"usage came in with, {wording.amount(one.after, one.currency)}."
        )
        choice = ("Take the markups that the subscriptions have today", "take_markups")
    told = (one.sentence, after, "Number and date stay; all of it or nothing.")
    title = f"Make {one.invoice_number} again?"
    _ask(Step(title, "Make again", ":material/refresh:", told, lambda **how: _remake(one.invoice_number, **how), choice=choice))


@problems.callback
def ask_remake_opened(found: Opened) -> None:
    """Called by a button: the same for the invoice that is open; where it would come out otherwise, exactly as from the list."""
    if (one := cached.to_remake(found.number)) is not None:
        return ask_remake(one)
    told = ("Takes what is billable of its cycle now: what came since, and top-ups by it. Number and date stay; all of it or nothing.",)
    do = lambda **how: _remake(found.number, **how)  # noqa: E731
    _ask(Step(f"Make {found.number} again?", "Make again", ":material/refresh:", told, do))


@problems.callback
def ask_mark(found: Opened, status: str) -> None:
    """Called by a button: the question whether to move the invoice on."""
    total = wording.amount(found.row["total"], found.row["currency"])
    held = {"Billed": "It can no longer be deleted or made again then: what is wrong is credited.", "Paid": "That is its last status."}
    said = f"{found.number} of {total} becomes {status}. {held[status]}"
    _ask(
        Step(
            f"Mark {found.number} as {status}?", f"Mark {status}", ":material/arrow_forward:", (said,), lambda: _mark(found.number, status)
        )
    )


@problems.callback
def ask_delete(found: Opened) -> None:
    """Called by a button: the question whether to delete a Draft."""
    usage = wording.counted(len(found.linked.rows), "usage summary is", "usage summaries are")
    said = f"{found.number} is deleted with its {wording.counted(found.row['lines'], 'line')}; {usage} billable again, and the contract's date goes back."
    _ask(
        Step(
            f"Delete {found.number}?", "Delete", ":material/delete:", (said,), lambda **how: _delete(found.number, **how), takes_reason=True
        )
    )


def dialog() -> None:
    """The question that waits, where one does."""
    step = asking.what(BILLING)
    if isinstance(step, Step):
        st.dialog(plain.label(step.title), width="medium", on_dismiss=asking.close)(_confirm)(step)


# --- confirming --------------------------------------------------------------------------------------------------------------------------


def _ask(step: Step) -> None:
    asking.open_(BILLING, step)


def _confirm(step: Step) -> None:
    """Buttons in a dialog run no more than the dialog again: whatever closes it runs the whole page."""
    with problems.boundary():
        if asking.shows_refusal():
            return
        for sentence in step.before:
            st.text(sentence)
        how: dict[str, Any] = {}
        if step.choice:
            how[step.choice[1]] = st.checkbox(step.choice[0], value=True, key="billing_choice")
        if step.takes_reason:
            how["reason"] = st.text_input(
                "Why", key="billing_reason", max_chars=_MOST_CHARACTERS, placeholder="Optional; kept in the audit log"
            )
        with st.container(horizontal=True, gap="small"):
            is_pressed = st.button(step.label, key="billing_now", type="primary", icon=step.icon)
            is_left = st.button("Leave it", key="billing_leave")
        if is_pressed:
            _take(step, how)
        elif is_left:
            asking.leave()


def _take(step: Step, how: dict[str, Any]) -> None:
    try:
        said = step.do(**how)
    except CallRefused as refusal:
        asking.refuse(refusal)
    for sentence in said:
        done.say(sentence)
    asking.leave()


# --- doing -------------------------------------------------------------------------------------------------------------------------------


def _by_now() -> dict[str, Any]:
    return {"actor": signed_in.person(), "now": cached.installation().now}


def _bill(due: Sequence[Due]) -> Sequence[str]:
    """What was seen, and no other cycle."""
    how = _by_now()
    runs = [invoicing.bill(cached.engine(), _dates(one), contract_id=one.contract_id, **how) for one in due]
    made = [draft for run in runs for draft in run.made]
    if not made:
        raise CallRefused("Somebody else has billed it meanwhile, or nothing of it is billable any more; look at the page again.")
    totals = wording.sums((draft.total, draft.currency) for draft in made)
    numbers = ", ".join(draft.invoice_number for draft in made[:_MOST_SAID]) + (
        f" and {len(made) - _MOST_SAID:,} more" if len(made) > _MOST_SAID else ""
    )
    notes = [note for run in runs for note in run.notes]
    more = [f"… and {len(notes) - _MOST_NOTES:,} more of the kind."] if len(notes) > _MOST_NOTES else []
    return [f"{wording.counted(len(made), 'Draft')} made, {totals}: {numbers}.", *notes[:_MOST_NOTES], *more]


def _dates(one: Due) -> Period:
    dated = [draft.invoice_date for draft in one.drafts]
    return Period(min(dated), max(dated))


def _remake(number: str, *, take_markups: bool = False) -> Sequence[str]:
    draft = remaking.regenerate(cached.engine(), number, take_markups=take_markups, **_by_now())
    return [f"{number} is made again: {wording.counted(len(draft.lines), 'line')}, {wording.amount(draft.total, draft.currency)}."]


def _mark(number: str, status: str) -> Sequence[str]:
    invoicing.mark(cached.engine(), number, status, **_by_now())
    return [f"{number} is {status} now."]


def _delete(number: str, *, reason: str = "") -> Sequence[str]:
    _, summaries = invoicing.unbill(cached.engine(), number, reason=reason, **_by_now())
    address.close_usage_invoice()
    return [f"{number} is deleted; {wording.counted(summaries, 'usage summary is', 'usage summaries are')} billable again."]
