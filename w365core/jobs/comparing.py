"""Has the provider changed an invoice since it was imported? The daily job's last question, of the Active ones of the last three months.

Totals come with the list; which version its lines are, the manifests of the exports say, without a line being downloaded. On a change the new
version's lines land, are rated into a stage of this session's own that is never published, and compared; mark and comparison are one transaction.
Whatever the provider does here, the invoices that came in stand: it is a warning.

A provider that lists files says no version of them, and finding it out would be to download everything every day: there the total alone tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core.errors import ProviderError, ProviderUnavailable, StoreUnavailable, W365Error
from w365core.jobs import fetching
from w365core.jobs.context import Context
from w365core.jobs.fetching import Fetched, Version
from w365core.jobs.lookups import references_of
from w365core.jobs.rating import Whole, rate_sources
from w365core.model import Feed, InvoiceHeader, Provider
from w365core.providers.contract import Connector, ExportGone, ListsFiles
from w365core.store import changes, ledger, noticing, stage
from w365core.store.ledger import Attempt

Stored = Any  # a row of provider_invoice
MOST_REFUSALS = 3  # of single invoices, before the rest is left for tomorrow


@dataclass
class Found:
    """`changed` are the numbers of the invoices that are otherwise at the provider now, whether noticed today or before."""

    changed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Pair:
    """An invoice as it is stored, as the provider lists it now, and what is known of its last change."""

    local: Stored
    header: InvoiceHeader
    change: Mapping[str, Any] | None

    @property
    def number(self) -> str:
        return self.local.invoice_number

    @property
    def total_now(self) -> Decimal | None:
        """What the provider says, where it is another."""
        return None if self.header.total is None or self.header.total == self.local.header_total else self.header.total

    @property
    def version_known(self) -> str | None:
        """Which version the provider had when the change was noticed; None where nobody could ask."""
        return self.local.fingerprint_now or (self.change["fingerprint_now"] if self.change else None)


def compare(
    context: Context,
    provider: Provider,
    connector: Connector | ListsFiles,
    pairs: Sequence[tuple[Stored, InvoiceHeader]],
    *,
    sync_run_id: int,
    with_versions: bool,
) -> Found:
    """Compares Active invoices with what the provider says of them now, and notices each change once. `with_versions` False asks for totals only."""
    found = Found()
    with context.engine.connect() as connection:
        known = changes.last(connection, [local.provider_invoice_id for local, _ in pairs])
    together = [_Pair(local, header, known.get(local.provider_invoice_id)) for local, header in pairs]
    work = _Work(context, provider, connector, sync_run_id, found, not isinstance(connector, ListsFiles))
    versions = _versions(work, together) if with_versions and work.has_versions else {}
    for pair in together:
        _settle(work, pair, versions.get(pair.number))
    return found


@dataclass(frozen=True)
class _Work:
    """What every step here is handed. `has_versions`: the provider can be asked which version its lines are."""

    context: Context
    provider: Provider
    connector: Connector | ListsFiles
    sync_run_id: int
    found: Found
    has_versions: bool

    def warn(self, said: str) -> None:
        self.context.report(said)
        self.found.warnings.append(said)


# --- which version -----------------------------------------------------------------------------------------------------------------------


def _versions(work: _Work, pairs: Sequence[_Pair]) -> dict[str, Version]:
    """By invoice number, as far as the provider says; the exports of all are asked for before any is waited on."""
    named = (work.context, work.provider, work.connector)
    for pair in pairs:
        if pair.total_now is not None and pair.total_now != pair.local.header_total_now:
            fetching.forget(work.context, work.provider, pair.number)
    asked = _each(work, pairs, lambda pair: fetching.ask_version(*named, pair.number, sync_run_id=work.sync_run_id))
    waited = [pair for pair in pairs if pair.number in asked]
    return _each(work, waited, lambda pair: fetching.version_of(*named, pair.number, asked[pair.number], sync_run_id=work.sync_run_id))


def _each(work: _Work, pairs: Sequence[_Pair], ask: Callable[[_Pair], Any]) -> dict[str, Any]:
    """The answers by number. One that is refused is a warning; where the provider is away, or refuses again and again, the rest is left for tomorrow."""
    answers: dict[str, Any] = {}
    refused = 0
    for place, pair in enumerate(pairs, 1):
        try:
            answers[pair.number] = ask(pair)
        except ProviderError as error:
            refused += 1
            is_away = isinstance(error, ProviderUnavailable) and not isinstance(error, ExportGone)
            left = len(pairs) - place if is_away or refused == MOST_REFUSALS else 0
            more = f" (nor of {left} more)" if left else ""
            work.warn(f"It could not be asked whether invoice {pair.number} has other lines now{more}: {error}")
            if is_away or refused == MOST_REFUSALS:
                break
    return answers


# --- one invoice -------------------------------------------------------------------------------------------------------------------------


def _settle(work: _Work, pair: _Pair, version: Version | None) -> None:
    """Notices, completes, or takes back the mark of one invoice; nothing where all is as it was."""
    local, fingerprint = pair.local, version.fingerprint if version else None
    if pair.total_now is not None or fingerprint not in (None, local.fingerprint):
        if _is_known(pair, fingerprint):
            is_changed = local.changed_at_provider
        else:
            is_changed = _notice(work, pair, version)
    else:
        is_unsure = work.has_versions and fingerprint is None and pair.version_known not in (None, local.fingerprint)
        is_changed = local.changed_at_provider and is_unsure
        if local.changed_at_provider and not is_unsure:
            _back(work.context, local)
    if is_changed:
        work.found.changed.append(pair.number)


def _is_same(pair: _Pair, fingerprint: str | None) -> bool:
    """Whether it is the change that was noticed before."""
    local = pair.local
    same_version = fingerprint is None or pair.version_known in (None, fingerprint)
    return local.changed_at_provider and local.header_total_now == pair.total_now and same_version


def _is_known(pair: _Pair, fingerprint: str | None) -> bool:
    """Whether there is nothing to find out any more: the same change and its lines were compared, or another version of the very same lines."""
    change = pair.change
    if change is None or not change["compared"]:
        return False
    if pair.local.changed_at_provider:
        return _is_same(pair, fingerprint)
    alike = pair.total_now is None and change["header_total_now"] in (None, change["header_total_before"]) and not changes.differs(change)
    return alike and fingerprint is not None and change["fingerprint_now"] == fingerprint


def _back(context: Context, local: Stored) -> None:
    with context.engine.begin() as connection:
        current = noticing.still(connection, local)
        if current is not None and current.changed_at_provider:
            context.report(f"{local.invoice_number}: {noticing.went_back(connection, current, who=context.who)}")


def _notice(work: _Work, pair: _Pair, version: Version | None) -> bool:
    """Fetches and compares the new lines, then says all of it in one transaction; whether the invoice is otherwise at the provider now."""
    context = work.context
    context.report(f"{pair.number}: the provider says otherwise now; comparing its lines")
    with context.engine.connect() as connection:
        fetched, whole, lacks = _new_lines(work, connection, pair, version)
        if lacks:
            work.warn(f"{pair.number}: its new lines could not be compared. {lacks}")
        now = fetched.fingerprint if fetched else version.fingerprint if version else None
        with connection.begin():
            current = noticing.still(connection, pair.local)
            if current is None:  # somebody has decided on it meanwhile
                return False
            latest = changes.last(connection, [current.provider_invoice_id]).get(current.provider_invoice_id)
            said = _said(work, connection, _Pair(current, pair.header, latest), now, fetched, whole, lacks)
    if said:
        context.report(f"{pair.number}: {said}")
    return said is not None


def _said(
    work: _Work, connection: Connection, pair: _Pair, now: str | None, fetched: Fetched | None, whole: Whole | None, lacks: str
) -> str | None:
    """Stores the change and marks the invoice, which is locked; None where it is not otherwise after all, blank where it is marked already."""
    local, who = pair.local, work.context.who
    if _is_known(pair, now):  # another run was faster
        return "" if local.changed_at_provider else None
    is_same = _is_same(pair, now)
    change_id = changes.save(
        connection,
        change_id=pair.change["change_id"] if is_same and pair.change else None,
        provider_invoice_id=local.provider_invoice_id,
        noticed_at=work.context.now,
        header_total=(local.header_total, local.header_total if pair.total_now is None else pair.total_now),
        fingerprint=(local.fingerprint, now),
        message=lacks,
    )
    change = _compared(connection, change_id, local, fetched, whole) if whole is not None else None
    if change is not None and pair.total_now is None and not changes.differs(change):
        work.context.report(f"{pair.number}: the provider has another version of the very same lines")
        if local.changed_at_provider:
            noticing.went_back(connection, local, who=who)
        return None
    if is_same:
        return ""
    return noticing.notice(
        connection, local, header_total=pair.total_now, fingerprint=None if now in (None, local.fingerprint) else now, who=who
    )


def _new_lines(work: _Work, connection: Connection, pair: _Pair, version: Version | None) -> tuple[Fetched | None, Whole | None, str]:
    """(what landed, its lines rated and staged aside, why they could not be had)."""
    named, fetched = (work.context, work.provider, work.connector), None
    try:
        if version is not None:
            fetched = fetching.fetch_version(*named, pair.number, version, sync_run_id=work.sync_run_id)
        else:
            fetched = fetching.fetch(*named, pair.header, sync_run_id=work.sync_run_id)
        return fetched, *_rated(work.context, connection, pair, fetched)
    except StoreUnavailable:
        raise
    except W365Error as error:
        connection.rollback()
        return fetched, None, str(error)


def _rated(context: Context, connection: Connection, pair: _Pair, fetched: Fetched) -> tuple[Whole | None, str]:
    local = pair.local
    aside = Attempt(local.provider, pair.number, local.provider_invoice_id, stage.ASIDE, local.source)
    with connection.begin():
        stage.create_aside(connection, provider_invoice_id=local.provider_invoice_id)
        named = {"provider": local.provider, "invoice_number": pair.number, "currency": local.currency}
        references = references_of(connection, **named)
    whole = rate_sources(context, connection, aside, fetched.sources, references)
    with connection.begin():
        stage.analyse(connection, run_id=stage.ASIDE)
    if whole.problems:
        return None, f"The provider's lines cannot be read: {whole.problems[0]}. They are asked for again tomorrow."
    return whole, ""


def _compared(connection: Connection, change_id: int, local: Stored, fetched: Fetched, whole: Whole) -> Mapping[str, Any]:
    return changes.compare(
        connection,
        change_id=change_id,
        provider_invoice_id=local.provider_invoice_id,
        currency=local.currency,
        daily_before=ledger.has_read(connection, local.import_run_id, Feed.DAILY_RATED),
        daily_now=any(source.feed == Feed.DAILY_RATED for source in fetched.sources),
        summaries=whole.summaries,
    )
