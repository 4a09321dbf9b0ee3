"""Has a person signed in at the provider, and does the sign-in stay alive? By code at first; afterwards every use stores the token that it brought.

    sign_in        shows where to type which code, waits, and keeps the refresh token encrypted
    personal       Partner Center as that person has it; refused with what to do where nobody has signed in
    exercise       uses the sign-in once a day: it dies of 90 days without use
    standing       how it is, for `provider list`

An older refresh token of Microsoft's stays good when a newer one is given, so a process that dies in between loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from w365core.errors import CallRefused, ConfigurationMissing, ProviderError
from w365core.jobs.context import Context
from w365core.model import SIGNED_IN, Answer, Provider, Secret
from w365core.providers import personal as personal_connector
from w365core.providers.contract import Keep, Patience
from w365core.providers.device_code import Exchange, Granted, Rotation
from w365core.providers.personal import PersonalConnector
from w365core.providers.vault import Vault, WrongKey
from w365core.settings import secret_variable
from w365core.store import audit, providers as store_providers, tokens
from w365core.store.engine import guarded
from w365core.store.tokens import USER, StoredToken

LIFE = timedelta(days=90)
WARNED_FROM = timedelta(days=75)


@dataclass(frozen=True)
class SignedIn:
    """Who signed in where, and until when it lasts without use. `mfa`: whether with a second factor, None where it was not said."""

    provider: str
    signed_in_as: str | None
    expires_at: datetime
    mfa: bool | None


@dataclass(frozen=True)
class Standing:
    """A kept sign-in. `warning` is blank while there is nothing to do."""

    signed_in_as: str | None
    used_at: datetime
    expires_at: datetime
    warning: str


def sign_in(context: Context, provider_name: str, **clockwork: Callable[..., Any]) -> SignedIn:
    """Waits until the person has signed in. CallRefused where the provider has no such sign-in; ProviderRefused where it was declined or ran out."""
    with guarded(), context.engine.connect() as connection:
        provider = store_providers.named(connection, provider_name)
    _refuse_without(provider)
    vault = Vault(context.settings.token_key())  # before anybody types a code in vain
    flow = personal_connector.signing_in(provider, secret=_app_secret(context, provider), patience=_patience(context), **clockwork)
    code = flow.ask()
    context.report(
        f"Open {code.address} in a browser, enter the code {code.user_code} and sign in with MFA as an administrator of the partner tenant of "
        f"{provider.name}. Waiting for up to {code.seconds / 60:.0f} minutes."
    )
    granted = flow.wait(code)
    kept = _kept(context, provider, vault, granted)
    return SignedIn(provider.name, granted.who, kept.expires_at, _second_factor(context, provider))


def personal(context: Context, provider: Provider, *, keep: Keep) -> PersonalConnector:
    """Partner Center as the person who signed in. CallRefused says how to sign in where nobody has."""
    _refuse_without(provider)
    with guarded(), context.engine.connect() as connection:
        if tokens.find(connection, provider.name, purpose=USER) is None:
            raise _nobody(provider)
    return personal_connector.personal(
        provider,
        secret=_app_secret(context, provider),
        patience=_patience(context),
        keep=keep,
        rotation=rotation(context, provider),
    )


def rotation(context: Context, provider: Provider) -> Rotation:
    """Exchanges the kept refresh token, one process at a time; what came in its place is stored before the access token is used."""

    def rotate(exchange: Exchange) -> Granted:
        vault = Vault(context.settings.token_key())
        with tokens.alone(context.engine, provider.name) as connection:
            with connection.begin():
                stored = tokens.find(connection, provider.name, purpose=USER)
            if stored is None:
                raise _nobody(provider)
            granted = exchange(_opened(provider, vault, stored))
            fresh = _as_stored(context, vault, granted, before=stored)
            with connection.begin():
                tokens.keep(connection, provider.name, fresh, purpose=USER)
        return granted

    return rotate


def exercise(context: Context, provider: Provider, *, keep: Keep) -> str:
    """Renews a sign-in that was not used today; what a person has to know, blank where all is well or nobody has signed in."""
    if provider.type not in SIGNED_IN:
        return ""
    with context.engine.connect() as connection:
        known = standing(context, connection, provider)
    if known is None or known.used_at.date() >= context.now.date():
        return ""
    try:
        personal(context, provider, keep=keep).access.bearer()
    except (ProviderError, ConfigurationMissing, CallRefused) as error:  # invoices need no sign-in, and must not wait for one
        return f"The sign-in of {provider.name} could not be renewed: {error} Without it there are no PDFs; everything else goes on."
    return ""


def standing(context: Context, connection: Connection, provider: Provider) -> Standing | None:
    """How the kept sign-in is; None where nobody has signed in."""
    stored = tokens.find(connection, provider.name, purpose=USER)
    if stored is None:
        return None
    expires = stored.expires_at or stored.issued_at + LIFE
    return Standing(stored.given, stored.issued_at, expires, _warning(context, provider, stored.issued_at, expires))


def _warning(context: Context, provider: Provider, used_at: datetime, expires: datetime) -> str:
    age, again = context.now - used_at, f"`provider sign-in {provider.name}`"
    if age >= LIFE:
        return f"The sign-in of {provider.name} ran out on {expires:%Y-%m-%d}, after {LIFE.days} days without use: run {again}."
    if age >= WARNED_FROM:
        return (
            f"The sign-in of {provider.name} was last used {age.days} days ago and runs out on {expires:%Y-%m-%d}: `sync --provider {provider.name}` "
            f"renews it, and after that day only {again} does."
        )
    return ""


def _kept(context: Context, provider: Provider, vault: Vault, granted: Granted) -> StoredToken:
    fresh = _as_stored(context, vault, granted, before=None)
    with tokens.alone(context.engine, provider.name) as connection, connection.begin():
        tokens.keep(connection, provider.name, fresh, purpose=USER)
        audit.append(
            connection,
            at=context.now,
            actor=context.actor,
            action="sign in",
            target_kind="provider",
            target=provider.name,
            after={"signed_in_as": granted.who},
        )
    return fresh


def _as_stored(context: Context, vault: Vault, granted: Granted, *, before: StoredToken | None) -> StoredToken:
    if granted.refresh is not None:
        sealed = vault.seal(granted.refresh)
    else:
        assert before is not None, "a sign-in without a refresh token is refused before"
        sealed = before.encrypted
    who = granted.who or (before.given if before else None)
    return StoredToken(sealed, who, context.now, context.now + LIFE, None)


def _second_factor(context: Context, provider: Provider) -> bool | None:
    """Whether Partner Center sees the second factor; what it answers besides is no reason to lose the sign-in."""
    try:
        return personal(context, provider, keep=_nobody_keeps).has_second_factor()
    except ProviderError as error:
        context.report(f"The sign-in is kept, but Partner Center could not be asked with it: {error}")
        return None


def _opened(provider: Provider, vault: Vault, stored: StoredToken) -> Secret:
    try:
        return vault.open(stored.encrypted)
    except WrongKey:
        raise ConfigurationMissing(
            f"The kept sign-in of {provider.name} cannot be opened with this key. Set W365_KEY to the one it was stored with (or bring back the key file), "
            f"or run `provider sign-in {provider.name}` again."
        ) from None


def _app_secret(context: Context, provider: Provider) -> Secret:
    """Blank for a public app, which has none."""
    return Secret(context.settings.environment.get(secret_variable(provider.name), ""))


def _patience(context: Context) -> Patience:
    settings = context.settings
    return Patience(timeout=settings.http_timeout, tries=settings.http_tries, poll=settings.poll)


def _nobody_keeps(_answer: Answer) -> None:
    pass


def _nobody(provider: Provider) -> CallRefused:
    return CallRefused(
        f"Nobody has signed in at {provider.name}, and an app alone may not do this: run provider sign-in {provider.name}, then try again."
    )


def _refuse_without(provider: Provider) -> None:
    if provider.type not in SIGNED_IN:
        raise CallRefused(
            f"Provider {provider.name} is of type {provider.type}, at which no person signs in. Only Partner Center has that."
        )
