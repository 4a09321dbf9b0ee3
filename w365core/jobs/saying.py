"""How is it told what happens? In sentences for people, or with W365_LOG=json as one JSON document a line, with the run's id and without a secret.

    begin    how this process tells; once, before anything is said
    say      a sentence of progress, on standard error
    about    what is said inside the block is about this: a sync's run, a job

Every document has at, level, logger, message, part, process and run; the run is that of the process, and sync_run or job stand beside it.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from w365core import settings as w365settings
from w365core.providers.secrecy import CUT, cut_text

_about: ContextVar[Mapping[str, Any] | None] = ContextVar("about", default=None)
_log = logging.getLogger("w365core")


class Lines(logging.Formatter):
    """A record as a JSON document on one line."""

    def __init__(self, fixed: Mapping[str, Any], hidden: tuple[str, ...]) -> None:
        super().__init__()
        self._fixed, self._hidden = fixed, hidden

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._shown(record.getMessage()),
            **self._fixed,
            **(_about.get() or {}),
        }
        if record.exc_info:
            told["traceback"] = [self._shown(line) for line in self.formatException(record.exc_info).splitlines()]
        return json.dumps(told, ensure_ascii=False)

    def _shown(self, text: str) -> str:
        for secret in self._hidden:
            text = text.replace(secret, CUT)
        return cut_text(text)


def begin(*, part: str, **more: Any) -> None:
    """`part` is who speaks: the command, the job, the web app. In sentences only errors are told of what others log."""
    if not w365settings.logs_json():
        logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(message)s")
        return
    handler = logging.StreamHandler(sys.stderr)
    fixed = {"part": part, "process": os.getpid(), "run": secrets.token_hex(8)} | more
    handler.setFormatter(Lines(fixed, w365settings.secret_values()))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _log.setLevel(logging.INFO)


def say(sentence: str) -> None:
    """A line of progress."""
    if w365settings.logs_json() and logging.getLogger().handlers:
        _log.info(sentence)
    else:
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()


@contextmanager
def about(**what: Any) -> Iterator[None]:
    token = _about.set({**(_about.get() or {}), **what})
    try:
        yield
    finally:
        _about.reset(token)
