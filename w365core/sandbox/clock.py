"""At what moment is the estate seen? A clock that a test or the demo sets: what is dated later is not there yet.

NAME@2026-11-10      a file or folder so named stands for NAME from the start of that day (UTC) on
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from w365core.errors import CallRefused


@dataclass
class Clock:
    """`own` is the moment that estate.json states; `set_to` another one in its place. With neither, everything is there."""

    own: datetime | None = None
    set_to: datetime | None = None

    @property
    def now(self) -> datetime | None:
        return self.set_to or self.own

    def is_past(self, moment: datetime | None) -> bool:
        """Whether the moment has come; one that nobody states has."""
        return moment is None or self.now is None or moment <= self.now


def moment(text: str) -> datetime:
    """An ISO date or time; without a zone it is UTC. CallRefused where it is none."""
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise CallRefused(f"{text!r} is no moment; say it as 2026-11-12T06:00:00Z.") from None
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def printed(text: object) -> datetime | None:
    """The moment that a document or a line prints, None where it prints none that can be read."""
    try:
        return moment(text) if isinstance(text, str) else None
    except CallRefused:
        return None


def versions(name: Path, clock: Clock) -> list[Path]:
    """The path itself and, oldest first, what has replaced it by now."""
    later = _dated(name.parent.glob(f"{name.stem}@????-??-??{name.suffix}"))
    return [name, *(path for day, path in later if clock.is_past(datetime.combine(day, time(), UTC)))]


def _dated(paths: Iterable[Path]) -> list[tuple[date, Path]]:
    return sorted((date.fromisoformat(path.stem.rpartition("@")[2]), path) for path in paths)
