"""Which cells do regular JSON lines hold? Found by where their keys stand, in whole columns, without an object per cell.

An export prints every line with the same keys in the same order. Then the quotes that open a key cut a batch into its cells, and Arrow copies them
column by column: several times as fast as decoding line by line. What is checked is enough to be sure that a decoder would read the same (the tests
compare the two); lines that are not regular, or that a check would reject, are None here and read one by one instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core import money
from w365core.arrays import day_array, scalar, text_array
from w365core.dates import DateOrder, day_of
from w365core.frames import Column, Kind, folded
from w365core.intake.parse import NOTHING, by_header

# A JSON number of a size that money can have, without an exponent: at most 22 digits before the point and 30 after it.
_NUMBER = r"^-?(?:0|[1-9][0-9]{0,21})(?:\.[0-9]{1,30})?$"
_BARE = r"^(?:true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$"
_IN_CACHE = 2**17  # bytes looked at in one go: what is compared stays in the processor's cache
_NOTHING_SAID = scalar("")
_NULL = int.from_bytes(b"null", "little")


class _NotRegular(Exception):
    """These lines need a reader that looks at each of them. Never leaves this module."""


def read(lines: pa.BinaryArray, columns: tuple[Column, ...], order: DateOrder = DateOrder.MONTH_FIRST) -> dict[str, pa.Array] | None:
    """The declared columns of these lines by name, and `extra`, the unknown keys as one JSON object a line: numbers as text of a size that money
    can have, days as date32, everything else as the text that is printed; a column without a key is left out. None where the lines are not regular.
    """
    if not len(lines) or lines.null_count:
        return None
    try:
        keys = tuple(msgspec.json.decode(lines[0].as_buffer(), type=dict[str, msgspec.Raw]))
        wanted = _columns_of(keys, columns)
        block = _Block.of(lines, keys)
        found = {column.name: _cells(block, place, column, order) for place, column in enumerate(wanted) if column}
        unknown = [place for place, column in enumerate(wanted) if column is None]
        return found | ({"extra": _extra(block, unknown, keys)} if unknown else {})
    except (_NotRegular, msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _columns_of(keys: tuple[str, ...], columns: tuple[Column, ...]) -> list[Column | None]:
    """The column of each key, None for an unknown one."""
    spellings = by_header(columns)
    wanted = [spellings.get(folded(key)) for key in keys]
    known = [column.name for column in wanted if column]
    if len(set(known)) < len(known):
        raise _NotRegular("two keys are spellings of one column")
    return wanted


# --- where the cells stand ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Block:
    """The lines' bytes, and where in them each value stands: arrays of keys by lines. A text stands between `start` and `end` without its quotes."""

    data: pa.Buffer
    start: np.ndarray
    end: np.ndarray
    is_text: np.ndarray
    is_null: np.ndarray

    @staticmethod
    def of(lines: pa.BinaryArray, keys: Sequence[str]) -> _Block:
        offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
        data = lines.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
        offsets = offsets - offsets[0]
        signs = np.frombuffer(data, np.uint8)
        printed = [msgspec.json.encode(key) + b":" for key in keys]
        gap = 1
        if data.slice(1, min(len(printed[0]) + 1, data.size - 1)).to_pybytes() == printed[0] + b" ":
            printed, gap = [key + b" " for key in printed], 2
        marks = _marks(signs, gap)
        if len(marks.opened) != len(lines) * (len(keys) - 1):
            raise _NotRegular("not every line has these keys")
        opened = np.concatenate([offsets[np.newaxis, :-1] + np.int32(1), marks.opened.reshape(len(lines), len(keys) - 1).T])
        close, ends = _closing_braces(signs, offsets)
        if marks.controls != ends or not (signs[offsets[:-1]] == ord("{")).all():
            raise _NotRegular("a line that does not begin with its brace, or a character that JSON does not allow")
        _verify_keys(data, opened, printed)
        start = opened + np.array([[len(key)] for key in printed], np.int32)
        end = np.concatenate([opened[1:] - np.int32(gap), close[np.newaxis]])
        is_text = signs[start] == ord('"')
        if marks.quotes != 2 * (is_text.size + np.count_nonzero(is_text)) or not (signs[end - 1] == ord('"'))[is_text].all():
            raise _NotRegular("a quote that is not the start or the end of a key or a value")
        if not marks.ascii:
            str(data, "utf-8")
        return _Block(data, start + is_text, end - is_text, is_text, _are_null(signs, start, end))


