"""How are filters of one page drawn? Side by side on the page, kept in the URL, so that a filtered view is a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Filter:
    """One filter: the field of what is wanted, its name in the URL, what it is called, and what no choice means. The sidebar's names in the URL are taken."""

    field: str
    key: str
    label: str
    everything: str


def draw(filters: Sequence[Filter], choices: Mapping[str, Mapping[str, str]]) -> None:
    """`choices` are by field what there is to choose from: the value and what it is called."""
    for column, one in zip(st.columns(len(filters), gap="small"), filters, strict=True):
        named = choices[one.field]
        if (
            one.key not in st.session_state
        ):  # a link may say 2026-11 and A-7, the address of what was chosen here says Nov 2026 and the name
            known = {**{value: value for value in named}, **{label: value for value, label in named.items()}}
            st.session_state[one.key] = [known[said] for said in st.query_params.get_all(one.key) if said in known]
        column.multiselect(
            one.label,
            list(named),
            key=one.key,
            bind="query-params",
            persist_state="session",
            placeholder=one.everything,
            format_func=lambda value, named=named: named.get(value, value),
        )


def chosen(filters: Sequence[Filter]) -> dict[str, tuple[str, ...]]:
    """By field what is chosen now. What a link chooses is known once the filters are drawn: only the choices tell what its names mean."""
    return {one.field: tuple(st.session_state.get(one.key) or ()) for one in filters}


def clear(filters: Sequence[Filter]) -> None:
    """Called by a button: every filter back to all."""
    for one in filters:
        st.session_state[one.key] = []
