"""Change logs: which do not hold together, how much money is that about, and what mends them?"""

from __future__ import annotations

import streamlit as st

from pages.components import cached, change_logs, done, empty, tiles


def page() -> None:
    st.title("Change logs", anchor=False)
    st.caption(
        "The license change logs that would make a reconciliation or an invoice wrong, what each is worth a month, and what mends it."
    )
    done.draw()
    report = cached.change_logs()
    if report.is_empty:
        return empty.nothing(
            "There is no license change log yet. They come with our records (license_change_logs.csv, `load`); what is wrong with them stands here then."
        )
    tiles.draw(report.tiles)
    for check in report.checks:
        change_logs.draw(check)
    return None


page()
change_logs.dialog()
