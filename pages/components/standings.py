"""How is a status shown? Always a word, with a sign and a colour beside it, never by colour alone."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Look:
    icon: str
    sign: str
    color: str
    chip: str


_LOOKS = {
    "Error": Look(":material/error:", "✕", "red", "#e5635f"),
    "Populating": Look(":material/hourglass_top:", "◔", "blue", "#5b9bd5"),
    "Changed": Look(":material/published_with_changes:", "↻", "violet", "#a58bd6"),
    "Warning": Look(":material/warning:", "!", "orange", "#e8b04c"),
    "Active": Look(":material/check_circle:", "✓", "green", "#6cb886"),
    "Active Usage": Look(":material/check_circle:", "✓", "green", "#6cb886"),
    "Deactivated": Look(":material/block:", "–", "gray", "#9aa5b1"),
    "Not here": Look(":material/cloud:", "○", "gray", "#9aa5b1"),
    "Draft": Look(":material/edit_note:", "✎", "blue", "#5b9bd5"),
    "Billed": Look(":material/send:", "✓", "green", "#6cb886"),
    "Paid": Look(":material/paid:", "●", "gray", "#9aa5b1"),
    "Waiting": Look(":material/schedule:", "◔", "blue", "#5b9bd5"),
    "Sent": Look(":material/mark_email_read:", "✓", "green", "#6cb886"),
    "Failed": Look(":material/error:", "✕", "red", "#e5635f"),
    "Withheld": Look(":material/unsubscribe:", "!", "orange", "#e8b04c"),
    "Discarded": Look(":material/delete:", "⌫", "gray", "#9aa5b1"),
    "Deleted": Look(":material/delete:", "⌫", "gray", "#9aa5b1"),
    "Running": Look(":material/sync:", "◔", "blue", "#5b9bd5"),
    "Queued": Look(":material/hourglass_top:", "○", "orange", "#e8b04c"),
    "Done": Look(":material/check_circle:", "✓", "green", "#6cb886"),
    "Done, with errors": Look(":material/warning:", "!", "orange", "#e8b04c"),
    "Cancelled": Look(":material/block:", "–", "gray", "#9aa5b1"),
}


def badge(standing: str) -> None:
    """The word in a coloured badge."""
    look = _look(standing)
    st.badge(standing, icon=look.icon, color=look.color)


def label(standing: str) -> str:
    """The word with its sign, as a table cell shows it."""
    return f"{_look(standing).sign} {standing}"


def pale(standing: str) -> str:
    """Its colour thinned out, so that the theme's own text stands on it, light or dark."""
    red, green, blue = bytes.fromhex(_look(standing).chip[1:])
    return f"rgba({red},{green},{blue},.34)"


def ink() -> str:
    """The theme's text colour, for words that stand on a pale one."""
    return st.get_option(f"theme.{'dark' if st.context.theme.type == 'dark' else 'light'}.textColor")


def labels() -> tuple[list[str], list[str]]:
    """Every label and its colour, for a table column."""
    return [label(standing) for standing in _LOOKS], [look.chip for look in _LOOKS.values()]


def _look(standing: str) -> Look:
    return _LOOKS.get(standing, _LOOKS["Deactivated"])
