"""What kind of installation is this? Said at the foot of the sidebar, so that nobody takes the demo for the real thing."""

from __future__ import annotations

import streamlit as st

from pages.components import signed_in
from w365core.reports import wording
from w365core.reports.connection import Installation


def draw(installation: Installation) -> None:
    st.space("small")
    if installation.is_demo:
        clock = f", clock {wording.day(installation.stated_clock)}" if installation.stated_clock else ""
        st.badge(f"Demo data{clock}", icon=":material/science:", color="violet")
    if not signed_in.is_configured():
        st.caption("Single-user mode: this app answers on this machine only (loopback).")
