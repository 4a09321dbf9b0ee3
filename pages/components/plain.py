"""How does the provider's own text stand inside a label of ours? As text: nothing in it is Markdown, a link or an address.

Whole sentences need none of this: they are drawn with `st.text`, which knows no Markdown.
"""

from __future__ import annotations

import re

_MARKDOWN = "\\`*_{}[]()<>#+-.!|~$:&@/^=\"'"
# Addresses become links even when every sign of theirs is escaped; an invisible joiner inside them prevents it.
_ADDRESS = re.compile(r"(?i)(?<=http)(?=:)|(?<=https)(?=:)|(?<=www)(?=\.)|(?=@)")
_JOINER = "\u2060"


def label(text: str) -> str:
    """The text for a Markdown label, shown exactly as it is."""
    return "".join(f"\\{character}" if character in _MARKDOWN else character for character in _ADDRESS.sub(_JOINER, text))
