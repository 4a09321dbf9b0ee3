"""What does a page say when it has nothing to show? What to do about it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.components import filters, problems


def no_invoices() -> None:
    """Nothing was ever imported."""
    with st.container(border=True):
        st.subheader("No invoices yet")
        st.text("Connect a provider and fetch its invoices; this page then shows what needs doing and how much money it is about.")
        st.code(
            "python -m w365core provider add my-csp --type partner_center --tenant-id TENANT --client-id CLIENT --account-id ACCOUNT\n"
            "python -m w365core load OUR_RECORDS/\n"
            "python -m w365core sync --provider my-csp",
            language="bash",
        )
        st.text(
            "The client secret is read from the environment variable W365_SECRET_MY_CSP and never stored. Or look around first, with made-up data:"
        )
        st.code("python -m w365core demo", language="bash")


def no_providers() -> None:
    """Nobody to ask, and nobody's files either."""
    with st.container(border=True):
        st.subheader("No provider yet")
        st.text("Add the one that you buy from, or one of type manual for invoices that come as files:")
        st.code("python -m w365core provider add my-csp --type partner_center --tenant-id TENANT --client-id CLIENT", language="bash")


def nothing_missing(*, filtered: bool, waiting: bool) -> None:
    """Everything resolves; or what is missing is on other invoices, or waits to be validated."""
    with st.container(border=True):
        if filtered:
            st.badge("Nothing is missing here", icon=":material/check_circle:", color="green")
            st.text("Every line of the chosen invoices resolves to our records; other invoices may still wait.")
            st.button("Clear filters", key="clear_nothing_missing", icon=":material/filter_alt_off:", on_click=filters.clear)
        elif waiting:
            st.badge("Nothing is missing any more", icon=":material/check_circle:", color="green")
            st.text("Everything that the lines refer to is in our records by now; what waited on it comes in once it is validated again.")
        else:
            st.badge("Everything resolves", icon=":material/check_circle:", color="green")
            st.text("Every customer, subscription, currency and product that the imported lines refer to is in our records.")


def no_match() -> None:
    """The filters leave nothing."""
    with st.container(border=True):
        st.subheader("No invoice matches these filters")
        st.text("There are invoices, but none of this provider, month, status, currency and customer together.")
        st.button("Clear filters", key="clear_no_match", icon=":material/filter_alt_off:", type="primary", on_click=filters.clear)


def no_such_invoice(*, back: Callable[[], None]) -> None:
    """The URL names an invoice that is not there."""
    with st.container(border=True):
        st.subheader("There is no such invoice")
        st.text("The address names an invoice that does not exist; it may have been deleted since the link was made.")
        st.button("All invoices", key="back", icon=":material/arrow_back:", type="primary", on_click=problems.callback(back))


def nothing(sentence: str) -> None:
    """There is nothing of this kind, and why."""
    with st.container(border=True):
        st.text(sentence)
