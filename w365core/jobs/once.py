"""Is what was asked with the same key done once, however often it is asked? A double click, a page that runs again, a caller that tries again.

The second is told that it was done, by whom and when, and does nothing. The same key with something else to do is refused. What died in between is not
done again by itself: nobody knows whether it had ended, so a person has to look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Engine

from w365core.errors import AlreadyRunning, CallRefused, ConfigurationMissing
from w365core.store import asked_actions as store
from w365core.store.engine import guarded

Result = TypeVar("Result")
_LONGEST = 200


class DoneAlready(CallRefused):
    """It was done with this key before; nothing was done a second time."""


def only(engine: Engine, key: str, *, actor: str, action: str, asked: str, now: datetime, do: Callable[[], Result]) -> Result:
    """What `do` gives, where this key was never asked with. DoneAlready, AlreadyRunning or CallRefused where it was."""
    if not key or len(key) > _LONGEST or not key.isprintable():
        raise CallRefused(f"A key is plain text of at most {_LONGEST} characters.")
    with guarded(), store.held(engine, key) as connection:
        if connection is None:
            raise AlreadyRunning("Just that is being done at this moment; wait for its end.")
        before = store.begin(connection, key=key, actor=actor, action=action, asked=asked, now=now)
        if before is not None:
            raise _refusal(before, action, asked)
        try:
            result = do()
        except (CallRefused, ConfigurationMissing):  # these promise that nothing was changed
            store.forget(connection, key)
            raise
        store.done(connection, key, now=now)
        return result


def fingerprint(given: Sequence[Any], named: Mapping[str, Any]) -> str:
    """Of what an action is asked with, whoever asks and whenever; the engine left out."""
    said = [_said(one) for one in given] + [
        f"{name}={_said(named[name])}" for name in sorted(named) if name not in ("actor", "now", "landing")
    ]
    return hashlib.sha256("\x1f".join(said).encode()).hexdigest()


def _said(one: Any) -> str:
    """A file by its fingerprint: written out it would be several times as large."""
    return hashlib.sha256(one).hexdigest() if isinstance(one, bytes) else repr(one)


def _refusal(before: Any, action: str, asked: str) -> CallRefused:
    when = f"{before.begun_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC by {before.actor}"
    if (before.action, before.asked) != (action, asked):
        return CallRefused(f"This key was used on {when} for something else; nothing was done. Ask with a key of its own.")
    if before.done_at is None:
        return CallRefused(
            f"This was begun on {when}, and nobody knows whether it came to its end; nothing was done now. Look first, then ask anew."
        )
    return DoneAlready(f"This was done already, on {when}; nothing was done a second time.")
