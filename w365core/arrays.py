"""Arrow arrays out of Python values, from their buffers: `pa.array` would import pandas first, which costs more than a small batch.

`None` is null in all of them. An exact decimal travels as text. A column whose name holds tabs is several columns at once, as text that COPY reads:
each of its values is the cells of a line, with `CELL_END` after each of them; or, of whole lines, with a new line after the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

from w365core import frames

CELL_END = '"'  # with which JSON ends a text, so that most of what is cut out of JSON has it already
_EPOCH = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)


def text_array(values: Iterable[Any]) -> pa.StringArray:
    """Texts, or what prints itself exactly, such as a Decimal."""
    values = values if isinstance(values, list | tuple) else list(values)
    printed: list[Any] = ["" if value is None else value if type(value) is str else str(value) for value in values]
    whole = "".join(printed)
    if whole.isascii():  # a character is a byte, so that all can be encoded at once
        data = whole.encode()
    else:
        printed = [text.encode() for text in printed]
        data = b"".join(printed)
    offsets = np.fromiter(accumulate(map(len, printed), initial=0), np.int32, len(printed) + 1)
    return pa.Array.from_buffers(pa.string(), len(printed), [_validity(values), pa.py_buffer(offsets), pa.py_buffer(data)])


def whole_array(values: Sequence[int | None] | np.ndarray) -> pa.Int64Array:
    """Whole numbers."""
    known = values if isinstance(values, np.ndarray) else np.fromiter((value or 0 for value in values), np.int64, len(values))
    validity = None if isinstance(values, np.ndarray) else _validity(values)
    return pa.Array.from_buffers(pa.int64(), len(values), [validity, pa.py_buffer(np.ascontiguousarray(known, np.int64))])


def counting(first: int, many: int) -> pa.Int64Array:
    """So many whole numbers, from the first on."""
    return whole_array(np.arange(first, first + many))


def day_array(values: Sequence[date | None]) -> pa.Date32Array:
    """Days."""
    known = np.fromiter((0 if value is None else value.toordinal() - _EPOCH for value in values), np.int32, len(values))
    return pa.Array.from_buffers(pa.date32(), len(values), [_validity(values), pa.py_buffer(known)])


def moment_array(values: Sequence[datetime | None]) -> pa.TimestampArray:
    """Moments without a zone, to the microsecond."""
    epoch = datetime(1970, 1, 1)
    known = np.fromiter((0 if value is None else (value - epoch) // _MICROSECOND for value in values), np.int64, len(values))
    return pa.Array.from_buffers(pa.timestamp("us"), len(values), [_validity(values), pa.py_buffer(known)])


_MAKERS = {pa.string(): text_array, pa.int64(): whole_array, pa.date32(): day_array, pa.timestamp("us"): moment_array}


def scalar(text: str) -> pa.StringScalar:
    """One text to compute with; a bare Python text would import pandas too."""
    return text_array([text])[0]


def no_rows(schema: pa.Schema) -> pa.Table:
    """A table of this schema without rows; `schema.empty_table()` would import pandas too."""
    return pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def in_memory(numbers: pa.Array, kind: type[np.generic]) -> np.ndarray:
    """Numbers of this kind without nulls, as they stand in memory; `to_numpy` would import pandas too."""
    return np.frombuffer(numbers.buffers()[1] or b"", kind)[numbers.offset : numbers.offset + len(numbers)]


def batch_of(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows in the order of the schema's fields: texts, whole numbers and days."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pa.RecordBatch.from_arrays([_MAKERS[field.type](column) for field, column in zip(schema, columns, strict=True)], schema=schema)


def lines_of(columns: tuple[frames.Column, ...], cells: Mapping[str, Sequence | None], rows: int) -> pa.RecordBatch:
    """Cells by name in the declared columns; one that is not there is null."""
    schema = frames.arrow_schema(columns)
    found = ((field.type, cells.get(field.name)) for field in schema)
    return pa.RecordBatch.from_arrays(
        [pa.nulls(rows, kind) if cell is None else _MAKERS[kind](cell) for kind, cell in found], schema=schema
    )


def joined(names: Iterable[str]) -> str:
    """The name of a column that is these columns at once."""
    return "".join(f"{name}\t" for name in names)


def ended(columns: str) -> str:
    """The same name, where these columns are the whole line."""
    return columns[:-1] + "\n"


def empty(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def indices(places: np.ndarray, *, is_null: np.ndarray | None = None) -> pa.Int32Array:
    """Places to `take` from another array, or null."""
    known = None if is_null is None else validity(~is_null)
    return pa.Array.from_buffers(pa.int32(), len(places), [known, pa.py_buffer(np.ascontiguousarray(places, np.int32))])


def validity(known: np.ndarray) -> pa.Buffer | None:
    """Which values are known, as Arrow has it."""
    return None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))


def _validity(values: Sequence[Any]) -> pa.Buffer | None:
    if None not in values:
        return None
    return pa.py_buffer(np.packbits([value is not None for value in values], bitorder="little"))
