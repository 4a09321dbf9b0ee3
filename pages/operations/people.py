"""People: who has signed in, what may each of them do, and who waits for a role?"""

from __future__ import annotations

import streamlit as st

from pages.components import done, people


def page() -> None:
    st.title("People", anchor=False)
    st.caption("Who has signed in and what each may do. A role that is taken away holds at that person's next click.")
    done.draw()
    people.waiting()
    people.everybody()
    people.what_roles_may()


page()
