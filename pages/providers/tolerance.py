"""Tolerance: which differences may be overridden, until when, and which ones were?"""

from __future__ import annotations

import streamlit as st

from pages.components import cached, empty, policies, tables


def page() -> None:
    _head()
    report = cached.tolerance_policies()
    if not report.providers:
        return empty.no_providers()
    policies.soon(report.soon)
    st.subheader("Policies", anchor=False)
    policies.draw(report)
    st.subheader("Differences over the months", anchor=False)
    policies.history(report)
    st.subheader("Overrides", anchor=False)
    if not report.overrides.rows:
        return empty.nothing(
            "Nothing was overridden yet. Every override that lets an invoice pass is listed here, with who asked for it and why."
        )
    tables.show(report.overrides, key="overrides")
    tables.downloads(report.overrides, key="overrides")


def _head() -> None:
    st.title("Tolerance", anchor=False)
    st.caption("Which differences pass with one click, which need a reason, which never pass, and what was let through.")


page()
