"""What is in a file that a person handed in, and its lines as Arrow batches: recognised by content, read strictly, in flat memory.

    inspect(path)           reads the whole file once and settles how it is to be read: a FileForm, or InputRefused
    batches(path, form)     its lines, as text; their values are read later, by the kernel

Nothing is guessed silently: what the form says was proven by the file, said by the caller, or is the stated default.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from w365core.dates import DateOrder
from w365core.errors import CallRefused, InputRefused
from w365core.frames import COLUMNS_OF, Column, Kind, folded
from w365core.intake import csv_text
from w365core.model import Feed, Problem
from w365core.providers import file_bytes, file_marks
from w365core.providers.file_bytes import NotThisEncoding, Source, refused
from w365core.providers.file_kinds import ACCEPTED, feed_of, layout_of, separator_of

ROW, JSON = "__row", "__json"
CSV, JSON_LINES = "csv", "json_lines"
MOST_PROBLEMS = 100
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_AT_ONCE = 2_000


@dataclass(frozen=True)
class FileForm:
    """How a file is to be read. `columns` are its headers as printed (made distinct), `unknown` those of them that no declared
    column has; `rows` counts its lines."""

    feed: Feed
    layout: str  # csv | json_lines
    compression: str  # none | gzip
    encoding: str  # utf-8 | utf-8-sig | utf-16 | cp1252
    separator: str
    decimal_comma: bool
    date_order: DateOrder
    date_order_settled_by: str  # the file | the caller | default
    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: int

    def as_dict(self) -> dict:
        """As JSON can carry it."""
        return asdict(self) | {"columns": list(self.columns), "unknown": list(self.unknown)}

    @classmethod
    def from_dict(cls, said: dict) -> FileForm:
        lists = {name: tuple(said[name]) for name in ("columns", "unknown")}
        return cls(**said | lists | {"feed": Feed(said["feed"]), "date_order": DateOrder(said["date_order"])})


def inspect(path: Path, *, date_order: DateOrder | None = None, name: str | None = None) -> FileForm:
    """Reads the file from end to end. `name` is what messages call it, where the path does not say. InputRefused where it is no file
    of lines, is damaged, or contradicts itself or `date_order`; CallRefused where it is not there."""
    source = file_bytes.source_of(path, name)
    start = file_bytes.beginning(source)
    if layout_of(source.name, start) == JSON_LINES:
        return _inspect_json(source, date_order)
    encodings = _encodings(start)
    for encoding in encodings:
        try:
            return _inspect_csv(source, encoding, date_order)
        except NotThisEncoding as error:
            where = error.args[0]
    raise refused(source.name, f"{' or '.join(encodings)} text, which it stops being near line {where}; save the file as CSV UTF-8")


def batches(path: Path, form: FileForm, *, most: int = 10_000, name: str | None = None) -> Iterator[pa.RecordBatch]:
    """The file's lines, at most `most` a batch. CSV: a string column per header of `form.columns`, and `__row`, the row in the file
    (header = 1). JSON lines: a binary column `__json`, and `__row`. InputRefused where the file is not the one that was inspected."""
    source = file_bytes.source_of(path, name)
    count = 0
    try:
        for batch in _json_batches(source, most) if form.layout == JSON_LINES else _csv_batches(source, form, most):
            count += batch.num_rows
            yield batch
    except NotThisEncoding:
        count = -1
    if count != form.rows:
        raise CallRefused(f"{source.name} changed while it was read; nothing was imported. Import it again.")


def _encodings(start: bytes) -> tuple[str, ...]:
    """What a mark says, else UTF-8, else what a Western Windows writes."""
    if start.startswith(_UTF16):
        return ("utf-16",)
    return ("utf-8-sig",) if start.startswith(b"\xef\xbb\xbf") else ("utf-8", "cp1252")


# --- CSV -------------------------------------------------------------------------------------------------------------------------------


def _inspect_csv(source: Source, encoding: str, wanted: DateOrder | None) -> FileForm:
    first = next((line for line in file_bytes.text_lines(source, encoding) if folded(line)), "")
    separator = separator_of(first)
    rows = _rows(source, encoding, separator)
    number, header = next(rows, (1, None))
    if header is None:
        raise refused(source.name, f"{ACCEPTED}, but the file is blank")
    feed = feed_of(source.name, header, row=number)
    known = csv_text.columns_of(header, COLUMNS_OF[feed], name=source.name, line=number)
    if known.problems:
        raise InputRefused(f"{known.problems[0]}; nothing was imported.", known.problems)
    positions = [(column, known.positions[column.name]) for column in COLUMNS_OF[feed] if column.name in known.positions]
    count, evidence = _survey(source, rows, len(header), positions)
    comma = file_marks.decimal_comma(source.name, evidence)
    order, settled_by = file_marks.date_order(source.name, evidence, wanted)
    columns = _distinct(header)
    unknown = tuple(column for position, column in enumerate(columns) if position not in known.positions.values())
    return FileForm(feed, CSV, source.compression, encoding, separator, comma, order, settled_by, columns, unknown, count)


def _rows(source: Source, encoding: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(row in the file as a spreadsheet counts, cells); blank rows count and are passed over."""
    lines = file_bytes.text_lines(source, encoding)
    for number, row in enumerate(csv_text.rows(lines, name=source.name, separator=separator), start=1):
        if isinstance(row, Problem):
            raise refused(source.name, row.expected, row=number)
        if not csv_text.is_blank(row[1]):
            yield number, row[1]


