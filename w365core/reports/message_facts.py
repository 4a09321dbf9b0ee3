"""What is there to be said today, and in which facts? Events with the key under which each is said once, of the ledger as it is.

An event that was said is not said again as long as its key is the same: an import by its run, a failure by its reason, a change by what the
provider says now, a lapsing window by its last day, drift by what has drifted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from w365core import money
from w365core.model import StatusReason
from w365core.reports import countdown, headlines, wording
from w365core.reports.provider_invoice import BILLED, CHANGED, WARNING, Invoice, invoice
from w365core.reports.worklist import attention
from w365core.store import drift, outbox, preferences, queries, references

MOST_ROWS = 100  # of each list in a message
FIRST, MARKUP = "", "markup"  # addresses of pages, as the frame names them; the first page, of all invoices, has none but the application's
_LONGEST = 500
_WEB = re.compile(r"(?i)https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", re.ASCII)


@dataclass(frozen=True)
class Event:
    """Something to be said, once per key."""

    kind: str
    key: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Situation:
    """What events are found in. `rows` are all provider invoices as the store has them; `address` is where the application is, or blank."""

    rows: Sequence[Mapping[str, Any]]
    drifted: Sequence[Mapping[str, Any]]
    blank: Sequence[Mapping[str, Any]]
    not_asked: Sequence[Mapping[str, Any]]
    rates: Mapping[str, Decimal]  # to base, for the order alone
    since: datetime  # of the summary before
    now: datetime
    zone: ZoneInfo
    address: str


def load(connection: Connection, *, now: datetime, with_markups: bool = True) -> Situation:
    """The situation as it is now; what has drifted is a question over all usage that is not invoiced, and may be left out."""
    known = preferences.values(connection)
    zone = ZoneInfo(known["time_zone"])
    before = outbox.last_queued(connection, "daily_summary", but_key=summary_key(now, zone))
    return Situation(
        rows=queries.provider_invoices(connection),
        drifted=drift.drifted(connection) if with_markups else (),
        blank=drift.blank(connection) if with_markups else (),
        not_asked=outbox.providers_not_asked(connection),
        rates=references.currencies(connection),
        since=before or now - timedelta(days=1),
        now=now,
        zone=zone,
        address=_address(known["message_app_address"]),
    )


def of_today(here: Situation) -> list[Event]:
    """Everything that there is to be said once a day: the summary, and what is about single invoices and markups."""
    found = [_summary(here), *of_invoices(here)]
    if here.drifted or here.blank:
        found.append(_drift(here))
    return found


def of_invoices(here: Situation) -> list[Event]:
    """What there is to be said of single invoices: those that were tried since the summary before, those that are changed, those whose window lapses."""
    found = []
    for row in here.rows:
        one = invoice(row)
        is_recent = (one.last_attempt_at or one.first_seen_at) > here.since
        if one.standing == CHANGED:
            found.append(_event("invoice_changed", one, here, f"{money.plain(one.header_total_now)}:{row['fingerprint_now']}"))
        elif one.status in BILLED and is_recent and one.import_run_id is not None:
            found.append(_event("invoice_available", one, here, str(one.import_run_id)))
        elif one.status == StatusReason.ERROR:
            if is_recent:
                found.append(_event("invoice_failed", one, here, f"{one.failure}:{_hash(one.message)}"))
            left = countdown.of(one, now=here.now)
            if left is not None and left.is_late:
                found.append(_event("retry_lapsing", one, here, left.ends_on.isoformat()))
    return found


def summary_key(now: datetime, zone: ZoneInfo) -> str:
    """One summary a day, of the installation's own day."""
    return f"daily_summary:{now.astimezone(zone).date().isoformat()}"


# --- one message each ----------------------------------------------------------------------------------------------------------------------


def _summary(here: Situation) -> Event:
    invoices = [invoice(row) for row in here.rows]
    failed = _biggest_first((i for i in invoices if i.status == StatusReason.ERROR), here)
    came = _biggest_first((i for i in invoices if i.status in BILLED and i.imported_at and i.imported_at > here.since), here)
    changed = _biggest_first((i for i in invoices if i.standing == CHANGED), here)
    waiting = _biggest_first((i for i in invoices if i.status == StatusReason.POPULATING), here)
    held_up = wording.sums((i.money, i.currency) for i in failed + waiting if i.money is not None)
    facts = {
        "day": wording.day(here.now.astimezone(here.zone)),
        "headline": _headline(came, failed, changed, waiting, held_up, here),
        "held_up": held_up,
        "succeeded": _each(came, here),
        "failed": _each(failed, here),
        "changed": _each(changed, here),
        "waiting": _each(waiting, here),
        "providers": [{"provider": row["provider"], "sentence": _cut(row["message"])} for row in here.not_asked],
    }
    return Event("daily_summary", summary_key(here.now, here.zone), _common(here, FIRST) | facts)


