"""What has happened to an invoice, and what lies ahead? Seen, listed, tried, let through, decided, changed, billed on: one event each, the latest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.reports import countdown, wording
from w365core.reports.provider_invoice import Invoice
from w365core.store import listings, queries, stakes

Row = Mapping[str, Any]


class Tone(StrEnum):
    """How an event is to be taken."""

    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"
    PLAIN = "plain"
    PERSON = "person"  # somebody decided it
    AHEAD = "ahead"  # it has not happened yet


@dataclass(frozen=True)
class Event:
    """One thing that happened, or will: `title` in a few words, `said` the sentence to it, `who` did it where somebody did."""

    at: datetime
    title: str
    said: str
    who: str
    tone: Tone


def load(connection: Connection, subject: Invoice, *, now: datetime) -> tuple[Event, ...]:
    """The events of an invoice."""
    return build(
        subject,
        entries=queries.history(connection, provider=subject.provider, invoice_number=subject.number),
        runs=queries.import_runs(connection, subject.id),
        asked=stakes.overrides_asked(connection, provider=subject.provider, invoice_number=subject.number),
        billed=stakes.billed_on(connection, subject.id),
        listed=listings.listed_as(connection, provider_name=subject.provider, invoice_number=subject.number),
        listed_last=listings.listed_last(connection, subject.provider),
        now=now,
    )


def build(
    subject: Invoice,
    *,
    entries: Sequence[Row],
    runs: Sequence[Row],
    asked: Sequence[Row],
    billed: Sequence[Row],
    listed: Row | None,
    listed_last: datetime | None,
    now: datetime,
) -> tuple[Event, ...]:
    """`entries` of the audit log and `runs` are attempts; `asked` are jobs with a tolerance; `billed` is usage by customer invoice. What lies ahead
    comes first, then the latest."""
    by_run = {run["import_run_id"]: run for run in runs}
    told = {(entry["after"] or {}).get("import_run_id") for entry in entries}
    events = _ahead(subject, now) + _billed(billed, subject.currency)
    events += [_untold(run) for run in runs if run["import_run_id"] not in told]
    for entry in entries:
        events += _of_entry(entry, by_run, asked, subject.currency)
    events += [*_listed(subject, listed, listed_last), _first_seen(subject)]  # of one moment the first comes last
    return tuple(sorted(events, key=lambda event: (event.tone is Tone.AHEAD, event.at), reverse=True))


# --- the provider ------------------------------------------------------------------------------------------------------------------------


def _first_seen(subject: Invoice) -> Event:
    how = "Its files were handed in." if subject.source == "file" else f"{subject.provider} listed it for the first time."
    return Event(subject.first_seen_at, "First seen", how, "", Tone.PLAIN)


def _listed(subject: Invoice, listed: Row | None, listed_last: datetime | None) -> list[Event]:
    """That it is still listed, or no more; nothing where the provider is never asked."""
    if subject.source != "synced" or listed_last is None:
        return []
    if listed is None:
        return [Event(listed_last, "No longer listed", f"{subject.provider} does not list it any more.", "", Tone.WARNING)]
    if listed["listed_at"] == subject.first_seen_at:
        return []
    return [Event(listed["listed_at"], "Still listed", f"{subject.provider} listed it last.", "", Tone.PLAIN)]


def _changed(entry: Row, currency: str) -> Event:
    before, after = (_total(entry[side], currency) for side in ("before", "after"))
    said = f"Its total became {after}, it was {before} when it was imported; the stored one stays."
    return Event(entry["at"], "Changed at the provider", said, "", Tone.WARNING)


def _total(told: Mapping[str, Any] | None, currency: str) -> str:
    text = (told or {}).get("header_total")
    return wording.ABSENT if text is None else wording.amount(Decimal(text), currency)


# --- attempts and decisions --------------------------------------------------------------------------------------------------------------

_DECIDED = {
    "activate provider invoice": ("Activated", "Its usage is billable from here on.", Tone.GOOD),
    "deactivate provider invoice": ("Deactivated", "Taken out of billing.", Tone.PERSON),
    "delete provider invoice": ("Deleted", "Removed here with its lines; it came back since.", Tone.PERSON),
}


def _of_entry(entry: Row, by_run: Mapping[int, Row], asked: Sequence[Row], currency: str) -> list[Event]:
    if entry["action"] == "notice change at provider":
        return [_changed(entry, currency)]
    if entry["action"] in _DECIDED:
        title, said, tone = _DECIDED[entry["action"]]
        return [Event(entry["at"], title, _with_reason(said, entry["reason"]), entry["actor"], tone)]
    after = entry["after"] or {}
    if "import_run_id" not in after:
        return [Event(entry["at"], entry["action"].capitalize(), entry["reason"] or "", entry["actor"], Tone.PLAIN)]
    attempt = _attempt(entry, by_run.get(after["import_run_id"]))
    return [attempt, *_let_pass(entry, asked, currency)]


def _attempt(entry: Row, run: Row | None) -> Event:
    title, tone = {
        "import provider invoice": ("Imported", Tone.GOOD),
        "fail provider invoice": ("Failed", Tone.BAD),
        "abandon import": ("Broken off", Tone.BAD),
    }.get(entry["action"], (entry["action"].capitalize(), Tone.PLAIN))
    if title == "Imported" and (entry["after"] or {}).get("status_reason") == "Populating":
        title, tone = "Imported, to be activated", Tone.WARNING
    return Event(entry["at"], title, "" if run is None else _outcome(run), entry["actor"], tone)


def _untold(run: Row) -> Event:
    """An attempt that the log does not tell of: it runs, or was taken back."""
    is_running = run["status"] == "running"
    return Event(run["started_at"], "Importing" if is_running else run["status"].capitalize(), _outcome(run), "", Tone.PLAIN)


def _outcome(run: Row) -> str:
    """How many lines in how long, and what it said."""
    lines = wording.counted(run["lines"], "line") if run["lines"] else ""
    seconds = int((run["finished_at"] - run["started_at"]).total_seconds()) if run["finished_at"] else 0
    counted = " in ".join(said for said in (lines, wording.counted(seconds, "second") if seconds else "") if said)
    return " ".join(said for said in (f"{counted}." if counted else "", run["message"]) if said)


def _let_pass(entry: Row, asked: Sequence[Row], currency: str) -> list[Event]:
    """The tolerance that an attempt was given, and why; the reason stands in the log, else in the job that was asked for."""
    text = (entry["after"] or {}).get("override_tolerance")
    if text is None:
        return []
    allowed = Decimal(text)
    jobs = [job["reason"] for job in asked if job["override_tolerance"] == allowed and job["actor"] == entry["actor"] and job["reason"]]
    reason = entry["reason"] or (jobs[0] if jobs else None)
    said = _with_reason(f"A difference of up to {wording.amount(allowed, currency)} was let pass.", reason)
    return [Event(entry["at"], "Tolerance given", said, entry["actor"], Tone.PERSON)]


def _with_reason(said: str, reason: str | None) -> str:
    return f"{said} Why: {reason}" if reason else said


# --- billing, and what lies ahead --------------------------------------------------------------------------------------------------------


def _billed(billed: Sequence[Row], currency: str) -> list[Event]:
    """One event per day on which customer invoices carry its usage."""
    days = dict.fromkeys(row["invoice_date"] for row in billed if row["invoice_date"])
    events = []
    for day in days:
        of_day = [row for row in billed if row["invoice_date"] == day]
        sold = money.total(row["selling"] for row in of_day if row["selling"] is not None)
        usage = wording.counted(sum(row["summaries"] for row in of_day), "usage summary", "usage summaries")
        named = ", ".join(row["invoice_number"] for row in of_day[:3]) + (f" and {len(of_day) - 3:,} more" if len(of_day) > 3 else "")
        said = f"{usage} for {wording.amount(sold, currency)} on {named}."
        events.append(Event(datetime.combine(day, time(), UTC), "Billed to customers", said, "", Tone.GOOD))
    return events


def _ahead(subject: Invoice, now: datetime) -> list[Event]:
    """The end of its retry window, where it has one; once that is over it is no longer ahead."""
    left = countdown.of(subject, now=now)
    if left is None:
        return []
    at = datetime.combine(left.ends_on, time(), UTC)
    if left.is_over:
        return [Event(at, "Retries ended", "The daily job tries it no more; a person's sync does.", "", Tone.WARNING)]
    return [Event(at, "Retries end", f"The daily job tries it until then: {left.left}.", "", Tone.AHEAD)]
