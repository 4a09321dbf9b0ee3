"""Lines in Arrow as the text that COPY reads: a sign between cells, a new line after each line, a blank cell for null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core.arrays import CELL_END, scalar, text_array

_NOTHING, _NEW_LINE = scalar(""), scalar("\n")
_IN_CACHE = 2**17  # bytes looked at in one go
_SPECIAL = "\\\n\r"  # to COPY, beside what stands between cells; the backslash is escaped first
_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", CELL_END: f"\\{CELL_END}"}


class Copied(NamedTuple):
    """The names of the columns, what COPY has to be told of the text, and the text."""

    columns: str
    options: str
    content: memoryview


def copied(lines: pa.RecordBatch) -> Copied:
    """The lines as text, first the cells that are text for COPY already (`arrays` says which); blank text becomes null."""
    if lines.schema.names[0].endswith("\n"):
        return _copied(lines.schema.names[0].split(), CELL_END, lines.column(0))
    ready = [name for name in lines.schema.names if "\t" in name]
    others = [name for name in lines.schema.names if "\t" not in name]
    between = CELL_END if ready else "\t"
    cells = [_as_text(lines.column(name)) for name in others]
    text = _joined(cells, between)
    if not _is_plain(text.buffers()[2], between, cells=len(others), rows=lines.num_rows):
        text = _joined([_escaped(cell, between) for cell in cells], between)
    if ready:
        text = pc.binary_join_element_wise(*(lines.column(name) for name in ready), text, _NOTHING)
    return _copied("".join(ready).split() + others, between, text)


def copied_rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Copied:
    """Rows of texts, or of what prints itself exactly, under these names."""
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return copied(pa.RecordBatch.from_arrays([text_array(cells) for cells in columns], names=list(names)))


def _copied(columns: list[str], between: str, text: pa.StringArray) -> Copied:
    return Copied(", ".join(columns), f"format text, delimiter '{between}', null ''", memoryview(text.buffers()[2]))


def _as_text(column: pa.Array) -> pa.StringArray:
    return column if column.type == pa.string() else column.cast(pa.string())


def _joined(cells: list[pa.StringArray], between: str) -> pa.StringArray:
    """The cells of each line, that sign between them and a new line at its end."""
    last = pc.binary_join_element_wise(pc.coalesce(cells[-1], _NOTHING), _NEW_LINE, _NOTHING)
    return pc.binary_join_element_wise(*cells[:-1], last, scalar(between), null_handling="replace", null_replacement="")


def _is_plain(text: pa.Buffer, between: str, *, cells: int, rows: int) -> bool:
    """Whether every new line and sign between cells is one of ours, and no sign in the text means something else to COPY."""
    signs = np.frombuffer(text, np.uint8)
    found = dict.fromkeys(_SPECIAL + between, 0)
    for begin in range(0, len(signs), _IN_CACHE):
        here = signs[begin : begin + _IN_CACHE]
        for sign in found:
            found[sign] += int(np.count_nonzero(here == ord(sign)))
    return found == {between: (cells - 1) * rows, "\n": rows, "\\": 0, "\r": 0}


def _escaped(column: pa.StringArray, between: str) -> pa.StringArray:
    for sign in _SPECIAL + between:
        column = pc.replace_substring(column, pattern=sign, replacement=_ESCAPES[sign])
    return column