def _survey(
    source: Source, rows: Iterator[tuple[int, list[str]]], width: int, positions: list[tuple[Column, int]]
) -> tuple[int, file_marks.Evidence]:
    """How many rows there are, and what their numbers and dates prove. InputRefused names the rows that are too short or too long."""
    evidence = file_marks.Evidence()
    problems: list[Problem] = []
    count = 0
    for numbers, cells in _gathered(rows, _AT_ONCE):
        count += len(cells)
        problems += _ragged(source.name, numbers, cells, width)[: MOST_PROBLEMS - len(problems)]
        if problems:
            continue
        for column, position in positions:
            if column.kind is Kind.NUMBER:
                evidence.take_numbers(column.header, [row[position] for row in cells], numbers)
            elif column.kind in (Kind.DAY, Kind.MOMENT):
                evidence.take_dates(column.header, [row[position] for row in cells], numbers)
    if problems:
        raise InputRefused(f"{problems[0]}; nothing was imported.", problems)
    if not count:
        raise refused(source.name, "lines under its header, but there are none")
    return count, evidence


def _ragged(name: str, numbers: Sequence[int], rows: list[list[str]], width: int) -> list[Problem]:
    return [
        Problem(name, number, None, None, f"{width} cells as in the header, not {len(cells)}")
        for number, cells in zip(numbers, rows, strict=True)
        if len(cells) != width
    ]


def _gathered(rows: Iterator[tuple[int, list[str]]], most: int) -> Iterator[tuple[list[int], list[list[str]]]]:
    numbers: list[int] = []
    gathered: list[list[str]] = []
    for number, cells in rows:
        numbers.append(number)
        gathered.append(cells)
        if len(gathered) == most:
            yield numbers, gathered
            numbers, gathered = [], []
    if gathered:
        yield numbers, gathered


def _distinct(header: Sequence[str]) -> tuple[str, ...]:
    """The headers as printed; a repeated or blank one (none of them is known) gets its position, since columns are found by name."""
    taken = {ROW, JSON}
    names = []
    for position, printed in enumerate(header, start=1):
        name = printed.strip() or f"column {position}"
        name = f"{name} ({position})" if name in taken else name
        taken.add(name)
        names.append(name)
    return tuple(names)


def _csv_batches(source: Source, form: FileForm, most: int) -> Iterator[pa.RecordBatch]:
    rows = _rows(source, form.encoding, form.separator)
    next(rows, None)
    schema = pa.schema([*((name, pa.string()) for name in form.columns), (ROW, pa.int64())])
    for numbers, cells in _gathered(rows, most):
        if any(len(row) != len(form.columns) for row in cells):
            raise CallRefused(f"{source.name} changed while it was read; nothing was imported. Import it again.")
        columns = [pa.array(column, pa.string()) for column in zip(*cells, strict=True)]
        yield pa.record_batch([*columns, pa.array(numbers, pa.int64())], schema=schema)


# --- JSON lines ------------------------------------------------------------------------------------------------------------------------


def _inspect_json(source: Source, wanted: DateOrder | None) -> FileForm:
    lines = _json_lines(source)
    number, first = next(lines)
    try:
        keys = tuple(msgspec.json.decode(first, type=dict[str, msgspec.Raw]))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        said = first[:60].decode("utf-8", "replace")
        raise refused(source.name, f"{ACCEPTED}; JSON needs one whole object on each line", row=number, value=said) from None
    feed = feed_of(source.name, keys, row=number)
    known = {folded(header) for column in COLUMNS_OF[feed] for header in column.headers}
    unknown = tuple(key for key in keys if folded(key) not in known)
    order, settled_by = (DateOrder.MONTH_FIRST, "default") if wanted is None else (wanted, "the caller")
    rows = 1 + sum(1 for _ in lines)
    return FileForm(feed, JSON_LINES, source.compression, "utf-8", "", False, order, settled_by, keys, unknown, rows)


def _json_lines(source: Source) -> Iterator[tuple[int, bytes]]:
    """(line in the file, its bytes) for each line that is not blank."""
    for number, line in enumerate(file_bytes.byte_lines(source), start=1):
        stripped = line.strip()
        if not stripped:
            continue
        if b"\0" in stripped or not _is_utf8(stripped):
            raise refused(source.name, "JSON in UTF-8 without NUL bytes", row=number)
        yield number, stripped


def _is_utf8(line: bytes) -> bool:
    try:
        return line.isascii() or bool(line.decode())
    except UnicodeDecodeError:
        return False


def _json_batches(source: Source, most: int) -> Iterator[pa.RecordBatch]:
    for numbers, lines in _gathered(_json_lines(source), most):
        yield pa.record_batch([pa.array(lines, pa.binary()), pa.array(numbers, pa.int64())], names=[JSON, ROW])
