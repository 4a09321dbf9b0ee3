"""What runs, waits and has failed, what runs by itself and when, and how did each provider's last sync go? Moments in the time zone that is set.

A job's own moments are the database's clock, those of the schedule and of syncs the installation's; only in a demo they differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.model import CAPABILITIES, StatusReason
from w365core.reports import countdown, job_words, wording
from w365core.reports.countdown import Countdown
from w365core.reports.headlines import Note, Tile
from w365core.reports.provider_invoice import Invoice, invoice
from w365core.reports.tables import Column, Table, amount, day, moment, number
from w365core.store import job_history, job_runs, preferences, providers as store_providers, queries, schedule as store_schedule
from w365core.store.job_history import LastSync
from w365core.store.job_runs import JobRun
from w365core.store.queries import InvoiceFilter
from w365core.store.schedule import Scheduled

SILENCE = 30  # seconds after which a worker counts as gone
_STALE = timedelta(hours=26)  # a daily sync that is later than this was missed


@dataclass(frozen=True)
class Own:
    """One of what runs by itself, with the jobs of its last run and in words when it runs."""

    scheduled: Scheduled
    when: str
    next_run: str
    last: str
    jobs: tuple[JobRun, ...]


@dataclass(frozen=True)
class Jobs:
    """The page. `failed` are those that nobody has asked for again, the newest first."""

    zone: tzinfo
    works: bool
    stands_still: bool  # a demo states its clock, so nothing becomes due
    tiles: tuple[Tile, ...]
    failed: tuple[JobRun, ...]
    unfinished: tuple[JobRun, ...]
    own: tuple[Own, ...]
    beside: tuple[tuple[str, str, str], ...]  # what else happens by itself: its name, when, how it stands
    providers: Table
    retries: Table
    choices: Mapping[str, Mapping[str, str]]


# --- the page ------------------------------------------------------------------------------------------------------------------------------


def load(connection: Connection, *, now: datetime) -> Jobs:
    """The page as things are now."""
    scheduled = store_schedule.all_of_them(connection, now=now)
    ran = {job.job_id: job for job in job_history.named(connection, [job_id for one in scheduled for job_id in one.job_ids])}
    rows = queries.provider_invoices(connection, InvoiceFilter(statuses=(StatusReason.ERROR.value,)))
    connected = [one.name for one in store_providers.all_of_them(connection) if CAPABILITIES[one.type].invoices]
    return build(
        zone=preferences.time_zone(connection),
        works=job_runs.living_workers(connection, silence=SILENCE) > 0,
        stands_still="clock" in queries.installation_facts(connection),
        failed=job_history.standing_failures(connection),
        unfinished=[job for job in job_runs.unfinished(connection) if not is_look(job)],
        scheduled=scheduled,
        ran=ran,
        syncs=job_history.last_syncs(connection),
        connected=connected,
        in_error=[invoice(row) for row in rows],
        reconciled=job_history.last_reconciled(connection),
        choices=job_history.choices(connection),
        now=now,
    )


def build(
    *,
    zone: tzinfo,
    works: bool,
    stands_still: bool,
    failed: Sequence[JobRun],
    unfinished: Sequence[JobRun],
    scheduled: Sequence[Scheduled],
    ran: Mapping[int, JobRun],
    syncs: Mapping[str, LastSync],
    connected: Sequence[str],
    in_error: Iterable[Invoice],
    reconciled: datetime | None,
    choices: Mapping[str, Sequence[str]],
    now: datetime,
) -> Jobs:
    """`ran` are the jobs of the schedule's last runs by number, `in_error` the invoices in Error."""
    tried = [(one, left) for one in in_error if (left := countdown.of(one, now=now)) is not None and not left.is_over]
    tried.sort(key=lambda pair: (pair[1].days_left, -abs(pair[0].money or money.ZERO), pair[0].number))
    own = [_own(one, [ran[job_id] for job_id in one.job_ids if job_id in ran], zone, now) for one in scheduled]
    return Jobs(
        zone=zone,
        works=works,
        stands_still=stands_still,
        tiles=(_failed_tile(failed, zone), _running_tile(unfinished, works), _next_tile(scheduled, zone, now), _tried_tile(tried)),
        failed=tuple(failed),
        unfinished=tuple(unfinished),
        own=tuple(own),
        beside=_beside(len(tried), reconciled, zone),
        providers=_providers(connected, syncs, zone, now),
        retries=_retries(tried),
        choices=_choices(choices),
    )


