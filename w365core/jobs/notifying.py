"""What has to be said, and to whom? Finds what happened since the last summary and puts it into the outbox, each thing once; sending is another job.

daily(context)    the summary, and whatever single messages were missed: called once a day, and as often as one likes
after(context)    what an import has changed: called when one has ended; it never fails the import
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from w365core.errors import W365Error
from w365core.jobs import outgoing
from w365core.jobs.context import Context
from w365core.jobs.outgoing import Queued
from w365core.messages.kinds import BY_NAME
from w365core.reports import message_facts, wording
from w365core.reports.message_facts import Event
from w365core.store import outbox
from w365core.store.engine import guarded

_log = logging.getLogger("w365core.messages")


@dataclass(frozen=True)
class Told:
    """What was put into the outbox, or would be."""

    queued: tuple[Queued, ...]
    dry_run: bool = False

    @property
    def withheld(self) -> tuple[Queued, ...]:
        return tuple(one for one in self.queued if one.state == "withheld")

    @property
    def sentence(self) -> str:
        """In a sentence or two; why something is withheld is said."""
        if not self.queued:
            return "There is nothing to be said that was not said before."
        verb = "would be" if self.dry_run else "was" if len(self.queued) == 1 else "were"
        said = f"{wording.counted(len(self.queued), 'message')} {verb} queued."
        if self.withheld:
            said += f" {len(self.withheld):,} of them {'is' if len(self.withheld) == 1 else 'are'} withheld: {self.withheld[0].said}"
        return said

    def as_dict(self) -> dict[str, Any]:
        return {"dry_run": self.dry_run, "queued": [one.as_dict() for one in self.queued]}


def daily(context: Context, *, dry_run: bool = False) -> Told:
    """Queues the summary of the day and everything else that is to be said and was not. With `dry_run` says what it would queue."""
    with guarded(), context.engine.begin() as connection:
        here = message_facts.load(connection, now=context.now)
        told = Told(tuple(_queue(context, connection, message_facts.of_today(here), dry_run=dry_run)), dry_run)
    for one in told.queued:
        context.report(one.sentence)
    return told


def after(context: Context) -> Told:
    """Queues what there is to be said of single invoices. Whatever goes wrong is in the log: what was imported stays imported."""
    try:
        with guarded(), context.engine.begin() as connection:
            here = message_facts.load(connection, now=context.now, with_markups=False)
            return Told(tuple(_queue(context, connection, message_facts.of_invoices(here), dry_run=False)))
    except W365Error as error:
        _log.error("messages about the import could not be queued; the daily run queues them. %s", error)
    except Exception:
        _log.exception("messages about the import could not be queued; the daily run queues them")
    return Told(())


def _queue(context: Context, connection: Connection, events: Sequence[Event], *, dry_run: bool) -> list[Queued]:
    """Those events of kinds that are switched on, and that nobody has been told of."""
    settings, templates = outgoing.values(connection), outgoing.words(connection)
    wanted = [event for event in events if settings[BY_NAME[event.kind].setting] == "yes"]
    known = outbox.known_keys(connection, [event.key for event in wanted])
    found = []
    for event in wanted:
        if event.key not in known:
            how = {"words": templates[event.kind], "settings": settings, "who": context.who, "dry_run": dry_run}
            found += outgoing.queue(connection, BY_NAME[event.kind], event.key, event.facts, **how)
    return found
