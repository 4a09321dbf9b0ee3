"""Which invoices is this page about? Five filters in the sidebar, drawn once, kept in the URL, so that a filtered view is a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.components import problems, url_filters
from pages.components.url_filters import Filter
from w365core.reports.invoice_status import InvoiceFilter

_FILTERS = (
    Filter("providers", "provider", "Provider", "All providers"),
    Filter("months", "month", "Invoice month", "All months"),
    Filter("statuses", "status", "Status", "Every status"),
    Filter("currencies", "currency", "Currency", "All currencies"),
    Filter("customers", "customer", "Customer", "All customers", "Invoices with at least one line of this customer"),
)
_UNKNOWN = "filters_unknown"


def draw(choices: Mapping[str, Mapping[str, str]]) -> None:
    """The filters; called by the frame alone. `choices` are by field the values and what they are called."""
    st.caption("FILTERS")
    for one in _FILTERS:
        url_filters.choose(one, choices[one.field])
    st.session_state[_UNKNOWN] = url_filters.unknown(_FILTERS, choices)
    if any_chosen():
        st.button("Clear filters", key="clear_filters", icon=":material/filter_alt_off:", on_click=clear, width="stretch")


def chosen() -> InvoiceFilter:
    """What is chosen now."""
    return InvoiceFilter(**url_filters.chosen(_FILTERS))


def say_unknown() -> None:
    """What is chosen and there is nothing of, where there is such a thing."""
    url_filters.say(st.session_state.get(_UNKNOWN, ""))


def any_chosen() -> bool:
    return any(url_filters.chosen(_FILTERS).values())


@problems.callback
def clear() -> None:
    """Called by a button: every filter back to all."""
    url_filters.clear(_FILTERS)


@problems.callback
def narrow(**values: Sequence[str]) -> None:
    """Called by a button: these choices, by key; whatever else is chosen stays, because what was clicked was counted under it."""
    for key, chosen_values in values.items():
        st.session_state[key] = list(chosen_values)
