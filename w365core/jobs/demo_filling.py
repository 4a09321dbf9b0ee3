"""How does the demo get its data? Through the front door: our records by `load`, files by hand, and the daily job, morning after morning.

Each morning that matters is told as it would have been: the sandbox's clock and the job's stand at it. What has been told is written down, so that a
fill that was broken off goes on with the next morning.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from http.client import HTTPException

import msgspec

from w365core.errors import ProviderUnavailable
from w365core.jobs import accounts, demo as told_demo, filing, loading, notifying, reconciling, settling, syncing
from w365core.jobs.context import Context
from w365core.jobs.demo import ESTATE, Estate
from w365core.jobs.filing import Claimed
from w365core.jobs.importing import Outcome
from w365core.jobs.runs import sweep
from w365core.jobs.syncing import SyncResult
from w365core.store import ledger, rates

_SECONDS_TO_ANSWER = 10
_GO_ON = "Run the command again; it goes on."


def fill(demo: Context, told: Estate, sandbox_url: str) -> SyncResult:
    """Fills the database with the demo, or goes on filling it. `demo` stands at the demo's clock and knows the sandbox's secrets.

    ProviderUnavailable where the sandbox left some invoice ungiven: the demo is not filled then, and the next call goes on.
    """
    sweep(demo)
    demo.report("loading our records")
    with demo.engine.begin() as connection:
        loaded = loading.load(connection, ESTATE / "records")
        rates.confirm(connection, loaded.rates, who=demo.who)
    outcomes = _tell(demo, told, sandbox_url)
    demo.report("bringing what the provider knows of our customers")
    for name in (told.connected["name"], told.streamone["name"]):
        known = accounts.sync_accounts(demo, provider_name=name)
        if known.failures:
            raise ProviderUnavailable(f"The demo is not complete: {known.failures[0][1]} {_GO_ON}")
    settling.settle(demo)
    reconciling.reconcile_every(demo)
    notifying.daily(replace(demo, report=lambda sentence: None))
    with demo.engine.begin() as connection:
        told_demo.say(connection, "demo", "filled")
    return SyncResult(outcomes)


def _tell(demo: Context, told: Estate, sandbox_url: str) -> list[Outcome]:
    """Every morning that has not been told yet; returns how each invoice stands after it."""
    with demo.engine.connect() as connection:
        until = told_demo.told_until(connection)
    outcomes: dict[str, Outcome] = {}
    for number, morning in enumerate(told.mornings, 1):
        if until is not None and morning <= until:
            continue
        demo.report(f"morning {number} of {len(told.mornings)}, {morning:%-d %B %Y}")
        _import_files(demo, told, until=morning)
        outcomes |= _by_invoice(_daily_job(demo, told, sandbox_url, morning))
        with demo.engine.begin() as connection:
            told_demo.say(connection, "demo_told_until", morning.isoformat())
    return list(outcomes.values())


def _daily_job(demo: Context, told: Estate, sandbox_url: str, morning: datetime) -> list[Outcome]:
    """One run of it, at that moment on both sides. ProviderUnavailable where the sandbox left anything out: the morning is told again then."""
    _sandbox_clock(sandbox_url, set_to=morning)
    # No report between the clock and the listing: the one who hears it may start the sandbox again, with another clock.
    outcomes: list[Outcome] = []
    for name in (told.connected["name"], *([told.streamone["name"]] if morning >= datetime.fromisoformat(told.streamone["from"]) else [])):
        outcomes += syncing.sync_daily(demo.at(morning), provider_name=name, with_estimate=morning == told.mornings[-1]).outcomes
    for outcome in outcomes:
        if outcome.exit_code == 3:
            raise ProviderUnavailable(f"The demo is not complete: {outcome.invoice}: {outcome.message} {_GO_ON}")
    if _sandbox_clock(sandbox_url) != morning:
        raise ProviderUnavailable(f"The demo is not complete: the sandbox was started again in the middle of a morning. {_GO_ON}")
    return outcomes


def _sandbox_clock(sandbox_url: str, *, set_to: datetime | None = None) -> datetime:
    """The moment that the sandbox answers as of, set first where asked to."""
    body = None if set_to is None else msgspec.json.encode({"now": set_to})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy of the environment knows nothing of this machine
    try:
        with direct.open(f"{sandbox_url}/_sandbox/clock", body, _SECONDS_TO_ANSWER) as answer:
            return datetime.fromisoformat(msgspec.json.decode(answer.read())["now"])
    except (OSError, ValueError, TypeError, HTTPException):
        raise ProviderUnavailable(f"The demo is not complete: the sandbox at {sandbox_url} does not answer. {_GO_ON}") from None


def _by_invoice(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    return {outcome.invoice: outcome for outcome in outcomes}


def _import_files(demo: Context, told: Estate, *, until: datetime) -> None:
    """The files that a person has imported by then, each on the day after its date."""
    for file in told.manual.get("files", ()):
        dated = date.fromisoformat(file["invoice_date"])
        then = datetime.combine(dated, time(9), UTC) + timedelta(days=1)
        if then > until or ledger.find(demo.engine, provider_name=told.manual["name"], invoice_number=file["invoice"]) is not None:
            continue
        claimed = Claimed(
            provider=told.manual["name"],
            invoice_number=file["invoice"],
            total=Decimal(file["total"]),
            currency=file["currency"],
            invoice_date=dated,
            override=None,
            date_order=None,
            activate=bool(file.get("activate")),
        )
        filing.import_by_hand(demo.at(then), [ESTATE / file["path"]], claimed)
