"""How are filters drawn? As choices that are kept in the URL, so that a filtered view is a link, and a link never shows more than it asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from pages.components import plain

_MOST_SAID, _LONGEST_SAID = 4, 60


@dataclass(frozen=True)
class Filter:
    """One filter: the field of what is wanted, its name in the URL, what it is called, and what no choice means. The sidebar's names in the URL are taken."""

    field: str
    key: str
    label: str
    everything: str
    help: str | None = None


def draw(filters: Sequence[Filter], choices: Mapping[str, Mapping[str, str]]) -> None:
    """The filters side by side. `choices` are by field what there is to choose from: the value and what it is called."""
    for column, one in zip(st.columns(len(filters), gap="small"), filters, strict=True):
        choose(one, choices[one.field], within=column.multiselect)
    say(unknown(filters, choices))


def choose(one: Filter, named: Mapping[str, str], *, within: Callable = st.multiselect) -> None:
    """One filter. What the URL or the session asks for is a choice even where there is nothing of it: to drop it would be to show everything.

    Streamlit keeps of the URL only what a choice is called. So a choice is called what the URL calls it, if it does: 2026-11 instead of Nov 2026.
    """
    asked = _asked(one, named)
    labels = {**named, **{value: value for value in chosen([one])[one.field] if value not in named}, **asked}
    within(
        one.label,
        list(labels),
        key=one.key,
        bind="query-params",
        persist_state="session",
        placeholder=one.everything,
        format_func=lambda value: labels.get(value, value),
        help=one.help,
    )


def chosen(filters: Sequence[Filter]) -> dict[str, tuple[str, ...]]:
    """By field what is chosen now. What a link chooses is known once the filters are drawn: only the choices tell what its names mean."""
    return {one.field: tuple(st.session_state.get(one.key) or ()) for one in filters}


def wanted(filters: Sequence[Filter], choices: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """The same before they are drawn, for choices that are known without a look at the database."""
    return {
        one.field: tuple(st.session_state[one.key] or ()) if one.key in st.session_state else tuple(_asked(one, choices[one.field]))
        for one in filters
    }


def unknown(filters: Sequence[Filter], choices: Mapping[str, Mapping[str, str]]) -> str:
    """A sentence on what is chosen and there is nothing of, as after a link of another day; blank where there is none."""
    values = chosen(filters)
    said = [f"{one.label.lower()} {_short(value)}" for one in filters for value in values[one.field] if value not in choices[one.field]]
    if not said:
        return ""
    more = len(said) - _MOST_SAID
    named = said if more <= 0 else [*said[:_MOST_SAID], f"{more:,} more"]
    return f"The address asks for {' and '.join(named)}. There is nothing of that here, so nothing is shown for it."


def say(sentence: str) -> None:
    """The sentence of `unknown`, where there is one."""
    if sentence:
        st.caption(f":orange[:material/warning: {plain.label(sentence)}]")


def clear(filters: Sequence[Filter]) -> None:
    """Called by a button: every filter back to all."""
    for one in filters:
        st.session_state[one.key] = []


def _asked(one: Filter, named: Mapping[str, str]) -> dict[str, str]:
    """What the URL asks for: the value, and how the URL says it. It may say the name or the value, in any case."""
    said = [text for text in st.query_params.get_all(one.key) if text]
    if not said:
        return {}
    known = {**{value: value for value in named}, **{label: value for value, label in named.items()}}
    folded = {} if known.keys() >= set(said) else {spelled.casefold(): value for spelled, value in known.items()}
    return {known.get(text) or folded.get(text.casefold()) or _printable(text): text for text in reversed(said)}


def _printable(text: str) -> str:
    """A text that no name is like, without what a database takes in no name."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SAID else f"{text[:_LONGEST_SAID]}…"
