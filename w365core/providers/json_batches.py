"""The JSON lines of a file as Arrow batches, cut out of large blocks without copying a line.

One object a line: a binary column `__json` with the line as it stands in the file, and `__row`, its number there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from w365core.providers import file_bytes
from w365core.providers.csv_batches import ROW
from w365core.providers.file_bytes import LONGEST_LINE, Source, refused

JSON = "__json"
_SCHEMA = pa.schema([(JSON, pa.binary()), (ROW, pa.int64())])


def batches(source: Source, most: int) -> Iterator[pa.RecordBatch]:
    """At most `most` lines a batch; blank ones count as rows and are passed over. InputRefused where it is no text of lines."""
    for row, block, ends in _blocks(source):
        starts = np.concatenate([np.zeros(1, np.int32), ends[:-1]])
        blank = _blank(block, starts, ends)
        offsets = pa.py_buffer(np.concatenate([starts, ends[-1:]]))
        lines = pa.Array.from_buffers(pa.binary(), len(ends), [None, offsets, pa.py_buffer(block)])
        rows = pa.Array.from_buffers(pa.int64(), len(ends), [None, pa.py_buffer(np.arange(row, row + len(ends)))])
        batch = pa.RecordBatch.from_arrays([lines, rows], schema=_SCHEMA)
        if blank:
            kept = np.delete(np.arange(len(ends), dtype=np.int32), blank)
            batch = batch.take(pa.Array.from_buffers(pa.int32(), len(kept), [None, pa.py_buffer(kept)]))
        yield from (batch.slice(at, most) for at in range(0, batch.num_rows, most))


def _blocks(source: Source) -> Iterator[tuple[int, bytes, np.ndarray]]:
    """(number of its first line, whole lines, where each of them ends)."""
    row = 1
    for block in file_bytes.byte_blocks(source):
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")).astype(np.int32) + np.int32(1)
        if not block.endswith(b"\n"):
            ends = np.append(ends, np.int32(len(block)))
        _refuse_what_is_no_text(source, row, block, ends)
        yield row, block, ends
        row += len(ends)


def _refuse_what_is_no_text(source: Source, row: int, block: bytes, ends: np.ndarray) -> None:
    lengths = np.diff(ends, prepend=np.int32(0))
    if lengths.max() > LONGEST_LINE:
        at = int(np.argmax(lengths > LONGEST_LINE))
        raise refused(source.name, f"lines of at most {LONGEST_LINE} characters", row=row + at)
    bad = block.find(b"\0")
    try:
        block.isascii() or str(block, "utf-8")
    except UnicodeDecodeError as error:
        bad = error.start if bad < 0 else min(bad, error.start)
    if bad >= 0:
        raise refused(source.name, "JSON in UTF-8 without NUL bytes", row=row + int(np.searchsorted(ends, bad, "right")))


def _blank(block: bytes, starts: np.ndarray, ends: np.ndarray) -> list[int]:
    """The places of the lines that hold nothing but white space."""
    suspects = np.flatnonzero(np.frombuffer(block, np.uint8)[starts] <= ord(" "))
    return [int(at) for at in suspects if not block[starts[at] : ends[at]].strip()]
