"""Settings: what is set in this installation, by whom, and what of it should somebody look at?"""

from __future__ import annotations

import streamlit as st

from pages.components import cached, done, settings


def page() -> None:
    st.title("Settings", anchor=False)
    st.caption("What holds for this installation. Every setting can be set by command too, and each change stands in the log.")
    done.draw()
    report = cached.settings()
    settings.notices(report.notices)
    section = settings.sections(report)
    if section == "Currencies":
        settings.currencies(report)
    elif section == "Contracts":
        settings.contracts(report)
    elif section == "Providers":
        settings.providers()
    else:
        settings.group(report, section)


page()
