"""Which currency does a line print? As it is read everywhere: without blanks around it, in upper case."""

from __future__ import annotations

_BLANKS = r"E' \t\n\r\v\f\u00a0'"


def code(column: str) -> str:
    """SQL of the code that this column prints."""
    return f"upper(btrim({column}, {_BLANKS}))"
