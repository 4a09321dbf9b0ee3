"""Which cells do regular JSON lines hold? Found by where their keys stand, in whole columns, without an object per cell.

An export prints every line with the same keys in the same order. Then the quotes that open a key cut a batch into its cells, and Arrow copies them
column by column: several times as fast as decoding line by line. What is checked is enough to be sure that a decoder would read the same (the tests
compare the two); lines that are not regular, or that a check would reject, are None here and read one by one instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

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
_BARE = re.compile(r"true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_IN_CACHE = 2**17  # bytes looked at in one go: what is compared stays in the processor's cache
_LINES_AT_ONCE = 128  # the same for what is looked up
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
        cells = _Cells.of(_Block.of(lines, keys), wanted)
        return _numbers(cells) | _days(cells, order) | _texts(cells) | _extra(cells, keys)
    except (_NotRegular, msgspec.MsgspecError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=64)
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
    """The lines' bytes, and where in them each value stands: arrays of lines by keys."""

    data: pa.Buffer
    start: np.ndarray
    end: np.ndarray
    is_text: np.ndarray
    is_null: np.ndarray

    @staticmethod
    def of(lines: pa.BinaryArray, keys: Sequence[str]) -> _Block:
        offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1].astype(np.int64)
        data = lines.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
        offsets -= offsets[0]
        signs = np.frombuffer(data, np.uint8)
        printed = tuple(msgspec.json.encode(key) + b":" for key in keys)
        gap = 1
        if data.slice(1, min(len(printed[0]) + 1, data.size - 1)).to_pybytes() == printed[0] + b" ":
            printed, gap = tuple(key + b" " for key in printed), 2
        marks = _marks(signs, gap)
        if len(marks.opened) != len(lines) * (len(keys) - 1):
            raise _NotRegular("not every line has these keys")
        opened = np.column_stack([offsets[:-1] + 1, marks.opened.reshape(len(lines), len(keys) - 1)])
        close, ends = _closing_braces(signs, offsets)
        if marks.controls != ends or not (signs[offsets[:-1]] == ord("{")).all():
            raise _NotRegular("a line that does not begin with its brace, or a character that JSON does not allow")
        _verify_keys(data, opened, printed)
        start = opened + [len(key) for key in printed]
        end = np.column_stack([opened[:, 1:] - gap, close])
        is_text = signs[start] == ord('"')
        if marks.quotes != 2 * (is_text.size + np.count_nonzero(is_text)) or not (signs[end - 1] == ord('"'))[is_text].all():
            raise _NotRegular("a quote that is not the start or the end of a key or a value")
        if not marks.ascii:
            str(data, "utf-8")
        return _Block(data, start, end, is_text, _are_null(signs, start, end))


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
    opened, quotes, controls, highest = [np.empty(0, np.int64)], 1, 0, 0
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
        opened.append(np.flatnonzero(key) + begin)
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


def _verify_keys(data: pa.Buffer, opened: np.ndarray, printed: tuple[bytes, ...]) -> None:
    """Every line prints exactly these keys."""
    words = np.ndarray((max(data.size - 7, 0),), "<u8", data, strides=(1,))
    key_of, shift, mask, expected = _words_of(printed)
    for begin in range(0, len(opened), _LINES_AT_ONCE):
        at = opened[begin : begin + _LINES_AT_ONCE, key_of] + shift
        if at.max(initial=0) >= len(words) or ((words[at] & mask) != expected).any():
            raise _NotRegular("not every line has these keys in this order")


@lru_cache(maxsize=64)
def _words_of(printed: tuple[bytes, ...]) -> tuple[np.ndarray, ...]:
    """The keys in words of 8 bytes, each at any place: which key, where in it, and what it says; before a shorter key all is masked out."""
    key_of, shift, mask, expected = [], [], [], []
    for place, key in enumerate(printed):
        for at in sorted({*range(0, len(key) - 8, 8), len(key) - 8}):
            word = key[max(at, 0) : at + 8]
            key_of.append(place)
            shift.append(at)
            mask.append(2**64 - 2 ** (8 * (8 - len(word))))
            expected.append(int.from_bytes(word.rjust(8, b"\0"), "little"))
    return np.array(key_of), np.array(shift), np.array(mask, np.uint64), np.array(expected, np.uint64)


