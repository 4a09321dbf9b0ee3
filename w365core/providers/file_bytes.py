"""What text is in a file that a person handed in? Bytes, compression and encoding, streamed under limits; damage is refused by name.

source_of(path)             how the file is packed: gzip by its first bytes, never by its name
beginning(source)           its first bytes, unpacked
byte_lines, text_lines      its lines, one at a time
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from w365core.errors import CallRefused, InputRefused
from w365core.model import Problem

try:
    from isal import igzip, isal_zlib
except ImportError:  # no wheel for this machine: the standard library reads the same, only slower
    _open_gzip, _DAMAGED = gzip.GzipFile, (EOFError, OSError, zlib.error)
else:
    _open_gzip, _DAMAGED = igzip.IGzipFile, (EOFError, OSError, zlib.error, isal_zlib.error)

MOST_EXPANSION = 200  # times its packed size; billing lines reach about 40
ALWAYS_ALLOWED = 64 * 2**20  # a few repeated lines may pack better than that
LONGEST_LINE = 1_000_000
_GZIP = b"\x1f\x8b"
_BLOCK = 2**18
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Source:
    """A file to read. `name` is what messages call it."""

    path: Path
    name: str
    compression: str  # none | gzip


class NotThisEncoding(Exception):
    """The text is in another encoding than it was opened with; near which line. Never leaves the reading of a file."""


def refused(name: str, expected: str, *, row: int | None = None, column: str | None = None, value: str | None = None) -> InputRefused:
    """One bad place of a file as the error that ends the call."""
    problem = Problem(name, row, column, value, expected)
    return InputRefused(f"{problem}; nothing was imported.", [problem])


def source_of(path: Path, name: str | None = None) -> Source:
    """CallRefused where there is no such file."""
    shown = name or path.name
    try:
        with path.open("rb") as file:
            return Source(path, shown, "gzip" if file.read(2) == _GZIP else "none")
    except OSError as error:
        raise CallRefused(f"Could not read {path}: {error.strerror}. Check the name of the file and call again.") from None


def beginning(source: Source, most: int = 65_536) -> bytes:
    """The first bytes of the file, unpacked."""
    with _opened(source) as stream:
        return stream.read(most)


def byte_lines(source: Source) -> Iterator[bytes]:
    """The lines of a UTF-8 file as bytes, line ends included, without its BOM."""
    with _opened(source) as stream:
        if stream.peek(3)[:3] == b"\xef\xbb\xbf":
            stream.read(3)
        number = 0
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise _too_long(source, number)
            yield line


def text_lines(source: Source, encoding: str) -> Iterator[str]:
    """The lines as text, line ends included. NotThisEncoding where the bytes say otherwise."""
    with _opened(source) as stream, io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
        number = 0
        try:
            while line := text.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise _too_long(source, number)
                if "\0" in line:
                    raise refused(source.name, "text without NUL bytes; save the file as CSV UTF-8", row=number)
                if encoding == "cp1252" and _CONTROL.search(line):
                    raise NotThisEncoding(number)
                yield line
        except UnicodeDecodeError:
            raise NotThisEncoding(number + 1) from None


def _too_long(source: Source, number: int) -> InputRefused:
    return refused(source.name, f"lines of at most {LONGEST_LINE} characters", row=number)


def _opened(source: Source) -> io.BufferedReader:
    try:
        file = source.path.open("rb")
    except OSError as error:
        raise CallRefused(f"Could not read {source.path}: {error.strerror}. Call again with a file that can be read.") from None
    return io.BufferedReader(_Measured(source, file), _BLOCK)


class _Measured(io.RawIOBase):
    """The unpacked bytes; refuses a packed file that is damaged, breaks off, or expands beyond reason."""

    def __init__(self, source: Source, file: BinaryIO) -> None:
        self._source = source
        self._file = file
        packed = source.compression == "gzip"
        self._stream = _open_gzip(fileobj=file, mode="rb") if packed else file
        self._left = max(ALWAYS_ALLOWED, MOST_EXPANSION * source.path.stat().st_size) if packed else None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            data = self._stream.read(len(buffer))
        except _DAMAGED:
            raise refused(self._source.name, "a whole file, but its compressed data breaks off or is damaged; download it again") from None
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise refused(self._source.name, f"a file that unpacks to at most {MOST_EXPANSION} times its size") from None
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()
