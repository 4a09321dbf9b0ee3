"""How does the demo get its data? Through the front door: our records by `load`, files by hand, and the daily job, morning after morning.

Each morning that matters is told as it would have been: the sandbox's clock and the job's stand at it. It fills an empty database only, and goes on
with the next morning where a fill was broken off. The demo's own stated clock is stored, so that the demo never ages.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from http.client import HTTPException
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from w365core.errors import CallRefused, ProviderUnavailable
from w365core.jobs import accounts, filing, loading, notifying, reconciling, settling, syncing
from w365core.jobs.context import Context
from w365core.jobs.filing import Claimed
from w365core.jobs.importing import Outcome
from w365core.jobs.runs import sweep
from w365core.jobs.syncing import SyncResult
from w365core.model import Provider, ProviderType
from w365core.settings import secret_variable
from w365core.store import ledger, providers as store_providers, rates
from w365core.store.tables import account, installation, provider, provider_invoice

ESTATE = Path(__file__).resolve().parents[2] / "data" / "demo"
SANDBOX_PORT = 8511
_SECRET = "the sandbox takes any secret"
_KEY = "any-key:the sandbox takes any secret"
_REFRESH = "the sandbox takes any first token"
_SECONDS_TO_ANSWER = 10
_GO_ON = "Run the command again; it goes on."


@dataclass(frozen=True)
class Estate:
    """What estate.json says of the demo: its clock, the mornings on which the daily job found something, its providers, its files by hand."""

    clock: datetime
    mornings: Sequence[datetime]
    connected: Mapping[str, Any]
    manual: Mapping[str, Any]
    streamone: Mapping[str, Any]


def estate(folder: Path = ESTATE) -> Estate:
    """CallRefused where the folder has no estate."""
    try:
        said = msgspec.json.decode((folder / "estate.json").read_bytes())
    except OSError:
        raise CallRefused(f"There is no demo estate in {folder}; run `python data/demo/generate.py` to make it.") from None
    by_type = {entry["type"]: entry for entry in said["providers"]}
    mornings = [datetime.fromisoformat(morning) for morning in said["mornings"]]
    return Estate(datetime.fromisoformat(said["clock"]), mornings, by_type["partner_center"], by_type["manual"], by_type["streamone"])


def is_here(context: Context) -> bool:
    """Whether this database holds the demo, filled or still filling."""
    with context.engine.connect() as connection:
        return _fact(connection, "demo") is not None


def sandbox_port(context: Context) -> int:
    """The port that the demo's providers are configured with."""
    with context.engine.connect() as connection:
        return int(_fact(connection, "sandbox_port") or SANDBOX_PORT)


def settle_port(context: Context, port: int) -> None:
    """Writes down where the sandbox is to be found from now on, for the next `up`."""
    told = estate()
    with context.engine.begin() as connection:
        _say(connection, "sandbox_port", str(port))
        _configure(connection, told, f"http://127.0.0.1:{port}", context.now)


def settings_with_secret(context: Context) -> Context:
    """The same context, knowing the secrets that the sandbox takes."""
    told = estate()
    by_key = told.streamone["name"]
    secrets = {
        secret_variable(told.connected["name"]): _SECRET,
        secret_variable(by_key): _KEY,
        secret_variable(by_key, "REFRESH"): _REFRESH,
    }
    environment = secrets | dict(context.settings.environment)
    return replace(context, settings=replace(context.settings, environment=environment, poll=min(context.settings.poll, 0.05)))


def fill(context: Context, *, sandbox_url: str) -> SyncResult | None:
    """Fills the database with the demo, or goes on filling it; None where that is done already. CallRefused where it holds other data.

    ProviderUnavailable where the sandbox left some invoice ungiven: the demo is not filled then, and the next call goes on.
    """
    told = estate()
    with context.engine.begin() as connection:
        state = _fact(connection, "demo")
        if state is None and _holds_data(connection):
            raise CallRefused(
                "This database holds data already; the demo fills an empty one only. Choose another DATABASE_URL or W365_HOME."
            )
        _say(connection, "sandbox_port", sandbox_url.rpartition(":")[2])
        _configure(connection, told, sandbox_url, context.now)
        if state is None:
            _say(connection, "demo", "filling")
            _say(connection, "clock", told.clock.isoformat())
    if state == "filled":
        return None
    demo = settings_with_secret(context).at(told.clock)
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
        _say(connection, "demo", "filled")
    return SyncResult(outcomes)


def _tell(demo: Context, told: Estate, sandbox_url: str) -> list[Outcome]:
    """Every morning that has not been told yet; returns how each invoice stands after it."""
    with demo.engine.connect() as connection:
        until = _fact(connection, "demo_told_until")
    outcomes: dict[str, Outcome] = {}
    for number, morning in enumerate(told.mornings, 1):
        if until and morning <= datetime.fromisoformat(until):
            continue
        demo.report(f"morning {number} of {len(told.mornings)}, {morning:%-d %B %Y}")
        _import_files(demo, told, until=morning)
        outcomes |= _by_invoice(_daily_job(demo, told, sandbox_url, morning))
        with demo.engine.begin() as connection:
            _say(connection, "demo_told_until", morning.isoformat())
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


def _configure(connection: Connection, told: Estate, sandbox_url: str, now: datetime) -> None:
    """The demo's providers, with the sandbox's address of today; whatever else a person has changed of them stays."""
    connected = told.connected
    as_told = Provider(
        name=connected["name"], type=ProviderType.PARTNER_CENTER, tenant_id=connected["tenant_id"], client_id=connected["client_id"]
    )
    known = store_providers.find(connection, connected["name"]) or as_told
    store_providers.save(connection, replace(known, api_url=sandbox_url, graph_url=sandbox_url, login_url=sandbox_url), now=now)
    by_key = told.streamone
    as_told = Provider(name=by_key["name"], type=ProviderType.STREAMONE, account_id=by_key["account_id"])
    known = store_providers.find(connection, by_key["name"]) or as_told
    store_providers.save(connection, replace(known, api_url=sandbox_url), now=now)
    if store_providers.find(connection, told.manual["name"]) is None:
        store_providers.save(connection, Provider(name=told.manual["name"], type=ProviderType.MANUAL), now=now)


def _holds_data(connection: Connection) -> bool:
    return any(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (account, provider, provider_invoice))


def _fact(connection: Connection, name: str) -> str | None:
    return connection.execute(select(installation.c.value).where(installation.c.name == name)).scalar()


def _say(connection: Connection, name: str, value: str) -> None:
    statement = insert(installation).values(name=name, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
