"""What was changed at the provider since we looked last? Pulled once a day, before the provider forgets it after 90 days.

Each pull overlaps the one before by two days, since a change may be told up to 48 hours late, and goes back to what was still under way. Days that
nobody pulled in time are lost for good: the range is written down and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection

from w365core.errors import ProviderError
from w365core.jobs.context import Context
from w365core.model import Provider, ProviderChange
from w365core.providers.contract import Connector, DayForgotten, NoEvidence
from w365core.store import engine as store_engine, provider_standing, provider_view
from w365core.store.provider_view import Counted

DAYS_KEPT = 90
OVERLAP = timedelta(days=2)
WHAT = "changes"


@dataclass(frozen=True)
class Evidence:
    """One pull: the days asked, what came of them, the range that is lost; or why there is none."""

    since: date | None = None
    until: date | None = None
    changes: Counted = field(default_factory=Counted)
    lost: tuple[date, date] | None = None
    failure: ProviderError | None = None
    missing: str = ""  # the provider has no such list, in a sentence

    @property
    def findings(self) -> Sequence[str]:
        """What a person has to know: the gap, or the failure."""
        return [sentence for sentence in (_gap(self.lost), str(self.failure or "")) if sentence]


@dataclass(frozen=True)
class Pulled:
    """What was fetched and is not stored yet."""

    evidence: Evidence
    changes: tuple[ProviderChange, ...] = ()


def fetch(context: Context, provider: Provider, connector: Connector) -> Pulled:
    """Everything since the last pull. A failure of the provider is a value: it must not undo what else was fetched."""
    if not connector.capabilities.change_evidence:
        return Pulled(Evidence())
    today = context.now.astimezone(UTC).date()
    last = _last_day(context, provider)
    since, lost = _days(context, provider, last, today)
    context.report(f"{provider.name}: changes since {since}")
    try:
        found = list(connector.changes(since=since, until=today))
    except NoEvidence as error:
        return Pulled(Evidence(missing=str(error)))
    except ProviderError as error:
        return Pulled(Evidence(failure=error))
    forgotten = [one.day for one in found if isinstance(one, DayForgotten) and last is not None and one.day >= last]
    if forgotten:
        lost = (min(forgotten) if lost is None else lost[0], max(forgotten))
    changes = tuple(one for one in found if isinstance(one, ProviderChange))
    return Pulled(Evidence(since, today, lost=lost), changes)


def keep(context: Context, connection: Connection, provider: Provider, pulled: Pulled) -> Evidence:
    """Stores it, in the caller's transaction; nothing where nothing could be fetched."""
    told = pulled.evidence
    if told.since is None:
        return told
    counted = provider_view.save_changes(connection, provider.name, pulled.changes, now=context.now)
    provider_view.save_pull(connection, provider.name, WHAT, until=context.now, at=context.now, lost=told.lost, message=_gap(told.lost))
    return Evidence(told.since, told.until, counted, told.lost)


def pull_daily(context: Context, provider: Provider, connector: Connector) -> Evidence | None:
    """The daily job's pull; None where the provider gives no evidence, or today's is there already."""
    if not connector.capabilities.change_evidence:
        return None
    last = _last_day(context, provider)
    if last is not None and last >= context.now.astimezone(UTC).date():
        return None
    pulled = fetch(context, provider, connector)
    with store_engine.guarded(), context.engine.begin() as connection:
        return keep(context, connection, provider, pulled)


def _days(context: Context, provider: Provider, last: date | None, today: date) -> tuple[date, tuple[date, date] | None]:
    """The first day to ask for, and the range that is lost already. The first pull of all reaches back as far as it can and loses nothing."""
    oldest = today - timedelta(days=DAYS_KEPT)
    if last is None:
        return oldest, None
    wanted = last - OVERLAP
    with context.engine.connect() as connection:
        under_way = provider_view.oldest_under_way(connection, provider.name, since=datetime.combine(oldest, time(), UTC))
    if under_way is not None:
        wanted = min(wanted, under_way.astimezone(UTC).date())
    lost = (last, oldest - timedelta(days=1)) if last < oldest else None
    return max(oldest, min(wanted, today)), lost


def _last_day(context: Context, provider: Provider) -> date | None:
    """The day of the last pull."""
    with context.engine.connect() as connection:
        pull = provider_standing.pulls(connection, provider.name).get((provider.name, WHAT))
    return None if pull is None else pull["pulled_until"].astimezone(UTC).date()


def _gap(lost: tuple[date, date] | None) -> str:
    if lost is None:
        return ""
    return (
        f"Changes made at the provider from {lost[0]} to {lost[1]} are lost: it keeps them for {DAYS_KEPT} days, and nobody pulled them in time. "
        "Differences of that time have to be explained from orders and our own records; let the daily job run every day."
    )
