"""What does a file of usage say that came back from a spreadsheet? Its rows, each with its number there and its cells in the order of our columns.

Nothing is read into the cells here: what a cell means is judged against the row that was exported.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from w365core.correction import COLUMNS
from w365core.errors import CallRefused, InputRefused
from w365core.frames import Column
from w365core.intake import csv_text
from w365core.model import Problem

MOST_MEGABYTES = 100
MOST_ROWS = 500_000
WORKBOOK, OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_DECLARED = tuple(Column(name) for name in COLUMNS)
_BOM = b"\xef\xbb\xbf"
_HTML = re.compile(rb"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
_SEPARATORS = (",", ";", "\t")
_NO_EXPORT = "take a file that `markup export` or the page has written, edit that and keep its header"


@dataclass(frozen=True)
class MarkupFile:
    """Rows as (number in the spreadsheet, cells); the header is row 1. `decimal_comma` is what the separator suggests."""

    rows: list[tuple[int, Sequence[str]]]
    decimal_comma: bool


def is_workbook(name: str, content: bytes) -> bool:
    """Whether it is an Excel workbook by its bytes, whatever its name. CallRefused where it is one of a kind that is not read, or far too large."""
    if len(content) > MOST_MEGABYTES * 1_000_000:
        raise CallRefused(
            f"{name} has {len(content) / 1_000_000:,.0f} MB; a file of usage has at most {MOST_MEGABYTES} MB. Export fewer rows at once."
        )
    if content.startswith(OLD_WORKBOOK):
        raise CallRefused(f"{name} is an old or protected Excel file; save it as .xlsx without a password, or as CSV UTF-8.")
    return content.startswith(WORKBOOK)


def read(name: str, content: bytes, *, separator: str | None = None) -> MarkupFile:
    """The file's rows. `separator` is known for text of our own; else it is the one of the header. CallRefused or InputRefused in a sentence."""
    if not content.removeprefix(_BOM).strip():
        raise CallRefused(f"{name} is empty; {_NO_EXPORT}.")
    if _HTML.match(content[:200].removeprefix(_BOM)):
        raise CallRefused(f"{name} is a web page, not a table; {_NO_EXPORT}.")
    lines = csv_text.lines_of(name, content)
    if isinstance(lines, Problem):
        raise InputRefused(f"{name} cannot be read as CSV; nothing was changed.", [lines])
    first, skipped = next(lines, ""), 0
    if separator is None and (told := re.fullmatch(r"\s*\"?sep=(.)\"?\s*", first)):
        separator, first, skipped = told[1], next(lines, ""), 1
    separator = separator or max(_SEPARATORS, key=first.count)  # the one that parts most of the header
    found = _cells(chain([first], lines), separator)
    if found is None:
        raise _damaged(name, islice(csv_text.lines_of(name, content), skipped, None), separator)
    return MarkupFile(_rows(name, found), decimal_comma=separator == ";")


def _cells(lines: Iterable[str], separator: str) -> list[list[str]] | None:
    """All rows at once; None where the quoting breaks."""
    try:
        return list(csv.reader(lines, delimiter=separator, strict=True))
    except csv.Error:
        return None


def _damaged(name: str, lines: Iterable[str], separator: str) -> InputRefused:
    """Where it breaks, and what was expected there."""
    for row, found in enumerate(csv_text.rows(lines, name=name, separator=separator), 1):
        if isinstance(found, Problem):
            return InputRefused(f"{name} is damaged in row {row}; nothing was changed.", [found])
    raise AssertionError(f"{name} breaks in one reading and not in the other")


def _rows(name: str, found: list[list[str]]) -> list[tuple[int, Sequence[str]]]:
    header = found[0]
    places = _places(name, header)
    if len(found) > MOST_ROWS:
        raise CallRefused(f"{name} has more than {MOST_ROWS:,} rows; export fewer at once.")
    if header == list(COLUMNS) and all(len(cells) == len(header) for cells in found):
        return [(row, cells) for row, cells in enumerate(found[1:], 2) if cells[0] or not csv_text.is_blank(cells)]
    needed, rows = max(places) + 1, []
    for row, cells in enumerate(found[1:], 2):
        if not csv_text.is_blank(cells):
            whole = [*cells, *[""] * (needed - len(cells))]
            rows.append((row, [whole[place] for place in places]))
    return rows


def _places(name: str, header: list[str]) -> list[int]:
    """Where each of our columns stands."""
    matched = csv_text.columns_of(header, _DECLARED, name=name)
    missing = [column for column in COLUMNS if column not in matched.positions]
    if len(missing) == len(COLUMNS):
        raise CallRefused(f"{name} is no export of usage: its first row names none of the columns; {_NO_EXPORT}.")
    if missing:
        raise CallRefused(f"{name} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; {_NO_EXPORT}.")
    if matched.problems:
        raise InputRefused(f"{name} cannot be read; nothing was changed.", matched.problems)
    return [matched.positions[column] for column in COLUMNS]
