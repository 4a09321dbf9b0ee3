"""Does this file write a decimal comma, and day or month first? Only evidence counts: a value that can be read in one way alone.

Evidence                        what was found so far, fed with one column of cells at a time
decimal_comma, date_order       the decision, and who made it; contradictions are refused with the rows that contradict each other
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from w365core import money
from w365core.dates import DateOrder, contradicts, is_either_way
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
    """The first sighting of each mark, of a number and of a date that can be read in two ways; and whether there is a date with points, which
    nobody writes month first."""

    sightings: dict[Mark, Sighting] = field(default_factory=dict)
    ambiguous: Sighting | None = None
    dotted: bool = False
    either_way: Sighting | None = None
    _dates: set[str] = field(default_factory=set)

    @property
    def telling(self) -> str | None:
        """A pattern that every number matches which could still prove something; None where none could."""
        point, comma = (mark in self.sightings for mark in (Mark.DECIMAL_POINT, Mark.DECIMAL_COMMA))
        if point and comma:
            return None
        return r",|\..*\." if point else r"\.|,.*," if comma else "[.,]"

    def take_numbers(self, column: str, cells: Sequence[str], rows: Sequence[int]) -> None:
        """Cells that match `telling`, and the rows they stand in."""
        if self.ambiguous is None and not self.sightings:
            found = next(((row, cell) for row, cell in zip(rows, cells, strict=True) if is_ambiguous(cell)), None)
            self.ambiguous = found and Sighting(found[0], column, found[1])
        for mark in {decimal_mark(cell) for cell in set(cells)} - {None, *self.sightings}:
            self._sight(mark, column, cells, rows, lambda cell, mark=mark: decimal_mark(cell) is mark)

    def has_news(self, dates: Sequence[str]) -> bool:
        """Whether any of these was not looked at before."""
        return not self._dates.issuperset(dates)

    def take_dates(self, column: str, cells: Sequence[str], rows: Sequence[int]) -> None:
        new = set(cells) - self._dates
        self._dates = (self._dates if len(self._dates) < _MOST_DATES else set()) | new
        self.dotted = self.dotted or any(_DOTTED.match(cell) for cell in new)
        if self.either_way is None:
            found = next(((row, cell) for row, cell in zip(rows, cells, strict=True) if is_either_way(cell)), None)
            self.either_way = found and Sighting(found[0], column, found[1])
        # A date that contradicts one order proves the other; one that is none in either proves nothing, and is refused when its line is read.
        for order, proven in ((DateOrder.MONTH_FIRST, Mark.DAY_FIRST), (DateOrder.DAY_FIRST, Mark.MONTH_FIRST)):
            if proven not in self.sightings and any(contradicts(cell, order) for cell in new):
                self._sight(proven, column, cells, rows, lambda cell, order=order: contradicts(cell, order))

    def _sight(self, mark: Mark, column: str, cells: Sequence[str], rows: Sequence[int], proves: Callable[[str], bool]) -> None:
        self.sightings[mark] = next(Sighting(row, column, cell) for row, cell in zip(rows, cells, strict=True) if proves(cell))


def notes(evidence: Evidence, *, order_by: str, decimal_by: str) -> tuple[str, ...]:
    """What was assumed, or settled by more than one look, in a sentence each."""
    said = []
    if order_by == "default" and (found := evidence.either_way):
        said.append(
            f"Dates such as {found.value} (row {found.row}, column {found.column}) are read month first, as the provider writes them; nothing in the "
            "file says so. Where the day comes first, say the order of the dates (--date-order DMY)."
        )
    if decimal_by == "its sums" and (found := evidence.ambiguous):
        said.append(
            f"How to read {found.value} (row {found.row}, column {found.column}) is settled by subtotal plus tax being the total on every row."
        )
    if decimal_by == "the total" and (found := evidence.ambiguous):
        said.append(
            f"How to read {found.value} (row {found.row}, column {found.column}) is settled by the lines adding up to the total of the invoice."
        )
    return tuple(said)


_MOST_DATES = 10_000
_DOTTED = re.compile(r"\s*[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}\b")


_PLAIN = re.compile(r"([0-9]*)([.,][0-9.,]*)")
_AMBIGUOUS = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")


def decimal_mark(text: str) -> Mark | None:
    """What the number proves: 0,045 and 1.234,5 a comma; 0.045 and 1,234.5 a point; 1,234 and 1.234 nothing."""
    found = money.printed(text)
    match = found and _PLAIN.fullmatch("".join(character for character in found.body if character in "0123456789.,"))
    if not match:
        return None
    whole, rest = match.groups()
    marks = [character for character in rest if character in ".,"]
    last = marks[-1]
    if len(set(marks)) == 2:
        return _proof(last) if marks.count(last) == 1 else None
    if len(marks) > 1:
        return _proof("." if last == "," else ",") if _grouped(whole, rest) else None
    # One mark: it groups thousands only where three digits follow and one to three, without a leading zero, stand before it.
    could_group = _grouped(whole, rest) and not found.exponent and not found.is_spaced
    return None if could_group else _proof(last)


def is_ambiguous(text: str) -> bool:
    """Whether the number is another one with a decimal comma than with a decimal point: 1.234 or 1,234."""
    found = money.printed(text)
    return bool(found and not found.exponent and _AMBIGUOUS.fullmatch(found.body))


def _grouped(whole: str, rest: str) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,2}", whole)) and all(len(group) == 3 for group in re.split(r"[.,]", rest)[1:])


def _proof(mark: str) -> Mark:
    return Mark.DECIMAL_COMMA if mark == "," else Mark.DECIMAL_POINT


def decimal_comma(name: str, evidence: Evidence, wanted: bool | None, looks: Mapping[str, Callable[[], Mark | None]]) -> tuple[bool, str]:
    """Whether the file writes a decimal comma, and who settled it: the file, one of the looks, the caller, or nobody as no number depends on it.

    `wanted` is what the call says; `looks`, by their names and in their order, find out with which mark its amounts add up. InputRefused where the file proves both or
    the opposite of what the call says, or where it has numbers that are ambiguous and nobody settles them.
    """
    _refuse_both(name, evidence, Mark.DECIMAL_POINT, "save the file with one and the same decimal mark throughout")
    proven = next((mark for mark in (Mark.DECIMAL_POINT, Mark.DECIMAL_COMMA) if mark in evidence.sightings), None)
    if wanted is not None:
        said = Mark.DECIMAL_COMMA if wanted else Mark.DECIMAL_POINT
        if proven not in (None, said):
            raise _contradicted(name, evidence.sightings[proven], f"{said}, as the call says; leave --decimal out")
        return wanted, "the caller"
    if proven is not None:
        return proven is Mark.DECIMAL_COMMA, "the file"
    if evidence.ambiguous is None:
        return False, "default"
    for look, adds_up_with in looks.items():
        if (mark := adds_up_with()) is not None:
            return mark is Mark.DECIMAL_COMMA, look
    found = evidence.ambiguous
    expected = (
        "to be told whether that is a decimal mark or groups thousands: nothing in the file says so; say --decimal point or --decimal comma"
    )
    raise InputRefused(
        f"{Problem(name, found.row, found.column, found.value, expected)}. Nothing was imported.",
        [Problem(name, found.row, found.column, found.value, expected)],
    )


def date_order(name: str, evidence: Evidence, wanted: DateOrder | None) -> tuple[DateOrder, str]:
    """The order of day and month and who settled it: the file, the caller or the default. InputRefused where the file contradicts."""
    _refuse_both(name, evidence, Mark.MONTH_FIRST, "save the file with dates as YYYY-MM-DD")
    proven = next((mark for mark in evidence.sightings if mark in _ORDER_OF), None)
    if wanted is None and proven is None:
        return (DateOrder.DAY_FIRST, "the file") if evidence.dotted else (DateOrder.MONTH_FIRST, "default")
    if wanted is None:
        return _ORDER_OF[proven], "the file"
    if proven is not None and _ORDER_OF[proven] is not wanted:
        raise _contradicted(name, evidence.sightings[proven], f"{_MARK_OF[wanted]}, as the call says; leave --date-order out")
    return wanted, "the caller"


def _contradicted(name: str, found: Sighting, expected: str) -> InputRefused:
    problem = Problem(name, found.row, found.column, found.value, expected)
    return InputRefused(f"{problem}; nothing was imported.", [problem])


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
