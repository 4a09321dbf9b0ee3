"""What does a check of an installation say? A verdict, a sentence and a cure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MEBIBYTE, GIBIBYTE = 1 << 20, 1 << 30
AGAIN = "Put that right and run `python -m w365core doctor` again."


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `cure` is blank where nothing is to be done."""

    name: str
    verdict: Verdict
    sentence: str
    cure: str = ""


def size_of(size: int) -> str:
    """1.5 GB, 20 MB."""
    return f"{size / GIBIBYTE:,.1f} GB" if size >= GIBIBYTE else f"{size / MEBIBYTE:,.0f} MB"


def many(number: int, one: str, several: str) -> str:
    """1 job waits, 2 jobs wait."""
    return f"{number:,} {one if number == 1 else several}"
