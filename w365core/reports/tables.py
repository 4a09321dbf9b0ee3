"""What is a table, before anybody draws or exports it? Named columns of a kind, and rows as mappings.

`Column.amount` says that the number is money of the row's own `currency`: it is shown with at least that currency's minor unit.
`Column.places` says how many places people see of a number at most; a file holds them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from w365core import money
from w365core.frames import Kind
from w365core.reports import wording

CHIPS = frozenset({"standing"})  # columns whose cells are shown as coloured words
_DIGIT, _PADDING = 7, 18  # pixels that a digit takes at most, and that stand around a cell's text


@dataclass(frozen=True)
class Column:
    name: str
    label: str
    kind: Kind = Kind.TEXT
    amount: bool = False
    width: int | None = None
    help: str | None = None
    shown: bool = True  # else in the export only
    places: int | None = None  # on a page at most so many; all of them where it is None
    printed: bool = False  # a moment as the provider printed it, never in another time zone


@dataclass(frozen=True)
class Table:
    """`name` becomes the file's name."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Any]]

    def first(self, most: int) -> Table:
        """The same with at most so many rows."""
        return replace(self, rows=self.rows[:most])


def number(name: str, label: str, **more: Any) -> Column:
    return Column(name, label, Kind.NUMBER, **more)


def amount(name: str, label: str, **more: Any) -> Column:
    return Column(name, label, Kind.NUMBER, amount=True, **more)


def day(name: str, label: str, **more: Any) -> Column:
    return Column(name, label, Kind.DAY, **more)


def moment(name: str, label: str, **more: Any) -> Column:
    return Column(name, label, Kind.MOMENT, **more)


def heading(column: Column) -> str:
    """The label on a page, where moments are shown in the installation's time zone; a file has them in UTC."""
    return column.label if column.kind is not Kind.MOMENT or column.printed else column.label.replace("(UTC)", f"({wording.zone()})")


def shown(column: Column, row: Mapping[str, Any]) -> str:
    """The cell as people read it; a blank cell is an empty text."""
    value = row.get(column.name)
    if value is None:
        return ""
    if column.kind in (Kind.NUMBER, Kind.WHOLE):
        return wording.digits(Decimal(value), row.get("currency") if column.amount else None, most=column.places)
    if column.kind is Kind.MOMENT and isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M") if column.printed else wording.moment(value)
    if column.kind is Kind.FLAG:
        return "yes" if value else "no"
    return str(value)


def frame(table: Table, *, chip: Callable[[str], str]) -> pa.Table:
    """The shown columns by label: text as people read it, days as days, a chip as a list of the one word that `chip` makes of it."""
    columns = [column for column in table.columns if column.shown]
    cells = [pa.array([_cell(column, row, chip) for row in table.rows], _type(column)) for column in columns]
    return pa.table(cells, names=[heading(column) for column in columns])


def wide_enough(column: Column, cells: pa.Table) -> int | None:
    """The column's width in pixels. A number that is wider would lose its first digits, which count most, so it is at least that of the longest one."""
    if column.width is None or column.kind not in (Kind.NUMBER, Kind.WHOLE):
        return column.width
    longest = max((len(cell) for cell in cells[heading(column)].to_pylist()), default=0)
    return max(column.width, longest * _DIGIT + _PADDING)


def _cell(column: Column, row: Mapping[str, Any], chip: Callable[[str], str]) -> Any:
    if column.name in CHIPS:
        return [chip(row[column.name])]
    return row.get(column.name) if column.kind is Kind.DAY else shown(column, row)


def _type(column: Column) -> Any:
    if column.name in CHIPS:
        return pa.list_(pa.string())
    return pa.date32() if column.kind is Kind.DAY else pa.string()


def written(column: Column, row: Mapping[str, Any]) -> str | int | Decimal | date | datetime | None:
    """The cell as a file carries it: numbers as numbers (money with its minor unit), days as days, all else as text."""
    value = row.get(column.name)
    if value is None or isinstance(value, bool | int | date):
        return "" if value is None else ("yes" if value else "no") if isinstance(value, bool) else value
    if column.kind is Kind.NUMBER:
        currency = row.get("currency") if column.amount else None
        return _at_least(value, money.minor_units(currency)) if currency else value
    return str(value)


def _at_least(value: Decimal, places: int) -> Decimal:
    """The same number with at least so many places: 5 -> 5.00, 5.125 stays."""
    return value if -value.as_tuple().exponent >= places else money.half_up(value, places=places)
