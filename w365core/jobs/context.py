"""What every job is handed: settings, the store, the clock, who acts, where progress goes in sentences and, for who wants it, in lines."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Engine, select
from sqlalchemy.exc import ProgrammingError

from w365core.settings import Settings
from w365core.store import engine as store_engine
from w365core.store.landing import Landing
from w365core.store.ledger import Who
from w365core.store.tables import installation

Report = Callable[[str], None]
Counted = Callable[[int], None]


def _nobody_counts(_lines: int) -> None:
    pass


@dataclass(frozen=True)
class Context:
    settings: Settings
    engine: Engine
    now: datetime
    actor: str
    report: Report
    counted: Counted = _nobody_counts  # so many lines more have been read

    @property
    def who(self) -> Who:
        return Who(self.actor, self.now)

    @property
    def landing(self) -> Landing:
        return Landing(self.settings.landing)

    def at(self, moment: datetime) -> Context:
        """The same with another clock."""
        return replace(self, now=moment)

    def uncounted(self) -> Context:
        """The same, whose lines nobody counts: what is read again beside the work that was asked for."""
        return replace(self, counted=_nobody_counts)


def open_context(settings: Settings, *, report: Report) -> Context:
    """A context on the database that the settings name, started where it does not run."""
    engine = store_engine.engine(settings, report=report)
    return Context(settings, engine, clock(settings, engine), actor(), report)


def clock(settings: Settings, engine: Engine) -> datetime:
    """W365_NOW, else the clock that this installation states (the demo's), else the real one."""
    if settings.now:
        return settings.now
    stated = None
    try:
        with engine.connect() as connection:
            stated = connection.execute(select(installation.c.value).where(installation.c.name == "clock")).scalar()
    except ProgrammingError:
        pass  # no schema yet: `init` is about to make it
    return datetime.fromisoformat(stated) if stated else datetime.now(UTC)


def actor() -> str:
    """The person at this machine, as the audit log names them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
