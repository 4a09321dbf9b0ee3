"""What does the URL say beside the filters? Which invoice is open (?invoice=), which usage summary of it (&usage=), which of its lines (&lines=); on
the inbox of missing references, of which invoice alone (?of=); which usage invoice is open (?number=)."""

from __future__ import annotations

import streamlit as st

from pages.components import problems
from w365core.reports.invoice_detail import NARROWED


def invoice() -> int | None:
    """The open invoice's id; 0 where the URL names something that is no id."""
    return _number("invoice")


def inbox_invoice() -> int | None:
    """The invoice that the inbox is narrowed to."""
    return _number("of")


@problems.callback
def close_inbox_invoice() -> None:
    st.query_params.pop("of", None)


def usage() -> str | None:
    """The usage summary whose lines are shown, or None for all."""
    return st.query_params.get("usage")


def lines() -> str | None:
    """Which lines of the reconciliation file are shown: license, usage, taxed, or None for all."""
    named = st.query_params.get("lines")
    return named if named in NARROWED else None


@problems.callback
def open_invoice(provider_invoice_id: int) -> None:
    close_invoice()
    st.query_params["invoice"] = str(provider_invoice_id)


def open_lines(which: str) -> None:
    st.query_params["lines"] = which


@problems.callback
def close_lines() -> None:
    st.query_params.pop("lines", None)


@problems.callback
def close_invoice() -> None:
    for name in ("invoice", "usage", "lines"):
        st.query_params.pop(name, None)


def open_usage(usage_id: str) -> None:
    st.query_params["usage"] = usage_id


@problems.callback
def close_usage() -> None:
    st.query_params.pop("usage", None)


def usage_invoice() -> str | None:
    """The number of the open usage invoice."""
    return st.query_params.get("number")


@problems.callback
def open_usage_invoice(number: str) -> None:
    st.query_params["number"] = number


@problems.callback
def close_usage_invoice() -> None:
    st.query_params.pop("number", None)


def _number(name: str) -> int | None:
    text = st.query_params.get(name)
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
