"""Which cells do regular JSON lines hold? All of them as COPY reads them, cut from the block itself, and of some columns the values.

JSON's escapes of two signs are COPY's as well, and the quote that ends a text may end a cell, so that most texts are stored as they are printed,
without a look into them. What COPY would read otherwise is written anew, beside the block: days, signs escaped by their number, odd numbers. Lines
that are not regular, or that a check would reject, are None here and read one by one instead; the tests hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core import money
from w365core.arrays import CELL_END, ended, in_memory, joined, scalar, text_array
from w365core.dates import DateOrder, day_of
from w365core.frames import Column, Kind, folded
from w365core.intake.parse import NOTHING, by_header
from w365core.kernels import json_cells
from w365core.kernels.json_cells import Cells, NotRegular, cut, rows, values
from w365core.money import MOST_INTEGER_DIGITS, MOST_PLACES

# A JSON number of a size that money can have, without an exponent: at most 22 digits before the point and 30 after it.
_NUMBER = rf"^-?(?:0|[1-9][0-9]{{0,{MOST_INTEGER_DIGITS - 1}}})(?:\.[0-9]{{1,{MOST_PLACES}}})?$"
_BARE = re.compile(r"true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_NOTHING_SAID = scalar("")
_FOR_COPY = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", CELL_END: f"\\{CELL_END}"})


@dataclass(frozen=True)
class Beside:
    """What is stored of a line beside its own cells: its number, and of `names` the values `shared[of_line]`."""

    numbers: pa.Int64Array
    names: tuple[str, ...]
    shared: Sequence[Sequence[Any]]
    of_line: np.ndarray


@dataclass(frozen=True)
class Regular:
    """The known columns in the order of the file (`names`), as they are stored.

    `numbers` are those columns of them that hold numbers, as text of a size that money can have. Each line has the values `combinations[of_line]` in
    the columns that the caller asked for. `extra` has the unknown keys as one JSON object a line.
    """

    names: tuple[str, ...]
    cells: _Stored
    numbers: dict[str, pa.StringArray]
    combinations: list[tuple[str | date | None, ...]]
    of_line: np.ndarray
    extra: pa.StringArray | None

    def stored(self, beside: Beside) -> pa.RecordBatch:
        """The lines as text that COPY reads: whole, or all but `extra`."""
        names = joined([*self.names, *beside.names, "line_number"])
        if self.extra is None:
            return pa.RecordBatch.from_arrays([self.cells.text(beside, end="\n")], names=[ended(names)])
        return pa.RecordBatch.from_arrays([self.cells.text(beside, end=CELL_END), self.extra], names=[names, "extra"])


def read(
    lines: pa.BinaryArray, columns: tuple[Column, ...], *, combined: Sequence[str] = (), order: DateOrder = DateOrder.MONTH_FIRST
) -> Regular | None:
    """The cells of these lines in the declared columns; None where the lines are not regular. `combined` names columns of texts and days whose
    values are wanted: of a column without a key they are None."""
    if not len(lines) or lines.null_count:
        return None
    try:
        keys = tuple(msgspec.json.decode(lines[0].as_buffer(), type=dict[str, msgspec.Raw]))
        return _read(json_cells.find(lines, keys), keys, _columns_of(keys, columns), combined, order)
    except (NotRegular, msgspec.MsgspecError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=64)
def _columns_of(keys: tuple[str, ...], columns: tuple[Column, ...]) -> tuple[Column | None, ...]:
    """The column of each key, None for an unknown one."""
    spellings = by_header(columns)
    wanted = tuple(spellings.get(folded(key)) for key in keys)
    known = [column.name for column in wanted if column]
    if len(set(known)) < len(known):
        raise NotRegular("two keys are spellings of one column")
    return wanted


def _read(cells: Cells, keys: Sequence[str], columns: Sequence[Column | None], combined: Sequence[str], order: DateOrder) -> Regular:
    places = {column.name: place for place, column in enumerate(columns) if column}
    of_numbers = [place for place in places.values() if columns[place].kind is Kind.NUMBER]
    of_days = [place for place in places.values() if columns[place].kind is Kind.DAY]
    of_texts = [place for place in places.values() if columns[place].kind not in (Kind.NUMBER, Kind.DAY)]
    if cells.is_bare[:, of_days + of_texts].any():
        raise NotRegular("a bare value where text or a day is expected")
    stored = _Stored(cells, list(places.values()))
    numbers = _numbers(cells, of_numbers, stored)
    days = _days(cells, of_days, order, stored)
    _spell_out(cells, of_texts, stored)
    of_line, combinations = _combinations(cells, [places.get(name) for name in combined], days, of_days)
    return Regular(
        names=tuple(places),
        cells=stored,
        numbers={columns[place].name: texts for place, texts in zip(of_numbers, numbers, strict=True)},
        combinations=combinations,
        of_line=of_line,
        extra=_extra(cells, {key: place for place, key in enumerate(keys) if columns[place] is None}),
    )


class _Stored:
    """The cells as COPY reads them: where they stand in the block, or in what was written anew behind it, with one sign more for the end.
    `places` are those that are stored."""

    def __init__(self, cells: Cells, places: Sequence[int]) -> None:
        self._places = places
        self._block = np.frombuffer(cells.data, np.uint8)
        self._anew: list[bytes] = []
        self._size = len(self._block)
        self._bounds = cells.bounds.copy()
        self.start, self.stop = self._bounds[:, 1::2], self._bounds[:, 2::2]
        self.start += cells.is_text
        self.stop -= cells.is_text
        if cells.is_null.any():
            self.start[cells.is_null] = self.stop[cells.is_null] - 1
        self._bare_stop = self.stop[~cells.is_text]

    def write(self, at: tuple[np.ndarray, np.ndarray], texts: Sequence[str | None], which: np.ndarray | slice = slice(None)) -> None:
        """Writes the texts, and lets the cells at these lines and keys hold those of them that `which` says."""
        cuts = self._written(_for_copy([text]) for text in texts)
        self.start[at], self.stop[at] = cuts[:-1][which], cuts[1:][which]

    def _written(self, texts: Iterable[bytes]) -> np.ndarray:
        """Writes the texts behind what there is; where each begins, and the last ends."""
        anew = list(texts)
        cuts = np.cumsum([self._size, *map(len, anew)], dtype=np.int32)
        self._anew += anew
        self._size = int(cuts[-1])
        return cuts

    def text(self, beside: Beside, *, end: str) -> pa.StringArray:
        """The stored cells of each line with their end, which a text in JSON has already; then what is stored beside them, and the end of the line."""
        shared = self._written(map(_for_copy, beside.shared)), beside.of_line
        numbers = _digits(beside.numbers, end)
        own = np.arange(len(numbers) + 1, dtype=np.int32) * np.int32(numbers.shape[1]) + np.int32(self._size), slice(None)
        self._written([numbers.tobytes()])
        data = pa.allocate_buffer(self._size)
        signs = np.frombuffer(data, np.uint8)
        signs[: len(self._block)] = self._block
        signs[len(self._block) :] = np.frombuffer(b"".join(self._anew), np.uint8)
        signs[self._bare_stop - 1] = ord(CELL_END)
        return rows(data, self._bounds, values(self._places), shared, own)


def _for_copy(cells: Sequence[Any]) -> bytes:
    """These cells as COPY reads them, an end after each."""
    return "".join(CELL_END if cell is None else str(cell).translate(_FOR_COPY) + CELL_END for cell in cells).encode()


def _digits(numbers: pa.Int64Array, end: str) -> np.ndarray:
    """Whole numbers as digits, as many in each row as the largest has, and the end."""
    known = in_memory(numbers, np.int64)
    tens = 10 ** np.arange(len(str(known.max())), dtype=np.int64)[::-1]
    left = known[:, None] // tens
    left[:, 1:] -= 10 * (known[:, None] // tens[:-1])
    return np.column_stack([left + ord("0"), np.full(len(known), ord(end))]).astype(np.uint8)


def _numbers(cells: Cells, places: Sequence[int], stored: _Stored) -> list[pa.StringArray]:
    """Numbers as they are printed; one in quotes that JSON would not print so, or with an exponent, as Decimal prints it."""
    lines = len(cells.bounds)
    start, end = stored.start.T[places], stored.stop.T[places] - 1
    texts = cut(cells.data, start, end, is_null=(start == end).ravel())
    regular = pc.match_substring_regex(texts, _NUMBER)
    if regular.false_count:
        odd = [at for at, is_regular in enumerate(regular.to_pylist()) if is_regular is False]
        column, line = np.divmod(odd, lines)
        at = line, np.array(places)[column]
        printed = texts.to_pylist()
        for place, is_bare in zip(odd, cells.is_bare[at], strict=True):
            printed[place] = _unusual(printed[place], bare=is_bare)
        stored.write(at, [printed[place] for place in odd])
        texts = text_array(printed)
    return [texts.slice(place * lines, lines) for place in range(len(places))]


def _unusual(text: str, *, bare: bool) -> str:
    number = money.readable(text)
    if number is None or (bare and not _BARE.fullmatch(text)):
        raise NotRegular("no number, or none that money can have")
    return str(number)


def _days(cells: Cells, places: Sequence[int], order: DateOrder, stored: _Stored) -> dict[str | None, date | None]:
    """What day each text says; a text is read once however often it repeats."""
    if not places:
        return {}
    of_line, rows_of_texts = _alike(cells, places)
    texts = [text for row in rows_of_texts for text in row]
    days = {text: None if text is None or text.strip().lower() in NOTHING else day_of(text, order) for text in set(texts)}
    which = of_line[:, None] * len(places) + np.arange(len(places))
    stored.write((slice(None), places), [days[text] and days[text].isoformat() for text in texts], which)
    return days


def _spell_out(cells: Cells, places: Sequence[int], stored: _Stored) -> None:
    """Signs that are escaped by their number, as themselves."""
    line, place = np.divmod(cells.numbered, cells.is_text.shape[1])
    at = line[np.isin(place, places)], place[np.isin(place, places)]
    if not len(at[0]):
        return
    printed = cut(cells.data, stored.start[at], stored.stop[at] - 1).to_pylist()
    texts = [msgspec.json.decode(f'"{text}"', type=str) for text in printed]
    if any("\x00" in text for text in texts):
        raise NotRegular("a NUL character, which no text can hold")
    stored.write(at, texts)


def _combinations(
    cells: Cells, places: Sequence[int | None], days: dict[str | None, date | None], of_days: Sequence[int]
) -> tuple[np.ndarray, list[tuple[str | date | None, ...]]]:
    """For each line the place of its values of these columns, and the values."""
    there = sorted(place for place in places if place is not None)
    if not there:
        return np.zeros(len(cells.bounds), np.int32), [(None,) * len(places)]
    of_line, found = _alike(cells, there)
    columns: dict[int | None, Sequence] = dict(zip(there, zip(*found, strict=True), strict=True))
    columns |= {place: [days[text] for text in columns[place]] for place in of_days if place in columns}
    columns[None] = [None] * len(found)
    return of_line, list(zip(*(columns[place] for place in places), strict=True))


def _alike(cells: Cells, places: Sequence[int]) -> tuple[np.ndarray, list[list[str | None]]]:
    """For each line the place of its values, and each distinct list of them; `places` in the order of the file.

    As they stand in the line, with the comma after each of them (or the brace after the last), the values are a list in JSON.
    """
    printed = cells.printed(places).dictionary_encode()
    lists = "],[".join(row[:-1] for row in printed.dictionary.to_pylist())
    values = msgspec.json.decode(f"[[{lists}]]", type=list[list[str | None]])
    return np.frombuffer(printed.indices.buffers()[1], np.int32)[: len(printed)], values


def _extra(cells: Cells, unknown: dict[str, int]) -> pa.StringArray | None:
    """The unknown keys of each line that are not null, as one JSON object; null where all of them are."""
    members = []
    for key, place in unknown.items():
        is_null, is_text = cells.is_null[:, place], cells.is_text[:, place]
        start, stop = cells.bounds[:, 2 * place + 1], cells.bounds[:, 2 * place + 2]
        said = cut(cells.data, start, stop - 1, is_null=is_null)
        if cells.is_bare[:, place].any() or len(cells.numbered):
            for text, quoted in zip(said.to_pylist(), is_text, strict=True):
                if text is not None and not ("\x00" not in msgspec.json.decode(text, type=str) if quoted else _BARE.fullmatch(text)):
                    raise NotRegular("a value that JSON does not know, or that holds a NUL character")
        named = scalar(f",{msgspec.json.encode(key).decode()}:")
        members.append(pc.coalesce(pc.binary_join_element_wise(named, said, _NOTHING_SAID), _NOTHING_SAID))
    if not members:
        return None
    together = pc.binary_join_element_wise(*members, _NOTHING_SAID)
    whole = pc.binary_join_element_wise(scalar("{"), pc.utf8_slice_codeunits(together, 1), scalar("}"), _NOTHING_SAID)
    return pc.if_else(pc.equal(together, _NOTHING_SAID), text_array([None])[0], whole)
