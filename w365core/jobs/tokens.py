"""Whose turn is it to use the refresh token, and is its successor safe? One process at a time; the new token is stored before anything else is done.

    rotation(context, provider)     what the connector is handed: exchanges the current token, under a lock in Postgres
    standing, warned, warning       how old the stored token is, and what is to be done about it

A process that dies between the answer and the commit takes the new token with it. That an exchange had begun is written down before it begins, so
that the next one can say what happened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from w365core.errors import ConfigurationMissing, ProviderRefused, StoreUnavailable
from w365core.jobs.context import Context
from w365core.model import Provider, Secret
from w365core.providers.streamone_tokens import Exchange, Exchanged, Rotation, TokenRefused
from w365core.providers.vault import Vault, WrongKey
from w365core.settings import secret_variable
from w365core.store import tokens
from w365core.store.tokens import StoredToken

LIFE = timedelta(days=32)
WARNED_FROM = timedelta(days=25)


@dataclass(frozen=True)
class Standing:
    """The stored refresh token's age. `warning` is blank while there is nothing to do."""

    issued_at: datetime
    expires_at: datetime
    warning: str


def rotation(context: Context, provider: Provider) -> Rotation:
    """Exchanges the provider's current refresh token for an access token; the next refresh token is stored before this returns.

    ConfigurationMissing where there is no token, or none that the key opens; ProviderRefused where StreamOne takes none of them; StoreUnavailable
    where the new one could not be stored.
    """

    def rotate(exchange: Exchange) -> Exchanged:
        vault = Vault(context.settings.token_key())
        with tokens.alone(context.engine, provider.name) as connection:
            return _Turn(context, provider, vault, connection).take(exchange)

    return rotate


def standing(context: Context, connection: Connection, provider: Provider) -> Standing | None:
    """How the stored token is; None where there is none."""
    stored = tokens.find(connection, provider.name)
    if stored is None or stored.expires_at is None:
        return None
    return Standing(stored.issued_at, stored.expires_at, _said(context, provider, stored))


def warned(context: Context, provider: Provider) -> Standing | None:
    """The stored token's standing where a person has to know of it; None where all is well."""
    with context.engine.connect() as connection:
        found = standing(context, connection, provider)
    return found if found and found.warning else None


def warning(context: Context, provider: Provider, before: Standing) -> str:
    """What a person has to know after a run that began with a token like this: the run may have renewed it."""
    now = warned(context, provider)
    if now is not None:
        return now.warning
    return (
        f"The refresh token of {provider.name} was {(context.now - before.issued_at).days} days old, of the {LIFE.days} that it lives; it was renewed "
        "just now. See that this job runs every day."
    )


@dataclass(frozen=True)
class _Turn:
    """One exchange, with the lock held."""

    context: Context
    provider: Provider
    vault: Vault
    connection: Connection

    def take(self, exchange: Exchange) -> Exchanged:
        with self.connection.begin():
            stored = tokens.find(self.connection, self.provider.name)
        refused: TokenRefused | None = None
        for token, kept in self._candidates(stored):
            with self.connection.begin():
                tokens.keep(self.connection, self.provider.name, kept)
            try:
                exchanged = exchange(token)
            except TokenRefused as refusal:
                refused = refusal
                continue
            self._keep(kept, exchanged)
            return exchanged
        with self.connection.begin():
            tokens.say_exchanging(self.connection, self.provider.name, stored.exchanging_since if stored else None)
        raise ProviderRefused(f"{refused}: {self._why(stored)} {self._remedy()}")

    def _candidates(self, stored: StoredToken | None) -> Iterator[tuple[Secret, StoredToken]]:
        """The tokens to try, and what is to stand in the store while each is tried: the stored one, then one that a person has given since."""
        now, given = self.context.now, self.context.settings.refresh_token(self.provider.name)
        is_new = bool(given) and (stored is None or stored.given != _fingerprint(given))
        if stored is not None:
            try:
                yield self.vault.open(stored.encrypted), replace(stored, exchanging_since=now)
            except WrongKey:
                if not is_new:
                    raise ConfigurationMissing(
                        f"The stored refresh token of {self.provider.name} cannot be opened with this key. Set W365_KEY to the one it was stored with "
                        f"(or bring back the key file). If that is lost: {self._remedy()}"
                    ) from None
        if is_new:
            yield given, StoredToken(self.vault.seal(given), _fingerprint(given), now, None, now)
        elif stored is None:
            raise ConfigurationMissing(f"Provider {self.provider.name} has no refresh token yet. {self._remedy()}")

    def _keep(self, used: StoredToken, exchanged: Exchanged) -> None:
        """Committed before the access token is used; where the connection broke meanwhile, over another one."""
        now = self.context.now
        fresh = StoredToken(self.vault.seal(exchanged.refresh), used.given, now, now + LIFE, None)
        try:
            with self.connection.begin():
                tokens.keep(self.connection, self.provider.name, fresh)
        except DBAPIError:
            try:
                with self.context.engine.begin() as another:
                    tokens.keep(another, self.provider.name, fresh)
            except DBAPIError:
                raise StoreUnavailable(
                    f"StreamOne gave {self.provider.name} its next refresh token, and the database went away before it could be stored; the one before "
                    f"it is used up. {self._remedy()}"
                ) from None

    def _why(self, stored: StoredToken | None) -> str:
        if stored is not None and stored.exchanging_since is not None:
            return (
                f"a run on {stored.exchanging_since:%Y-%m-%d %H:%M} UTC asked for the next token and ended before it could store it, "
                "so that one is lost and the one before it is used up."
            )
        return "it has been used elsewhere, was revoked, or is older than 32 days."

    def _remedy(self) -> str:
        variable = secret_variable(self.provider.name, "REFRESH")
        return f"Make a new refresh token in StreamOne, put it into the environment variable {variable} and run the command again."


def _fingerprint(token: Secret) -> str:
    return hashlib.sha256(token.reveal().encode()).hexdigest()[:32]


def _said(context: Context, provider: Provider, stored: StoredToken) -> str:
    variable = secret_variable(provider.name, "REFRESH")
    age = context.now - stored.issued_at
    if age >= LIFE:
        return (
            f"The refresh token of {provider.name} ran out on {stored.expires_at:%Y-%m-%d}. Make a new one in StreamOne, put it into {variable} "
            f"and run `sync-accounts --provider {provider.name}`."
        )
    if age >= WARNED_FROM:
        return (
            f"The refresh token of {provider.name} runs out on {stored.expires_at:%Y-%m-%d} (day {age.days} of {LIFE.days}). "
            f"`sync-accounts --provider {provider.name}` renews it; after that day a person has to make a new one."
        )
    return ""
