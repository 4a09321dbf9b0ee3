"""How does a table leave? As CSV or Excel in which no cell can run as a formula, numbers stay numbers and ids stay text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import xlsxwriter

from w365core import money
from w365core.errors import CallRefused
from w365core.frames import Kind
from w365core.reports.tables import Column, written

MOST_EXCEL_ROWS = 200_000
_RUNS_AS_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # full-width forms too: some programs fold them
_RUNS_AT_ONCE = ("\t", "\r", "\n", "\0")
_LONGEST_IN_EXCEL = 32_767  # characters of a cell
_EXACT_IN_EXCEL = 15  # significant digits that a spreadsheet keeps of a number


def csv_bytes(columns: Iterable[Column], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """UTF-8 with a byte order mark, so that Excel reads the letters right; comma, CRLF, ISO days, a point in numbers."""
    columns = tuple(columns)
    content = io.BytesIO()
    text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([safe(column.label) for column in columns])
    for row in rows:
        writer.writerow(["" if row.get(column.name) is None else _in_csv(written(column, row)) for column in columns])
    text.detach()  # else the wrapper closes what it wraps
    return content.getvalue()


def excel_bytes(columns: Iterable[Column], rows: Iterable[Mapping[str, Any]], *, title: str) -> bytes:
    """One sheet with a frozen header. CallRefused above 200,000 rows. A number of more than 15 digits is text, or Excel would round it."""
    return excel_sheets_bytes(columns, rows, sheet_of=lambda _: title, titles=(title,))


def excel_sheets_bytes(
    columns: Iterable[Column], rows: Iterable[Mapping[str, Any]], *, sheet_of: Callable[[Mapping[str, Any]], str], titles: Sequence[str]
) -> bytes:
    """The same with each row on the sheet that `sheet_of` names, one of `titles`, which stand in their order. CallRefused above 200,000 rows in all."""
    columns = tuple(columns)
    content = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(content, options) as book:
        formats = _formats(book)
        sheets = {title: _headed(book, title, columns, formats) for title in titles}
        lines = dict.fromkeys(titles, 0)
        for taken, row in enumerate(rows, 1):
            if taken > MOST_EXCEL_ROWS:
                raise CallRefused(f"There are more than {MOST_EXCEL_ROWS:,} rows; take the CSV, or choose fewer with the filters.")
            title = sheet_of(row)
            lines[title] += 1
            for place, column in enumerate(columns):
                _write(sheets[title], lines[title], place, column, written(column, row), formats)
    return content.getvalue()


def _headed(book: xlsxwriter.Workbook, title: str, columns: Sequence[Column], formats: Mapping[str, Any]) -> Any:
    sheet = book.add_worksheet(_sheet_name(title))
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(columns):
        sheet.set_column(place, place, max(len(column.label) + 2, 24 if column.kind is Kind.TEXT else 14))
        sheet.write_string(0, place, safe(column.label), formats["header"])
    return sheet


def _formats(book: xlsxwriter.Workbook) -> dict[str, Any]:
    said = {"header": {"bold": True, "bottom": 1}, "day": {"num_format": "yyyy-mm-dd"}, "moment": {"num_format": "yyyy-mm-dd hh:mm"}}
    return {name: book.add_format(look) for name, look in (said | {"amount": {"num_format": "#,##0.00######"}}).items()}


def safe(text: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    is_formula = text.startswith(_RUNS_AT_ONCE) or text.lstrip().startswith(_RUNS_AS_FORMULA)
    return f"'{text}" if is_formula else text


def _in_csv(value: Any) -> str:
    if isinstance(value, Decimal):
        return money.plain(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return safe(value) if isinstance(value, str) else str(value)


def _write(sheet: Any, line: int, place: int, column: Column, value: Any, formats: Mapping[str, Any]) -> None:
    if isinstance(value, datetime):
        sheet.write_datetime(line, place, value.replace(tzinfo=None), formats["moment"])
    elif isinstance(value, date):
        sheet.write_datetime(line, place, value, formats["day"])
    elif isinstance(value, int | Decimal) and len(Decimal(value).normalize(money.EXACT).as_tuple().digits) <= _EXACT_IN_EXCEL:
        sheet.write_number(line, place, value, formats["amount"] if column.amount else None)
    elif value != "":
        text = safe(value) if isinstance(value, str) else _in_csv(value)
        sheet.write_string(line, place, text if len(text) <= _LONGEST_IN_EXCEL else f"{text[: _LONGEST_IN_EXCEL - 1]}…")


def _sheet_name(title: str) -> str:
    return "".join(" " if character in "[]:*?/\\'" else character for character in title)[:31].strip() or "Sheet"
