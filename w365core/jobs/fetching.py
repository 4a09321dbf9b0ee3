"""What has the provider got for this invoice? Its files, or its two line exports, asked for once, downloaded whole, and known by their version.

A blob is written aside, checked to be a complete gzip, and then becomes part of the landing under its fingerprint. After the download the export is
asked again: if its version has changed meanwhile, everything is fetched anew. An operation that is still young is waited on, not asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from w365core.errors import ProviderUnavailable
from w365core.jobs import fetching_files, layouts
from w365core.jobs.context import Context
from w365core.model import Feed, InvoiceHeader, Provider
from w365core.providers import blobs
from w365core.providers.contract import Blob, Connector, ExportGone, ListsFiles, Manifest, NoData, SasExpired
from w365core.store import landing as store_landing
from w365core.store.ledger import Source
from w365core.store.tables import line_export

FEEDS = (Feed.RECONCILIATION, Feed.DAILY_RATED)
OPERATION_LIFE = timedelta(hours=12)  # as long as the storage signature of its manifest
MOST_ROUNDS = 3


@dataclass(frozen=True)
class Fetched:
    """`currency` is that of the first line, where the provider's own word for it is not known."""

    sources: tuple[Source, ...]
    fingerprint: str
    daily_usage_published: bool = True
    currency: str | None = None


def fetch(context: Context, provider: Provider, connector: Connector | ListsFiles, header: InvoiceHeader, *, sync_run_id: int) -> Fetched:
    """The lines of an invoice, landed. ProviderUnavailable when the provider breaks off or keeps changing them, LayoutUnknown where its files have
    columns that a person has to name."""
    if isinstance(connector, ListsFiles):
        listed = fetching_files.fetch(context, provider, connector, header, sync_run_id=sync_run_id)
        version = " ".join(f"{source.feed}:{source.fingerprint[:16]}" for source in listed)
        return Fetched(tuple(listed), version, currency=layouts.first_currency(context, listed[0]) or header.currency)
    return _exported(context, provider, connector, header.number, sync_run_id=sync_run_id)


def _exported(context: Context, provider: Provider, connector: Connector, invoice_number: str, *, sync_run_id: int) -> Fetched:
    """Both exports."""
    exports = _exports(context, provider, connector, invoice_number, sync_run_id=sync_run_id)
    return _together({feed: export.landed() for feed, export in exports.items()})


def _exports(context: Context, provider: Provider, connector: Connector, invoice_number: str, *, sync_run_id: int) -> dict[Feed, _Export]:
    return {feed: _Export(context, provider, connector, invoice_number, feed, sync_run_id) for feed in FEEDS}


def _together(found: Mapping[Feed, tuple[str, list[Source]] | None]) -> Fetched:
    sources = tuple(source for feed in FEEDS if found[feed] for source in found[feed][1])
    versions = {feed: None if found[feed] is None else found[feed][0] for feed in FEEDS}
    return Fetched(sources, _fingerprint(versions), found[Feed.DAILY_RATED] is not None)


def _fingerprint(versions: Mapping[Feed, str | None]) -> str:
    return " ".join(f"{feed}:{versions[feed] or 'none'}" for feed in FEEDS)


# --- which version, without a line of it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """Which version of its lines the provider has now: by feed the operation and its manifest, None where it has no data."""

    found: Mapping[Feed, tuple[str, Manifest] | None]

    @property
    def fingerprint(self) -> str:
        """The same as `Fetched.fingerprint` of these lines."""
        return _fingerprint({feed: None if one is None else one[1].etag for feed, one in self.found.items()})


Asked = Mapping[Feed, str | None]  # the operation of the export that was asked for just now, None where a young one was known


def ask_version(context: Context, provider: Provider, connector: Connector, invoice_number: str, *, sync_run_id: int) -> Asked:
    """Asks for both exports where no young one is known, and waits for neither, so that those of many invoices are made side by side."""
    exports = _exports(context, provider, connector, invoice_number, sync_run_id=sync_run_id)
    return {feed: export.asked() for feed, export in exports.items()}


def version_of(
    context: Context, provider: Provider, connector: Connector, invoice_number: str, asked: Asked, *, sync_run_id: int
) -> Version:
    """Waits for both exports and reads their manifests; no blob is downloaded."""
    exports = _exports(context, provider, connector, invoice_number, sync_run_id=sync_run_id)
    return Version({feed: export.version(asked[feed]) for feed, export in exports.items()})


def fetch_version(
    context: Context, provider: Provider, connector: Connector, invoice_number: str, version: Version, *, sync_run_id: int
) -> Fetched:
    """The lines of a version that was asked for just now, landed; no export is asked for again."""
    exports = _exports(context, provider, connector, invoice_number, sync_run_id=sync_run_id)
    return _together({feed: export.landed(version.found[feed]) if version.found[feed] else None for feed, export in exports.items()})


def forget(context: Context, provider: Provider, invoice_number: str) -> None:
    """What was exported before is no use: another total means other lines."""
    with context.engine.begin() as connection:
        connection.execute(
            delete(line_export).where(line_export.c.provider == provider.name, line_export.c.invoice_number == invoice_number)
        )