@dataclass(frozen=True)
class _Marks:
    """`opened`: the quotes that open a key, but for each line's first. How many unescaped quotes and control characters there are, and whether
    all is ASCII."""

    opened: np.ndarray
    quotes: int
    controls: int
    ascii: bool


def _marks(signs: np.ndarray, gap: int) -> _Marks:
    """A key is opened by the quote that comes `gap` after a comma: within a text a quote is escaped."""
    if len(signs) < 2 or signs[1] != ord('"'):
        raise _NotRegular("a line that does not begin with a key")
    opened, quotes, controls, highest = [np.empty(0, np.int32)], 1, 0, 0
    scratch = [np.empty(_IN_CACHE, bool) for _ in range(3)]
    for begin in range(2, len(signs), _IN_CACHE):
        here = signs[begin : begin + _IN_CACHE]
        before = signs[begin - 1 : begin - 1 + len(here)]
        quote, key, other = (array[: len(here)] for array in scratch)
        np.equal(here, ord('"'), out=quote)
        np.equal(before, ord("\\"), out=other)
        np.greater(quote, other, out=quote)
        np.equal(here, ord("\\"), out=key)
        if np.logical_and(key, other, out=key).any():
            return _marks(np.frombuffer(signs.tobytes().replace(b"\\\\", b"  "), np.uint8), gap)
        np.equal(signs[begin - gap : begin - gap + len(here)], ord(","), out=key)
        if gap == 2:
            np.logical_and(key, np.equal(before, ord(" "), out=other), out=key)
        np.logical_and(key, quote, out=key)
        opened.append((np.flatnonzero(key) + begin).astype(np.int32))
        quotes += int(np.count_nonzero(quote))
        controls += int(np.count_nonzero(np.less(here, 32, out=other)))
        highest = max(highest, int(here.max()))
    return _Marks(np.concatenate(opened), quotes, controls, highest < 128)


def _closing_braces(signs: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, int]:
    """Where each line's brace closes, before its line end if it has one; and how many characters the line ends are in all."""
    close = offsets[1:] - 1
    line_ends = 0
    for sign in (ord("\n"), ord("\r")):
        at_end = signs[close] == sign
        line_ends += int(np.count_nonzero(at_end))
        close = close - at_end
    if not (signs[close] == ord("}")).all():
        raise _NotRegular("a line that does not end with its brace")
    return close, line_ends


def _verify_keys(data: pa.Buffer, opened: np.ndarray, printed: Sequence[bytes]) -> None:
    """Every line prints exactly these keys. Compared a word at a time, of 8 bytes or of 1, each word at any byte."""
    for place, key in enumerate(printed):
        width = 8 if len(key) >= 8 else 1
        words = np.ndarray((data.size - width + 1,), f"<u{width}", data, strides=(1,))
        for at in {*range(0, len(key) - width, width), len(key) - width}:
            if not (words[opened[place] + at] == int.from_bytes(key[at : at + width], "little")).all():
                raise _NotRegular("not every line has these keys in this order")


