"""Is this the file of another invoice? How many of its lines print a number that is not the one they are imported under."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

_MOST, FURTHER = 50, "…"


@dataclass
class OtherInvoices:
    """`lines` counts them by the number that they print; without a number to compare with there are none. Beyond 50 numbers all others are counted
    under `FURTHER`."""

    than: str | None
    lines: Counter[str] = field(default_factory=Counter)

    def take(self, printed: Iterable[tuple[str | None, int]]) -> None:
        """(number, how many lines print it); a blank one names no invoice, and letter case makes no difference."""
        for text, count in printed:
            number = (text or "").strip()
            if self.than and number and number.lower() != self.than.lower():
                self.lines[number if number in self.lines or len(self.lines) < _MOST else FURTHER] += count
