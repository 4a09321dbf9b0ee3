"""What does a backup look like? One tar file: the database as pg_dump writes it, the landed files, and a manifest with the checksum of each.

    database.dump      landing/ab/ab12…      manifest.json      manifest.sha256

The manifest comes last, so that a backup that was cut off has none. Only these names are ever taken out of one, as plain files.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from w365core.errors import CallRefused
from w365core.store.landing import make_private, writing_to
from w365core.store.rebuilding import Digest

FORM = 1
DATABASE, MANIFEST, SEAL = "database.dump", "manifest.json", "manifest.sha256"
_LANDED = re.compile(r"landing/([0-9a-f]{2})/\1[0-9a-f]{62}(\.gz)?")
_BLOCK = 1 << 20
_MOST_MANIFEST = 1 << 30


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `files` are size and SHA-256 by name; `tables` the digests that the database had, and has to have again."""

    made_at: str
    made_by: str
    revision: str
    postgres: str
    tables: dict[str, Digest]
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    form: int = FORM

    @property
    def landed(self) -> int:
        return len(self.files) - 1

    @property
    def size(self) -> int:
        return sum(size for size, _ in self.files.values())

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.tables.values())


class _Hashed(io.RawIOBase):
    """A file that is read once, and whose checksum is known then."""

    def __init__(self, of: IO[bytes]) -> None:
        self._of, self.digest, self.size = of, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        block = self._of.read(size)
        self.digest.update(block)
        self.size += len(block)
        return block


@contextmanager
def written(to: Path) -> Iterator[Writer]:
    """A new backup: under its name only when it is complete and on disk."""
    aside = to.with_name(f".{to.name}.{os.getpid()}.partial")
    with writing_to(to.parent):
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with writing_to(to.parent), os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w|") as tar:
                yield Writer(tar)
            file.flush()
            os.fsync(file.fileno())
        _name_it(aside, to)
    except FileExistsError:
        raise CallRefused(f"{to} exists already; a backup is never written over.") from None
    finally:
        aside.unlink(missing_ok=True)


def _name_it(aside: Path, to: Path) -> None:
    """FileExistsError where somebody was first."""
    try:
        os.link(aside, to)
    except FileExistsError:
        raise
    except OSError:  # a disk without links, such as a network share
        if to.exists():
            raise FileExistsError(to) from None
        aside.rename(to)


@dataclass
class Writer:
    tar: tarfile.TarFile
    files: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, name: str, path: Path) -> None:
        """A file, as it is."""
        with path.open("rb") as file:
            self._put(name, os.fstat(file.fileno()).st_size, file)

    def seal(self, manifest: Manifest) -> None:
        content = json.dumps(asdict(manifest), ensure_ascii=False, sort_keys=True).encode()
        self._put(MANIFEST, len(content), io.BytesIO(content))
        seal = hashlib.sha256(content).hexdigest().encode()
        self._put(SEAL, len(seal), io.BytesIO(seal))

    def _put(self, name: str, size: int, content: IO[bytes]) -> None:
        entry, hashed = tarfile.TarInfo(name), _Hashed(content)
        entry.size, entry.mode = size, 0o600
        self.tar.addfile(entry, hashed)  # type: ignore[arg-type]
        self.files[name] = (hashed.size, hashed.digest.hexdigest())


def taken_out(source: Path, folder: Path | None) -> Manifest:
    """Reads a backup to its end, into the folder where one is given, and returns its manifest. CallRefused where it is no whole backup of ours, with the
    file that is not as it was."""
    found: dict[str, tuple[int, str]] = {}
    kept: dict[str, bytes] = {}
    try:
        with source.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for entry in tar:
                if not entry.isfile() or entry.name in found or not is_ours(entry.name):
                    raise CallRefused(f"{source} holds {entry.name[:80]!r}, which no backup of ours does; nothing was restored.")
                content = tar.extractfile(entry)
                assert content is not None, "a plain file has content"
                found[entry.name] = _copied(content, entry.name, folder, kept)
    except (tarfile.TarError, EOFError) as error:
        raise CallRefused(f"{source} is no backup, or it was cut off ({error}); nothing was restored.") from None
    except OSError as error:
        raise CallRefused(f"{source} could not be read: {error.strerror}; nothing was restored.") from None
    manifest = _manifest(source, kept)
    wrong = [name for name, told in manifest.files.items() if found.get(name) != tuple(told)]
    if wrong or len(found) != len(manifest.files) + 2:
        named = wrong[0] if wrong else "a file that its manifest does not know"
        raise CallRefused(
            f"{source} is damaged: {named} is not as it was when the backup was made; nothing was restored. Take another backup."
        )
    return manifest


def is_ours(name: str) -> bool:
    """Whether a backup may hold a file of that name."""
    return name in (DATABASE, MANIFEST, SEAL) or _LANDED.fullmatch(name) is not None


def _copied(content: IO[bytes], name: str, folder: Path | None, kept: dict[str, bytes]) -> tuple[int, str]:
    hashed = _Hashed(content)
    if name in (MANIFEST, SEAL):
        kept[name] = hashed.read(_MOST_MANIFEST)
    elif folder is None:
        while hashed.read(_BLOCK):
            pass
    else:
        with writing_to(folder):
            place = folder / name
            make_private(place.parent, inside=folder)
            with place.open("wb") as file:
                while block := hashed.read(_BLOCK):
                    file.write(block)
    return hashed.size, hashed.digest.hexdigest()


def _manifest(source: Path, kept: Mapping[str, bytes]) -> Manifest:
    content = kept.get(MANIFEST)
    if content is None or kept.get(SEAL) != hashlib.sha256(content).hexdigest().encode():
        raise CallRefused(f"{source} has no manifest that is whole: it was cut off, or is no backup; nothing was restored.")
    try:
        told: dict[str, Any] = json.loads(content)
        if told["form"] != FORM:
            raise CallRefused(f"{source} was made by another version (form {told['form']}); restore it with that one.")
        tables = {name: Digest(**one) for name, one in told["tables"].items()}
        files = {name: (size, checksum) for name, (size, checksum) in told["files"].items()}
        return Manifest(**{**told, "tables": tables, "files": files})
    except (ValueError, KeyError, TypeError):
        raise CallRefused(f"{source} has a manifest that cannot be read; nothing was restored.") from None
