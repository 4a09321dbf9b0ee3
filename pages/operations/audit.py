"""Audit log: who did what, when and why, what was it before and after, and does the log hold?"""

from __future__ import annotations

import streamlit as st

from pages.components import audit


def page() -> None:
    st.title("Audit log", anchor=False)
    st.caption(
        "Who did what, what it was before and after, and why. Every entry seals the one before it, so that a changed or removed one shows."
    )
    audit.verification()
    audit.entries()


page()