def is_look(job: JobRun) -> bool:
    """Whether it only looks, which nobody but the one who asked waits for."""
    return job.kind == "list_invoices" or job.kind == "import_files" and bool((job.asked or {}).get("look"))


def when(one: Scheduled) -> str:
    """Daily sync runs every day at 06:00 (Europe/Berlin), next on 2026-11-13 06:00."""
    said = f"{one.of.label} runs every day at {one.rhythm.at:%H:%M} ({one.rhythm.zone})"
    if one.next_run is None:
        return f"{one.of.label} is off; its time of day is {one.rhythm.at:%H:%M} ({one.rhythm.zone})."
    if one.due_at is not None:
        return f"{said}; a run has been due since {local(one.due_at, one.rhythm.zone)} and waits for a worker."
    return f"{said}, next on {local(one.next_run, one.rhythm.zone)}."


def local(at: datetime | None, zone: tzinfo) -> str:
    """2026-11-12 06:30 by the clocks of the zone."""
    return wording.moment(None if at is None else at.astimezone(zone).replace(tzinfo=None))


def _own(one: Scheduled, jobs: Sequence[JobRun], zone: tzinfo, now: datetime) -> Own:
    if one.next_run is None:
        return Own(one, f"off; {one.rhythm.at:%H:%M} when it is on", "off", _last(one, zone), tuple(jobs))
    soon = f"waits for a worker since {local(one.due_at, zone)}" if one.due_at else _day_of(one.next_run, zone, now)
    return Own(one, f"every day at {one.rhythm.at:%H:%M}", soon, _last(one, zone), tuple(jobs))


def _last(one: Scheduled, zone: tzinfo) -> str:
    """When it ran last, by itself, or why that queued nothing."""
    if one.last_run_at is None:
        return "has not run by itself yet"
    return f"last run {local(one.last_run_at, zone)}{f': {one.message}' if one.message else ''}"


def _day_of(at: datetime, zone: tzinfo, now: datetime) -> str:
    """today 06:00; tomorrow 06:00; 2026-11-15 06:00."""
    there = at.astimezone(zone)
    days = (there.date() - now.astimezone(zone).date()).days
    return f"{ {0: 'today', 1: 'tomorrow'}.get(days, there.strftime('%Y-%m-%d')) } {there:%H:%M}".strip()


def _beside(tried: int, reconciled: datetime | None, zone: tzinfo) -> tuple[tuple[str, str, str], ...]:
    """What happens without a time of its own."""
    again = f"{wording.counted(tried, 'invoice')} {'is' if tried == 1 else 'are'} tried again" if tried else "no invoice waits for it"
    last = f"last {local(reconciled, zone)}" if reconciled else "nothing was reconciled yet"
    return (
        ("Retry of failed invoices", "with each daily sync, for 15 days from first sight", again),
        ("Reconciliation", "after each import that comes to Active, and after each activation", last),
    )


# --- tiles ---------------------------------------------------------------------------------------------------------------------------------


def _failed_tile(failed: Sequence[JobRun], zone: tzinfo) -> Tile:
    if not failed:
        return Tile("Failed", "none", (Note("nothing waits for you"),))
    return Tile("Failed", f"{len(failed):,}", (Note(f"newest {local(failed[0].finished_at, zone)}", is_alarming=True),))


