"""What did the provider really send? Every answer and every file, as received, under the fingerprint of its bytes.

The bytes lie in the landing folder, one file per content: written aside, flushed to disk, renamed into place, so that a file that exists is whole.
The table says which run received it from which request. Nothing here is ever changed or removed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, and_, func, insert, or_, select, true

from w365core.errors import ConfigurationMissing
from w365core.model import Answer, Failure
from w365core.store.tables import audit_log, landed_answer

_MEBIBYTE = 1 << 20


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Says in one sentence that the folder cannot be written to, or that its disk is full."""
    try:
        yield
    except OSError as error:
        raise ConfigurationMissing(
            f"Could not write to {folder}: {error.strerror}. Make room or give access there, or set W365_HOME to another folder."
        ) from None


def make_private(folder: Path, *, inside: Path) -> None:
    """Makes the folder, and what is missing from `inside` down to it, for their owner alone: mkdir gives its mode to the last one only."""
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
    except FileNotFoundError:
        if folder == inside:
            folder.parent.mkdir(parents=True, exist_ok=True)
        else:
            make_private(folder.parent, inside=inside)
        folder.mkdir(exist_ok=True, mode=0o700)


@dataclass(frozen=True)
class Landing:
    """The landing folder of this installation."""

    folder: Path

    def path(self, fingerprint: str) -> Path:
        """Where the bytes of this fingerprint lie, as received."""
        return self.folder / fingerprint[:2] / fingerprint

    def read_answer(self, fingerprint: str) -> bytes:
        """The body of an answer, byte for byte."""
        return gzip.decompress(self.path(fingerprint).with_suffix(".gz").read_bytes())

    @contextmanager
    def aside(self) -> Iterator[Path]:
        """A path to write to, on the landing's own disk; gone afterwards unless it was adopted."""
        folder = self._made(self.folder / "incoming")
        with writing_to(folder):
            handle, name = tempfile.mkstemp(dir=folder, prefix=f"{os.getpid()}-")
            os.close(handle)
        try:
            yield Path(name)
        finally:
            with suppress(OSError):  # what is left is swept by the next import; it must not hide what went wrong, or spoil what went right
                Path(name).unlink(missing_ok=True)

    def adopt(self, written: Path) -> tuple[str, int]:
        """Makes a completely written file part of the landing; returns its fingerprint and size."""
        digest = hashlib.sha256()
        with writing_to(self.folder), written.open("rb") as file:
            while block := file.read(_MEBIBYTE):
                digest.update(block)
            os.fsync(file.fileno())
            size = file.tell()
        fingerprint = digest.hexdigest()
        self._put(written, self.path(fingerprint))
        return fingerprint, size

    def adopt_content(self, content: bytes, *, quickly: bool = False) -> str:
        """The same for a small answer, compressed; returns the fingerprint of the bytes as received. `quickly` compresses less, for larger ones."""
        fingerprint = hashlib.sha256(content).hexdigest()
        place = self.path(fingerprint).with_suffix(".gz")
        with writing_to(self.folder):
            there = place.exists()
        if not there:
            with self.aside() as written:
                with writing_to(self.folder), written.open("wb") as file:
                    file.write(gzip.compress(content, compresslevel=1 if quickly else 9, mtime=0))
                    file.flush()
                    os.fsync(file.fileno())
                self._put(written, place)
        return fingerprint

    def sweep(self) -> int:
        """Removes what dead processes left half-written; returns how many files that were."""
        swept = 0
        for left in (self.folder / "incoming").glob("*-*"):
            writer = left.name.split("-")[0]
            if not (writer.isdigit() and _alive(int(writer))):
                with suppress(OSError):
                    left.unlink(missing_ok=True)
                    swept += 1
        return swept

    def _put(self, written: Path, place: Path) -> None:
        self._made(place.parent)
        with writing_to(place.parent):
            os.replace(written, place)
            folder = os.open(place.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _made(self, folder: Path) -> Path:
        with writing_to(folder):
            make_private(folder, inside=self.folder)
        return folder


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def record_answer(
    engine: Engine, landing: Landing, answer: Answer, *, provider: str, sync_run_id: int | None, invoice_number: str | None, purpose: str
) -> None:
    """Keeps one answer: its bytes in the folder first, then its row, committed at once whatever becomes of the import."""
    fingerprint = landing.adopt_content(answer.content)
    with engine.begin() as connection:
        connection.execute(
            insert(landed_answer).values(
                sync_run_id=sync_run_id,
                provider=provider,
                invoice_number=invoice_number,
                purpose=purpose,
                method=answer.method,
                url=answer.url,
                http_status=answer.status,
                request_id=answer.request_id,
                content_type=answer.content_type,
                fingerprint=fingerprint,
                size=len(answer.content),
                received_at=answer.received_at,
            )
        )


def record_file(
    engine: Engine,
    *,
    fingerprint: str,
    size: int,
    name: str,
    provider: str,
    sync_run_id: int | None,
    invoice_number: str | None,
    purpose: str,
    at: datetime,
    request_id: str | None = None,
    method: str = "GET",
) -> None:
    """Keeps the row of a blob or a file by hand whose bytes were adopted; `request_id` of a blob is its export's version."""
    with engine.begin() as connection:
        connection.execute(
            insert(landed_answer).values(
                sync_run_id=sync_run_id,
                provider=provider,
                invoice_number=invoice_number,
                purpose=purpose,
                method=method,
                url=name,
                request_id=request_id,
                fingerprint=fingerprint,
                size=size,
                received_at=at,
            )
        )


def landed_blobs(engine: Engine, *, provider: str, invoice_number: str, feed: str, name: str, version: str) -> list[str]:
    """The fingerprints under which a blob of this version may be read once more, as it came last first: those that came after the invoice was last
    deleted, and after its lines last did not add up or could not be read."""
    given_up = or_(
        audit_log.c.action == "delete provider invoice",
        and_(
            audit_log.c.action == "fail provider invoice",
            audit_log.c.after["failure"].as_string().in_((Failure.CHECKSUM_FAILED, Failure.INVALID_DATA)),
        ),
    )
    named = func.lower(audit_log.c.target) == f"{provider} {invoice_number}".lower()  # in the spelling that it came with first
    mine = and_(audit_log.c.target_kind == "provider invoice", named)
    since = select(func.max(audit_log.c.at)).where(mine, given_up).scalar_subquery()
    query = (
        select(landed_answer.c.fingerprint)
        .where(
            landed_answer.c.provider == provider,
            landed_answer.c.invoice_number == invoice_number,
            landed_answer.c.purpose == feed,
            landed_answer.c.url == name,
            landed_answer.c.request_id == version,
            func.coalesce(landed_answer.c.received_at > since, true()),
        )
        .order_by(landed_answer.c.landed_answer_id.desc())
    )
    with engine.connect() as connection:
        return list(connection.execute(query).scalars())
