"""What every connector answers, so that the import does not know which provider it talks to.

A connector speaks HTTP and returns values; it stores nothing. Each answer it receives goes to the `keep` callback it was
built with, before it is interpreted, so that landing has it even when the interpretation fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from w365core.errors import ProviderRefused, ProviderUnavailable
from w365core.model import Answer, Capabilities, Feed, InvoiceHeader, ProviderChange, ProviderCustomer, ProviderSubscription, Secret

Keep = Callable[[Answer], None]

NO_CURRENCY = "XXX"  # as ISO 4217 calls it: the header says none, its lines do


class SasExpired(ProviderUnavailable):
    """The storage refused the manifest's signature: wait for the same operation again, which gives a fresh one, and go on."""


class ExportGone(ProviderUnavailable):
    """The provider no longer knows the export operation: request the export again."""


class ExportFailed(ExportGone):
    """The export failed at the provider, and will not be better for asking again: request another one later."""


class NoEvidence(ProviderRefused):
    """The provider has no list of changes at this address: nothing is wrong, but changes without a log of ours stay unproven."""


@dataclass(frozen=True)
class CustomerRefused:
    """The provider lists the customer but does not tell its subscriptions, as where the relationship has ended; `message` in its words."""

    customer_id: str
    message: str


@dataclass(frozen=True)
class DayForgotten:
    """The provider no longer keeps the changes of that day."""

    day: date


@dataclass(frozen=True)
class Patience:
    """How long to wait: seconds per connect/read and for a whole download, tries per call, seconds between polls."""

    timeout: float = 100.0
    tries: int = 6
    poll: float = 10.0
    deadline: float = 3600.0

    @property
    def export_deadline(self) -> float:
        """Seconds to wait for one export: 360 polls, so that shorter polls wait shorter; never under half a minute."""
        return min(self.deadline, max(30.0, 360 * self.poll))


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
class LineFile:
    """A file of an invoice's lines, at an address that is signed and good for a short while."""

    name: str
    address: Secret


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

    def request_unbilled(self, currency: str, period: str, feed: Feed) -> str:
        """Asks for lines not yet invoiced; `period` is `current` or `last`. Returns the operation's URL."""

    def wait_for_export(self, operation_url: str) -> Manifest | NoData:
        """Polls the operation until its manifest is there. ProviderUnavailable when the deadline passes, ExportGone when it is unknown or failed."""

    def customers(self) -> Iterator[ProviderCustomer]:
        """Every customer the provider lists. ProviderUnavailable where the list comes shorter than the provider says it is."""

    def subscriptions(self, customer_ids: Iterable[str]) -> Iterator[ProviderSubscription | CustomerRefused]:
        """Every subscription of these customers, Azure entitlements among them; one that is refused does not stop the others."""

    def changes(self, *, since: date, until: date) -> Iterator[ProviderChange | DayForgotten]:
        """What was changed from the day `since` to the day `until`, both included; failed changes too, marked so.

        NoEvidence where the provider has no such list at all.
        """

    def download(self, manifest: Manifest, blob: Blob, to: Path) -> None:
        """Streams one blob into the file, byte for byte as received; a failure leaves no file.

        SasExpired when the manifest's signature has run out, ProviderUnavailable when the download breaks off.
        """


@runtime_checkable
class ListsFiles(Protocol):
    """A connector whose lines come as files that the invoice lists, in place of exports to be asked for."""

    def files_of(self, header: InvoiceHeader) -> list[LineFile]:
        """The files of an invoice's lines, with fresh addresses. ProviderUnavailable where there are none yet."""

    def download_file(self, file: LineFile, to: Path) -> None:
        """Streams a file, byte for byte; no token goes along. SasExpired when the address has run out, and no file is left."""
