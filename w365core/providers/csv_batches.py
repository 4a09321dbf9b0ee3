"""What are the rows of a CSV file? Text cells in Arrow batches, as a strict reader would have them, without its price where the text is plain.

    opened(source, encoding)    the header row and the separator
    batches(source, layout)     the rows behind it

A block of text is plain where the fast reader cannot see it otherwise than the strict one: each quoted cell opens behind a separator and ends before
one, on its line; no blank rows, no line end but LF or CR LF. Every other block goes to the strict reader, row by row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from w365core import arrays
from w365core.errors import InputRefused
from w365core.frames import folded
from w365core.intake import csv_text
from w365core.model import Problem
from w365core.providers import file_bytes
from w365core.providers.file_bytes import Source, refused
from w365core.providers.file_kinds import ACCEPTED, separator_of

ROW = "__row"
MOST_PROBLEMS = 100
MOST_COLUMNS = 16_384  # as many as a spreadsheet has
_SAYS_SEPARATOR = re.compile(r'"?sep=(.)"?\s*$', re.IGNORECASE)
_UNLIKE_BLANKS = (b"\x1c", b"\x1d", b"\x1e", b"\x1f")  # blank to the strict reader alone


@dataclass(frozen=True)
class Layout:
    """How the rows are to be read. `columns` are the headers made distinct; the first `needed` of them end with the last that is not blank."""

    encoding: str
    separator: str
    columns: tuple[str, ...]
    header: tuple[str, ...]
    row: int
    says_separator: bool

    @cached_property
    def needed(self) -> int:
        return max(place for place, printed in enumerate(self.header, 1) if printed.strip())


def opened(source: Source, encoding: str) -> Layout:
    """The header row. InputRefused where there is none."""
    first, says = _first_line(source, encoding)
    separator = says or separator_of(first)
    for number, cells in _Rows(source, encoding, separator, skips_first=bool(says)).strictly():
        if len(cells) > MOST_COLUMNS:
            raise refused(source.name, f"at most {MOST_COLUMNS:,} columns, not {len(cells):,}", row=number)
        return Layout(encoding, separator, _distinct(cells), tuple(cells), number, bool(says))
    raise refused(source.name, f"{ACCEPTED}, but the file is blank")


def batches(source: Source, layout: Layout, *, most: int, bad: list[Problem] | None = None) -> Iterator[pa.RecordBatch]:
    """At most `most` rows a batch: a string column per header, and `__row`, the row as a spreadsheet counts (blank rows count, and are left out).

    Rows that are too short or too long, or the header again, are added to `bad` up to 100, and left out; without it they are an InputRefused.
    """
    rows = _Rows(source, layout.encoding, layout.separator, skips_first=layout.says_separator)
    shaped = _Shaped(source.name, layout, [] if bad is None else bad)
    waiting: list[pa.RecordBatch] = []
    for piece in shaped.pieces(rows):
        if piece.num_rows:
            waiting.append(piece)
        if sum(known.num_rows for known in waiting) >= most:
            whole = _joined(waiting)
            full = whole.num_rows - whole.num_rows % most
            yield from (whole.slice(start, most) for start in range(0, full, most))
            waiting = [whole.slice(full)] if full < whole.num_rows else []
        if bad is None and shaped.bad:
            raise InputRefused(f"{shaped.bad[0]}; nothing was imported.", shaped.bad)
    if waiting:
        yield _joined(waiting)


def _joined(pieces: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return pieces[0] if len(pieces) == 1 else pa.Table.from_batches(pieces).combine_chunks().to_batches()[0]


def _first_line(source: Source, encoding: str) -> tuple[str, str | None]:
    """The first line that is not blank, and the separator that it declares instead of being a header."""
    for text in file_bytes.text_blocks(source, encoding):
        for line in io.StringIO(text, newline=""):
            if match := _SAYS_SEPARATOR.match(line):
                return line, match[1]
            if folded(line):
                return line, None
    return "", None


def _distinct(header: Sequence[str]) -> tuple[str, ...]:
    """The headers as printed; a repeated or blank one (none of them is known) gets its position, since columns are found by name."""
    taken = {ROW, "__json"}
    names = []
    for position, printed in enumerate(header, start=1):
        name = printed.strip() or f"column {position}"
        name = f"{name} ({position})" if name in taken else name
        taken.add(name)
        names.append(name)
    return tuple(names)


# --- rows and blocks ---------------------------------------------------------------------------------------------------------------------


class _Rows:
    """The text of a file, taken block by block, or row by row where a block is not plain. `count` is the row that was taken last."""

    def __init__(self, source: Source, encoding: str, separator: str, *, skips_first: bool) -> None:
        self._name, self._separator = source.name, separator
        self._blocks = file_bytes.text_blocks(source, encoding)
        self._text = io.StringIO("", newline="")
        self._size = 0
        self.count = 0
        if skips_first:
            self._next_block()
            self._text.readline()
            self.count = 1

    def strictly(self, *, to_the_end: bool = True) -> Iterator[tuple[int, list[str]]]:
        """(row, cells) of what is left, or of the block in hand, with what follows where its last row goes on. Blank rows count and are passed over."""
        rows = csv_text.rows(self._lines(), name=self._name, separator=self._separator)
        while to_the_end or self._text.tell() < self._size:
            row = next(rows, None)
            if row is None:
                return
            self.count += 1
            if isinstance(row, Problem):
                raise refused(self._name, row.expected, row=self.count)
            if not csv_text.is_blank(row[1]):
                yield self.count, row[1]

    def block(self) -> str | None:
        """What is left of the block in hand, else the next one; taken whole by `took`, or row by row by `strictly`. None at the end."""
        if self._text.tell() == self._size and not self._next_block():
            return None
        place = self._text.tell()
        text = self._text.read()
        self._text.seek(place)
        return text

    def took(self, rows: int) -> None:
        self._text.seek(self._size)
        self.count += rows

    def _lines(self) -> Iterator[str]:
        while True:
            while line := self._text.readline():
                yield line
            if not self._next_block():
                return

    def _next_block(self) -> bool:
        text = next(self._blocks, "")
        self._text, self._size = io.StringIO(text, newline=""), len(text)
        return bool(text)


@dataclass
class _Shaped:
    """Rows as batches of one width."""

    name: str
    layout: Layout
    bad: list[Problem] = field(default_factory=list)

    def pieces(self, rows: _Rows) -> Iterator[pa.RecordBatch]:
        beginning = rows.strictly()
        while rows.count < self.layout.row:
            next(beginning)
        while (text := rows.block()) is not None:
            table = plain(text, self.layout)
            if table is not None:
                yield self._numbered(table, arrays.counting(rows.count + 1, table.num_rows))
                rows.took(table.num_rows)
            else:
                yield self._strict(rows)

    def _strict(self, rows: _Rows) -> pa.RecordBatch:
        numbers, kept = [], []
        for number, cells in rows.strictly(to_the_end=False):
            if (fitted := self._fitted(cells)) is not None and fitted != self.layout.header:
                numbers.append(number)
                kept.append(fitted)
            elif len(self.bad) < MOST_PROBLEMS:
                self.bad.append(Problem(self.name, number, None, None, self._expected(cells, fitted)))
        cells = list(zip(*kept, strict=True)) or [()] * len(self.layout.columns)
        table = pa.Table.from_arrays([arrays.text_array(column) for column in cells], names=list(self.layout.columns))
        return self._numbered(table, arrays.whole_array(numbers))

    def _fitted(self, cells: list[str]) -> tuple[str, ...] | None:
        """The row in the width of the header; blank cells at its end make no difference, any other do."""
        width = len(self.layout.columns)
        if len(cells) == width:
            return tuple(cells)
        if len(cells) < self.layout.needed or any(cell.strip() for cell in cells[width:]):
            return None
        return (*cells[:width], *[""] * (width - len(cells)))

    def _expected(self, cells: list[str], fitted: tuple[str, ...] | None) -> str:
        if fitted is not None:
            return "a line, not the header again (two files put together?); take that row away"
        return f"{len(self.layout.columns)} cells as in the header, not {len(cells)}"

    def _numbered(self, table: pa.Table, numbers: pa.Int64Array) -> pa.RecordBatch:
        whole = table.append_column(ROW, numbers).combine_chunks()
        return whole.to_batches()[0] if whole.num_rows else arrays.batch_of([], whole.schema)


# --- the fast reader ---------------------------------------------------------------------------------------------------------------------


def plain(text: str, layout: Layout) -> pa.Table | None:
    """The rows of a block, or None where only the strict reader may say what they are."""
    content = text.encode()
    if not _is_plain(content, layout.separator.encode()):
        return None
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(content),
            pyarrow.csv.ReadOptions(column_names=layout.columns, use_threads=False, block_size=len(content) + 1),
            pyarrow.csv.ParseOptions(delimiter=layout.separator, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(layout.columns, pa.string()), check_utf8=False, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    rows = content.count(b"\n") + (not content.endswith(b"\n"))
    return table if table.num_rows == rows and not _needs_a_look(table, layout) else None


def _is_plain(content: bytes, separator: bytes) -> bool:
    if content.startswith(b"\xef\xbb\xbf") or any(control in content for control in _UNLIKE_BLANKS):
        return False
    return b'"' not in content or _quotes_are_plain(content, separator)


def _quotes_are_plain(content: bytes, separator: bytes) -> bool:
    """Whether each quote belongs to a cell that begins with one, ends with one and stays on its line. Such cells are replaced by NUL, of which the
    text has none; from the left, the first one left over, or not behind a separator, would be the first that is not plain."""
    quoted = re.compile(rb'"[^"\r\n]*+(?:""[^"\r\n]*+)*+"(?=[' + re.escape(separator) + rb"\r\n]|\Z)")
    marked = quoted.sub(b"\0", content)
    opens = marked.count(separator + b"\0") + marked.count(b"\n\0") + marked.startswith(b"\0")
    return b'"' not in marked and opens == marked.count(b"\0")


def _needs_a_look(table: pa.Table, layout: Layout) -> bool:
    """Whether a row may be blank or the header again, or a cell longer than the strict reader takes."""
    longest = csv.field_size_limit()
    large = (column for column in table.columns if column.nbytes > longest)
    if any(pc.max(pc.binary_length(column)).as_py() > longest for column in large):
        return True
    place = next(place for place, printed in enumerate(layout.header) if printed.strip())
    if pc.any(pc.equal(table.column(place), arrays.scalar(layout.header[place]))).as_py():
        return True
    blank, nothing = None, arrays.scalar("")
    for column in table.columns:
        empty = pc.equal(pc.utf8_trim_whitespace(column), nothing)
        blank = empty if blank is None else pc.and_(blank, empty)
        if not pc.any(blank).as_py():
            return False
    return True
