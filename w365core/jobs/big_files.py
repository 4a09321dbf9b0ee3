"""What would an uploaded file of usage change, and how is it changed, without a large file being read in the process that serves the pages?

A door for pages. A workbook, or more than 4 MB of text, is read, judged and applied by a process of its own, whose memory and time are limited; what is
smaller is read here, in a fraction of a second. Both say what `correcting` says. Who may do it is asked here, before anything is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from w365core import settings as w365settings
from w365core.correction import Applied, Preview
from w365core.errors import CallRefused, ReceiptLost
from w365core.jobs import correcting, usage_files
from w365core.jobs.apart import Apart, Ended
from w365core.jobs.permitting import acts
from w365core.store import corrections as store
from w365core.store.engine import guarded, pooled
from w365core.store.landing import Landing

_APART = Apart(__name__)


def keep_warm() -> None:
    """Called where a file may come: the process that will read it gets ready meanwhile."""
    _APART.keep_warm()


@acts("correct usage", changes=False)
def preview_file(engine: Engine, *, name: str, content: bytes, actor: str | None = None) -> Preview:
    """What the file would change. CallRefused or InputRefused where it is no such file at all, or takes too much to read."""
    told = {"name": name, "content": content, "actor": actor}
    if not usage_files.is_large(content):
        return correcting.preview_file(engine, **told)
    with usage_files.alone(name, content):
        try:
            return _apart(correcting.preview_file, engine, **told)
        except Ended:
            raise _unfinished(name) from None


@acts("correct usage")
def apply_file(
    engine: Engine, *, name: str, content: bytes, actor: str, now: datetime, landing: Landing | None = None, reason: str | None = None
) -> Applied:
    """Changes what the file says, all of it or nothing. CallRefused where it takes too much; ReceiptLost where it was done, and only what it did is lost."""
    landing = landing or Landing(w365settings.read().landing)
    told = {"name": name, "content": content, "actor": actor, "now": now, "landing": landing, "reason": reason}
    if not usage_files.is_large(content):
        return correcting.apply_file(engine, **told)
    with usage_files.alone(name, content):
        before = _latest_by(content, engine)
        try:
            return _apart(correcting.apply_file, engine, **told)
        except Ended:
            made = _latest_by(content, engine)
        if made == before:
            raise _unfinished(name)
        raise ReceiptLost(
            f"{name} is applied: it is correction {made}. The process that did it has ended before it could say what it changed."
        )


def _apart(door: Callable[..., Any], engine: Engine, **told: Any) -> Any:
    return _APART.call(_there, door=door, url=engine.url.render_as_string(hide_password=False), **told)


def _there(*, door: Callable[..., Any], url: str, **told: Any) -> Any:
    """In the process of its own."""
    engine = pooled(url)
    try:
        return door(engine, **told)
    finally:
        engine.dispose()


def _latest_by(content: bytes, engine: Engine) -> int | None:
    """The latest correction by this file."""
    with guarded(), engine.begin() as connection:
        return store.latest_by(connection, hashlib.sha256(content).hexdigest())


def _unfinished(name: str) -> CallRefused:
    return CallRefused(
        f"{name} was not read to its end: it takes more time or memory than one file may, or its process was ended; nothing was changed. "
        "Take fewer rows at once, or try again."
    )
