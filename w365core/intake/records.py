"""What our record files say: typed rows, and every bad cell as a Problem (pure; the rules are the declarations in `frames`).

read_file(name, content)    one file
read_folder(files)          all of them, in the order they are loaded
references(records)         the keys that the rows refer to and no file of the folder has
dangling(records, known)    what of those is not known elsewhere either, as warnings
"""

from __future__ import annotations

import io
import re
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from w365core import money
from w365core.errors import CallRefused
from w365core.frames import RECORD_FILES, Column, Kind, RecordFile
from w365core.intake import csv_text
from w365core.model import Problem

Value = Decimal | date | bool | int | str | None

MOST_BAD_ROWS = 100  # named per load; beyond them rows are only counted
MOST_WARNINGS = 100
LONGEST_ID = 400  # Postgres refuses index entries beyond a third of a page
MOST_REMEMBERED = 20_000  # distinct texts of a column whose values are kept, not read again


@dataclass(frozen=True)
class ReadFile:
    """One file as read. `columns` are those present, in declared order; a row of `rows` has a value for each of them; `lines`
    says where each row starts (the header is 1). With problems the rows are incomplete."""

    name: str
    columns: tuple[str, ...] = ()
    rows: list[tuple[Value, ...]] = field(default_factory=list)
    lines: array = field(default_factory=lambda: array("Q"))
    problems: tuple[Problem, ...] = ()
    bad_rows: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def declared(self) -> RecordFile:
        return RECORD_FILES[self.name]

    def as_dicts(self) -> Iterator[dict[str, Value]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


@dataclass(frozen=True)
class Records:
    """The files of a folder in the order they are loaded."""

    files: tuple[ReadFile, ...]
    warnings: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems of the first 100 bad rows, in loading order."""
        kept: list[Problem] = []
        named: set[tuple[str, int | None]] = set()
        for problem in (problem for file in self.files for problem in file.problems):
            named.add((problem.file, problem.row))
            if len(named) > MOST_BAD_ROWS:
                break
            kept.append(problem)
        return tuple(kept)

    @property
    def bad_rows(self) -> int:
        return sum(file.bad_rows for file in self.files)


class _Unexpected(Exception):
    """A cell that is no value of its column; says what was expected. Never leaves this module."""


def read_folder(files: Mapping[str, bytes]) -> Records:
    """Reads every file of ours in `files` (file name -> bytes). CallRefused where there is none; another .csv is a warning."""
    by_name = {name.lower(): name for name in files}
    found = [read_file(name, files[by_name[name]]) for name in RECORD_FILES if name in by_name]
    if not found:
        raise CallRefused(f"None of the record files is there; name at least one of them: {', '.join(RECORD_FILES)}.")
    warnings = [f"{name}: no record file of ours, so it was not read" for name in sorted(files) if _is_foreign(name)]
    warnings += [warning for file in found for warning in file.warnings]
    return Records(tuple(found), tuple(warnings))


def _is_foreign(name: str) -> bool:
    return name.lower().endswith(".csv") and name.lower() not in RECORD_FILES


def read_file(name: str, content: bytes) -> ReadFile:
    """Reads one file whose name is a key of RECORD_FILES."""
    text = csv_text.decoded(name, content)
    if isinstance(text, Problem):
        return _unreadable(name, text)
    rows = csv_text.rows(io.StringIO(text, newline=""), name=name)
    filled = (row for row in rows if isinstance(row, Problem) or not csv_text.is_blank(row[1]))
    first = next(filled, Problem(name, None, None, None, "a header line, but the file is empty"))
    if isinstance(first, Problem):
        return _unreadable(name, first)
    line, cells = first
    header = csv_text.columns_of(cells, RECORD_FILES[name].columns, name=name, line=line)
    problems = header.problems + _missing_keys(name, line, cells, header)
    if problems:
        return _unreadable(name, *problems)
    return _read_rows(name, header, len(cells), rows)


def _unreadable(name: str, *problems: Problem) -> ReadFile:
    return ReadFile(name, problems=problems, bad_rows=1)


def _missing_keys(name: str, line: int, cells: list[str], header: csv_text.Header) -> tuple[Problem, ...]:
    keys = RECORD_FILES[name].key
    separated = next((mark for mark in (";", "\t", "|") if len(cells) == 1 and mark in cells[0]), None)
    if separated:
        return (Problem(name, line, None, cells[0], f"columns separated by commas, not by {separated!r}"),)
    return tuple(
        Problem(name, line, key, None, f"the column {key}, which is the key of this file, in the header")
        for key in keys
        if key not in header.positions
    )


# --- the rows of a file ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cell:
    """How one present column is read. `remembered` maps texts met before to their values."""

    column: Column
    position: int
    read: Callable[[str], Value]
    remembered: dict[str, Value] = field(default_factory=dict)

    def value(self, text: str) -> Value:
        text = text.strip()
        if text in self.remembered:
            return self.remembered[text]
        if not text:
            if self.column.key or self.column.required:
                raise _Unexpected("a value; this column must not be blank")
            return None
        value = self.read(text)
        if not self.column.key and len(self.remembered) < MOST_REMEMBERED:
            self.remembered[text] = value
        return value


def _read_rows(name: str, header: csv_text.Header, width: int, rows: Iterator) -> ReadFile:
    declared = RECORD_FILES[name]
    cells = [_Cell(c, header.positions[c.name], _reader_of(c)) for c in declared.columns if c.name in header.positions]
    key_positions = [index for index, cell in enumerate(cells) if cell.column.key]
    read: list[tuple[Value, ...]] = []
    lines = array("Q")
    first_line: dict[Value, int] = {}
    problems: list[Problem] = []
    bad_rows = 0
    for row in rows:
        found = _row_values(name, row, cells, width)
        if found is None:
            continue
        if isinstance(found, tuple):
            line = row[0]
            key = found[0] if len(key_positions) == 1 else tuple(found[index] for index in key_positions)
            earlier = first_line.setdefault(key, line)
            if earlier == line:
                read.append(found)
                lines.append(line)
                continue
            found = [_repeated(name, line, key, declared, earlier)]
        bad_rows += 1
        if bad_rows <= MOST_BAD_ROWS:
            problems += found
    columns = tuple(cell.column.name for cell in cells)
    return ReadFile(name, columns, read, lines, tuple(problems), bad_rows, _warnings(name, header))


def _row_values(
    name: str, row: tuple[int, list[str]] | Problem, cells: list[_Cell], width: int
) -> tuple[Value, ...] | list[Problem] | None:
    """The row's values, or its problems, or None for a row without any content."""
    if isinstance(row, Problem):
        return [row]
    line, texts = row
    if len(texts) != width:
        if csv_text.is_blank(texts):
            return None
        return [Problem(name, line, None, ",".join(texts), f"{width} cells as in the header, not {len(texts)}")]
    try:
        return tuple([cell.value(texts[cell.position]) for cell in cells])
    except _Unexpected:
        return None if csv_text.is_blank(texts) else _problems_of(name, line, texts, cells)


def _problems_of(name: str, line: int, texts: list[str], cells: list[_Cell]) -> list[Problem]:
    problems = []
    for cell in cells:
        try:
            cell.value(texts[cell.position])
        except _Unexpected as unexpected:
            problems.append(Problem(name, line, cell.column.name, texts[cell.position], str(unexpected)))
    return problems


def _repeated(name: str, line: int, key: Value | tuple[Value, ...], declared: RecordFile, earlier: int) -> Problem:
    printed = ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
    return Problem(name, line, ", ".join(declared.key), printed, f"each key once; it is already on line {earlier}")


def _warnings(name: str, header: csv_text.Header) -> tuple[str, ...]:
    if not header.unknown:
        return ()
    listed = ", ".join(repr(printed) for printed in header.unknown)
    return (f"{name}: unknown columns were ignored: {listed}",)


# --- the cells -------------------------------------------------------------------------------------------------------------------------

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _reader_of(column: Column) -> Callable[[str], Value]:
    if column.name == "rate_to_base":
        return _rate
    if column.name in ("currency", "code"):
        return _currency
    if column.choices:
        return _one_of(column.choices)
    return {Kind.TEXT: str, Kind.ID: _id, Kind.NUMBER: _number, Kind.WHOLE: _whole, Kind.DAY: _day, Kind.FLAG: _flag}[column.kind]


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    as_declared = {choice.casefold(): choice for choice in choices}

    def read(text: str) -> str:
        found = as_declared.get(text.casefold())
        if found is None:
            raise _Unexpected(f"one of {', '.join(choices)}")
        return found

    return read


def _id(text: str) -> str:
    """The id as written; a GUID lower-cased, because its letter case says nothing."""
    if _GUID.fullmatch(text):
        return text.lower()
    if len(text) > LONGEST_ID or not text.isprintable():
        raise _Unexpected(f"an id of at most {LONGEST_ID} visible characters")
    return text


def _number(text: str) -> Decimal:
    # No exponent: in a record file it is a spreadsheet's damage (1.23E+15), with digits already lost.
    number = None if "e" in text.lower() else money.readable(text)
    if number is None:
        raise _Unexpected("a decimal number with a dot and without thousands separators, such as 1234.5")
    return number


def _rate(text: str) -> Decimal:
    number = _number(text)
    if number <= 0:
        raise _Unexpected("a rate above zero")
    return number


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise _Unexpected("a whole number")
    return int(text)


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _Unexpected("a date as YYYY-MM-DD")


def _flag(text: str) -> bool:
    found = _FLAGS.get(text.lower())
    if found is None:
        raise _Unexpected("true or false (or yes/no, 1/0)")
    return found


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise _Unexpected("a currency code of three letters, such as EUR")
    return text.upper()


# --- what the rows refer to ------------------------------------------------------------------------------------------------------------

_TARGETS = {
    "account_id": "account",
    "contract_id": "billing_contract",
    "product_id": "product",
    "subscription_id": "subscription",
    "currency": "currency",
    "invoice_number": "customer_invoice",
}


def _referring(records: Records) -> Iterator[tuple[ReadFile, int, str, str]]:
    """(file, position of the column, column, table it refers to) for each column that refers to another table."""
    for file in records.files:
        for position, column in enumerate(file.columns):
            target = _TARGETS.get(column)
            if target and target != file.declared.table:
                yield file, position, column, target


def _own_keys(records: Records, table: str) -> set[Value]:
    return {row[0] for file in records.files if file.declared.table == table for row in file.rows}


def references(records: Records) -> dict[str, set[str]]:
    """By table: the keys that rows refer to and that no file of the folder has."""
    wanted: dict[str, set[str]] = {}
    for file, position, _, target in _referring(records):
        wanted.setdefault(target, set()).update(row[position] for row in file.rows)
    outside = {table: keys - _own_keys(records, table) - {None} for table, keys in wanted.items()}
    return {table: keys for table, keys in outside.items() if keys}


def dangling(records: Records, known: Mapping[str, Collection[str]]) -> list[str]:
    """One warning per column whose references lead nowhere, neither in the folder nor in `known` (table -> keys)."""
    outside = {table: keys.difference(known.get(table, ())) for table, keys in references(records).items()}
    warnings = []
    for file, position, column, target in _referring(records):
        missing = outside.get(target)
        if not missing:
            continue
        hits = [(line, row[position]) for line, row in zip(file.lines, file.rows, strict=True) if row[position] in missing]
        if hits:
            line, key = hits[0]
            distinct = len({key for _, key in hits})
            place = target.replace("_", " ")
            warnings.append(
                f"{file.name}: {len(hits)} row(s) name in {column} no known {place} ({distinct} distinct; the first: row {line}, {key})"
            )
    return warnings[:MOST_WARNINGS]
