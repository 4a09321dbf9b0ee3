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
        if key not in st.session_state:  # a link may say 2026-11 and A-7, the address of what was chosen here says Nov 2026 and the name
            known = {**{one: one for one in named}, **{label: one for one, label in named.items()}}
            st.session_state[key] = [known[said] for said in st.query_params.get_all(key) if said in known]
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
    """What is chosen now. What a link chooses is known when the filters are drawn: the URL says names, and only the choices tell whose."""
    return Wanted(**{name: tuple(st.session_state.get(key) or ()) for name, key in _KEYS.items()})
