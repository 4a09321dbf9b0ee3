"""What is in a file that a person handed in, and its lines as Arrow batches: recognised by content, read strictly, in flat memory.

    forms_of(path)          reads the whole file once and settles how it is to be read: a FileForm, of a zip archive one for each file in it
    inspect(path)           the same for a file that is one
    batches(path, form)     its lines, as text; their values are read later, by the kernel

Nothing is guessed silently: what the form says was proven by the file, said by the caller, or is the stated default.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from w365core import money
from w365core.dates import DateOrder
from w365core.errors import CallRefused, InputRefused
from w365core.frames import COLUMNS_OF, Column, Kind, folded
from w365core.intake import csv_text
from w365core.model import Feed, Problem
from w365core.providers import csv_batches, file_bytes, file_marks, json_batches
from w365core.providers.csv_batches import ROW
from w365core.providers.file_bytes import NotThisEncoding, Source, refused
from w365core.providers.file_kinds import ACCEPTED, feed_of, layout_of
from w365core.providers.file_sums import AMOUNTS, Amounts
from w365core.providers.other_invoices import OtherInvoices

CSV, JSON_LINES = "csv", "json_lines"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_AT_ONCE = 2_000
_LISTS = ("columns", "unknown", "notes")
_ASSUMED = {
    "cp1252": "Its text is not UTF-8 and is read as Western European (Windows-1252). Where names look wrong, save it as CSV UTF-8.",
    "utf-16-le": "Its text is read as UTF-16 (little-endian), though it has no mark that says so.",
    "utf-16-be": "Its text is read as UTF-16 (big-endian), though it has no mark that says so.",
}


@dataclass(frozen=True)
class FileForm:
    """How a file is to be read. `columns` are its headers as printed (made distinct), `unknown` those of them that no declared
    column has; `rows` counts its lines. `member` is its place in a zip archive. `others`: how many lines print the number of another invoice than the
    caller's, by that number."""

    feed: Feed
    layout: str  # csv | json_lines
    compression: str  # none | gzip | zip
    encoding: str  # utf-8 | utf-8-sig | utf-16 | utf-16-le | utf-16-be | cp1252
    separator: str
    decimal_comma: bool
    date_order: DateOrder
    date_order_settled_by: str  # the file | the caller | default
    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: int | None  # None where nobody counted: a provider's blob, known by its fingerprint
    decimal_settled_by: str = "default"  # the file | its sums | the total | the caller | default: no number depends on it
    member: int | None = None
    notes: tuple[str, ...] = ()  # what was assumed, in a sentence each
    others: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict:
        """As JSON can carry it."""
        return asdict(self) | {name: list(getattr(self, name)) for name in _LISTS}

    @classmethod
    def from_dict(cls, said: dict) -> FileForm:
        lists = {name: tuple(said.get(name, ())) for name in _LISTS}
        return cls(**said | lists | {"feed": Feed(said["feed"]), "date_order": DateOrder(said["date_order"])})


@dataclass(frozen=True)
class Wanted:
    """What the caller says of how the file is written, where the file may leave it open; that its invoice comes to nothing: then it may have no line;
    the invoice's number; and its total, tax included, with how far the lines may add up to something else."""

    date_order: DateOrder | None = None
    decimal_comma: bool | None = None
    may_be_empty: bool = False
    invoice_number: str | None = None
    total: Decimal | None = None
    leeway: Decimal = money.ZERO


def forms_of(path: Path, wanted: Wanted = Wanted(), *, name: str | None = None) -> tuple[tuple[str, FileForm], ...]:
    """Reads the file from end to end: (what messages call it, its form), more than one of a zip archive. `name` is what messages call the
    file itself. InputRefused where it is no file of lines, is damaged, or contradicts itself or the caller; CallRefused where it is not there."""
    return tuple((source.name, _inspected(source, wanted)) for source in file_bytes.sources_of(path, name))


def inspect(path: Path, *, date_order: DateOrder | None = None, decimal_comma: bool | None = None, name: str | None = None) -> FileForm:
    """The form of a file that is one; an archive of several is refused."""
    return _inspected(file_bytes.source_of(path, name), Wanted(date_order, decimal_comma))


