"""What does the URL say beside the filters? Which invoice is open (?invoice=) and which usage summary of it (&usage=); on the inbox of missing
references, of which invoice alone (?of=)."""

from __future__ import annotations

import streamlit as st


def invoice() -> int | None:
    """The open invoice's id; 0 where the URL names something that is no id."""
    return _number("invoice")


def inbox_invoice() -> int | None:
    """The invoice that the inbox is narrowed to."""
    return _number("of")


def close_inbox_invoice() -> None:
    st.query_params.pop("of", None)


def usage() -> str | None:
    """The usage summary whose lines are shown, or None for all."""
    return st.query_params.get("usage")


def open_invoice(provider_invoice_id: int) -> None:
    st.query_params["invoice"] = str(provider_invoice_id)


def close_invoice() -> None:
    for name in ("invoice", "usage"):
        st.query_params.pop(name, None)


def open_usage(usage_id: str) -> None:
    st.query_params["usage"] = usage_id


def close_usage() -> None:
    st.query_params.pop("usage", None)


def _number(name: str) -> int | None:
    text = st.query_params.get(name)
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
