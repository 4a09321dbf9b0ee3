"""How does an invoice live? The picture of its states with the present one marked, and every step with who takes it and what has to hold."""

from __future__ import annotations

import streamlit as st

from pages.components import tables
from w365core.reports import state_picture
from w365core.reports.state_picture import Ink

_LIGHT = Ink(text="#1f2933", line="#9aa5b1", person="#0b5cad", marked="#0b5cad", on_marked="#ffffff")
_DARK = Ink(text="#e4e7eb", line="#7b8794", person="#6cb0f0", marked="#6cb0f0", on_marked="#0e1117")


def draw(status: str) -> None:
    """Closed until somebody wants to know."""
    with st.expander("How an invoice lives", icon=":material/account_tree:", key="lives", on_change="rerun") as lives:
        if not lives.open:
            return
        st.caption("Blue arrows are what a person can do, dashed ones happen by themselves. The filled state is this invoice's.")
        st.graphviz_chart(state_picture.dot(status, _DARK if st.context.theme.type == "dark" else _LIGHT))
        tables.show(state_picture.table(), key="lives_steps")
