"""How do stored tokens get another key? All of them in one transaction, while nobody exchanges one; the key file follows, and a crash in between is mended
by running it again.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from w365core.errors import ConfigurationMissing
from w365core.jobs.context import Context
from w365core.model import Secret
from w365core.providers.vault import Vault, WrongKey
from w365core.settings import KEY_FILE, key_of
from w365core.store import audit, tokens
from w365core.store.engine import guarded

_NEXT = ".next"


@dataclass(frozen=True)
class Rotated:
    """So many tokens were sealed anew, under the key that `key` names."""

    tokens: int
    key: str
    sentence: str


def rotate(context: Context) -> Rotated:
    """Opens every stored token with the key in use and seals it with the new one. ConfigurationMissing where one cannot be opened, or W365_KEY is set and
    W365_NEW_KEY is not; then nothing has changed."""
    settings = context.settings
    file = settings.home / KEY_FILE
    waiting = file.with_name(file.name + _NEXT)
    given = settings.new_key()
    if settings.key_is_of_environment and not given:
        raise ConfigurationMissing("The key in use is that of W365_KEY; put the new one into W365_NEW_KEY and run the command again.")
    with guarded(), ExitStack() as held:
        with context.engine.connect() as connection:
            providers = sorted({provider for provider, _, _ in tokens.every(connection)})
        for provider in providers:
            held.enter_context(tokens.alone(context.engine, provider))
        with context.engine.connect() as connection, connection.begin():
            kept = tokens.every(connection)
            if waiting.exists() and not given and kept and _opens_all(kept, key_of(waiting)):
                sealed = len(kept)  # a rotation before this one ended between the database and the file
            else:
                waiting.unlink(missing_ok=True)
                sealed = _seal_anew(connection, kept, settings.token_key(), given or key_of(waiting))
                _say(context, connection, sealed, given)
    if given:
        return Rotated(
            sealed,
            "W365_NEW_KEY",
            f"{_many(sealed)} sealed with the key of W365_NEW_KEY. Set W365_KEY to it now, and start worker and app again.",
        )
    _put_in_place(waiting, file)
    return Rotated(sealed, str(file), f"{_many(sealed)} sealed with a new key, in {file}. Keep a copy of it apart from the database.")


def _seal_anew(connection: Connection, kept: list[tuple[str, str, bytes]], old: Secret, new: Secret) -> int:
    before, after = Vault(old), Vault(new)
    for provider, purpose, encrypted in kept:
        try:
            tokens.seal_anew(connection, provider, purpose, after.seal(before.open(encrypted)))
        except WrongKey:
            raise ConfigurationMissing(
                f"The stored token of {provider} ({purpose}) cannot be opened with the key in use, so no key was changed. Bring back the key that it was "
                "stored with, or have that provider sign in again first."
            ) from None
    return len(kept)


def _opens_all(kept: list[tuple[str, str, bytes]], key: Secret) -> bool:
    vault = Vault(key)
    try:
        for _, _, encrypted in kept:
            vault.open(encrypted)
    except WrongKey:
        return False
    return True


def _put_in_place(waiting: Path, file: Path) -> None:
    os.replace(waiting, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _say(context: Context, connection: Connection, sealed: int, given: Secret) -> None:
    after = {"tokens": sealed, "key": "W365_NEW_KEY" if given else KEY_FILE}
    audit.append(
        connection, at=context.now, actor=context.actor, action="rotate key", target_kind="installation", target="token key", after=after
    )


def _many(number: int) -> str:
    return f"{number:,} stored token{'' if number == 1 else 's'} {'is' if number == 1 else 'are'}"
