"""What does a person read when something fails? Our errors in their own sentence; anything else as a reference number whose story is in the log.

boundary    around what is drawn
callback    marks what a button or a widget calls, which is before anything is drawn
"""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from w365core.access import AccessRefused
from w365core.errors import CallRefused, ConfigurationMissing, InputRefused, ReceiptLost, StoreUnavailable, W365Error

Given, Result = ParamSpec("Given"), TypeVar("Result")
_log = logging.getLogger("w365core.pages")
_UNFORESEEN = "Something went wrong here"
_FAILED = "callback_failed"  # of this session: what to say of it on top of what is drawn next


@contextmanager
def boundary() -> Iterator[None]:
    """Nothing that fails inside reaches the browser as a traceback. Says first what has failed in a callback."""
    for title, *sentences in st.session_state.pop(_FAILED, ()):
        _box(title, sentences)
    try:
        yield
    except W365Error as error:
        show(error)
    except Exception:
        unexpected()


def callback(step: Callable[Given, Result]) -> Callable[Given, Result | None]:
    """What fails in it is said on top of what is drawn next, and that is drawn all the same: outside of every boundary it would take the page along."""

    @functools.wraps(step)
    def kept(*given: Given.args, **named: Given.kwargs) -> Result | None:
        try:
            return step(*given, **named)
        except W365Error as error:
            failed = (_title(error), *_sentences(error))
        except Exception:
            failed = (_UNFORESEEN, f"This was not done, or not to its end. Look how things stand, then try again{_logged()}")
        st.session_state[_FAILED] = (*st.session_state.get(_FAILED, ()), failed)
        return None

    kept.is_callback = True  # type: ignore[attr-defined]
    return kept


def show(error: W365Error) -> None:
    """One sentence, what to do about it, and a button to try again where that may help."""
    with _box(_title(error), _sentences(error)):
        if isinstance(error, StoreUnavailable | ConfigurationMissing):
            st.button("Retry", icon=":material/refresh:", type="primary", key="retry")


def unexpected() -> None:
    """A failure nobody foresaw: its story goes to the log under a number."""
    with _box(_UNFORESEEN, [f"This page could not be shown, and nothing was changed. Try again{_logged()}"]):
        st.button("Try again", icon=":material/refresh:", type="primary", key="retry")


def _logged() -> str:
    """Where the story of what is being handled is found, as the end of a sentence."""
    reference = secrets.token_hex(4)
    _log.exception("page failed, reference %s", reference)
    return f"; if it stays, look for reference {reference} in the log of the web app."


def _box(title: str, sentences: Sequence[str]) -> DeltaGenerator:
    box = st.container(border=True)
    with box:
        st.badge(title, icon=":material/error:", color="red")
        for sentence in sentences:
            st.text(sentence)
    return box


def _sentences(error: W365Error) -> list[str]:
    return [str(error), *(str(problem) for problem in (error.problems if isinstance(error, InputRefused) else ()))]


def _title(error: W365Error) -> str:
    if isinstance(error, StoreUnavailable):
        return "The database is away"
    if isinstance(error, ConfigurationMissing):
        return "Something has to be set up first"
    if isinstance(error, AccessRefused):
        return "Not for your role"
    if isinstance(error, CallRefused | InputRefused):
        return "Not done"
    if isinstance(error, ReceiptLost):
        return "Done, without its receipt"
    return "This cannot be shown"
