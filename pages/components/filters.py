"""Which invoices is this page about? Five filters in the sidebar, drawn once, kept in the URL, so that a filtered view is a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.components import problems
from w365core.reports import wording
from w365core.reports.invoice_status import InvoiceFilter

# The widget's key is the name in the URL.
KEYS = ("provider", "month", "status", "currency", "customer")
_CHOICES = {"provider": "providers", "month": "months", "status": "statuses", "currency": "currencies", "customer": "customers"}
_LABELS = {"provider": "Provider", "month": "Invoice month", "status": "Status", "currency": "Currency", "customer": "Customer"}
_ALL = {
    "provider": "All providers",
    "month": "All months",
    "status": "Every status",
    "currency": "All currencies",
    "customer": "All customers",
}


def draw(choices: Mapping[str, Sequence[str]], customers: Mapping[str, str]) -> None:
    """The filters; called by the frame alone. `customers` are names by id; a name is what the URL says."""
    names = {"month": wording.month, "customer": lambda customer_id: customers.get(customer_id, customer_id)}
    options = {**choices, "customers": list(customers)}
    st.caption("FILTERS")
    for key in KEYS:
        st.multiselect(
            _LABELS[key],
            options[_CHOICES[key]],
            key=key,
            bind="query-params",
            persist_state="session",
            placeholder=_ALL[key],
            format_func=names.get(key, str),
            help="Invoices with at least one line of this customer" if key == "customer" else None,
        )
    if any_chosen():
        st.button("Clear filters", key="clear_filters", icon=":material/filter_alt_off:", on_click=clear, width="stretch")


def chosen() -> InvoiceFilter:
    """What is chosen now."""
    values = {name: tuple(st.session_state.get(key) or ()) for key, name in _CHOICES.items()}
    return InvoiceFilter(**values)


def any_chosen() -> bool:
    return any(st.session_state.get(key) for key in KEYS)


@problems.callback
def clear() -> None:
    """Called by a button: every filter back to all."""
    for key in KEYS:
        st.session_state[key] = []


@problems.callback
def narrow(**values: Sequence[str]) -> None:
    """Called by a button: these choices, by key; whatever else is chosen stays, because what was clicked was counted under it."""
    for key, chosen_values in values.items():
        st.session_state[key] = list(chosen_values)
