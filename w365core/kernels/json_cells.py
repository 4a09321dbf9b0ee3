"""Where does each value of regular JSON lines stand? Found by the quotes that open a key, for a whole block of lines at once.

An export prints every line with the same keys in the same order. Then the keys cut the block into its values, and Arrow copies what is wanted of them
without an object per cell. What is checked is enough to be sure that a decoder would cut the lines alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core.arrays import indices

_IN_CACHE = 2**18  # bytes looked at in one go: what is compared stays in the processor's cache
_NULL = int.from_bytes(b"null", "little")
_AFTER_BACKSLASH = np.frombuffer(b'"/bfnrtu', np.uint8)  # or another backslash
_NONE = np.empty(0, np.int64)


class NotRegular(Exception):
    """These lines need a reader that looks at each of them. Never leaves the kernel."""


@dataclass(frozen=True)
class Cells:
    """The lines' bytes, cut into pieces: of each line a key and a value, a key and a value ..., `bounds` says where (lines by twice the keys and one).

    A value is there with its quotes and the comma (or brace) after it. The other arrays are of lines by keys. `numbered` are the values, counted
    through all lines, with a sign that is escaped by its number (`\\u00e9`).
    """

    data: pa.Buffer
    bounds: np.ndarray
    is_text: np.ndarray
    is_null: np.ndarray
    numbered: np.ndarray

    @property
    def is_bare(self) -> np.ndarray:
        return ~(self.is_text | self.is_null)

    def printed(self, places: Sequence[int]) -> pa.StringArray:
        """The values of these keys as they stand in a line, end to end."""
        return rows(self.data, self.bounds, values(places))


def find(lines: pa.BinaryArray, keys: Sequence[str]) -> Cells:
    """The cells of lines that print these keys. NotRegular where one does not, ValueError where they are no UTF-8."""
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    data = lines.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
    offsets = offsets - offsets[0]
    if np.diff(offsets).min() < len("{}\n"):
        raise NotRegular("a line without keys")
    printed, gap = _printed(data, keys)
    signs = np.frombuffer(data, np.uint8)
    marks = _marks(signs, gap, printed[1:])
    is_simple = marks.backslashes == marks.escaped  # each backslash escapes a quote, none another backslash
    if not is_simple:
        signs = np.frombuffer(data.to_pybytes().replace(b"\\\\", b"  "), np.uint8)
        marks = _marks(signs, gap, printed[1:])
    close, line_ends = _closing_braces(signs, offsets)
    is_ascii = marks.odd == line_ends
    if not is_ascii and np.count_nonzero(signs < ord(" ")) != line_ends:
        raise NotRegular("a character that JSON does not allow")
    if len(marks.opened) != len(lines) * (len(keys) - 1):
        raise NotRegular("not every line has these keys")
    bounds = np.empty((len(lines), 2 * len(keys) + 1), np.int32)
    bounds[:, 0], bounds[:, 1], bounds[:, -1] = offsets[:-1], offsets[:-1] + 1, close + 1
    bounds[:, 3::2] = marks.opened.reshape(len(lines), len(keys) - 1)
    bounds[:, 2:-1:2] = bounds[:, 3::2] - (gap - 1)
    bounds[:, 1::2] += np.array([len(key) for key in printed], np.int32)
    start, stop = bounds[:, 1::2], bounds[:, 2::2]
    length = stop - start
    framed = b"{" + (b" " * (gap - 1)).join(printed)
    if length.min() < len("0,") or not _repeats(rows(data, bounds, range(0, 2 * len(keys), 2)).buffers()[2], framed):
        raise NotRegular("not every line has these keys in this order")
    first, last = np.empty(start.shape, np.uint8), np.empty(start.shape, np.uint8)
    first[:, 0], first[:, 1:] = signs[start[:, 0]], marks.first.reshape(len(lines), len(keys) - 1)
    last[:, :-1], last[:, -1] = marks.last.reshape(len(lines), len(keys) - 1), signs[close - 1]
    is_text = first == ord('"')
    if marks.quotes != 2 * (is_text.size + np.count_nonzero(is_text)):
        raise NotRegular("a quote that is not the start or the end of a key or a value")
    if not (((last == ord('"')) & (length > len('",'))) | ~is_text).all():
        raise NotRegular("a text that does not end with its quote")
    if not is_ascii:
        str(data, "utf-8")
    is_null = (first == ord("n")) & (length == len("null,"))
    if is_null.any():
        words = np.ndarray((len(signs) - 3,), "<u4", signs, strides=(1,))
        is_null[is_null] = words[start[is_null]] == _NULL
    return Cells(data, bounds, is_text, is_null, _NONE if is_simple else _numbered(signs, start.ravel(), stop.ravel()))


def _printed(data: pa.Buffer, keys: Sequence[str]) -> tuple[list[bytes], int]:
    """The keys as they are printed, colon included; and how far from the comma before it a key is."""
    printed = [msgspec.json.encode(key) + b":" for key in keys]
    if data.slice(1, min(len(printed[0]) + 1, data.size - 1)).to_pybytes() == printed[0] + b" ":
        return [key + b" " for key in printed], 2
    return printed, 1


def _repeats(text: pa.Buffer, words: bytes) -> bool:
    """Whether the text is these words, over and over."""
    many = max(_IN_CACHE // len(words), 1)
    whole = pa.py_buffer(words * many)
    pieces = (text.slice(at, min(whole.size, text.size - at)) for at in range(0, text.size, whole.size))
    return all(piece == (whole if piece.size == whole.size else whole.slice(0, piece.size)) for piece in pieces)


@dataclass(frozen=True)
class _Marks:
    """`opened`: the quotes that open a key, but for each line's first; the sign `last` before the comma there, and the sign `first` after the key,
    if the keys come in their order. How many quotes are not escaped and how many are, how many backslashes there are, and how many bytes that are no
    printed ASCII."""

    opened: np.ndarray
    first: np.ndarray
    last: np.ndarray
    quotes: int
    escaped: int
    backslashes: int
    odd: int


def _marks(signs: np.ndarray, gap: int, others: Sequence[bytes]) -> _Marks:
    """A key is opened by the quote that comes `gap` after a comma: within a text a quote is escaped. `others` are the keys after the first."""
    if len(signs) < 2 or signs[1] != ord('"'):
        raise NotRegular("a line that does not begin with a key")
    opened, first, last = [np.empty(0, np.int32)], [np.empty(0, np.uint8)], [np.empty(0, np.uint8)]
    quotes, escaped, backslashes, odd = 1, 0, 0, 0
    key = 0  # which of the others is opened next
    lengths = _over_and_over(tuple(map(len, others)), _IN_CACHE // len(',"') + 1)
    scratch = [np.empty(_IN_CACHE, bool) for _ in range(2)]
    as_signed = signs.view(np.int8)  # what is no ASCII is below zero
    for begin in range(2, len(signs), _IN_CACHE):
        here = signs[begin : begin + _IN_CACHE]
        before = signs[begin - 1 : begin - 1 + len(here)]
        quote, other = (array[: len(here)] for array in scratch)
        odd += int(np.count_nonzero(np.less(as_signed[begin : begin + len(here)], 32, out=other)))
        np.equal(here, ord('"'), out=quote)
        quotes += int(np.count_nonzero(quote))
        if np.equal(before, ord("\\"), out=other).any():
            backslashes += int(np.count_nonzero(other))
            escaped += int(np.count_nonzero(np.logical_and(other, quote, out=other)))
        np.logical_and(np.equal(signs[begin - gap : begin - gap + len(here)], ord(","), out=other), quote, out=other)
        if gap == 2:
            np.logical_and(np.equal(before, ord(" "), out=quote), other, out=other)
        at = other.nonzero()[0] + begin
        opened.append(at.astype(np.int32))
        last.append(signs.take(at - (gap + 1)))
        first.append(signs.take(at + lengths[key : key + len(at)], mode="clip"))
        key = (key + len(at)) % max(len(others), 1)
    return _Marks(np.concatenate(opened), np.concatenate(first), np.concatenate(last), quotes - escaped, escaped, backslashes, odd)


@lru_cache(maxsize=4)
def _over_and_over(lengths: tuple[int, ...], most: int) -> np.ndarray:
    """These lengths, repeated: at least `most` of them from each one on."""
    return np.resize(np.array(lengths or (0,), np.int32), len(lengths) + most)


def _closing_braces(signs: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, int]:
    """Where each line's brace closes, before its line end if it has one; and how many characters the line ends are in all."""
    close = offsets[1:] - np.int32(1)
    line_ends = 0
    for sign in (ord("\n"), ord("\r")):
        at_end = signs[close] == sign
        line_ends += int(np.count_nonzero(at_end))
        close = close - at_end
    if not (signs[close] == ord("}")).all():
        raise NotRegular("a line that does not end with its brace")
    return close, line_ends


