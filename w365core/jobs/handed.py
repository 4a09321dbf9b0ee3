"""Where do files wait that a person handed in on the page? Uploads under their fingerprint, and files that somebody put into a provider's inbox folder.

Both lie under W365_HOME: `uploads/` is swept after a week, `inbox/PROVIDER/` is the person's own and never touched. The name of a file is shown, and
never part of a path: an upload is found by its fingerprint, an inbox file only where the folder's own listing has that name.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from w365core.errors import CallRefused
from w365core.model import shortened
from w365core.store.landing import make_private, writing_to

KEPT_DAYS = 7
MOST_MEGABYTES = 4_000  # of all uploads that wait
_BLOCK = 1 << 20
_FULL = (
    "{} was not kept: {:,.0f} MB of uploads wait on the server already, and at most {:,} MB may. Each goes by itself after {} days; a file of any size can "
    "be put into the provider's inbox folder on the server."
)
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HandedFile:
    """A file that waits. `name` is what people call it; one of `upload`, a fingerprint, and `inbox`, a provider, says where it is."""

    name: str
    size: int
    upload: str | None = None
    inbox: str | None = None

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> HandedFile:
        return cls(**{name: said.get(name) for name in cls.__dataclass_fields__})


def keep(home: Path, name: str, content: BinaryIO) -> HandedFile:
    """Writes an upload down until it is imported; the same bytes once, however often they are sent. CallRefused where no more of them are kept."""
    folder = home / "uploads"
    digest, size = hashlib.sha256(), 0
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(folder)
        before = _size_of(folder)
        handle, written = tempfile.mkstemp(dir=folder, prefix="incoming-")
        try:
            with os.fdopen(handle, "wb") as file:
                while block := content.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
                    if before + size > MOST_MEGABYTES * 1_000_000:
                        raise CallRefused(_FULL.format(shortened(_shown(name)), before / 1e6, MOST_MEGABYTES, KEPT_DAYS))
                    file.write(block)
            os.replace(written, folder / digest.hexdigest())
        finally:
            Path(written).unlink(missing_ok=True)
    return HandedFile(_shown(name), size, upload=digest.hexdigest())


def inbox(home: Path, provider: str) -> Path:
    """The provider's folder for files of any size; made where it is not there."""
    folder = home / "inbox" / _plain(provider)
    with writing_to(folder):
        make_private(folder, inside=home / "inbox")
    return folder


def waiting(home: Path, provider: str) -> list[HandedFile]:
    """The plain files in the provider's inbox, by name; no links, nothing hidden, no folders."""
    found = []
    for entry in os.scandir(inbox(home, provider)):
        with suppress(OSError):
            if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                found.append(HandedFile(entry.name, entry.stat().st_size, inbox=provider))
    return sorted(found, key=lambda file: file.name)


def path_of(home: Path, file: HandedFile) -> Path:
    """Where its bytes are. CallRefused where they have gone."""
    if file.upload is not None and _FINGERPRINT.fullmatch(file.upload) and (home / "uploads" / file.upload).is_file():
        return home / "uploads" / file.upload
    if file.inbox is not None and file.name in {known.name for known in waiting(home, file.inbox)}:
        return inbox(home, file.inbox) / file.name
    raise CallRefused(f"{shortened(file.name)} is not on the server any more; choose it again.")


def _sweep(folder: Path) -> None:
    oldest = time.time() - KEPT_DAYS * 86_400
    for left in folder.iterdir():
        with suppress(OSError):  # another upload sweeps it at the same moment
            if left.stat().st_mtime < oldest:
                left.unlink()


def _size_of(folder: Path) -> int:
    """All that lies in it, what is just coming in included."""
    total = 0
    for entry in os.scandir(folder):
        with suppress(OSError):
            total += entry.stat(follow_symlinks=False).st_size
    return total


def _plain(provider: str) -> str:
    """The provider's name as a folder's: what could lead elsewhere is a dash."""
    return re.sub(r"[^\w. -]", "-", provider).lstrip(".") or "-"


def _shown(name: str) -> str:
    """The last part of the name that a browser sent, as a message can carry it."""
    last = re.split(r"[/\\]", name)[-1]
    return shortened("".join(character if character.isprintable() else "?" for character in last), 120) or "file"
