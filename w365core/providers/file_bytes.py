"""What text is in a file that a person handed in? Bytes, compression and encoding, streamed under limits; damage is refused by name.

sources_of(path)            how the file is packed: gzip or zip by its first bytes, never by its name; a zip may hold several
beginning(source)           its first bytes, unpacked
byte_lines, text_blocks     its lines, one or many at a time; byte_pieces, wherever they end
"""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import re
import struct
import zipfile
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
    _open_gzip, _zlib_errors = gzip.GzipFile, (zlib.error,)
else:
    _open_gzip, _zlib_errors = igzip.IGzipFile, (zlib.error, isal_zlib.error)

# What the standard library raises over an archive that is none, or damaged.
_NO_ARCHIVE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, IndexError, EOFError, struct.error, lzma.LZMAError)
_DAMAGED = (OSError, *_NO_ARCHIVE, *_zlib_errors)
_BROKEN = "a whole file, but its compressed data breaks off or is damaged; download it again"

MOST_EXPANSION = 200  # times its packed size; billing lines reach about 40
ALWAYS_ALLOWED = 64 * 2**20  # a few repeated lines may pack better than that
LONGEST_LINE = 1_000_000
_UTF8_MARK = b"\xef\xbb\xbf"
MOST_MEMBERS = 50
_GZIP, _ZIP = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
_ENCRYPTED = 0x1
_OFFICE = ("[Content_Types].xml", "mimetype")
_BESIDE = ("__MACOSX/", ".DS_Store")  # what macOS puts beside the files
PIECE = 2**18  # bytes that are unpacked in one go
_TEXT_BLOCK = 2**19  # below LONGEST_LINE, so that long lines are looked for only where there may be one
_LONG = re.compile(rf"[^\r\n]{{{LONGEST_LINE + 1},}}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Source:
    """A file to read, or one in a zip archive: then `member` is its place there. `name` is what messages call it."""

    path: Path
    name: str
    compression: str  # none | gzip | zip
    member: int | None = None


class NotThisEncoding(Exception):
    """The text is in another encoding than it was opened with; near which line. Never leaves the reading of a file."""


def refused(name: str, expected: str, *, row: int | None = None, column: str | None = None, value: str | None = None) -> InputRefused:
    """One bad place of a file as the error that ends the call."""
    problem = Problem(name, row, column, value, expected)
    return InputRefused(f"{problem}; nothing was imported.", [problem])


def sources_of(path: Path, name: str | None = None) -> tuple[Source, ...]:
    """The file; of a zip archive those in it. CallRefused where there is no such file, InputRefused for an archive that cannot be read."""
    shown = name or path.name
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start in _ZIP:
                return _members(path, shown, zipfile.ZipFile(file))
            return (Source(path, shown, "gzip" if start.startswith(_GZIP) else "none"),)
    except _NO_ARCHIVE:
        raise refused(shown, _BROKEN) from None
    except OSError as error:
        raise CallRefused(f"Could not read {path}: {error.strerror}. Check the name of the file and call again.") from None


def source_of(path: Path, name: str | None = None, member: int | None = None) -> Source:
    """One of them: the file that stands at that place of the archive, else the only one."""
    found = sources_of(path, name)
    chosen = [source for source in found if member is None or source.member == member]
    if len(chosen) != 1:
        raise refused(name or path.name, f"one file, but the archive holds {len(found)}")
    return chosen[0]


def _members(path: Path, name: str, archive: zipfile.ZipFile) -> tuple[Source, ...]:
    files = [
        (place, entry)
        for place, entry in enumerate(archive.infolist())
        if not entry.filename.endswith("/") and not entry.filename.startswith(_BESIDE[0]) and not entry.filename.endswith(_BESIDE[1])
    ]
    if any(entry.filename in _OFFICE for _, entry in files):
        raise refused(name, "text, but it is an Excel workbook (or another office document); save the sheet as CSV UTF-8")
    if not files or len(files) > MOST_MEMBERS:
        raise refused(name, f"an archive of 1 to {MOST_MEMBERS} files, not of {len(files)}")
    for _, entry in files:
        if entry.flag_bits & _ENCRYPTED:
            raise refused(name, "an archive without a password; unpack it and import what is in it")
        if entry.file_size > _most_unpacked(entry.compress_size):
            raise refused(name, f"an archive that unpacks to at most {MOST_EXPANSION} times its size")
    return tuple(Source(path, f"{name}: {_printable(entry.filename)}", "zip", place) for place, entry in files)


def _most_unpacked(size: int) -> int:
    return max(ALWAYS_ALLOWED, MOST_EXPANSION * size)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[-80:]


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
                raise too_long(source, number)
            yield line


def byte_pieces(source: Source) -> Iterator[bytes]:
    """The same as it is unpacked, piece by piece, wherever a line ends."""
    with _opened(source) as stream:
        if start := stream.raw.take(len(_UTF8_MARK)).removeprefix(_UTF8_MARK):
            yield start
        while piece := stream.raw.take(PIECE):
            yield piece


def too_long(source: Source, number: int) -> InputRefused:
    """The refusal of a file with a line that is longer than any."""
    return refused(source.name, f"lines of at most {LONGEST_LINE} characters", row=number)


def read_whole(source: Source) -> None:
    """Unpacks the file to its last byte. InputRefused where it is damaged or breaks off."""
    with _opened(source) as stream:
        while stream.raw.take(PIECE):
            pass


def text_blocks(source: Source, encoding: str) -> Iterator[str]:
    """The text in pieces of about a million characters that end where a line ends. NotThisEncoding where the bytes say otherwise."""
    before = 0  # characters of earlier pieces
    for piece in _whole_lines(source, encoding):
        if "\0" in piece:
            row = _line_at(source, encoding, before + piece.index("\0"))
            raise refused(source.name, "text without NUL bytes; save the file as CSV UTF-8", row=row)
        if encoding == "cp1252" and (found := _CONTROL.search(piece)):
            raise NotThisEncoding(_line_at(source, encoding, before + found.start()))
        yield piece
        before += len(piece)


def _whole_lines(source: Source, encoding: str) -> Iterator[str]:
    """The same, whatever stands in them."""
    decoder = codecs.getincrementaldecoder(encoding)()
    before, left = 0, ""
    with _opened(source) as stream:
        at_end = False
        while not at_end:
            content = stream.read(_TEXT_BLOCK)
            at_end = not content
            try:
                left += decoder.decode(content, at_end)
            except UnicodeDecodeError as error:
                readable = len(error.object[: error.start].decode(encoding, "replace"))
                raise NotThisEncoding(_line_at(source, encoding, before + len(left) + readable)) from None
            # A CR that ends the piece may be half of a line end.
            cut = len(left) if at_end else max(left.rfind("\n"), left.rfind("\r", 0, len(left) - 1)) + 1
            piece, left = left[:cut], left[cut:]
            long = _LONG.search(piece) if len(piece) > LONGEST_LINE else None
            if long or len(left) > LONGEST_LINE:
                raise too_long(source, _line_at(source, encoding, before + (long.start() if long else len(piece))))
            if piece:
                yield piece
                before += len(piece)


def _line_at(source: Source, encoding: str, place: int) -> int:
    """The line on which that character stands, or its neighbour where it cannot be decoded: found by reading the file again."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    text = ""
    with _opened(source) as stream:
        lines = 1
        while place > 0 and (content := stream.read(_TEXT_BLOCK)):
            text = decoder.decode(content)[:place]
            lines += text.count("\n") + text.count("\r") - text.count("\r\n")
            place -= len(text)
    return lines


def _opened(source: Source) -> io.BufferedReader:
    try:
        file = source.path.open("rb")
    except OSError as error:
        raise CallRefused(f"Could not read {source.path}: {error.strerror}. Call again with a file that can be read.") from None
    try:
        return io.BufferedReader(_Measured(source, file), PIECE)
    except _DAMAGED:
        file.close()
        raise refused(source.name, _BROKEN) from None


class _Measured(io.RawIOBase):
    """The unpacked bytes; refuses a packed file that is damaged, breaks off, or expands beyond reason."""

    def __init__(self, source: Source, file: BinaryIO) -> None:
        self._source = source
        self._file = file
        self._stream, packed = _unpacking(source, file)
        self._left = None if packed is None else _most_unpacked(packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def take(self, most: int) -> bytes:
        """At most so many bytes; none at the end."""
        try:
            data = self._stream.read(most)
        except _DAMAGED:
            raise refused(self._source.name, _BROKEN) from None
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise refused(self._source.name, f"a file that unpacks to at most {MOST_EXPANSION} times its size") from None
        return data

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()


def _unpacking(source: Source, file: BinaryIO) -> tuple[BinaryIO, int | None]:
    """The stream of unpacked bytes, and how large they are packed; None where they are not."""
    if source.compression == "zip":
        archive = zipfile.ZipFile(file)
        entry = archive.infolist()[source.member]
        return archive.open(entry), entry.compress_size
    if source.compression == "gzip":
        return _open_gzip(fileobj=file, mode="rb"), source.path.stat().st_size
    return file, None
