"""How does the demo get its data? Through the front door: our records by `load`, invoices from the sandbox by the real connectors, a file by hand.

It fills an empty database only, and goes on where a fill was broken off. Every past invoice is imported at the moment it would have been, and the
demo's own stated clock is stored, so that the demo never ages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from w365core.errors import CallRefused, ProviderUnavailable
from w365core.jobs import filing, loading, syncing
from w365core.jobs.context import Context
from w365core.jobs.filing import Claimed
from w365core.jobs.syncing import SyncResult
from w365core.model import InvoiceHeader, Provider, ProviderType
from w365core.settings import secret_variable
from w365core.store import ledger, providers as store_providers
from w365core.store.tables import account, installation, provider, provider_invoice

ESTATE = Path(__file__).resolve().parents[2] / "data" / "demo"
SANDBOX_PORT = 8511
_SECRET = "the sandbox takes any secret"


@dataclass(frozen=True)
class Estate:
    """What estate.json says of the demo: its clock, its providers, its files by hand."""

    clock: datetime
    connected: Mapping[str, Any]
    manual: Mapping[str, Any]


def estate(folder: Path = ESTATE) -> Estate:
    """CallRefused where the folder has no estate."""
    try:
        said = msgspec.json.decode((folder / "estate.json").read_bytes())
    except OSError:
        raise CallRefused(f"There is no demo estate in {folder}; run `python data/demo/generate.py` to make it.") from None
    by_type = {entry["type"]: entry for entry in said["providers"]}
    return Estate(datetime.fromisoformat(said["clock"]), by_type["partner_center"], by_type["manual"])


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
    """The same context, knowing the secret that the sandbox takes."""
    variable = secret_variable(estate().connected["name"])
    environment = {variable: _SECRET} | dict(context.settings.environment)
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
    ledger.sweep(demo.engine, who=demo.who)
    demo.report("loading our records")
    with demo.engine.begin() as connection:
        loading.load(connection, ESTATE / "records")
        connected = store_providers.named(connection, told.connected["name"])
    result = syncing.sync_all_listed(demo, provider=connected, moment_of=lambda header: _morning_after(header, told.clock))
    ungiven = [outcome for outcome in result.outcomes if outcome.exit_code == 3]
    if ungiven:
        raise ProviderUnavailable(
            f"The demo is not complete: {ungiven[0].invoice}: {ungiven[0].message} Run the command again; it goes on."
        )
    _import_files(demo, told)
    with demo.engine.begin() as connection:
        _say(connection, "demo", "filled")
    return result


def _import_files(demo: Context, told: Estate) -> None:
    for file in told.manual.get("files", ()):
        if ledger.find(demo.engine, provider_name=told.manual["name"], invoice_number=file["invoice"]) is not None:
            continue
        dated = date.fromisoformat(file["invoice_date"])
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
        then = demo.at(min(demo.now, datetime.combine(dated, time(9), UTC) + timedelta(days=1)))
        filing.import_by_hand(then, [ESTATE / file["path"]], claimed)


def _configure(connection: Connection, told: Estate, sandbox_url: str, now: datetime) -> None:
    """The demo's providers, with the sandbox's address of today; whatever else a person has changed of them stays."""
    connected = told.connected
    as_told = Provider(
        name=connected["name"], type=ProviderType.PARTNER_CENTER, tenant_id=connected["tenant_id"], client_id=connected["client_id"]
    )
    known = store_providers.find(connection, connected["name"]) or as_told
    store_providers.save(connection, replace(known, api_url=sandbox_url, graph_url=sandbox_url, login_url=sandbox_url), now=now)
    if store_providers.find(connection, told.manual["name"]) is None:
        store_providers.save(connection, Provider(name=told.manual["name"], type=ProviderType.MANUAL), now=now)


def _morning_after(header: InvoiceHeader, clock: datetime) -> datetime:
    """When the daily job would have found it: six in the morning of the day after its date."""
    return min(clock, datetime.combine(header.invoice_date + timedelta(days=1), time(6), UTC))


def _holds_data(connection: Connection) -> bool:
    return any(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (account, provider, provider_invoice))


def _fact(connection: Connection, name: str) -> str | None:
    return connection.execute(select(installation.c.value).where(installation.c.name == name)).scalar()


def _say(connection: Connection, name: str, value: str) -> None:
    statement = insert(installation).values(name=name, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