def batches(path: Path, form: FileForm, *, most: int = 10_000, name: str | None = None) -> Iterator[pa.RecordBatch]:
    """The file's lines, at most `most` a batch. CSV: a string column per header of `form.columns`, and `__row`, the row in the file
    (header = 1). JSON lines: a binary column `__json`, and `__row`. InputRefused where the file is not the one that was inspected."""
    source = file_bytes.source_of(path, name, form.member)
    count = 0
    try:
        for batch in json_batches.batches(source, most) if form.layout == JSON_LINES else _csv_batches(source, form, most):
            count += batch.num_rows
            yield batch
    except NotThisEncoding:
        count = -1
    if form.rows is not None and count != form.rows:
        raise _changed(source)


def _changed(source: Source) -> CallRefused:
    return CallRefused(f"{source.name} changed while it was read; nothing was imported. Import it again.")


def _inspected(source: Source, wanted: Wanted) -> FileForm:
    start = file_bytes.beginning(source)
    if layout_of(source.name, start) == JSON_LINES:
        return _inspect_json(source, wanted)
    encodings = _encodings(start)
    for encoding in encodings:
        try:
            return _inspect_csv(source, encoding, wanted)
        except NotThisEncoding as error:
            where = error.args[0]
    raise refused(source.name, f"{' or '.join(encodings)} text, which it stops being near line {where}; save the file as CSV UTF-8")


def _encodings(start: bytes) -> tuple[str, ...]:
    """What a mark says; UTF-16 without one where every other byte of the header is zero; else UTF-8, else what a Western Windows writes."""
    if start.startswith(_UTF16):
        return ("utf-16",)
    if start.startswith(b"\xef\xbb\xbf"):
        return ("utf-8-sig",)
    head = start[:64]
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) > 3 and not any(head[place::2]) and all(head[1 - place :: 2]):
            return (encoding,)
    return ("utf-8", "cp1252")


# --- CSV -------------------------------------------------------------------------------------------------------------------------------


def _inspect_csv(source: Source, encoding: str, wanted: Wanted) -> FileForm:
    layout = csv_batches.opened(source, encoding)
    feed = feed_of(source.name, layout.header, row=layout.row)
    known = csv_text.columns_of(layout.header, COLUMNS_OF[feed], name=source.name, line=layout.row)
    if known.problems:
        raise InputRefused(f"{known.problems[0]}; nothing was imported.", known.problems)
    columns = {column.name: (column, known.positions[column.name]) for column in COLUMNS_OF[feed] if column.name in known.positions}
    others = OtherInvoices(wanted.invoice_number)
    count, evidence = _survey(source, layout, list(columns.values()), others)
    if not count and not wanted.may_be_empty:
        raise refused(
            source.name, "lines under its header, but there are none; of an invoice that has none say that it comes to 0 (--total 0)"
        )
    amounts = Amounts(source, layout, {name: columns[name][1] for name in AMOUNTS if name in columns})
    looks = {"its sums": amounts.by_rows, "the total": lambda: amounts.by_total(wanted.total, wanted.leeway)}
    comma, comma_by = file_marks.decimal_comma(source.name, evidence, wanted.decimal_comma, looks)
    order, order_by = file_marks.date_order(source.name, evidence, wanted.date_order)
    unknown = tuple(column for position, column in enumerate(layout.columns) if position not in known.positions.values())
    return FileForm(
        feed=feed,
        layout=CSV,
        compression=source.compression,
        encoding=encoding,
        separator=layout.separator,
        decimal_comma=comma,
        date_order=order,
        date_order_settled_by=order_by,
        columns=layout.columns,
        unknown=unknown,
        rows=count,
        decimal_settled_by=comma_by,
        member=source.member,
        notes=(*filter(None, [_ASSUMED.get(encoding)]), *file_marks.notes(evidence, order_by=order_by, decimal_by=comma_by)),
        others=dict(others.lines),
    )


