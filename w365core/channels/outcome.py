"""What became of an attempt to send? Bad luck is a value, not an exception: the outbox writes it down."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Delivered:
    """The other side has taken it. `said` names those it was not taken for; blank where it was for all."""

    said: str = ""


@dataclass(frozen=True)
class Postponed:
    """It was not taken, or nobody knows whether it was; another attempt may go better. `said` is why."""

    said: str


@dataclass(frozen=True)
class Refused:
    """It was not taken and will not be: somebody has to change something. `said` is why."""

    said: str


Outcome = Delivered | Postponed | Refused
