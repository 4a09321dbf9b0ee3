"""Which jobs does the history show? Three filters on the page, kept in the URL, so that a filtered view is a link."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from w365core.reports.job_lists import JobFilter

# The widget's key is the name in the URL; the names of the sidebar's filters are taken.
_KEYS = {"states": "job_state", "kinds": "job_kind", "providers": "job_provider"}
_LABELS = {"states": "How it ended", "kinds": "Kind", "providers": "Provider"}
_ALL = {"states": "Every ending", "kinds": "All kinds", "providers": "All providers"}


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


def chosen() -> JobFilter:
    """What is chosen now."""
    return JobFilter(**{name: tuple(st.session_state.get(key) or ()) for name, key in _KEYS.items()})


def any_chosen() -> bool:
    return any(st.session_state.get(key) for key in _KEYS.values())


def clear() -> None:
    """Called by a button: every filter back to all."""
    for key in _KEYS.values():
        st.session_state[key] = []
