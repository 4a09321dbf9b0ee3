"""How does usage go out as a file, and how is the file read that comes back? CSV or Excel, of any size that people edit."""

from __future__ import annotations

import csv
import gc
import io
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from w365core.correction import COLUMNS
from w365core.errors import AlreadyRunning, CallRefused
from w365core.frames import Kind
from w365core.intake import markup_files
from w365core.intake.markup_files import MarkupFile
from w365core.jobs import excel_rows
from w365core.rating import cells
from w365core.rating.cells import Stored
from w365core.reports import export as reports_export
from w365core.reports.tables import Column

SMALL = 4_000_000  # bytes of text, of some 20,000 rows, that are read without more ado
_ONE = threading.Lock()
_MOST_SECONDS_OF_WAITING = 60
_FOR_PEOPLE = ("account_name",)  # what the page's downloads say besides; not read again
_KINDS = {**dict.fromkeys(cells.NUMBERS, Kind.NUMBER), **dict.fromkeys(cells.DAYS, Kind.DAY)}
_SHEET_COLUMNS = tuple(Column(name, name, _KINDS.get(name, Kind.TEXT)) for name in COLUMNS)


def content_of(rows: Sequence[Stored], *, excel: bool, for_people: bool) -> bytes:
    """The rows as a file to edit. `for_people` adds the customer's name. CallRefused above Excel's limit."""
    return (_workbook if excel else _csv)(rows, _FOR_PEOPLE if for_people else ())


def _csv(rows: Sequence[Stored], more: Sequence[str]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow((*COLUMNS, *more))
    numbers = {COLUMNS.index(name) for name in cells.NUMBERS}
    for row in rows:
        printed = [cell if place in numbers else reports_export.safe(cell) for place, cell in enumerate(cells.cells(row))]
        writer.writerow((*printed, *(reports_export.safe(getattr(row, name) or "") for name in more)))
    return out.getvalue().encode("utf-8-sig")


def _workbook(rows: Sequence[Stored], more: Sequence[str]) -> bytes:
    columns = (*_SHEET_COLUMNS, *(Column(name, name) for name in more))
    return reports_export.excel_bytes(columns, map(_in_sheet, rows), title="usage")


def _in_sheet(row: Stored) -> dict[str, Any]:
    """The row as a workbook takes it: numbers as numbers, days as days."""
    printed = dict(zip(COLUMNS, cells.cells(row), strict=True))
    numbers = {name: Decimal(printed[name]) if printed[name] else None for name in cells.NUMBERS}
    days = {name: getattr(row, name) for name in cells.DAYS}
    return printed | numbers | days | {name: getattr(row, name) for name in _FOR_PEOPLE}


@contextmanager
def many_rows() -> Iterator[None]:
    """Without looking for garbage meanwhile: a million cells are no cycles, and looking at them all again and again is a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def read(name: str, content: bytes) -> MarkupFile:
    """Its rows. CallRefused or InputRefused in a sentence where it is neither CSV nor a workbook, or larger than any file of usage."""
    if markup_files.is_workbook(name, content):
        return replace(markup_files.read(name, _unpacked(name, content), separator=","), decimal_comma=False)
    return markup_files.read(name, content)


def is_large(content: bytes) -> bool:
    """Whether reading it may take much: by its size, or because nobody knows what a workbook unpacks to."""
    return len(content) > SMALL or content.startswith(markup_files.WORKBOOK)


@contextmanager
def alone(name: str, content: bytes) -> Iterator[None]:
    """A workbook or a large file is read while no other is, in this process: so many at once would take its memory. AlreadyRunning after a while."""
    if not is_large(content):
        yield
        return
    if not _ONE.acquire(timeout=_MOST_SECONDS_OF_WAITING):
        raise AlreadyRunning(
            f"Other files of usage are being read at this moment, so {name} was not; nothing was done. Try again in a minute."
        )
    try:
        yield
    finally:
        _ONE.release()


def _unpacked(name: str, content: bytes) -> bytes:
    """The first sheet of a workbook as CSV, read by a process of its own that may fail without taking us along."""
    command = [sys.executable, "-I", str(Path(excel_rows.__file__))]
    with tempfile.TemporaryFile() as written:
        try:
            done = subprocess.run(
                command, input=content, stdout=written, stderr=subprocess.PIPE, timeout=3 * excel_rows.MOST_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            done = None
        if done is not None and done.returncode == excel_rows.REFUSED:
            raise CallRefused(
                f"{name} {done.stderr.decode()}. Nothing of it was unpacked; save it as CSV UTF-8, or take fewer rows at once."
            )
        if done is None or done.returncode:
            raise CallRefused(
                f"{name} cannot be read as an Excel workbook: it is damaged, protected, or unpacks to far more than usage. Save it as CSV UTF-8."
            )
        written.seek(0)
        return written.read()
