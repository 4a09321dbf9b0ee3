"""Where do the invoices stand, by provider and month? The worst standing of each cell, and how many invoices share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from w365core.model import StatusReason
from w365core.reports import wording
from w365core.reports.provider_invoice import BILLED, CHANGED, WARNING, Invoice

WORST_FIRST = (StatusReason.ERROR, StatusReason.POPULATING, CHANGED, WARNING, *BILLED, StatusReason.DEACTIVATED)
MOST_MONTHS = 12
NO_DATE = ""  # the month of an invoice without a date


@dataclass(frozen=True)
class Cell:
    """The invoices of one provider and month; `told` says all of them, worst first: "1 Error, 2 Active"."""

    provider: str
    month: str
    worst: str
    of_these: int
    invoices: int
    told: str


@dataclass(frozen=True)
class StatusMap:
    """Months oldest first; `earlier` is how many months before these are not shown."""

    providers: tuple[str, ...]
    months: tuple[str, ...]
    cells: tuple[Cell, ...]
    earlier: int


def build(invoices: Sequence[Invoice]) -> StatusMap:
    """The latest twelve months, each with a cell for every provider that has an invoice in it."""
    standings: dict[tuple[str, str], list[str]] = {}
    for invoice in invoices:
        month = NO_DATE if invoice.date is None else f"{invoice.date:%Y-%m}"
        standings.setdefault((invoice.provider, month), []).append(invoice.standing)
    dated = sorted({month for _, month in standings} - {NO_DATE})
    months = dated[-MOST_MONTHS:] + ([NO_DATE] if any(month == NO_DATE for _, month in standings) else [])
    cells = tuple(_cell(*key, standings[key]) for key in sorted(standings) if key[1] in months)
    providers = sorted({cell.provider for cell in cells}, key=str.casefold)
    return StatusMap(tuple(providers), tuple(months), cells, max(len(dated) - MOST_MONTHS, 0))


def month_name(month: str) -> str:
    """Nov 2026, or that there is none."""
    return wording.month(month) if month else "no date"


def _cell(provider: str, month: str, standings: Sequence[str]) -> Cell:
    counted = Counter(standings)
    ordered = sorted(counted, key=_badness)
    told = ", ".join(f"{counted[standing]} {standing}" for standing in ordered)
    return Cell(provider, month, ordered[0], counted[ordered[0]], len(standings), told)


def _badness(standing: str) -> int:
    return WORST_FIRST.index(standing) if standing in WORST_FIRST else len(WORST_FIRST)
