"""What has the provider got for this invoice, where it hands out files? Each is downloaded at once, kept as received, and read by its columns' names."""

from __future__ import annotations

from w365core.errors import InputRefused, ProviderUnavailable
from w365core.jobs import layouts
from w365core.jobs.context import Context
from w365core.jobs.layouts import LayoutUnknown
from w365core.model import InvoiceHeader, Provider
from w365core.providers.contract import LineFile, ListsFiles, SasExpired
from w365core.providers.files import Wanted
from w365core.store import landing as store_landing
from w365core.store.layouts import AS_RECEIVED
from w365core.store.ledger import Source


def fetch(context: Context, provider: Provider, connector: ListsFiles, header: InvoiceHeader, *, sync_run_id: int) -> list[Source]:
    """The files of an invoice as plain files, landed. LayoutUnknown where columns have to be named first, ProviderUnavailable where one is damaged
    or cannot be had: an invoice is never made of a part of them."""
    listed = connector.files_of(header)
    received = [(file.name, _landed(context, provider, connector, header, file, sync_run_id)) for file in listed]
    sources: list[Source] = []
    wanted = Wanted(may_be_empty=header.total == 0, total=header.total, leeway=provider.tolerance)
    for name, fingerprint in received:
        told = {"name": name, "invoice_number": header.number, "sync_run_id": sync_run_id, "wanted": wanted}
        try:
            sources += layouts.plain_sources(context, provider, context.landing.path(fingerprint), **told)
        except LayoutUnknown:
            raise
        except InputRefused as refusal:
            said = refusal.problems[0] if refusal.problems else refusal
            raise ProviderUnavailable(
                f"A file of invoice {header.number} cannot be read in whole: {said}. Sync the invoice again; if it stays so, download the file and "
                "import it by hand."
            ) from None
    return sources


def _landed(context: Context, provider: Provider, connector: ListsFiles, header: InvoiceHeader, file: LineFile, sync_run_id: int) -> str:
    """The fingerprint of the file as received."""
    with context.landing.aside() as path:
        try:
            connector.download_file(file, path)
        except SasExpired:
            try:
                connector.download_file(_signed_again(connector, header, file), path)
            except SasExpired:
                raise ProviderUnavailable(
                    f"{provider.name} gave an address for {file.name} of invoice {header.number} that had run out at once, twice. Sync the invoice again later; if "
                    "it stays so, download the file and import it by hand."
                ) from None
        fingerprint, size = context.landing.adopt(path)
    store_landing.record_file(
        context.engine,
        fingerprint=fingerprint,
        size=size,
        name=file.name,
        provider=provider.name,
        sync_run_id=sync_run_id,
        invoice_number=header.number,
        purpose=AS_RECEIVED,
        at=context.now,
    )
    return fingerprint


def _signed_again(connector: ListsFiles, header: InvoiceHeader, file: LineFile) -> LineFile:
    """The same file with a fresh address."""
    fresh = next((one for one in connector.files_of(header) if one.name == file.name), None)
    if fresh is None:
        raise ProviderUnavailable(f"The provider changed the files of invoice {header.number} while they were downloaded. Sync it again.")
    return fresh