def _are_null(signs: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether the value is the word null."""
    candidates = (end - start == 4) & (signs[start] == ord("n"))
    if candidates.any():
        words = np.ndarray((len(signs) - 3,), "<u4", signs, strides=(1,))
        candidates[candidates] = words[start[candidates]] == _NULL
    return candidates


# --- what they hold ----------------------------------------------------------------------------------------------------------------------


def _cells(block: _Block, place: int, column: Column, order: DateOrder) -> pa.Array:
    null = block.is_null[place]
    if column.kind is Kind.NUMBER:
        return _numbers(block, place, null)
    if not (block.is_text[place] | null).all():
        raise _NotRegular("a bare value where text is expected")
    texts = _unescaped(_gathered(block, place, null))
    return _days(texts, order) if column.kind is Kind.DAY else texts


def _gathered(block: _Block, place: int, null: np.ndarray, *, quoted: bool = False) -> pa.StringArray:
    """The values under one key, as printed."""
    rows = len(null)
    more = block.is_text[place] if quoted else 0
    bounds = np.empty(2 * rows + 1, np.int32)
    bounds[:-1:2], bounds[1::2] = block.start[place] - more, block.end[place] + more
    bounds[-1] = bounds[-2]
    spans = pa.Array.from_buffers(pa.string(), 2 * rows, [None, pa.py_buffer(bounds), block.data])
    valid = pa.py_buffer(np.packbits(~null, bitorder="little")) if null.any() else None
    return spans.take(pa.Array.from_buffers(pa.int32(), rows, [valid, pa.py_buffer(np.arange(0, 2 * rows, 2, np.int32))]))


def _unescaped(texts: pa.StringArray) -> pa.StringArray:
    """The texts without JSON's escapes."""
    if not _holds_backslash(texts):
        return texts
    plain = pc.replace_substring(texts, pattern='\\"', replacement='"')
    if not _holds_backslash(plain):
        return plain
    decoded = [None if text is None else msgspec.json.decode(f'"{text}"', type=str) for text in texts.to_pylist()]
    if any(text and "\x00" in text for text in decoded):
        raise _NotRegular("a NUL character, which no text can hold")
    return text_array(decoded)


def _holds_backslash(texts: pa.StringArray) -> bool:
    held = texts.buffers()[2]
    return held is not None and bool((np.frombuffer(held, np.uint8) == ord("\\")).any())


def _numbers(block: _Block, place: int, null: np.ndarray) -> pa.StringArray:
    """Numbers as they are printed; one in quotes, or with an exponent, as Decimal prints it."""
    blank = block.is_text[place] & (block.start[place] == block.end[place])
    printed = _gathered(block, place, null | blank)
    regular = pc.match_substring_regex(printed, _NUMBER)
    if pc.all(regular).as_py() is not False:
        return printed
    texts = printed.to_pylist()
    for index in np.flatnonzero(~np.array(regular.fill_null(True).to_pylist())):
        if not block.is_text[place, index] and not pc.match_substring_regex(printed[index], _BARE).as_py():
            raise _NotRegular("a bare value that is no number")
        number = money.readable(texts[index])
        if number is None:
            raise _NotRegular("a number that money cannot have")
        texts[index] = str(number)
    return text_array(texts)


def _days(texts: pa.StringArray, order: DateOrder) -> pa.Array:
    """Each text's day; a text is read once however often it repeats."""
    found = texts.dictionary_encode()
    days = [None if text.strip().lower() in NOTHING else day_of(text, order) for text in found.dictionary.to_pylist()]
    return day_array(days).take(found.indices)


def _extra(block: _Block, unknown: Sequence[int], keys: Sequence[str]) -> pa.StringArray:
    """The unknown keys of each line that are not null, as one JSON object; null where all of them are."""
    members = []
    for place in unknown:
        null = block.is_null[place]
        values = _gathered(block, place, null, quoted=True)
        bare = ~(block.is_text[place] | null)
        if bare.any() and not all(pc.match_substring_regex(values, _BARE).filter(pa.array(bare)).to_pylist()):
            raise _NotRegular("a bare value that JSON does not know")
        if _holds_backslash(values):
            for value in values.to_pylist():
                if value is not None and "\x00" in str(msgspec.json.decode(value)):
                    raise _NotRegular("a NUL character, which no text can hold")
        named = scalar(f",{msgspec.json.encode(keys[place]).decode()}:")
        members.append(pc.coalesce(pc.binary_join_element_wise(named, values, _NOTHING_SAID), _NOTHING_SAID))
    said = pc.binary_join_element_wise(*members, _NOTHING_SAID)
    whole = pc.binary_join_element_wise(scalar("{"), pc.utf8_slice_codeunits(said, 1), scalar("}"), _NOTHING_SAID)
    return pc.if_else(pc.equal(said, _NOTHING_SAID), text_array([None])[0], whole)