@dataclass(frozen=True)
class _Export:
    """One export of one invoice."""

    context: Context
    provider: Provider
    connector: Connector
    invoice_number: str
    feed: Feed
    sync_run_id: int

    def asked(self) -> str | None:
        """Asks for the export and returns its operation; None where one that is still young was asked for before."""
        if self._young_operation() is not None:
            return None
        operation = self.connector.request_export(self.invoice_number, self.feed)
        self._remember(operation)
        return operation

    def version(self, asked: str | None) -> tuple[str, Manifest] | None:
        """(operation, its manifest), or None where the provider has no data for it. An export that was asked for just now is not asked for again."""
        operation, manifest = self._manifest() if asked is None else (asked, self.connector.wait_for_export(asked))
        if isinstance(manifest, NoData):
            self._forget()
            return None
        return operation, manifest

    def landed(self, known: tuple[str, Manifest] | None = None) -> tuple[str, list[Source]] | None:
        """(version, its blobs as sources), or None where the provider has no data for it; `known` is a manifest that was read just now."""
        for _ in range(MOST_ROUNDS):
            operation, manifest = known or self._manifest()
            known = None
            if isinstance(manifest, NoData):
                self._forget()
                return None
            sources = [self._blob(operation, manifest, blob) for blob in manifest.blobs]
            again = self.connector.wait_for_export(operation)
            if isinstance(again, Manifest) and again.etag == manifest.etag:
                return manifest.etag, sources
            self._forget()
        raise ProviderUnavailable(
            f"The provider changed the {self.feed} export of {self.invoice_number} while it was downloaded, {MOST_ROUNDS} times over. Sync it again later."
        )

    def _manifest(self) -> tuple[str, Manifest | NoData]:
        operation = self._young_operation()
        if operation:
            try:
                manifest = self.connector.wait_for_export(operation)
                if isinstance(manifest, Manifest):
                    return operation, manifest
            except ExportGone:
                pass
            self._forget()
        operation = self.connector.request_export(self.invoice_number, self.feed)
        self._remember(operation)
        return operation, self.connector.wait_for_export(operation)

    def _blob(self, operation: str, manifest: Manifest, blob: Blob) -> Source:
        fingerprint = self._landed_before(manifest, blob)
        if fingerprint is not None:
            form = blobs.form_of(self.context.landing.path(fingerprint), feed=self.feed, name=blob.name)
            return Source(self.feed, blob.name, fingerprint, form.as_dict())
        return self._download(operation, manifest, blob)

    def _download(self, operation: str, manifest: Manifest, blob: Blob) -> Source:
        landing = self.context.landing
        with landing.aside() as path:
            try:
                self.connector.download(manifest, blob, path)
            except SasExpired:
                fresh = self.connector.wait_for_export(operation)
                if not isinstance(fresh, Manifest) or fresh.etag != manifest.etag:
                    self._forget()
                    raise ProviderUnavailable(
                        f"The provider changed the {self.feed} export of {self.invoice_number} while it was downloaded. Sync it again."
                    ) from None
                self.connector.download(fresh, blob, path)
            form = blobs.form_of(path, feed=self.feed, name=blob.name)
            fingerprint, size = landing.adopt(path)
        store_landing.record_file(
            self.context.engine,
            fingerprint=fingerprint,
            size=size,
            name=blob.name,
            provider=self.provider.name,
            sync_run_id=self.sync_run_id,
            invoice_number=self.invoice_number,
            purpose=self.feed,
            at=self.context.now,
            request_id=manifest.etag,
        )
        return Source(self.feed, blob.name, fingerprint, form.as_dict())

    def _landed_before(self, manifest: Manifest, blob: Blob) -> str | None:
        """The fingerprint of this blob of this version, where it landed before and may be read once more: one that lost lines on its way has the
        name and the version of the whole one."""
        named = {"provider": self.provider.name, "invoice_number": self.invoice_number}
        found = store_landing.landed_blobs(self.context.engine, **named, feed=self.feed, name=blob.name, version=manifest.etag)
        return next((fingerprint for fingerprint in found if self.context.landing.path(fingerprint).exists()), None)

    def _young_operation(self) -> str | None:
        with self.context.engine.connect() as connection:
            row = connection.execute(select(line_export).where(*self._named())).first()
        return row.operation_url if row and self.context.now - row.requested_at < OPERATION_LIFE else None

    def _remember(self, operation: str) -> None:
        values = {"operation_url": operation, "requested_at": self.context.now}
        statement = insert(line_export).values(provider=self.provider.name, invoice_number=self.invoice_number, feed=self.feed, **values)
        with self.context.engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["provider", "invoice_number", "feed"], set_=values))

    def _forget(self) -> None:
        with self.context.engine.begin() as connection:
            connection.execute(delete(line_export).where(*self._named()))

    def _named(self):
        return (
            line_export.c.provider == self.provider.name,
            line_export.c.invoice_number == self.invoice_number,
            line_export.c.feed == self.feed,
        )
