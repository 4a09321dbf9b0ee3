"""How is the provider's new version of a changed invoice taken? The stored one is deactivated, under the same guards as by hand, and it is synced again.

Nothing is given up before it has to be: the new lines are landed first, so that a provider that is away leaves the stored invoice as it is. What
nobody can know before is whether the new version passes its checks; where it does not, the invoice is in Error and the old version is out.
"""

from __future__ import annotations

from w365core import money
from w365core.errors import CallRefused
from w365core.jobs import fetching, syncing
from w365core.jobs.context import Context
from w365core.jobs.runs import recorded, sweep
from w365core.jobs.syncing import SyncResult
from w365core.model import Seen, StatusReason
from w365core.store import ledger, providers as store_providers, transitions

NO_REASON = "The provider changed it; its new version is taken."


def take_new_version(
    context: Context,
    *,
    provider_name: str | None,
    invoice_number: str,
    reason: str | None = None,
    seen: Seen | None = None,
    goes_on: bool = False,
) -> SyncResult:
    """Deactivates the changed invoice and imports it again. `seen` is what the person saw who asked; `goes_on` is a job that was broken off and may
    have deactivated it already.

    CallRefused where it is not changed, its usage is invoiced (with each customer invoice), or somebody has changed it since; ProviderError where the
    provider does not give the new version: then nothing was changed.
    """
    sweep(context)
    local = ledger.named(context.engine, provider_name=provider_name, invoice_number=invoice_number)
    is_out = goes_on and local.status_reason in (StatusReason.DEACTIVATED, StatusReason.ERROR)
    if not is_out and not local.changed_at_provider:
        raise CallRefused(
            f"Invoice {local.invoice_number} has not been changed at the provider as far as the last daily run knows; there is no new version to take."
        )
    with context.engine.connect() as connection:
        provider = store_providers.named(connection, local.provider)
    saw = seen or Seen(local.status_reason, local.version, local.import_run_id)
    with recorded(context, provider.name, "take new version") as run_id:
        if not is_out:
            _check(context, local.provider_invoice_id, saw)
        connector = syncing.connect(context, provider, sync_run_id=run_id)
        headers = connector.invoices()
        header = syncing.listed(provider, headers, local.invoice_number)
        if header.total != local.header_total:
            fetching.forget(context, provider, header.number)
        fetching.fetch(context, provider, connector, header, sync_run_id=run_id)
        if not is_out:
            with context.engine.begin() as connection:
                told = {"who": context.who, "seen": saw, "reason": (reason or "").strip() or NO_REASON}
                transitions.deactivate(connection, provider_invoice_id=local.provider_invoice_id, **told)
            context.report(f"{local.invoice_number}: deactivated; importing the new version")
        outcome = syncing.import_listed(context, provider, connector, header, local, run_id, override=None, by_hand=True, listed=headers)
    was = f"{money.plain(local.header_total)} {local.currency}"
    result = SyncResult([outcome])
    if outcome.failure:
        result.notes.append(
            f"The old version of {local.invoice_number} ({was}) is out, and nothing of the new one is in: mend it and sync it again."
        )
    else:
        result.notes.append(f"The new version of {local.invoice_number} is in; the old one ({was}) is out.")
    return result


def _check(context: Context, provider_invoice_id: int, seen: Seen) -> None:
    """The guards of the deactivation, before the provider is asked for anything: tried, and taken back."""
    with context.engine.connect() as connection:
        transitions.deactivate(connection, provider_invoice_id=provider_invoice_id, who=context.who, seen=seen)
        connection.rollback()
