"""What did a look at files by hand find? How each is read, what it adds up to, and the cells that cannot be taken, as tables.

Comes from what a job wrote down (`JobRun.outcome`), so it can be shown again without reading the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from w365core.frames import Kind
from w365core.reports import wording
from w365core.reports.tables import Column, Table, amount

_KINDS = {
    "reconciliation": "Reconciliation",
    "daily_rated": "Daily-rated usage",
    "plain": "Plain file",
    "legacy_license": "Legacy licenses",
    "legacy_usage": "Legacy usage",
}
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "": "JSON lines"}
_SETTLED = {
    "the file": "proven by the file",
    "its sums": "proven by its sums",
    "the total": "proven by the invoice's total",
    "the caller": "as you said",
}

PROBLEM_COLUMNS = (
    Column("file", "File", width=170),
    Column("row", "Row", Kind.WHOLE, width=65),
    Column("column", "Column", width=130),
    Column("value", "Found", width=160),
    Column("expected", "Expected", width=420),
)
SUM_COLUMNS = (
    Column("file", "File", width=220),
    Column("what", "What", width=190),
    Column("lines", "Lines", Kind.WHOLE, width=80),
    amount("subtotal", "Before tax", width=115),
    amount("tax", "Tax", width=95),
    amount("total", "With tax", width=115),
    Column("currency", "Currency", width=75),
)


def problems(outcome: Mapping[str, Any]) -> Table:
    """The cells at fault, as far as they were written down, row by row."""
    found = sorted(outcome.get("problems", ()), key=lambda problem: (problem["file"], problem["row"] or 0))
    return Table("import problems", PROBLEM_COLUMNS, [_flat(problem) for problem in found])


def sums(outcome: Mapping[str, Any]) -> Table:
    """What each file adds up to, by currency."""
    rows = [
        row
        | {name: Decimal(row[name]) for name in ("subtotal", "tax", "total")}
        | {"what": f"{_KINDS.get(row['kind'], row['kind'])}: {row['lines_of']}"}
        for row in outcome.get("sums", ())
    ]
    return Table("import sums", SUM_COLUMNS, rows)


def readings(outcome: Mapping[str, Any]) -> Sequence[str]:
    """How each file is read, and what was assumed, in a sentence each."""
    said = []
    for file in outcome.get("files", ()):
        parts = [
            file["encoding"].upper() if file["encoding"].startswith("utf") else "Windows-1252",
            _SEPARATORS.get(file["separator"], "declared separator"),
        ]
        if file["decimal_settled_by"] != "default":
            parts.append(f"decimal {'comma' if file['decimal_comma'] else 'point'} ({_SETTLED[file['decimal_settled_by']]})")
        if file["date_order_settled_by"] != "default":
            order = "day first" if file["date_order"] == "DMY" else "month first"
            parts.append(f"dates {order} ({_SETTLED[file['date_order_settled_by']]})")
        if file["unknown_columns"]:
            parts.append(f"{wording.counted(len(file['unknown_columns']), 'unknown column')} kept beside")
        said += [f"{file['file']}: {', '.join(parts)}.", *(f"{file['file']}: {note}" for note in file["notes"])]
    return said


def _flat(problem: Mapping[str, Any]) -> Mapping[str, Any]:
    """A value of several lines, or of none that can be seen, on one line."""
    value = problem["value"]
    return dict(problem) | {
        "value": None if value is None else "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in value)
    }