def _headline(
    came: Sequence[Invoice],
    failed: Sequence[Invoice],
    changed: Sequence[Invoice],
    waiting: Sequence[Invoice],
    held_up: str,
    here: Situation,
) -> str:
    """The day in a sentence or two."""
    since = f"since {_moment(here.since, here.zone)}"
    said = f"{wording.counted(len(came), 'invoice')} came in {since}" if came else f"No invoice came in {since}"
    open_ones = [f"{len(failed):,} {_are(failed)} in Error"] * bool(failed) + [
        f"{len(waiting):,} {'waits' if len(waiting) == 1 else 'wait'} for a person"
    ] * bool(waiting)
    open_ones += [f"{len(changed):,} changed at the provider"] * bool(changed)
    held = f" {held_up} {'are' if ' and ' in held_up else 'is'} held up." if held_up else ""
    left_out = max(len(group) for group in (came, failed, changed, waiting)) > MOST_ROWS
    more = f" Of each list the {MOST_ROWS} biggest are shown." if left_out else ""
    return f"{said}; {', '.join(open_ones) if open_ones else 'nothing needs attention'}.{held}{more}"


def _are(group: Sequence[Invoice]) -> str:
    return "is" if len(group) == 1 else "are"


def _event(kind: str, one: Invoice, here: Situation, state: str) -> Event:
    told = _of(one, here)
    return Event(
        kind, f"{kind}:{one.provider}:{one.number}:{state}", {"at": _moment(here.now, here.zone), "link": told["link"], "invoice": told}
    )


def _drift(here: Situation) -> Event:
    rows = [
        {
            "customer": _cut(row["account_name"] or row["account_id"] or "no customer"),
            "subscription": _cut(row["subscription_name"] or row["subscription_id"]),
            "markup_before": _span(row["markup_lowest"], row["markup_highest"]),
            "markup_now": "no" if row["markup_now"] is None else wording.digits(row["markup_now"]),
            "cost": wording.rounded(row["cost"], row["currency"]),
            "difference": wording.rounded(row["difference"], row["currency"]),
        }
        for row in here.drifted[:MOST_ROWS]
    ]
    blank = [
        {
            "customer": _cut(row["account_name"] or row["account_id"] or "no customer"),
            "subscription": _cut(row["subscription_name"] or row["subscription_id"] or "no subscription"),
            "cost": wording.rounded(row["cost"], row["currency"]),
        }
        for row in here.blank[:MOST_ROWS]
    ]
    said = []
    if here.drifted:
        have = "has" if len(here.drifted) == 1 else "have"
        said.append(f"{wording.counted(len(here.drifted), 'subscription')} {have} another markup now than usage that is not invoiced yet.")
    if here.blank:
        said.append(f"Usage of {wording.counted(len(here.blank), 'subscription')} has no markup at all and cannot be sold.")
    moved = wording.sums((money.in_currency(row["difference"], row["currency"]), row["currency"]) for row in here.drifted)
    state = [(r["subscription_id"], r["currency"], r["markup_now"], r["markup_lowest"], r["markup_highest"]) for r in here.drifted]
    state += [(r["subscription_id"], r["currency"]) for r in here.blank]
    cost = wording.sums((money.in_currency(row["cost"], row["currency"]), row["currency"]) for row in here.blank)
    facts = {"headline": " ".join(said), "difference": moved, "cost": cost, "rows": rows, "blank": blank}
    return Event("markup_drift", f"markup_drift:{_hash(repr(sorted(map(str, state))))}", _common(here, MARKUP) | facts)


# --- the words of one invoice ----------------------------------------------------------------------------------------------------------------


def _each(group: Sequence[Invoice], here: Situation) -> list[dict[str, Any]]:
    return [_of(one, here) for one in group[:MOST_ROWS]]


def _of(one: Invoice, here: Situation) -> dict[str, Any]:
    """One invoice as messages tell of it, in the words of its page."""
    needs = one.standing not in BILLED
    wrong = attention(one, now=here.now) if needs else None
    fine = "It adds up to its header and resolves to our records."
    return {
        "number": _cut(one.number),
        "provider": _cut(one.provider),
        "type": one.type,
        "date": wording.day(one.date),
        "amount": wording.amount(one.money, one.currency),
        "total": money.plain(one.money),
        "currency": one.currency,
        "lines": f"{one.license_lines + one.usage_lines:,}",
        "status": str(one.status),
        "sentence": _cut(wrong.sentence if wrong else fine),
        "todo": _cut(wrong.next_step) if wrong else "",
        "command": (wrong.command or "") if wrong else "",
        "timing": wrong.timing if wrong and one.standing != WARNING else "",
        "is_new": one.first_seen_at > here.since,
        "link": f"{here.address}/?invoice={one.id}" if here.address else "",
    }


def _address(written: str) -> str:
    """Where the application is, for links; blank where what was set is no address of the web."""
    return written.rstrip("/") if _WEB.fullmatch(written) else ""


def _common(here: Situation, page: str) -> dict[str, str]:
    return {"at": _moment(here.now, here.zone), "link": f"{here.address}/{page}" if here.address else ""}


def _moment(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{wording.moment(local)} {local.tzname()}"


def _biggest_first(group: Iterable[Invoice], here: Situation) -> list[Invoice]:
    return sorted(group, key=lambda one: (-headlines.in_base(one, here.rates), one.provider, one.number))


def _span(lowest: Any, highest: Any) -> str:
    return wording.digits(lowest) if lowest == highest else f"{wording.digits(lowest)} to {wording.digits(highest)}"


def _cut(text: str) -> str:
    """A provider's text as one line of bounded length."""
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
