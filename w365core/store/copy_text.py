"""Lines in Arrow as the text that COPY reads: a tab between cells, a new line after each line, a blank cell for null."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core.arrays import scalar

OPTIONS = "format text, null ''"
_NOTHING, _TAB, _NEW_LINE = scalar(""), scalar("\t"), scalar("\n")
_IN_CACHE = 2**17  # bytes looked at in one go
_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}  # the backslash first


def copied(lines: pa.RecordBatch) -> tuple[list[str], memoryview]:
    """The names of the columns and the lines' text, in one order: first the cells that are text for COPY already (`arrays` says which)."""
    if lines.schema.names[0].endswith("\n"):
        return lines.schema.names[0].split(), memoryview(lines.column(0).buffers()[2])
    ready = [name for name in lines.schema.names if "\t" in name]
    others = [name for name in lines.schema.names if "\t" not in name]
    text = _joined([_as_text(lines.column(name)) for name in others])
    if not _is_plain(text.buffers()[2], cells=len(others), rows=lines.num_rows):
        text = _joined([_escaped(_as_text(lines.column(name))) for name in others])
    if ready:
        text = pc.binary_join_element_wise(*(lines.column(name) for name in ready), text, _NOTHING)
    return "".join(ready).split() + others, memoryview(text.buffers()[2])


def _as_text(column: pa.Array) -> pa.StringArray:
    return column if column.type == pa.string() else column.cast(pa.string())


def _joined(cells: list[pa.StringArray]) -> pa.StringArray:
    """The cells of each line, a tab between them and a new line at its end."""
    last = pc.binary_join_element_wise(pc.coalesce(cells[-1], _NOTHING), _NEW_LINE, _NOTHING)
    return pc.binary_join_element_wise(*cells[:-1], last, _TAB, null_handling="replace", null_replacement="")


def _is_plain(text: pa.Buffer, *, cells: int, rows: int) -> bool:
    """Whether every tab and new line is one of ours, and no sign in the text means something to COPY."""
    signs = np.frombuffer(text, np.uint8)
    found = dict.fromkeys("\t\n\\\r", 0)
    for begin in range(0, len(signs), _IN_CACHE):
        here = signs[begin : begin + _IN_CACHE]
        for sign in found:
            found[sign] += int(np.count_nonzero(here == ord(sign)))
    return found == {"\t": (cells - 1) * rows, "\n": rows, "\\": 0, "\r": 0}


def _escaped(column: pa.StringArray) -> pa.StringArray:
    for sign, escape in _ESCAPES.items():
        column = pc.replace_substring(column, pattern=sign, replacement=escape)
    return column