def _survey(
    source: Source, layout: csv_batches.Layout, columns: list[tuple[Column, int]], others: OtherInvoices
) -> tuple[int, file_marks.Evidence]:
    """How many rows there are, and what their numbers and dates prove; `others` takes the numbers of invoices that they print. InputRefused names the
    rows that are too short or too long."""
    evidence = file_marks.Evidence()
    bad: list[Problem] = []
    count = 0
    for batch in csv_batches.batches(source, layout, most=_AT_ONCE, bad=bad):
        count += batch.num_rows
        for column, position in columns:
            if column.kind is Kind.NUMBER and (pattern := evidence.telling) is not None:
                telling = pc.match_substring_regex(batch.column(position), pattern)
                if pc.any(telling).as_py():
                    evidence.take_numbers(column.header, *_cells(batch.filter(telling), position))
            elif column.kind in (Kind.DAY, Kind.MOMENT) and evidence.has_news(pc.unique(batch.column(position)).to_pylist()):
                evidence.take_dates(column.header, *_cells(batch, position))
            elif column.name == "invoice_number" and others.than:
                others.take((found["values"], found["counts"]) for found in pc.value_counts(batch.column(position)).to_pylist())
    if bad:
        raise InputRefused(f"{bad[0]}; nothing was imported.", bad)
    return count, evidence


def _cells(batch: pa.RecordBatch, position: int) -> tuple[list[str], list[int]]:
    """The cells of a column, and the rows they stand in."""
    return batch.column(position).to_pylist(), batch.column(ROW).to_pylist()


def _csv_batches(source: Source, form: FileForm, most: int) -> Iterator[pa.RecordBatch]:
    layout = csv_batches.opened(source, form.encoding)
    if (layout.columns, layout.separator) != (form.columns, form.separator):
        raise _changed(source)
    yield from csv_batches.batches(source, layout, most=most)


# --- JSON lines ------------------------------------------------------------------------------------------------------------------------


def _inspect_json(source: Source, wanted: Wanted) -> FileForm:
    lines = _json_lines(source)
    number, first = next(lines)
    try:
        keys = tuple(msgspec.json.decode(first, type=dict[str, msgspec.Raw]))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        said = first[:60].decode("utf-8", "replace")
        raise refused(source.name, f"{ACCEPTED}; JSON needs one whole object on each line", row=number, value=said) from None
    feed = feed_of(source.name, keys, row=number)
    declared = {folded(header): column for column in COLUMNS_OF[feed] for header in column.headers}
    unknown = tuple(key for key in keys if folded(key) not in declared)
    others = OtherInvoices(wanted.invoice_number)
    rows, evidence = _survey_json(source, {key: column for key in keys if (column := declared.get(folded(key)))}, others)
    order, settled_by = file_marks.date_order(source.name, evidence, wanted.date_order)
    return FileForm(
        feed=feed,
        layout=JSON_LINES,
        compression=source.compression,
        encoding="utf-8",
        separator="",
        decimal_comma=False,
        date_order=order,
        date_order_settled_by=settled_by,
        columns=keys,
        unknown=unknown,
        rows=rows,
        member=source.member,
        notes=file_marks.notes(evidence, order_by=settled_by, decimal_by="default"),
        others=dict(others.lines),
    )


def _survey_json(source: Source, columns: dict[str, Column], others: OtherInvoices) -> tuple[int, file_marks.Evidence]:
    """How many lines there are, and what their dates prove; `others` takes the numbers of invoices. Keys that only later lines have prove nothing."""
    evidence = file_marks.Evidence()
    dates = {f"f{place}": key for place, (key, column) in enumerate(columns.items()) if column.kind in (Kind.DAY, Kind.MOMENT)}
    numbers = {f"n{place}": key for place, (key, column) in enumerate(columns.items()) if column.name == "invoice_number" and others.than}
    wanted = dates | numbers
    row = msgspec.defstruct("Wanted", [(name, Any, None) for name in wanted], rename=wanted, gc=False)
    read = msgspec.json.Decoder(row).decode
    count = 0
    for number, line in _json_lines(source):
        count += 1
        try:
            said = read(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue  # the kernel will say so, with its row
        for name, key in dates.items():
            text = getattr(said, name)
            if isinstance(text, str) and evidence.has_news([text]):
                evidence.take_dates(columns[key].header, [text], [number])
        others.take((text, 1) for name in numbers if isinstance(text := getattr(said, name), str))
    return count, evidence


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
