"""Which fixes does a CSV hold that people edited in a spreadsheet? The same strict reading as our record files: every bad cell is a Problem with its row.

COLUMNS     the file's columns; those that only tell (name of the invoice, money …) are ignored when they come back
read        the fixes, or what is wrong with the rows
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from w365core.frames import Column, Kind
from w365core.intake import csv_text
from w365core.intake.record_cells import Unexpected, Value, cell_of
from w365core.model import Fix, FixAction, Problem

MOST_BAD_ROWS = 100
COLUMNS = (
    Column("action", choices=tuple(FixAction), required=True),
    Column("provider"),
    Column("key", required=True),
    Column("name"),
    Column("account_id", Kind.ID),
    Column("subscription_id", Kind.ID),
    Column("product_id", Kind.ID),
    Column("kind", choices=("License", "Usage")),
    Column("quantity", Kind.NUMBER),
    Column("under"),
    Column("start_date", Kind.DAY),
    Column("status", choices=("Active", "Suspended")),
    Column("billing_type"),
    Column("rate_to_base", Kind.NUMBER),
)
_NEEDED = {
    FixAction.MAP_ACCOUNT: ("provider", "account_id"),
    FixAction.ADD_SUBSCRIPTION: ("provider", "kind"),
    FixAction.ALIAS: ("provider", "subscription_id"),
    FixAction.ADD_CURRENCY: ("rate_to_base",),
    FixAction.CHOOSE_PRODUCT: ("product_id",),
}
_RUNS_AS_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # what an export puts an apostrophe before, also after blanks
_RUNS_AT_ONCE = ("\t", "\r", "\n", "\0")


@dataclass(frozen=True)
class ReadFixes:
    """The fixes in the file's order and the line of each; with problems there are none."""

    name: str
    fixes: tuple[Fix, ...] = ()
    lines: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()


def read(name: str, content: bytes) -> ReadFixes:
    """Reads the file. A row without an action is one that nobody wants to apply."""
    lines = csv_text.lines_of(name, content)
    if isinstance(lines, Problem):
        return ReadFixes(name, problems=(lines,))
    rows = csv_text.rows(lines, name=name)
    filled = (row for row in rows if isinstance(row, Problem) or not csv_text.is_blank(row[1]))
    first = next(filled, Problem(name, None, None, None, "a header line, but the file is empty"))
    if isinstance(first, Problem):
        return ReadFixes(name, problems=(first,))
    line, cells = first
    header = csv_text.columns_of(cells, COLUMNS, name=name, line=line)
    missing = [
        Problem(name, line, c.name, None, f"the column {c.name} in the header")
        for c in COLUMNS
        if c.required and c.name not in header.positions
    ]
    if header.problems or missing:
        return ReadFixes(name, problems=(*header.problems, *missing))
    fixes, places, problems, seen = [], [], [], {}
    for row in filled:
        found = [row] if isinstance(row, Problem) else _fix(name, row, header, len(cells))
        if isinstance(found, Fix):
            found_before = seen.setdefault((found.action, (found.provider or "").lower(), found.key.lower(), found.subscription_id), row[0])
            if found_before != row[0]:
                found = [Problem(name, row[0], "key", found.key, f"each fix once; it is already on line {found_before}")]
        if isinstance(found, Fix):
            fixes.append(found)
            places.append(row[0])
        elif found:
            problems += found
        if len(problems) >= MOST_BAD_ROWS:
            break
    return ReadFixes(name, problems=tuple(problems)) if problems else ReadFixes(name, tuple(fixes), tuple(places))


def _fix(name: str, row: tuple[int, list[str]], header: csv_text.Header, width: int) -> Fix | list[Problem] | None:
    line, texts = row
    if len(texts) != width:
        return [Problem(name, line, None, ",".join(texts), f"{width} cells as in the header, not {len(texts)}")]
    if not texts[header.positions["action"]].strip():
        return None
    values: dict[str, Value] = {}
    problems = []
    for column in COLUMNS:
        if column.name not in header.positions:
            continue
        text = _unprotected(texts[header.positions[column.name]])
        try:
            values[column.name] = cell_of(column, 0).value(text)
        except Unexpected as unexpected:
            problems.append(Problem(name, line, column.name, text, str(unexpected)))
    if problems:
        return problems
    return _checked(name, line, values)


def _checked(name: str, line: int, values: Mapping[str, Value]) -> Fix | list[Problem]:
    action = FixAction(values["action"])
    lacking = [column for column in _NEEDED[action] if values.get(column) is None]
    if lacking:
        return [Problem(name, line, column, None, f"a value, which {action} cannot be without") for column in lacking]
    return Fix(**{**values, "action": action})


def _unprotected(text: str) -> str:
    """The text without the apostrophe that keeps a spreadsheet from running it as a formula."""
    behind = text[1:]
    is_guarded = text.startswith("'") and (behind.startswith(_RUNS_AT_ONCE) or behind.lstrip().startswith(_RUNS_AS_FORMULA))
    return behind if is_guarded else text
