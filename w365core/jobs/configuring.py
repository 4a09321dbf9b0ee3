"""Which providers are there, and how are they? Adding, changing and listing them; a secret is only ever read from the environment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import select

from w365core.errors import CallRefused
from w365core.jobs import signing_in, tokens
from w365core.jobs.context import Context
from w365core.model import Provider, ProviderType, capabilities_of
from w365core.providers import registry
from w365core.settings import secret_variable
from w365core.store import audit, provider_standing, providers as store_providers
from w365core.store.engine import guarded
from w365core.store.tables import sync_run

ACCOUNTS = "sync accounts"  # the command that such a run is recorded under
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
        registry.check(added)
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


def list_providers(context: Context) -> list[dict[str, Any]]:
    """Every provider with its capabilities and the sentence that says how it is."""
    with guarded(), context.engine.connect() as connection:
        providers = store_providers.all_of_them(connection)
        runs = connection.execute(select(sync_run).where(sync_run.c.provider.is_not(None)).order_by(sync_run.c.sync_run_id)).all()
        pulls = provider_standing.pulls(connection)
        waiting = Counter(row["provider"] for row in provider_standing.waiting_proposals(connection) if row["proposed_account_id"])
        standings = {provider.name: tokens.standing(context, connection, provider) for provider in providers}
        persons = {provider.name: signing_in.standing(context, connection, provider) for provider in providers}
    last = {row.provider: row for row in runs if row.command != ACCOUNTS}
    return [
        asdict(provider)
        | {
            "capabilities": [
                name for name, can in asdict(capabilities_of(provider.type, signed_in=persons[provider.name] is not None)).items() if can
            ],
            "health": "; ".join(
                [
                    _health(context, provider, last.get(provider.name)),
                    *_accounts(provider, pulls, waiting),
                    *_token(context, provider, standings[provider.name]),
                    *_person(persons[provider.name]),
                ]
            ),
            "signed_in_as": person.signed_in_as if (person := persons[provider.name]) else None,
            "sign_in_expires": person.expires_at if (person := persons[provider.name]) else None,
            "refresh_token_expires": standing.expires_at if (standing := standings[provider.name]) else None,
            "last_run": last[provider.name].started_at if provider.name in last else None,
            "last_account_sync": pulls.get((provider.name, "customers"), {}).get("pulled_at"),
            "changes_until": pulls.get((provider.name, "changes"), {}).get("pulled_until"),
            "evidence_gap": _gap(pulls.get((provider.name, "changes"))),
            "proposals_waiting": waiting[provider.name],
        }
        for provider in providers
    ]


def _accounts(provider: Provider, pulls: Mapping[tuple[str, str], Mapping[str, Any]], waiting: Mapping[str, int]) -> Iterator[str]:
    """How its account sync stands, in a few words each."""
    if not registry.capabilities(provider.type).invoices:
        return
    customers, gap = pulls.get((provider.name, "customers")), _gap(pulls.get((provider.name, "changes")))
    yield f"accounts synced {customers['pulled_at']:%Y-%m-%d %H:%M}" if customers else "accounts never synced"
    if waiting[provider.name]:
        yield "1 mapping proposed" if waiting[provider.name] == 1 else f"{waiting[provider.name]} mappings proposed"
    if gap:
        yield f"changes of {gap['from']} to {gap['to']} lost"


def _token(context: Context, provider: Provider, standing: tokens.Standing | None) -> Iterator[str]:
    """What there is to do about its refresh token."""
    if provider.type is not ProviderType.STREAMONE:
        return
    if standing is None and not context.settings.refresh_token(provider.name):
        yield f"no refresh token: set {secret_variable(provider.name, 'REFRESH')} for customers, subscriptions and orders"
    elif standing is not None and standing.warning:
        yield standing.warning


def _person(standing: signing_in.Standing | None) -> Iterator[str]:
    """Whether a person has signed in, and what there is to do about it."""
    if standing is not None:
        yield standing.warning or f"signed in{f' as {standing.signed_in_as}' if standing.signed_in_as else ''}"


def _gap(pull: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The range of changes that the provider had forgotten before anybody asked."""
    if pull is None or pull["lost_from"] is None:
        return None
    return {"from": pull["lost_from"], "to": pull["lost_to"], "message": pull["message"]}


def _health(context: Context, provider: Provider, run) -> str:
    connected = registry.capabilities(provider.type).invoices
    if connected and not context.settings.environment.get(secret_variable(provider.name)):
        return f"no secret: set {secret_variable(provider.name)}"
    if run is None:
        return "never synced" if connected else "files by hand"
    if run.status == "done":
        return f"ok, last run {run.started_at:%Y-%m-%d %H:%M}"
    return f"{run.status} {run.started_at:%Y-%m-%d %H:%M}: {run.message}"
