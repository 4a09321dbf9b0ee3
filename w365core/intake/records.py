"""What our record files say: typed rows, and every bad cell as a Problem (pure; the rules are the declarations in `frames`).

read_file(name, content)    one file
read_folder(files)          all of them, in the order they are loaded
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from w365core.errors import CallRefused
from w365core.frames import RECORD_FILES, RecordFile
from w365core.intake import csv_text
from w365core.intake.record_cells import Cell, Unexpected, Value, cell_of
from w365core.model import Problem

MOST_BAD_ROWS = 100  # named per load; beyond them rows are only counted


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
    lines = csv_text.lines_of(name, content)
    if isinstance(lines, Problem):
        return _unreadable(name, lines)
    rows = csv_text.rows(lines, name=name)
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


def _read_rows(name: str, header: csv_text.Header, width: int, rows: Iterator) -> ReadFile:
    declared = RECORD_FILES[name]
    cells = [cell_of(c, header.positions[c.name]) for c in declared.columns if c.name in header.positions]
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


def _row_values(name: str, row: tuple[int, list[str]] | Problem, cells: list[Cell], width: int) -> tuple[Value, ...] | list[Problem] | None:
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
    except Unexpected:
        return None if csv_text.is_blank(texts) else _problems_of(name, line, texts, cells)


def _problems_of(name: str, line: int, texts: list[str], cells: list[Cell]) -> list[Problem]:
    problems = []
    for cell in cells:
        try:
            cell.value(texts[cell.position])
        except Unexpected as unexpected:
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