def _running_tile(unfinished: Sequence[JobRun], works: bool) -> Tile:
    states = Counter(job.state for job in unfinished)
    waits = f"{states['queued']:,} waiting" if states["queued"] else "none waiting"
    note = Note(waits) if works else Note("no worker is there", is_alarming=True)
    return Tile("Running", f"{states['running']:,}" if states["running"] else "none", (note,))


def _next_tile(scheduled: Sequence[Scheduled], zone: tzinfo, now: datetime) -> Tile:
    coming = min((one for one in scheduled if one.next_run), key=lambda one: one.next_run, default=None)
    if coming is None:
        return Tile("Next by itself", "nothing", (Note("the schedule is off"),))
    if coming.due_at:
        return Tile("Next by itself", "due", (Note(f"{coming.of.label} waits for a worker", is_alarming=True),))
    return Tile("Next by itself", _day_of(coming.next_run, zone, now), (Note(f"{coming.of.label}, {zone}"),))


def _tried_tile(tried: Sequence[tuple[Invoice, Countdown]]) -> Tile:
    sums = wording.sums((one.money, one.currency) for one, _ in tried if one.money is not None)
    lapsing = sum(left.is_late for _, left in tried)
    notes = [Note(sums or "no failed invoice is young enough")]
    notes += [Note(f"{lapsing:,} of them {'lapses' if lapsing == 1 else 'lapse'} within days", is_alarming=True)] if lapsing else []
    return Tile("Tried again by itself", wording.counted(len(tried), "invoice") if tried else "none", tuple(notes))


# --- tables --------------------------------------------------------------------------------------------------------------------------------

_PROVIDERS = (
    Column("provider", "Provider", width=140),
    moment("succeeded_at", "Last success", width=130, help="When the last daily sync began that the provider answered whole"),
    Column("age", "Ago", width=90),
    moment("started_at", "Last tried", width=130),
    Column("ended", "How that ended", width=520),
)
_RETRIES = (
    Column("number", "Invoice", Kind.ID, width=120),
    Column("provider", "Provider", width=110),
    Column("currency", "Currency", width=70),
    amount("header_total", "Total", width=100),
    day("until", "Tried until", width=90),
    number("days_left", "Days left", width=70),
    Column("message", "Why it failed", width=520),
)


def _providers(connected: Sequence[str], syncs: Mapping[str, LastSync], zone: tzinfo, now: datetime) -> Table:
    rows = [_provider(name, syncs.get(name), zone, now) for name in connected]
    return Table("last syncs", _PROVIDERS, rows)


def _provider(name: str, last: LastSync | None, zone: tzinfo, now: datetime) -> dict[str, Any]:
    if last is None:
        return {"provider": name, "age": "never", "ended": "not synced yet"}
    good = last.succeeded_at
    late = " (late)" if good is not None and now - good > _STALE else ""
    return {
        "provider": name,
        "succeeded_at": good and good.astimezone(zone),
        "age": f"{wording.age(good, now=now)}{late}" if good else "never",
        "started_at": last.started_at.astimezone(zone),
        "ended": f"{last.status}: {last.message}" if last.message else last.status,
    }


def _retries(tried: Sequence[tuple[Invoice, Countdown]]) -> Table:
    rows = [
        {name: getattr(one, name) for name in ("id", "number", "provider", "currency", "header_total", "message")}
        | {"until": left.ends_on, "days_left": left.days_left}
        for one, left in tried
    ]
    return Table("tried again", _RETRIES, rows)


def _choices(found: Mapping[str, Sequence[str]]) -> Mapping[str, Mapping[str, str]]:
    return {
        "states": {state: state.capitalize() for state in ("done", "failed", "cancelled")},
        "kinds": {kind: job_words.KINDS.get(kind, kind) for kind in found["kinds"]},
        "providers": {name: name for name in found["providers"]},
    }
