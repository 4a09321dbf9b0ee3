"""What does a line charge for, asked in SQL? The words of `charge_types`, compared as they are there: whatever the case, blanks and dashes."""

from __future__ import annotations

from w365core.charge_types import SPELLINGS, Charge


def spelled(column: str) -> str:
    """A printed charge type as its words are compared."""
    return f"translate(lower({column}), ' _-./', '')"


def prints(column: str, *charges: Charge) -> str:
    """Whether it prints one of these; null where it prints nothing."""
    words = ", ".join(f"'{word}'" for charge in charges for word in SPELLINGS[charge])
    return f"{spelled(column)} in ({words})"
