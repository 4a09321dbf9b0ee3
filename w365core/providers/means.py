"""What is a connector built with, beside its provider's settings? A session, the secret, who keeps its tokens, and which day it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from w365core.model import Secret
from w365core.providers.http import Calls
from w365core.providers.streamone_tokens import Rotation


@dataclass(frozen=True)
class Means:
    """`variable` is where the secret comes from, for messages; `rotation` and `today` are for connectors that need them."""

    calls: Calls
    secret: Secret
    variable: str
    rotation: Rotation | None = None
    today: date | None = None
