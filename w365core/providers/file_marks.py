"""Does this file write a decimal comma, and day or month first? Only evidence counts: a value that can be read in one way alone.

Evidence        what was found so far, fed with one column of cells at a time
settled(...)    the decision, and who made it; contradictions are refused with the rows that contradict each other
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from w365core.dates import DateOrder, contradicts
from w365core.errors import InputRefused
from w365core.model import Problem


class Mark(StrEnum):
    DECIMAL_POINT = "a decimal point"
    DECIMAL_COMMA = "a decimal comma"
    MONTH_FIRST = "the month first"
    DAY_FIRST = "the day first"


_OPPOSITE = {Mark.DECIMAL_POINT: Mark.DECIMAL_COMMA, Mark.MONTH_FIRST: Mark.DAY_FIRST}
_MARK_OF = {DateOrder.MONTH_FIRST: Mark.MONTH_FIRST, DateOrder.DAY_FIRST: Mark.DAY_FIRST}
_ORDER_OF = {mark: order for order, mark in _MARK_OF.items()}


@dataclass(frozen=True)
class Sighting:
    """The first cell that proves a mark."""

    row: int
    column: str
    value: str


@dataclass
class Evidence:
    """The first sighting of each mark."""

    sightings: dict[Mark, Sighting] = field(default_factory=dict)

    def take_numbers(self, column: str, cells: Sequence[str], rows: Sequence[int]) -> None:
        distinct = {cell for cell in cells if "," in cell or "." in cell}
        if Mark.DECIMAL_POINT in self.sightings:  # a lone point can prove nothing new
            distinct = {cell for cell in distinct if "," in cell or cell.count(".") > 1}
        for mark in {decimal_mark(cell) for cell in distinct} - {None, *self.sightings}:
            self._sight(mark, column, cells, rows, lambda cell, mark=mark: decimal_mark(cell) is mark)

    def take_dates(self, column: str, cells: Sequence[str], rows: Sequence[int]) -> None:
        # A date that contradicts one order proves the other; one that contradicts both proves both, and is refused below.
        for order, proven in ((DateOrder.MONTH_FIRST, Mark.DAY_FIRST), (DateOrder.DAY_FIRST, Mark.MONTH_FIRST)):
            if proven not in self.sightings and any(contradicts(cell, order) for cell in set(cells)):
                self._sight(proven, column, cells, rows, lambda cell, order=order: contradicts(cell, order))

    def _sight(self, mark: Mark, column: str, cells: Sequence[str], rows: Sequence[int], proves: Callable[[str], bool]) -> None:
        self.sightings[mark] = next(Sighting(row, column, cell) for row, cell in zip(rows, cells, strict=True) if proves(cell))


_PLAIN = re.compile(r"([0-9]*)([.,][0-9.,]*)")
_EXPONENT = re.compile(r"[eE][+-]?[0-9]{1,3}$")


def decimal_mark(text: str) -> Mark | None:
    """What the number proves: 0,045 and 1.234,5 a comma; 0.045 and 1,234.5 a point; 1,234 and 1.234 nothing."""
    bare = text.strip().lstrip("+-$€£¥ ")
    mantissa = _EXPONENT.sub("", bare)
    match = _PLAIN.fullmatch(mantissa)
    if match is None:
        return None
    whole, rest = match.groups()
    marks = [character for character in rest if character in ".,"]
    last = marks[-1]
    if len(set(marks)) == 2:
        return _proof(last) if marks.count(last) == 1 else None
    if len(marks) > 1:
        return _proof("." if last == "," else ",") if _grouped(whole, rest) else None
    # One mark: it groups thousands only where three digits follow and one to three, without a leading zero, stand before it.
    could_group = _grouped(whole, rest) and mantissa == bare
    return None if could_group else _proof(last)


def _grouped(whole: str, rest: str) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,2}", whole)) and all(len(group) == 3 for group in re.split(r"[.,]", rest)[1:])


def _proof(mark: str) -> Mark:
    return Mark.DECIMAL_COMMA if mark == "," else Mark.DECIMAL_POINT


def decimal_comma(name: str, evidence: Evidence) -> bool:
    """True only where the file proves it. InputRefused where it proves both."""
    _refuse_both(name, evidence, Mark.DECIMAL_POINT, "save the file with one and the same decimal mark throughout")
    return Mark.DECIMAL_COMMA in evidence.sightings


def date_order(name: str, evidence: Evidence, wanted: DateOrder | None) -> tuple[DateOrder, str]:
    """The order of day and month and who settled it: the file, the caller or the default. InputRefused where the file contradicts."""
    _refuse_both(name, evidence, Mark.MONTH_FIRST, "save the file with dates as YYYY-MM-DD")
    proven = next((mark for mark in evidence.sightings if mark in _ORDER_OF), None)
    if wanted is None:
        return (DateOrder.MONTH_FIRST, "default") if proven is None else (_ORDER_OF[proven], "the file")
    if proven is not None and _ORDER_OF[proven] is not wanted:
        found = evidence.sightings[proven]
        problem = Problem(name, found.row, found.column, found.value, f"{_MARK_OF[wanted]}, as the call says; leave --date-order out")
        raise InputRefused(f"{problem}; nothing was imported.", [problem])
    return wanted, "the caller"


def _refuse_both(name: str, evidence: Evidence, mark: Mark, remedy: str) -> None:
    """Two marks that exclude each other name two rows of the file."""
    one, other = evidence.sightings.get(mark), evidence.sightings.get(_OPPOSITE[mark])
    if one is None or other is None:
        return
    problems = [
        Problem(name, found.row, found.column, found.value, f"one way of writing in the whole file, but this proves {proves}")
        for found, proves in ((one, mark), (other, _OPPOSITE[mark]))
    ]
    raise InputRefused(
        f"{name} writes {mark} in row {one.row} ({one.value}) and {_OPPOSITE[mark]} in row {other.row} ({other.value}); {remedy}.", problems
    )
