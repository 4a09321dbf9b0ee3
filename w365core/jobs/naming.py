"""How does a page show the columns of a received file, and keep what a person says of them? A door beside the queue's: no connector stands behind it.

looked_at     the file as it would be read, with what is being said of its headers
remember      keeps it
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine

from w365core import settings as w365settings
from w365core.intake.layouts import COLUMNS
from w365core.jobs import layouts
from w365core.jobs.context import Context, actor as person_here, clock
from w365core.jobs.layouts import Printed, Shown
from w365core.jobs.permitting import acts
from w365core.model import Provider
from w365core.store import providers as store_providers
from w365core.store.engine import guarded

__all__ = ["CHOICES", "Shown", "looked_at", "remember"]

CHOICES = tuple(COLUMNS)


def looked_at(engine: Engine, *, provider: str, invoice: str, said: Mapping[str, str], lines: int = 5) -> Shown:
    """The invoice's file, that first whose columns are not known. CallRefused where none was received."""
    context, known, printed = _opened(engine, provider, invoice)
    with guarded():
        return layouts.shown(context, known, printed, said=said, most=lines)


@acts("name columns")
def remember(engine: Engine, *, provider: str, invoice: str, said: Mapping[str, str], actor: str | None = None) -> Shown:
    """Keeps what was said for this and every later file of the same headers. CallRefused where lines cannot be read so."""
    context, known, printed = _opened(engine, provider, invoice, who=actor)
    with guarded():
        return layouts.say(context, known, printed, said)


def _opened(engine: Engine, provider: str, invoice: str, *, who: str | None = None) -> tuple[Context, Provider, Printed]:
    settings = w365settings.read()
    with guarded():
        context = Context(settings, engine, clock(settings, engine), who or person_here(), lambda sentence: None)
        with engine.connect() as connection:
            known = store_providers.named(connection, provider)
        return context, known, layouts.received_for(context, known, invoice)[0]
