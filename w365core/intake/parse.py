"""Which values do these lines print? A batch of JSON lines, or of cells as text, becomes typed columns; what cannot be read is rejected by cell.

JSON lines take a fast path: a msgspec struct made for the keys of the first line decodes the whole batch, numbers straight into Decimal. A batch
that does not fit it (a new key, a number where text was, a blank amount) is read line by line instead, tolerantly, with the same result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from w365core import money
from w365core.dates import DateOrder, day_of, is_no_day, moment_of
from w365core.frames import Column, Kind, folded

JSON_COLUMN, ROW_COLUMN = "__json", "__row"

NOTHING = frozenset({"", "null", "(null)", "none", "na", "n/a"})
_WITH_SIGN = re.compile(r"([+-]?)[$€£¥]\s*(.*)")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+")
_PLAIN_DIGITS = "-0123456789"
_EXACT_TEXT = frozenset({"currency", "billing_currency", "pricing_currency"})
_AS_DICT = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
# What reading a line may raise: no JSON, a number that even Decimal cannot hold, a nesting deeper than the stack.
_UNREADABLE = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class TextForm:
    """How the cells of a file are written."""

    decimal_comma: bool = False
    date_order: DateOrder = DateOrder.MONTH_FIRST


@dataclass
class Rejection:
    """A line that cannot be taken: its place in the batch, the cell at fault and what was expected."""

    index: int
    column: str | None
    value: str | None
    expected: str


@dataclass
class Parsed:
    """`columns`: one list per declared column, all of length `rows`: str, Decimal, date, datetime or None."""

    rows: int
    columns: dict[str, list]
    extra: list[str | None] | None = None
    rejections: list[Rejection] = field(default_factory=list)

    def without_rejected(self) -> Parsed:
        """Only the lines that no rejection names."""
        bad = {rejection.index for rejection in self.rejections}
        if not bad:
            return self
        keep = [index for index in range(self.rows) if index not in bad]
        pick = lambda values: [values[index] for index in keep]  # noqa: E731
        return Parsed(
            rows=len(keep),
            columns={name: pick(values) for name, values in self.columns.items()},
            extra=None if self.extra is None else pick(self.extra),
        )


def parse(batch: pa.RecordBatch, columns: tuple[Column, ...], form: TextForm = TextForm()) -> Parsed:
    """The typed columns of a batch: either one binary column of JSON objects, or one string column per header of a file."""
    if JSON_COLUMN in batch.schema.names:
        return parse_json([value or b"" for value in batch.column(JSON_COLUMN).to_pylist()], columns, form.date_order)
    return parse_cells(batch, columns, form)


# --- JSON lines --------------------------------------------------------------------------------------------------------------------------


def parse_json(lines: Sequence[bytes], columns: tuple[Column, ...], order: DateOrder = DateOrder.MONTH_FIRST) -> Parsed:
    """One JSON object per line; key names match without regard to case."""
    return _parse_json_fast(lines, columns, order) or parse_json_tolerantly(lines, columns, order)


def _parse_json_fast(lines: Sequence[bytes], columns: tuple[Column, ...], order: DateOrder) -> Parsed | None:
    """All lines with one decoder, each by itself, or None where one of them needs tolerance."""
    if not lines or any(b"\\u0000" in line for line in lines):
        return None
    try:
        keys = tuple(_AS_DICT.decode(lines[0]))
        decoder, places, unknown = _decoder(keys, columns)
        rows = list(map(decoder.decode, lines))
    except _UNREADABLE:
        return None
    found: dict[str, list] = {}
    rejections: list[Rejection] = []
    for column in columns:
        place = places.get(column.name)
        values = [None] * len(rows) if place is None else list(map(attrgetter(place), rows))
        if place is not None and column.kind in (Kind.DAY, Kind.MOMENT):
            values = _dates(values, column, order, rejections)
        found[column.name] = values
    extra = [_raw_object([(key, bytes(getattr(row, place))) for key, place in unknown]) for row in rows] if unknown else None
    return Parsed(rows=len(rows), columns=found, extra=extra, rejections=rejections)


@lru_cache(maxsize=64)
def _decoder(keys: tuple[str, ...], columns: tuple[Column, ...]):
    """The decoder of a line with these keys, where each column stands in its struct, and the unknown keys' places. ValueError where two
    keys are spellings of one column: which of them counts is settled line by line."""
    wanted = by_header(columns)
    fields: list[tuple] = []
    rename: dict[str, str] = {}
    places: dict[str, str] = {}
    unknown: list[tuple[str, str]] = []
    for number, key in enumerate(keys):
        place = f"f{number}"
        column = wanted.get(folded(key))
        rename[place] = key
        if column and column.name in places:
            raise ValueError(f"{key} and another key are the same column")
        if column is None:
            fields.append((place, msgspec.Raw, msgspec.Raw(b"null")))
            unknown.append((key, place))
        else:
            fields.append((place, Decimal | None if column.kind is Kind.NUMBER else str | None, None))
            places[column.name] = place
    row = msgspec.defstruct("Row", fields, rename=rename, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(row), places, tuple(unknown)


def parse_json_tolerantly(lines: Sequence[bytes], columns: tuple[Column, ...], order: DateOrder = DateOrder.MONTH_FIRST) -> Parsed:
    """The same, line by line: numbers as text, ids as numbers, lists, blanks and new keys are all read."""
    wanted = by_header(columns)
    count = len(lines)
    found: dict[str, list] = {column.name: [None] * count for column in columns}
    extra: list[str | None] = [None] * count
    rejections: list[Rejection] = []
    for index, line in enumerate(lines):
        try:
            row = _AS_DICT.decode(line)
            said = {key: _as_text(value) for key, value in row.items()}
        except _UNREADABLE:
            rejections.append(Rejection(index, None, line[:60].decode("utf-8", "replace"), "one JSON object on the line"))
            continue
        unknown: list[tuple[str, bytes]] = []
        taken = set()
        for key, value in row.items():
            column = wanted.get(folded(key))
            if column is None or column.name in taken:
                unknown.append((key, _ENCODE(value)))
                continue
            taken.add(column.name)
            text = said[key]
            if text is not None and "\x00" in text:
                rejections.append(Rejection(index, column.header, text, "text without a NUL character"))
            elif column.kind is Kind.NUMBER:
                found[column.name][index] = _quoted_number(text, index, column, rejections)
            else:
                found[column.name][index] = text
        extra[index] = _raw_object(member for member in unknown if _storable(*member))
    for column in columns:
        if column.kind in (Kind.DAY, Kind.MOMENT):
            found[column.name] = _dates(found[column.name], column, order, rejections)
    return Parsed(rows=count, columns=found, extra=extra if any(extra) else None, rejections=rejections)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    return _ENCODE(value).decode()


def _storable(key: str, value: bytes) -> bool:
    """Whether neither holds a NUL character, which Postgres has no place for; an escaped backslash before u0000 is none."""
    return "\x00" not in key and b"\\u0000" not in value.replace(b"\\\\", b"")


def _raw_object(members: Iterable[tuple[str, bytes]]) -> str | None:
    """A JSON object of members whose values are JSON already; None when all of them are null."""
    said = [(key, value) for key, value in members if value != b"null"]
    return "{" + ",".join(f"{_ENCODE(key).decode()}:{value.decode()}" for key, value in said) + "}" if said else None


# --- cells as text -----------------------------------------------------------------------------------------------------------------------


def parse_cells(batch: pa.RecordBatch, columns: tuple[Column, ...], form: TextForm) -> Parsed:
    """One string column per header of a file; blank is null."""
    wanted = by_header(columns)
    count = batch.num_rows
    found: dict[str, list] = {}
    unknown: list[tuple[str, list]] = []
    rejections: list[Rejection] = []
    for name in batch.schema.names:
        if name == ROW_COLUMN:
            continue
        cells = batch.column(name).to_pylist()
        column = wanted.get(folded(name))
        if column is None or column.name in found:
            unknown.append((name, cells))
        elif column.kind is Kind.NUMBER:
            found[column.name] = _cell_numbers(cells, column, rejections, form)
        elif column.kind in (Kind.DAY, Kind.MOMENT):
            found[column.name] = _dates(cells, column, form.date_order, rejections)
        else:
            if column.name in _EXACT_TEXT or column.name.endswith("_id"):
                rejections.extend(_invisible(cells, column))
            found[column.name] = [cell or None for cell in cells]
    for column in columns:
        found.setdefault(column.name, [None] * count)
    extra = None
    if unknown:
        encode = _ENCODE
        extra = [_raw_object([(name, encode(cells[index])) for name, cells in unknown if cells[index]]) for index in range(count)]
    return Parsed(rows=count, columns=found, extra=extra, rejections=rejections)


def _cell_numbers(cells: list[str | None], column: Column, rejections: list[Rejection], form: TextForm) -> list[Decimal | None]:
    """A column of numbers. Where all of them are plain digits they are read at once, else one by one."""
    mark = "," if form.decimal_comma else "."
    try:
        if not "".join(cells).strip(_PLAIN_DIGITS + mark) and len(max(cells, key=len)) <= money.MOST_INTEGER_DIGITS:
            plain = cells if mark == "." else [cell.replace(",", ".") for cell in cells]
            return [Decimal(cell) if cell else None for cell in plain]
    except (TypeError, ValueError, InvalidOperation):
        pass  # no cell at all, no number, or no line
    return [_cell_number(cell, index, column, rejections, form) for index, cell in enumerate(cells)]


def _cell_number(text: str | None, index: int, column: Column, rejections: list[Rejection], form: TextForm) -> Decimal | None:
    stripped = (text or "").strip()
    if stripped.lower() in NOTHING:
        return None
    if column.name.endswith("_percentage"):
        stripped = stripped.removesuffix("%")
    number = money.spreadsheet_number(stripped, decimal_comma=form.decimal_comma)
    if number is None:
        rejections.append(Rejection(index, column.header, text, "a number"))
    return number


def _invisible(cells: list[str | None], column: Column) -> list[Rejection]:
    """The ids and codes that hold what nobody sees: such a cell compares unequal to its like, and no look at it tells why."""
    if "".join(filter(None, cells)).isprintable():
        return []
    hidden = {cell: _hidden(cell) for cell in set(cells) if cell and not cell.strip().isprintable()}
    return [
        Rejection(index, column.header, cell, f"no invisible characters, but it holds {hidden[cell]}")
        for index, cell in enumerate(cells)
        if cell in hidden
    ]


def _hidden(cell: str) -> str:
    return ", ".join(dict.fromkeys(f"U+{ord(character):04X}" for character in cell.strip() if not character.isprintable()))


# --- single values -----------------------------------------------------------------------------------------------------------------------


def by_header(columns: tuple[Column, ...]) -> dict[str, Column]:
    """Every spelling of every column, folded; a column's own header wins over another's alias."""
    wanted = {folded(alias): column for column in columns for alias in column.aliases}
    return wanted | {folded(column.header): column for column in columns}


def _number(text: str | None, index: int, column: Column, rejections: list[Rejection], form: TextForm) -> Decimal | None:
    if text is None:
        return None
    stripped = text.strip()
    if stripped.lower() in NOTHING:
        return None
    number = money.readable(stripped) if not form.decimal_comma and stripped.isascii() else None
    if number is None:
        number = _spreadsheet_number(stripped, form)
    if number is None:
        rejections.append(Rejection(index, column.header, text, "a number"))
    return number


def _quoted_number(text: str | None, index: int, column: Column, rejections: list[Rejection]) -> Decimal | None:
    """A number in quotes as the fast path takes it, which is as Decimal does; whether money can have its size is asked later. Else as a
    spreadsheet prints it."""
    try:
        number = Decimal(text.strip()) if text is not None else None
    except InvalidOperation:
        number = None
    return _number(text, index, column, rejections, TextForm()) if number is None or not number.is_finite() else number


def _spreadsheet_number(text: str, form: TextForm) -> Decimal | None:
    """A number as a spreadsheet prints it: a currency sign in front, a decimal comma, thousands in groups where that cannot be misread."""
    if match := _WITH_SIGN.fullmatch(text):
        text = match[1] + match[2]
    if form.decimal_comma:
        text = text.translate(str.maketrans(",.", ".,"))
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return money.readable(text)


def _dates(texts: list[str | None], column: Column, order: DateOrder, rejections: list[Rejection]) -> list[date | datetime | None]:
    """Each text's day (or moment); a text is read once however often it repeats."""
    read: Callable[[str, DateOrder], date | datetime | None] = day_of if column.kind is Kind.DAY else moment_of
    known: dict[str | None, Any] = {None: None}
    bad: set[str] = set()
    for text in set(texts):
        if text is None or text.strip().lower() in NOTHING:
            known[text] = None
            continue
        try:
            known[text] = read(text, order)
        except ValueError:
            known[text] = None
            bad.add(text)
    if bad:
        expected = "a date such as 2026-11-30" if order is DateOrder.MONTH_FIRST else "a date such as 2026-11-30 or 30/11/2026"
        said = {text: f"{expected}; there is no such day" if is_no_day(text) else expected for text in bad}
        rejections.extend(Rejection(index, column.header, text, said[text]) for index, text in enumerate(texts) if text in bad)
    return [known[text] for text in texts]