def _numbered(signs: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The values with an escape by number, where no backslash escapes another; NotRegular for an escape that JSON does not know."""
    at = np.flatnonzero(signs == ord("\\"))
    escaped = signs[at + 1]
    if not np.isin(escaped, _AFTER_BACKSLASH).all():
        raise NotRegular("an escape that JSON does not know")
    at = at[escaped == ord("u")]
    value = np.maximum(np.searchsorted(start, at, "right") - 1, 0)
    return np.unique(value[(start[value] <= at) & (at < stop[value])])  # else it stands in a key


# --- cutting them out --------------------------------------------------------------------------------------------------------------------


def values(places: Sequence[int]) -> list[int]:
    """Which of a line's pieces the values of these keys are."""
    return [2 * place + 1 for place in places]


def rows(data: pa.Buffer, bounds: np.ndarray, pieces: Sequence[int], *beside: tuple[np.ndarray, np.ndarray | slice]) -> pa.StringArray:
    """Of each line these pieces, end to end. `beside` are further cuts through the data, and which of their pieces each line ends with."""
    lines, width = bounds.shape
    wanted = np.empty((lines, len(pieces) + len(beside)), np.int32)
    np.add(np.arange(0, bounds.size, width, dtype=np.int32)[:, None], np.array(pieces, np.int32), out=wanted[:, : len(pieces)])
    at = bounds.size
    for column, (cuts, which) in enumerate(beside, len(pieces)):
        wanted[:, column] = np.arange(at, at + len(cuts) - 1, dtype=np.int32)[which]
        at += len(cuts)
    cuts = np.concatenate([bounds.ravel(), *(cuts for cuts, _ in beside)]) if beside else bounds
    spans = pa.Array.from_buffers(pa.string(), at - 1, [None, pa.py_buffer(cuts), data])
    _, offsets, held = pc.take(spans, indices(wanted.ravel()), boundscheck=False).buffers()
    ends = np.ascontiguousarray(np.frombuffer(offsets, np.int32)[: wanted.size + 1 : wanted.shape[1]])
    return pa.Array.from_buffers(pa.string(), lines, [None, pa.py_buffer(ends), held])


def cut(data: pa.Buffer, start: np.ndarray, end: np.ndarray, *, is_null: np.ndarray | None = None) -> pa.StringArray:
    """What lies between these places of the data, one after the other."""
    bounds = np.empty(2 * start.size + 1, np.int32)
    bounds[:-1:2], bounds[1::2] = start.ravel(), end.ravel()
    bounds[-1:] = bounds[-2:-1]
    # Every other span is what lies between two of them: never taken, so that it may as well have a negative length.
    spans = pa.Array.from_buffers(pa.string(), 2 * start.size, [None, pa.py_buffer(bounds), data])
    return pc.take(spans, indices(np.arange(0, 2 * start.size, 2, np.int32), is_null=is_null), boundscheck=False)
