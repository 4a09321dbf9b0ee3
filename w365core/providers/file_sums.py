"""With which decimal mark does a CSV file add up? What no number of it proves, its amounts may: row by row, or against the total of its invoice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from w365core import money
from w365core.providers import csv_batches
from w365core.providers.file_bytes import Source
from w365core.providers.file_marks import Mark

AMOUNTS = ("subtotal", "tax_total", "total")
_AT_ONCE = 2_000
_COMMA = {Mark.DECIMAL_POINT: False, Mark.DECIMAL_COMMA: True}


@dataclass(frozen=True)
class Amounts:
    """The amounts of a file's rows; `places` says at which positions those of `AMOUNTS` stand that it has."""

    source: Source
    layout: csv_batches.Layout
    places: Mapping[str, int]

    def by_rows(self) -> Mark | None:
        """The one decimal mark with which subtotal plus tax is the total on every row; None where both do, or the file has not all three."""
        holds = dict.fromkeys(_COMMA, len(self.places) == len(AMOUNTS))
        for cells in self._rows():
            if not any(holds.values()):
                break
            for mark in holds:
                holds[mark] = holds[mark] and _adds_up(cells, comma=_COMMA[mark])
        return _only(mark for mark, held in holds.items() if held)

    def by_total(self, total: Decimal | None, leeway: Decimal) -> Mark | None:
        """The one decimal mark with which all rows add up to `total`, within `leeway`; None where both or neither do, or there is no total."""
        if total is None or "subtotal" not in self.places:
            return None
        sums: dict[Mark, Decimal | None] = dict.fromkeys(_COMMA, money.ZERO)
        for cells in self._rows():
            for mark, so_far in sums.items():
                line = None if so_far is None else _line_total(cells, comma=_COMMA[mark])
                sums[mark] = None if so_far is None or line is None else money.EXACT.add(so_far, line)
        fits = {mark: found for mark, found in sums.items() if found is not None}
        return _only(mark for mark, found in fits.items() if money.EXACT.subtract(found, total).copy_abs() <= leeway)

    def _rows(self) -> Iterator[dict[str, str]]:
        for batch in csv_batches.batches(self.source, self.layout, most=_AT_ONCE):
            for cells in zip(*(batch.column(position).to_pylist() for position in self.places.values()), strict=True):
                yield dict(zip(self.places, cells, strict=True))


def _only(marks: Iterator[Mark]) -> Mark | None:
    found = tuple(marks)
    return found[0] if len(found) == 1 else None


def _adds_up(cells: Mapping[str, str], *, comma: bool) -> bool:
    read = [_amount(cells[name], comma=comma) for name in AMOUNTS]
    return None not in read and money.EXACT.add(read[0], read[1]) == read[2]


def _line_total(cells: Mapping[str, str], *, comma: bool) -> Decimal | None:
    """The printed total, else subtotal plus tax; None where it cannot be read so."""
    if cells.get("total", "").strip():
        return _amount(cells["total"], comma=comma)
    read = [_amount(cells.get(name, ""), comma=comma) for name in ("subtotal", "tax_total")]
    return None if None in read else money.EXACT.add(*read)


def _amount(cell: str, *, comma: bool) -> Decimal | None:
    """Blank is 0."""
    return money.spreadsheet_number(cell, decimal_comma=comma) if cell.strip() else money.ZERO
