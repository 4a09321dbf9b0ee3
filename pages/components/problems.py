"""What does a person read when something fails? Our errors in their own sentence; anything else as a reference number whose story is in the log."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from w365core.access import AccessRefused
from w365core.errors import CallRefused, ConfigurationMissing, InputRefused, StoreUnavailable, W365Error

_log = logging.getLogger("w365core.pages")


@contextmanager
def boundary() -> Iterator[None]:
    """Nothing that fails inside reaches the browser as a traceback."""
    try:
        yield
    except W365Error as error:
        show(error)
    except Exception:
        unexpected()


def show(error: W365Error) -> None:
    """One sentence, what to do about it, and a button to try again where that may help."""
    with st.container(border=True):
        st.badge(_title(error), icon=":material/error:", color="red")
        st.text(str(error))
        if isinstance(error, InputRefused):
            for problem in error.problems:
                st.text(str(problem))
        if isinstance(error, StoreUnavailable | ConfigurationMissing):
            st.button("Retry", icon=":material/refresh:", type="primary", key="retry")


def unexpected() -> None:
    """A failure nobody foresaw: its story goes to the log under a number."""
    reference = secrets.token_hex(4)
    _log.exception("page failed, reference %s", reference)
    with st.container(border=True):
        st.badge("Something went wrong here", icon=":material/error:", color="red")
        st.text(
            f"This page could not be shown, and nothing was changed. Try again; if it stays, look for reference {reference} in the log of the web app."
        )
        st.button("Try again", icon=":material/refresh:", type="primary", key="retry")


def _title(error: W365Error) -> str:
    if isinstance(error, StoreUnavailable):
        return "The database is away"
    if isinstance(error, ConfigurationMissing):
        return "Something has to be set up first"
    if isinstance(error, AccessRefused):
        return "Not for your role"
    if isinstance(error, CallRefused | InputRefused):
        return "Not done"
    return "This cannot be shown"
