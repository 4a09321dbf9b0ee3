"""Which providers are there, and how are they? Adding, changing and listing them; a secret is only ever read from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import select

from w365core.errors import CallRefused
from w365core.jobs.context import Context
from w365core.model import Provider, ProviderType
from w365core.providers import registry
from w365core.settings import secret_variable
from w365core.store import audit, providers as store_providers
from w365core.store.engine import guarded
from w365core.store.tables import sync_run

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def add_provider(context: Context, name: str, given: Mapping[str, Any]) -> tuple[Provider, bool]:
    """Adds a provider, or changes what was given of it; returns it and whether it is new. CallRefused where it could not be used."""
    if not _NAME.fullmatch(name):
        raise CallRefused(f"{name!r} is no name for a provider; use letters, digits, - and _ only.")
    with guarded(), context.engine.begin() as connection:
        known = store_providers.find(connection, name)
        if known is None and "type" not in given:
            raise CallRefused(f"Say what kind of provider {name} is: --type {', '.join(ProviderType)}.")
        added = replace(known, **given) if known else Provider(name=name, **given)
        _check(added)
        new = store_providers.save(connection, added, now=context.now)
        if added != known:
            audit.append(
                connection,
                at=context.now,
                actor=context.actor,
                action="add provider" if new else "change provider",
                target_kind="provider",
                target=added.name,
                before=None if known is None else asdict(known),
                after=asdict(added),
            )
    return added, new


def _check(added: Provider) -> None:
    if added.type is ProviderType.PARTNER_CENTER:
        missing = [option for option, value in (("--tenant-id", added.tenant_id), ("--client-id", added.client_id)) if not value]
        if missing:
            raise CallRefused(f"Provider {added.name} needs {' and '.join(missing)} to sign in to Partner Center.")
    registry.check_addresses(added)


def list_providers(context: Context) -> list[dict[str, Any]]:
    """Every provider with its capabilities and the sentence that says how it is."""
    with guarded(), context.engine.connect() as connection:
        providers = store_providers.all_of_them(connection)
        last = {
            row.provider: row
            for row in connection.execute(select(sync_run).where(sync_run.c.provider.is_not(None)).order_by(sync_run.c.sync_run_id))
        }
    return [
        asdict(provider)
        | {
            "capabilities": [name for name, can in asdict(registry.capabilities(provider.type)).items() if can],
            "health": _health(context, provider, last.get(provider.name)),
        }
        for provider in providers
    ]


def _health(context: Context, provider: Provider, run) -> str:
    connected = registry.capabilities(provider.type).invoices
    if connected and not context.settings.environment.get(secret_variable(provider.name)):
        return f"no secret: set {secret_variable(provider.name)}"
    if run is None:
        return "never synced" if connected else "files by hand"
    if run.status == "done":
        return f"ok, last run {run.started_at:%Y-%m-%d %H:%M}"
    return f"{run.status} {run.started_at:%Y-%m-%d %H:%M}: {run.message}"
