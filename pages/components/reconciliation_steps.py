"""What can a person do about a reconciliation? Accept, reopen, assign, note, sign off: each says before what it will do, and after what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from pages.components import (
    asking,
    cached,
    done,
    plain,
    problems,
    reconciliation_choice as choice,
    reconciliation_doing as doing,
    signed_in,
)
from pages.components.asking import RECONCILING
from w365core.errors import CallRefused
from w365core.jobs import queue
from w365core.reconciliation import ReviewState, Verdict
from w365core.reports import receipts, reconciliation_scope, wording
from w365core.reports.reconciliation import Group, Item, Reconciliation, Row, RowFilter, Wanted
from w365core.reports.reconciliation_evidence import Evidence

_MOST_CHARACTERS = 500
_PARAMETERS = {"customer": "customers", "product": "products", "verdict": "verdicts"}


@dataclass(frozen=True)
class Step:
    """A step that waits to be confirmed: its title, its button, what it will do, which text it takes, and the doing, which returns what it did."""

    title: str
    label: str
    icon: str
    before: tuple[str, ...]
    do: Callable[[str], Sequence[str]]
    text: str = "Why"
    must: bool = False  # whether the text may not be blank
    hint: str = ""


# --- buttons -----------------------------------------------------------------------------------------------------------------------------


def head_buttons(report: Reconciliation) -> None:
    """What can be done with the invoice as a whole."""
    one = report.scope.invoice
    if one is None or one["reconciliation_id"] is None:
        return
    reconcile_button(one, key="reconcile_again", label="Reconcile again", kind="secondary")
    if one["signed_at"]:
        st.button("Open again", key="reopen_invoice", icon=":material/lock_open:", on_click=_ask_reopen_invoice, args=(one,))
    else:
        st.button(
            "Sign off", key="sign_off", icon=":material/verified:", type="primary" if not report.open_rows else "secondary",
            disabled=bool(report.open_rows), on_click=_ask_sign_off, args=(report,),
            help=f"{wording.counted(report.open_rows, 'row is', 'rows are')} still open" if report.open_rows else "Nothing is open any more",
        )  # fmt: skip


def reconcile_button(one: Row, *, key: str, label: str, kind: str) -> None:
    """Queues the comparison; nothing of it runs in the page."""
    st.button(label, key=key, icon=":material/balance:", type=kind, on_click=_queue, args=(one["provider"], one["invoice_number"]))


def bulk_buttons(report: Reconciliation, wanted: Wanted) -> None:
    """What can be done with everything that the filters leave."""
    still = wanted.rows.states == (ReviewState.OPEN,)
    if still:
        st.button(
            f"Accept all {report.found:,}", key="accept_all", icon=":material/done_all:", on_click=_ask_accept,
            args=(report.scope.reconciled, wanted.rows, report.found, report.found_money, "everything that the filters leave"),
        )  # fmt: skip
        st.button(
            "Assign all", key="assign_all", icon=":material/person_add:", on_click=_ask_assign,
            args=(report.scope.reconciled, wanted.rows, report.found, "everything that the filters leave"),
        )  # fmt: skip
    elif choice.is_narrowed(wanted.rows) and Verdict.CONFIRMED not in wanted.rows.verdicts:
        st.button(
            f"Reopen all {report.found:,}", key="reopen_all", icon=":material/undo:", on_click=_ask_reopen,
            args=(report.scope.reconciled, replace(wanted.rows, states=(ReviewState.ACCEPTED,)), "everything accepted that the filters leave"),
        )  # fmt: skip


def row_button(item: Item, invoice: Row, report: Reconciliation, *, key: str) -> None:
    """Accept, or take it back. What no invoice of the month has is one row here, and decided of on each of them."""
    if item.verdict == Verdict.CONFIRMED:
        return
    invoices = report.scope.reconciled if item.verdict == Verdict.NOT_ON_INVOICE else (invoice,)
    if item.state == ReviewState.OPEN:
        args = (invoices, item.line_id, item.customer, item.sentence, item.money)
        st.button("Accept", key=f"accept_{key}", on_click=_ask_accept_one, args=args, width="stretch")
    else:
        st.button("Reopen", key=f"reopen_{key}", on_click=_ask_reopen_one, args=(invoices, item.line_id, item.customer), width="stretch")


def group_button(group: Group, *, key: str) -> None:
    """Accept what is open of the group."""
    wanted = choice.wanted()
    st.button(
        f"Accept {group.open_rows:,}", key=f"accept_group_{key}", icon=":material/done_all:", disabled=not group.open_rows, on_click=_ask_accept_group,
        args=(group, wanted), width="stretch",
    )  # fmt: skip


def evidence_buttons(found: Evidence) -> None:
    """What can be done with the row that is open."""
    row, invoice = found.row, (found.invoice,)
    if row["verdict"] == Verdict.CONFIRMED:
        return
    st.button(
        "Note", key="row_note", icon=":material/edit_note:", on_click=_ask_note, args=(invoice, row["line_id"], found.customer, row["note"])
    )
    st.button(
        "Assign", key="row_assign", icon=":material/person_add:", on_click=_ask_assign_one, args=(invoice, row["line_id"], found.customer)
    )
    if row["review_state"] == ReviewState.OPEN:
        money = wording.rounded(row["money_at_risk"], row["currency"])
        args = (invoice, row["line_id"], found.customer, found.sentence, money)
        st.button("Accept", key="row_accept", icon=":material/check:", type="primary", on_click=_ask_accept_one, args=args)
    else:
        st.button(
            "Reopen", key="row_reopen", icon=":material/undo:", on_click=_ask_reopen_one, args=(invoice, row["line_id"], found.customer)
        )


def standing(report: Reconciliation) -> None:
    """What the run says of itself, and whether the invoice is signed off."""
    one = report.scope.invoice
    if one and one["message"]:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Note", icon=":material/info:", color="blue")
            st.text(one["message"])
    if one and one["signed_at"]:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Signed off", icon=":material/verified:", color="green")
            changed = "; it was reconciled with other inputs since, look again" if one["signed_run"] != one["reconciliation_id"] else ""
            note = f": {one['signed_note']}" if one["signed_note"] else ""
            st.text(f"By {one['signed_by']} on {wording.zoned(one['signed_at'])}{note}{changed}.")


def dialog() -> None:
    """The question that waits, where one does."""
    step = asking.what(RECONCILING)
    if isinstance(step, Step):
        st.dialog(plain.label(step.title), width="medium", on_dismiss=asking.close)(_confirm)(step)


# --- asking ------------------------------------------------------------------------------------------------------------------------------


def _ask(step: Step) -> None:
    st.session_state.pop("reconciling_text", None)
    asking.open_(RECONCILING, step)


@problems.callback
def _ask_accept(invoices: Sequence[Row], rows: RowFilter, many: int, money: str, which: str) -> None:
    said = f"Accepts {wording.counted(many, 'row')}, {which}: {money} at risk."
    more = "Each stays accepted while its verdict and what is left over stay; when they change, it is open again. It can be taken back."
    before = (said, *receipts.announced(doing.twins(doing.ACCEPT, invoices, rows)), more)
    _ask(
        Step(
            f"Accept {wording.counted(many, 'row')}?", "Accept", ":material/done_all:", before, lambda why: doing.accept(invoices, rows, why), must=True,
            hint="For example: seats added after Microsoft's count, on the December invoice",
        )
    )  # fmt: skip


@problems.callback
def _ask_accept_one(invoices: Sequence[Row], line_id: str, customer: str, sentence: str, money: str) -> None:
    more = f"{money} at risk. It stays accepted while its verdict and what is left over stay; when they change, it is open again."
    before = (sentence, *receipts.announced(doing.twins(doing.ACCEPT, invoices, (line_id,))), more)
    _ask(
        Step(
            f"Accept the difference of {customer}?", "Accept", ":material/check:", before, lambda why: doing.accept(invoices, (line_id,), why), must=True
        )
    )  # fmt: skip


@problems.callback
def _ask_accept_group(group: Group, wanted: Wanted) -> None:
    report = cached.reconciliation(wanted)
    rows = replace(wanted.rows, states=(ReviewState.OPEN,), **{_PARAMETERS[group.by]: (group.key,)})
    invoices = [one for one in report.scope.reconciled if one["currency"] == group.currency]
    _ask_accept(invoices, rows, group.open_rows, wording.rounded(group.money, group.currency), f"all that are open of {group.name}")


@problems.callback
def _ask_reopen(invoices: Sequence[Row], rows: RowFilter, which: str) -> None:
    _ask(
        Step(
            "Reopen them?",
            "Reopen",
            ":material/undo:",
            (f"Opens {which} again; their reasons stay in the audit log.", *receipts.announced(doing.twins(doing.REOPEN, invoices, rows))),
            lambda why: doing.reopen(invoices, rows, why),
        )
    )


@problems.callback
def _ask_reopen_one(invoices: Sequence[Row], line_id: str, customer: str) -> None:
    said = f"The row of {customer} is to be looked at again; the reason that it was accepted with stays in the audit log."
    _ask(Step(f"Reopen the row of {customer}?", "Reopen", ":material/undo:", (said,), lambda why: doing.reopen(invoices, (line_id,), why)))


@problems.callback
def _ask_assign(invoices: Sequence[Row], rows: RowFilter, many: int, which: str) -> None:
    said = f"Assigns {wording.counted(many, 'row')}, {which}. Blank takes the name off."
    _ask(
        Step(
            f"Assign {wording.counted(many, 'row')}?",
            "Assign",
            ":material/person_add:",
            (said, *receipts.announced(doing.twins(doing.MARK, invoices, rows))),
            lambda who: doing.assign(invoices, rows, who),
            text="To whom",
        )
    )


@problems.callback
def _ask_assign_one(invoices: Sequence[Row], line_id: str, customer: str) -> None:
    said = "Who is to look at it. Blank takes the name off."
    _ask(
        Step(
            f"Assign the row of {customer}?",
            "Assign",
            ":material/person_add:",
            (said,),
            lambda who: doing.assign(invoices, (line_id,), who),
            text="To whom",
        )
    )


@problems.callback
def _ask_note(invoices: Sequence[Row], line_id: str, customer: str, note: str | None) -> None:
    said = f"Replaces the note that is there: {note}" if note else "Kept with the row, for whoever looks at it next."
    _ask(
        Step(
            f"Note on the row of {customer}",
            "Keep",
            ":material/edit_note:",
            (said,),
            lambda words: doing.note(invoices, line_id, words),
            text="Note",
        )
    )


@problems.callback
def _ask_sign_off(report: Reconciliation) -> None:
    one = report.scope.invoice
    said = f"Says that {one['invoice_number']} of {wording.amount(one['header_total'], one['currency'])} is reconciled: all {report.all_rows:,} rows are confirmed or accepted."
    more = "Your name and the time stand with it. It can be opened again, which is kept as well."
    _ask(
        Step(
            f"Sign off {one['invoice_number']}?",
            "Sign off",
            ":material/verified:",
            (said, more),
            lambda note: doing.sign_off(one, note),
            text="Note",
        )
    )


@problems.callback
def _ask_reopen_invoice(one: Row) -> None:
    said = f"{one['invoice_number']} was signed off by {one['signed_by']}. Opening it again is an event of its own; the sign-off stays in the history."
    _ask(
        Step(
            f"Open {one['invoice_number']} again?",
            "Open again",
            ":material/lock_open:",
            (said,),
            lambda why: doing.open_again(one, why),
            must=True,
        )
    )


# --- confirming --------------------------------------------------------------------------------------------------------------------------


def _confirm(step: Step) -> None:
    """Buttons in a dialog run no more than the dialog again: whatever closes it runs the whole page."""
    with problems.boundary():
        if asking.shows_refusal():
            return
        for sentence in step.before:
            st.text(sentence)
        placeholder = step.hint or ("Kept with the row and in the audit log" if step.must else "Optional; kept in the audit log")
        words = st.text_input(step.text, key="reconciling_text", max_chars=_MOST_CHARACTERS, placeholder=placeholder)
        with st.container(horizontal=True, gap="small"):
            is_pressed = st.button(step.label, key="reconciling_now", type="primary", icon=step.icon)
            is_left = st.button("Leave it", key="reconciling_leave")
        if is_pressed and step.must and not words.strip():
            st.badge("Say why first", icon=":material/edit:", color="orange")
        elif is_pressed:
            _take(step, words.strip())
        elif is_left:
            asking.leave()


def _take(step: Step, words: str) -> None:
    try:
        said = step.do(words)
    except CallRefused as refusal:
        asking.refuse(refusal)
    for sentence in said:
        done.say(sentence)
    choice.first_page()
    asking.leave()


def history(report: Reconciliation) -> None:
    """Who signed the invoice off and who opened it again."""
    one = report.scope.invoice
    if one is None:
        return
    with cached.reading() as opened:
        past = reconciliation_scope.sign_offs(opened, one)
    if not past:
        return
    st.subheader("Sign-offs", anchor=False)
    with st.container(border=True, gap="xsmall"):
        for sentence in past:
            st.text(sentence)


@problems.callback
def _queue(provider: str, number: str) -> None:
    with problems.boundary():
        st.session_state["sync_job"] = queue.ask(
            cached.engine(), kind="reconcile", provider=provider, invoice=number, actor=signed_in.person()
        )
