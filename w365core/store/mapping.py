"""Whose is this provider account? Mapping a provider's customer to one of our accounts."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, update

from w365core.errors import CallRefused
from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables import account, provider_account


def map_account(
    connection: Connection,
    *,
    provider: str,
    provider_account_id: str,
    account_id: str,
    name: str | None,
    who: Who,
    reason: str | None = None,
) -> None:
    """Maps the provider account, which is made where it does not exist yet. CallRefused where we have no such account."""
    known = connection.execute(select(account.c.account_id).where(func.lower(account.c.account_id) == account_id.lower())).scalar()
    if known is None:
        raise CallRefused(f"There is no account {account_id}; load it with accounts.csv first.")
    mine = (
        func.lower(provider_account.c.provider) == provider.lower(),
        func.lower(provider_account.c.provider_account_id) == provider_account_id.strip().lower(),
    )
    before = connection.execute(select(provider_account).where(*mine).with_for_update()).first()
    if before is None:
        connection.execute(
            insert(provider_account).values(
                provider=provider,
                provider_account_id=provider_account_id.strip(),
                provider_name=name,
                account_id=known,
                sync_enabled=True,
            )
        )
    elif before.account_id != known:
        connection.execute(update(provider_account).where(*mine).values(account_id=known))
    else:
        return
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action="map provider account",
        target_kind="provider account",
        target=f"{provider} {provider_account_id.strip()}",
        reason=reason,
        before=None if before is None else {"account_id": before.account_id},
        after={"account_id": known},
    )
