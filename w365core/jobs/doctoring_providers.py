"""Is each provider's connection in order? Its secret, its tokens and its last sync as they are known here; or asked of the provider itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from w365core.errors import W365Error
from w365core.jobs import proving, signing_in, tokens
from w365core.jobs.checkup import AGAIN, Check, Verdict
from w365core.jobs.context import Context
from w365core.model import Provider, ProviderType
from w365core.providers import registry
from w365core.settings import secret_variable
from w365core.store import providers as store_providers, queries

SYNC_IS_LATE = timedelta(hours=50)  # two days and some patience


def look(context: Context, connection: Connection, provider: Provider) -> Iterator[Check]:
    """Its secret, its tokens and its last sync, as they are known here; nobody is asked."""
    name = f"provider {provider.name}"
    if not registry.capabilities(provider.type).invoices:
        yield Check(name, Verdict.OK, "Its invoices come as files by hand.")
        return
    variable = secret_variable(provider.name)
    if not context.settings.environment.get(variable):
        cure = f"Set {variable} for the worker and for whoever runs commands."
        yield Check(name, Verdict.FAIL, f"Its secret is not in the environment of this command ({variable}).", cure)
    for standing in (tokens.standing(context, connection, provider), signing_in.standing(context, connection, provider)):
        if standing is not None and standing.warning:
            yield Check(name, Verdict.WARN, standing.warning)
    if provider.type is ProviderType.STREAMONE and not _has_refresh_token(context, connection, provider):
        variable = secret_variable(provider.name, "REFRESH")
        yield Check(name, Verdict.WARN, "It has no refresh token: its invoices come in, its customers do not.", f"Set {variable}.")
    yield _last_sync(context, connection, provider, name)


def _has_refresh_token(context: Context, connection: Connection, provider: Provider) -> bool:
    return bool(context.settings.refresh_token(provider.name)) or tokens.standing(context, connection, provider) is not None


def _last_sync(context: Context, connection: Connection, provider: Provider, name: str) -> Check:
    run = queries.last_runs(connection).get(provider.name)
    again = f"Run `python -m w365core sync --provider {provider.name}`."
    if run is None:
        return Check(name, Verdict.WARN, "It was never synced.", again)
    when = f"{run['started_at']:%Y-%m-%d %H:%M} UTC"
    if run["status"] in ("failed", "abandoned"):
        return Check(name, Verdict.WARN, f"Its last sync, of {when}, {run['status']}: {run['message']}", again)
    if context.now - run["started_at"] > SYNC_IS_LATE:
        return Check(
            name, Verdict.WARN, f"Its last sync is of {when}; the daily job should have run since.", f"See that a worker runs. {again}"
        )
    return Check(name, Verdict.OK, f"Its last sync began {when}{' and is running' if run['status'] == 'running' else ' and went well'}.")


def ask(context: Context) -> Iterator[Check]:
    """Each right of each connection, asked of the providers themselves."""
    with context.engine.connect() as connection:
        connected = [one for one in store_providers.all_of_them(connection) if registry.capabilities(one.type).invoices]
    for provider in connected:
        name = f"connection {provider.name}"
        try:
            proved = proving.prove(replace(context, report=lambda sentence: None), provider_name=provider.name)
        except W365Error as error:
            yield Check(name, Verdict.FAIL, str(error), AGAIN)
            continue
        verdict = {0: Verdict.OK, 1: Verdict.WARN}.get(proved.exit_code, Verdict.FAIL)
        cure = "" if verdict is Verdict.OK else f"`python -m w365core provider test {provider.name}` says what has to be granted."
        yield Check(name, verdict, proved.sentence, cure)
