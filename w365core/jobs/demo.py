"""Is the demo here, where are its providers, and how is it filled? What every start asks of it; the filling itself is `demo_filling`.

It fills an empty database only, and goes on with the next morning where a fill was broken off. The demo's own stated clock is stored, so that the demo
never ages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from w365core.errors import CallRefused
from w365core.jobs.context import Context
from w365core.model import Provider, ProviderType
from w365core.settings import secret_variable
from w365core.store import providers as store_providers
from w365core.store.tables import account, installation, provider, provider_invoice

if TYPE_CHECKING:
    from w365core.jobs.syncing import SyncResult

ESTATE = Path(__file__).resolve().parents[2] / "data" / "demo"
SANDBOX_PORT = 8511
_SECRET = "the sandbox takes any secret"
_KEY = "any-key:the sandbox takes any secret"
_REFRESH = "the sandbox takes any first token"


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
        return fact(connection, "demo") is not None


def sandbox_port(context: Context) -> int:
    """The port that the demo's providers are configured with."""
    with context.engine.connect() as connection:
        return int(fact(connection, "sandbox_port") or SANDBOX_PORT)


def settle_port(context: Context, port: int) -> None:
    """Writes down where the sandbox is to be found from now on, for the next `up`."""
    told = estate()
    with context.engine.begin() as connection:
        say(connection, "sandbox_port", str(port))
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
        state = fact(connection, "demo")
        if state is None and _holds_data(connection):
            raise CallRefused(
                "This database holds data already; the demo fills an empty one only. Choose another DATABASE_URL or W365_HOME."
            )
        say(connection, "sandbox_port", sandbox_url.rpartition(":")[2])
        _configure(connection, told, sandbox_url, context.now)
        if state is None:
            say(connection, "demo", "filling")
            say(connection, "clock", told.clock.isoformat())
    if state == "filled":
        return None
    from w365core.jobs import demo_filling  # half a second of modules that a demo that is filled needs none of

    return demo_filling.fill(settings_with_secret(context).at(told.clock), told, sandbox_url)


def told_until(connection: Connection) -> datetime | None:
    """The last morning that has been told; None before the first."""
    found = fact(connection, "demo_told_until")
    return None if found is None else datetime.fromisoformat(found)


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


def fact(connection: Connection, name: str) -> str | None:
    """What the installation knows under this name."""
    return connection.execute(select(installation.c.value).where(installation.c.name == name)).scalar()


def say(connection: Connection, name: str, value: str) -> None:
    """Lets the installation know it from now on."""
    statement = insert(installation).values(name=name, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
