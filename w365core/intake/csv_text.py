"""What a CSV text says, strictly: no guessing, no repair; a line that cannot be read is a Problem with its number.

decoded(name, content)              UTF-8, with or without BOM, and nothing else
rows(lines, name=…)                 the rows with the line each starts on (a quoted cell may span several lines)
columns_of(header, declared, …)     which cell is which declared column; repeated and unknown headers
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from w365core.frames import Column, folded
from w365core.model import Problem

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Header:
    """A header matched to declared columns: `positions` by column name, headers nobody declared, and what is wrong with it."""

    positions: dict[str, int]
    unknown: tuple[str, ...]
    problems: tuple[Problem, ...]


def lines_of(name: str, content: bytes) -> Iterator[str] | Problem:
    """The lines of a UTF-8 file without its BOM, line ends included; a Problem where it is not UTF-8 or holds a NUL byte."""
    if content.startswith(UTF16_MARKS):
        return Problem(name, None, None, None, "UTF-8, but the file is UTF-16; save it as CSV UTF-8")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        found = content[max(0, error.start - 20) : error.start + 20].decode("latin-1")
        return Problem(name, _line_at(content, error.start), None, found, "UTF-8; save the file as CSV UTF-8")
    nul = content.find(b"\0")
    if nul >= 0:
        return Problem(name, _line_at(content, nul), None, None, "text without NUL bytes; the file is damaged or no CSV")
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")


def _line_at(content: bytes, position: int) -> int:
    before = content[:position].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1


def rows(lines: Iterable[str], *, name: str, separator: str = ",") -> Iterator[tuple[int, list[str]] | Problem]:
    """(line the row starts on, cells) for each row, no cells for a blank line. Where the quoting breaks, a last Problem."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(name, line, None, None, _expected_instead_of(str(error)))
            return
        yield line, cells


def is_blank(cells: Sequence[str]) -> bool:
    return not any(cells) or not any(cell.strip() for cell in cells)


def _expected_instead_of(error: str) -> str:
    """What the csv module expected, in a person's words."""
    if "field limit" in error:
        return f"cells of at most {csv.field_size_limit()} characters (was a quote left open?)"
    if "end of data" in error:
        return "a closing quote before the end of the file"
    return "a separator after a closing quote (a quote inside a quoted cell is written twice)"


def columns_of(header: Sequence[str], declared: Iterable[Column], *, name: str, line: int = 1) -> Header:
    """The position of each declared column, matched without case and punctuation; a column named twice is a Problem."""
    by_fold = {folded(spelling): column for column in declared for spelling in column.headers}
    positions: dict[str, int] = {}
    unknown, problems = [], []
    for position, printed in enumerate(header):
        column = by_fold.get(folded(printed))
        if column is None:
            unknown.append(printed.strip())
        elif column.name in positions:
            problems.append(Problem(name, line, column.name, printed, "each column once; take one of the two away"))
        else:
            positions[column.name] = position
    return Header(positions, tuple(unknown), tuple(problems))
