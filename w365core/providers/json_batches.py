"""The JSON lines of a file as Arrow batches, cut out of large blocks without copying a line.

One object a line: a binary column `__json` with the line as it stands in the file, and `__row`, its number there.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from w365core.providers import file_bytes
from w365core.providers.csv_batches import ROW
from w365core.providers.file_bytes import LONGEST_LINE, Source, refused

JSON = "__json"
_BLOCK = 2**22  # bytes of lines that are cut into batches together
_SCHEMA = pa.schema([(JSON, pa.binary()), (ROW, pa.int64())])


def batches(source: Source, most: int) -> Iterator[pa.RecordBatch]:
    """At most `most` lines a batch; blank ones count as rows and are passed over. InputRefused where it is no text of lines."""
    for row, signs, ends in _blocks(source):
        starts = np.concatenate([np.zeros(1, np.int32), ends[:-1]])
        blank = _blank(signs, starts, ends)
        offsets = pa.py_buffer(np.concatenate([starts, ends[-1:]]))
        lines = pa.Array.from_buffers(pa.binary(), len(ends), [None, offsets, pa.py_buffer(signs)])
        rows = pa.Array.from_buffers(pa.int64(), len(ends), [None, pa.py_buffer(np.arange(row, row + len(ends)))])
        batch = pa.RecordBatch.from_arrays([lines, rows], schema=_SCHEMA)
        if blank:
            kept = np.delete(np.arange(len(ends), dtype=np.int32), blank)
            batch = batch.take(pa.Array.from_buffers(pa.int32(), len(kept), [None, pa.py_buffer(kept)]))
        yield from (batch.slice(at, most) for at in range(0, batch.num_rows, most))


def _blocks(source: Source) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(number of its first line, whole lines, where each of them ends)."""
    row, block = 1, _Block()
    for piece in file_bytes.byte_pieces(source):
        block.add(piece)
        if block.size - block.whole > LONGEST_LINE:
            raise file_bytes.too_long(source, row + len(block.ends()))
        if block.size >= _BLOCK:
            signs, ends = block.checked(source, row, block.ends())
            yield row, signs, ends
            row, block = row + len(ends), _Block(block.rest())
    if block.size:
        ends = block.ends()
        signs, ends = block.checked(source, row, ends if block.whole == block.size else np.append(ends, np.int32(block.size)))
        yield row, signs, ends


class _Block:
    """Text that is put together piece by piece. What is looked for in a piece is found while it is in the processor's cache."""

    def __init__(self, begun: bytes = b"") -> None:
        self._signs = np.empty(len(begun) + _BLOCK + file_bytes.PIECE, np.uint8)
        self._ends = array("i")
        self._is_plain = True
        self.size = 0
        self.add(begun)

    def add(self, piece: bytes) -> None:
        self._signs[self.size : self.size + len(piece)] = np.frombuffer(piece, np.uint8)
        self._is_plain = self._is_plain and piece.isascii() and b"\0" not in piece
        end = 0
        while end := piece.find(b"\n", end) + 1:
            self._ends.append(self.size + end)
        self.size += len(piece)

    @property
    def whole(self) -> int:
        """Where its last whole line ends."""
        return self._ends[-1] if self._ends else 0

    def ends(self) -> np.ndarray:
        """Where each of the whole lines ends."""
        return np.array(self._ends, np.int32)

    def rest(self) -> bytes:
        """The beginning of the line after them."""
        return self._signs[self.whole : self.size].tobytes()

    def checked(self, source: Source, row: int, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The lines that end there, the first of them the file's `row`-th. InputRefused where they are no text of lines."""
        signs, lengths = self._signs[: ends[-1]], np.diff(ends, prepend=np.int32(0))
        if lengths.max() > LONGEST_LINE:
            raise file_bytes.too_long(source, row + int(np.argmax(lengths > LONGEST_LINE)))
        bad = -1 if self._is_plain else _no_text(signs.tobytes())
        if bad >= 0:
            raise refused(source.name, "JSON in UTF-8 without NUL bytes", row=row + int(np.searchsorted(ends, bad, "right")))
        return signs, ends


def _no_text(block: bytes) -> int:
    """Where the first byte is that no text has; -1 where all is text."""
    bad = block.find(b"\0")
    try:
        str(block, "utf-8")
    except UnicodeDecodeError as error:
        bad = error.start if bad < 0 else min(bad, error.start)
    return bad


def _blank(signs: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> list[int]:
    """The places of the lines that hold nothing but white space."""
    suspects = np.flatnonzero(signs[starts] <= ord(" "))
    return [int(at) for at in suspects if not signs[starts[at] : ends[at]].tobytes().strip()]
