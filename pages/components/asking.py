"""Which dialog is open? At most one at a time; it stays open, whatever runs the page again meanwhile, until somebody answers or closes it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, NoReturn

import streamlit as st

from pages.components import problems
from w365core.errors import CallRefused
from w365core.jobs.queue import INVOICE
from w365core.reports.provider_invoice import Invoice

SYNC, ACCOUNTS, TEST, IMPORT, ACTION = "sync_asking", "accounts_asking", "test_asking", "import_asking", "action_asking"
BILLING = "billing_asking"  # a step of a usage invoice
RECONCILING = "reconciling_asking"  # a step of a reconciliation
MENDING = "mending_asking"  # a mending log
WORKING = "working_asking"  # a step of a job, or of what runs by itself
REFUSED = "action_refused"  # why the step that was asked for is not taken
_FORM = "asking_form"
_SHOWN, _SHOWING = "asking_shown", "asking_showing"  # what stood on the page that was last drawn to its end; on the one that is being drawn
_ALL = (SYNC, ACCOUNTS, TEST, IMPORT, ACTION, BILLING, RECONCILING, MENDING, WORKING, REFUSED)


@dataclass(frozen=True)
class Asked:
    """A step of an invoice that waits to be confirmed; `invoice` as the person saw it."""

    action: str
    invoice: Invoice


@problems.callback
def open_(key: str, what: object = True) -> None:
    """Called by a button: this dialog, and no other."""
    close()
    st.session_state[key] = what
    st.session_state[_FORM] = secrets.token_hex(16)


def form() -> str:
    """Which opening of a dialog this is, or which drawing of a page: what is asked from it twice, by a double click or a page that runs again, is done
    once. Every door that a page asks is told of it (`signed_in.person`)."""
    return st.session_state.setdefault(_FORM, secrets.token_hex(16))


def seen(name: str, stands: Any) -> Any:
    """What the page said under this name when it was last drawn to its end, which is what the browser shows; what `stands` now where it said nothing. An
    edit says it to its door, which refuses to overwrite what somebody else has changed meanwhile."""
    st.session_state.setdefault(_SHOWING, {})[name] = stands
    return st.session_state.get(_SHOWN, {}).get(name, stands)


def drawn() -> None:
    """The page was drawn to its end, so what is asked from now on is asked from another form; from the same where a dialog is open."""
    st.session_state[_SHOWN] = st.session_state.pop(_SHOWING, {})
    if not any(key in st.session_state for key in _ALL):
        st.session_state[_FORM] = secrets.token_hex(16)


@problems.callback
def close() -> None:
    """Called by a button, or by the dialog's own cross."""
    for key in _ALL:
        st.session_state.pop(key, None)
    st.session_state.pop("import_look", None)


def leave() -> NoReturn:
    """Closes the dialog from within: a button there runs no more than the dialog, so the whole page is run."""
    close()
    st.rerun()


def refuse(refusal: CallRefused) -> NoReturn:
    """Keeps why the step was not taken, and shows it in the dialog's place."""
    st.session_state[REFUSED] = str(refusal)
    st.rerun()


def shows_refusal() -> bool:
    """Why the step was not taken and the way back to the page, where it was not; whether that is so."""
    sentence = what(REFUSED)
    if sentence is None:
        return False
    st.badge("Nothing was done", icon=":material/front_hand:", color="orange")
    st.text(str(sentence))
    if st.button("Look again", key="look_again", icon=":material/refresh:"):
        leave()
    return True


def what(key: str) -> object | None:
    """What is asked in that dialog; None while it is closed."""
    return st.session_state.get(key)


@problems.callback
def for_sync(invoice: Invoice) -> None:
    """Called by a button: the Sync dialog, with this invoice chosen."""
    open_(SYNC)
    st.session_state.update(sync_provider=invoice.provider, sync_kind=INVOICE, sync_number=invoice.number)


@problems.callback
def for_files(invoice: Invoice) -> None:
    """Called by a button: the import dialog, with what is known of this invoice."""
    open_(IMPORT)
    total = "" if invoice.header_total is None else f"{invoice.header_total:f}"
    said = {"provider": invoice.provider, "number": invoice.number, "currency": invoice.currency, "date": invoice.date, "total": total}
    st.session_state.update({f"import_{name}": value for name, value in said.items()})


def for_files_of(provider: str) -> None:
    """Called by a button: the import dialog, for an invoice of this provider."""
    open_(IMPORT)
    st.session_state["import_provider"] = provider


@problems.callback
def for_action(action: str, invoice: Invoice) -> None:
    """Called by a button: the question whether to take this step."""
    open_(ACTION, Asked(action, invoice))
