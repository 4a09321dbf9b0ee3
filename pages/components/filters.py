"""Which invoices is this page about? Four filters in the sidebar, drawn once, kept in the URL, so that a filtered view is a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from w365core.reports import wording
from w365core.reports.invoice_status import InvoiceFilter

# The widget's key is the name in the URL.
KEYS = ("provider", "month", "status", "currency")
_CHOICES = {"provider": "providers", "month": "months", "status": "statuses", "currency": "currencies"}
_LABELS = {"provider": "Provider", "month": "Invoice month", "status": "Status", "currency": "Currency"}
_ALL = {"provider": "All providers", "month": "All months", "status": "Every status", "currency": "All currencies"}


def draw(choices: Mapping[str, Sequence[str]]) -> None:
    """The filters; called by the frame alone."""
    st.caption("FILTERS")
    for key in KEYS:
        st.multiselect(
            _LABELS[key],
            choices[_CHOICES[key]],
            key=key,
            bind="query-params",
            persist_state="session",
            placeholder=_ALL[key],
            format_func=wording.month if key == "month" else str,
        )
    if any_chosen():
        st.button("Clear filters", key="clear_filters", icon=":material/filter_alt_off:", on_click=clear, width="stretch")


def chosen() -> InvoiceFilter:
    """What is chosen now."""
    values = {name: tuple(st.session_state.get(key) or ()) for key, name in _CHOICES.items()}
    return InvoiceFilter(**values)


def any_chosen() -> bool:
    return any(st.session_state.get(key) for key in KEYS)


def clear() -> None:
    """Called by a button: every filter back to all."""
    choose()


def choose(*, statuses: Sequence[str] = (), months: Sequence[str] = (), currencies: Sequence[str] = ()) -> None:
    """Called by a button: exactly these, and all of everything else."""
    for key, values in (("provider", ()), ("month", months), ("status", statuses), ("currency", currencies)):
        st.session_state[key] = list(values)
