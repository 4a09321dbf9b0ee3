"""What did a person's step do? Said at the top of whatever page comes next, until it is dismissed."""

from __future__ import annotations

import streamlit as st

from pages.components import problems

_KEY = "done"


def say(sentence: str) -> None:
    """Keeps it for the pages to come."""
    st.session_state[_KEY] = [*st.session_state.get(_KEY, ()), sentence]


def draw() -> None:
    """Every sentence that nobody has dismissed yet."""
    for place, sentence in enumerate(st.session_state.get(_KEY, ())):
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Done", icon=":material/check_circle:", color="green")
            st.text(sentence)
            st.space("stretch")
            st.button("Dismiss", key=f"done_{place}", icon=":material/close:", type="tertiary", on_click=_dismiss, args=(place,))


@problems.callback
def _dismiss(place: int) -> None:
    said = st.session_state.get(_KEY, [])
    st.session_state[_KEY] = said[:place] + said[place + 1 :]
