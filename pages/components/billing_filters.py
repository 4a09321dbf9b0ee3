"""Which usage invoices is this page about? Four filters on the page, kept in the URL, so that a filtered view is a link."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from w365core.reports.usage_invoices import Wanted

# The widget's key is the name in the URL; the names of the sidebar's filters are taken.
_KEYS = {"months": "billed_in", "customers": "billed_to", "statuses": "billed_as", "currencies": "billed_currency"}
_LABELS = {"months": "Invoice month", "customers": "Customer", "statuses": "Status", "currencies": "Currency"}
_ALL = {"months": "All months", "customers": "All customers", "statuses": "Every status", "currencies": "All currencies"}


def draw(choices: Mapping[str, Mapping[str, str]]) -> None:
    """The filters, with what there is to choose from."""
    for column, (name, key) in zip(st.columns(len(_KEYS), gap="small"), _KEYS.items(), strict=True):
        named = choices[name]
        column.multiselect(
            _LABELS[name],
            list(named),
            key=key,
            bind="query-params",
            persist_state="session",
            placeholder=_ALL[name],
            format_func=lambda one, named=named: named.get(one, one),
        )


def chosen() -> Wanted:
    """What is chosen now; before the widgets are drawn, what the URL says."""
    values = {name: tuple(_value(key)) for name, key in _KEYS.items()}
    return Wanted(**values)


def _value(key: str) -> list[str]:
    if key in st.session_state:
        return list(st.session_state[key] or ())
    return st.query_params.get_all(key)