def _are_null(signs: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether the value is the word null."""
    candidates = (end - start == 4) & (signs[start] == ord("n"))
    if candidates.any():
        words = np.ndarray((len(signs) - 3,), "<u4", signs, strides=(1,))
        candidates[candidates] = words[start[candidates]] == _NULL
    return candidates


# --- what they hold ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cells:
    """All values, column after column: first those of numbers, then of days, of texts, and of keys that no column has, these with their quotes.

    `columns` and `keys` say which each is, `values` are the texts end to end, the other arrays are of columns by lines.
    """

    columns: list[Column | None]
    keys: list[int]
    values: pa.StringArray
    is_text: np.ndarray
    is_null: np.ndarray

    @staticmethod
    def of(block: _Block, wanted: Sequence[Column | None]) -> _Cells:
        keys = sorted(range(len(wanted)), key=lambda key: _rank(wanted[key]))
        columns = [wanted[key] for key in keys]
        is_text, is_null = block.is_text.T[keys], block.is_null.T[keys]
        quotes = is_text & np.array([[column is not None] for column in columns])
        bounds = np.empty(2 * is_text.size + 1, np.int32)
        pairs = bounds[:-1].reshape(*is_text.shape, 2)
        pairs[..., 0], pairs[..., 1] = block.start.T[keys] + quotes, block.end.T[keys] - quotes
        bounds[-1] = bounds[-2]
        numbers = np.array([[_rank(column) == 0] for column in columns])
        is_null = is_null | (numbers & is_text & (pairs[..., 0] == pairs[..., 1]))
        valid = pa.py_buffer(np.packbits(~is_null, bitorder="little")) if is_null.any() else None
        places = pa.py_buffer(np.arange(0, 2 * is_text.size, 2, np.int32))
        spans = pa.Array.from_buffers(pa.string(), 2 * is_text.size, [None, pa.py_buffer(bounds), block.data])
        values = spans.take(pa.Array.from_buffers(pa.int32(), is_text.size, [valid, places]))
        return _Cells(columns, keys, values, is_text, is_null)

    @property
    def lines(self) -> int:
        return self.is_text.shape[1]

    def of_rank(self, rank: int) -> range:
        """The places of the columns of this rank, which stand together."""
        places = [place for place, column in enumerate(self.columns) if _rank(column) == rank]
        return range(places[0], places[-1] + 1) if places else range(0)

    def between(self, places: range) -> pa.StringArray:
        """The values of these columns, end to end."""
        return self.values.slice(places.start * self.lines, len(places) * self.lines)

    def column(self, place: int) -> pa.StringArray:
        return self.values.slice(place * self.lines, self.lines)

    def is_bare(self, places: range) -> np.ndarray:
        return ~(self.is_text[places.start : places.stop] | self.is_null[places.start : places.stop])


def _rank(column: Column | None) -> int:
    if column is None:
        return 3
    return {Kind.NUMBER: 0, Kind.DAY: 1}.get(column.kind, 2)


def _numbers(cells: _Cells) -> dict[str, pa.Array]:
    """Numbers as they are printed; one in quotes that JSON would not print so, or with an exponent, as Decimal prints it."""
    places = cells.of_rank(0)
    regular = pc.match_substring_regex(cells.between(places), _NUMBER)
    found = {cells.columns[place].name: cells.column(place) for place in places}
    if pc.all(regular).as_py() is not False:
        return found
    changed: dict[int, list[str | None]] = {}
    for at, is_regular in enumerate(regular.to_pylist()):
        if is_regular is False:
            place, line = divmod(at, cells.lines)
            texts = changed.setdefault(place, found[cells.columns[place].name].to_pylist())
            texts[line] = _unusual(texts[line], bare=not cells.is_text[place, line])
    return found | {cells.columns[place].name: text_array(texts) for place, texts in changed.items()}


def _unusual(text: str, *, bare: bool) -> str:
    number = money.readable(text)
    if number is None or (bare and not _BARE.fullmatch(text)):
        raise _NotRegular("no number, or none that money can have")
    return str(number)


def _days(cells: _Cells, order: DateOrder) -> dict[str, pa.Array]:
    """Each text's day; a text is read once however often it repeats."""
    places = cells.of_rank(1)
    if cells.is_bare(places).any():
        raise _NotRegular("a bare value where a day is expected")
    texts = cells.between(places).dictionary_encode()
    days = [None if text.strip().lower() in NOTHING else day_of(text, order) for text in texts.dictionary.to_pylist()]
    found = day_array(days).take(texts.indices)
    return {cells.columns[place].name: found.slice(at * cells.lines, cells.lines) for at, place in enumerate(places)}


def _texts(cells: _Cells) -> dict[str, pa.Array]:
    places = cells.of_rank(2)
    if cells.is_bare(places).any():
        raise _NotRegular("a bare value where text is expected")
    return {cells.columns[place].name: _unescaped(cells.column(place)) for place in places}


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
    _, offsets, held = texts.buffers()
    if held is None:
        return False
    bounds = np.frombuffer(offsets, np.int32)
    begin, end = bounds[texts.offset], bounds[texts.offset + len(texts)]
    return bool((np.frombuffer(held, np.uint8)[begin:end] == ord("\\")).any())


def _extra(cells: _Cells, keys: Sequence[str]) -> dict[str, pa.Array]:
    """The unknown keys of each line that are not null, as one JSON object; null where all of them are."""
    places = cells.of_rank(3)
    members = []
    for place in places:
        values = cells.column(place)
        suspect = cells.is_bare(range(place, place + 1)).any() or _holds_backslash(values)
        for text, is_text in zip(values.to_pylist(), cells.is_text[place], strict=True) if suspect else ():
            if text is not None and not (_BARE.fullmatch(text) if not is_text else "\x00" not in msgspec.json.decode(text, type=str)):
                raise _NotRegular("a value that JSON does not know, or that holds a NUL character")
        named = scalar(f",{msgspec.json.encode(keys[cells.keys[place]]).decode()}:")
        members.append(pc.coalesce(pc.binary_join_element_wise(named, values, _NOTHING_SAID), _NOTHING_SAID))
    if not members:
        return {}
    said = pc.binary_join_element_wise(*members, _NOTHING_SAID)
    whole = pc.binary_join_element_wise(scalar("{"), pc.utf8_slice_codeunits(said, 1), scalar("}"), _NOTHING_SAID)
    return {"extra": pc.if_else(pc.equal(said, _NOTHING_SAID), text_array([None])[0], whole)}
