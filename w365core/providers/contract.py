"""What every connector answers, so that the import does not know which provider it talks to.

A connector speaks HTTP and returns values; it stores nothing. Each answer it receives goes to the `keep` callback it was
built with, before it is interpreted, so that landing has it even when the interpretation fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from w365core.model import Answer, Capabilities, Feed, InvoiceHeader, Secret

Keep = Callable[[Answer], None]


@dataclass(frozen=True)
class Patience:
    """How long to wait: seconds per connect/read and for a whole download, tries per call, seconds between polls."""

    timeout: float = 100.0
    tries: int = 6
    poll: float = 10.0
    deadline: float = 3600.0


@dataclass(frozen=True)
class Blob:
    name: str
    partition: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A finished export: where its blobs lie and which version of the data they are. `etag` changes when the data changes."""

    etag: str
    data_format: str
    root_directory: str
    sas_token: Secret
    blobs: tuple[Blob, ...]
    created_at: datetime | None = None


@dataclass(frozen=True)
class NoData:
    """The provider says there is nothing to export: no usage, or not published yet."""

    code: str
    message: str


class Connector(Protocol):
    capabilities: Capabilities

    def invoices(self) -> list[InvoiceHeader]:
        """Every document the provider lists, amendments as documents of their own."""

    def request_export(self, invoice_number: str, feed: Feed) -> str:
        """Asks for the lines of an invoice; returns the operation's URL, to wait on now or later."""

    def wait_for_export(self, operation_url: str) -> Manifest | NoData:
        """Polls the operation until its manifest is there. ProviderUnavailable when the deadline passes."""

    def download(self, manifest: Manifest, blob: Blob, to: Path) -> None:
        """Streams one blob into the file, byte for byte as received. ProviderUnavailable when it breaks off."""
