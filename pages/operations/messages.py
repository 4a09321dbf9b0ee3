"""Messages: who is told of what, what was not sent and why, and what do messages say?"""

from __future__ import annotations

import streamlit as st

from pages.components import cached, done, empty, message_templates, messages, tiles


def page() -> None:
    _head()
    report = cached.messages(**messages.chosen())
    with st.container():  # what comes and goes has a place of its own, so that all below keeps its own
        done.draw()
        messages.going(report)
    messages.ways(report)
    tiles.draw(report.tiles)
    st.subheader("Not sent", anchor=False)
    messages.worklist(report.unsent)
    st.subheader("Outbox", anchor=False)
    if report.is_empty:
        empty.nothing(
            "No message yet. The daily run and every import write here what there is to be said; `python -m w365core notify` does it at once."
        )
    else:
        messages.filters()
        messages.listed(report.table)
    st.subheader("What messages say", anchor=False)
    message_templates.draw(report.settings)


def _head() -> None:
    st.title("Messages", anchor=False)
    st.caption("Who is told what came in, what failed and what to do about it; what was sent, what was not, and in which words.")


page()
