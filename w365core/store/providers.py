"""The providers as configured: named once, found without regard to case."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from w365core.errors import CallRefused
from w365core.model import Provider, ProviderType
from w365core.store import tokens
from w365core.store.tables import line_export, provider, stored_token


def save(connection: Connection, added: Provider, *, now: datetime) -> bool:
    """Adds or changes a provider; True where it is new. One that has moved is not waited on for exports that its old address owes; of another account
    it has no token yet, and a person's sign-in is never shown to another tenant, app or sign-in address."""
    values = {name: value for name, value in asdict(added).items() if name != "name"}
    statement = insert(provider).values(name=added.name, added_at=now, **values)
    known = find(connection, added.name)
    if known is not None and known.graph_url != added.graph_url:
        connection.execute(delete(line_export).where(line_export.c.provider == added.name))
    if known is not None and known.account_id != added.account_id:
        connection.execute(delete(stored_token).where(stored_token.c.provider == added.name))
    if known is not None and _signs_in(known) != _signs_in(added):
        connection.execute(delete(stored_token).where(stored_token.c.provider == added.name, stored_token.c.purpose == tokens.USER))
    connection.execute(statement.on_conflict_do_update(index_elements=[provider.c.name], set_=values))
    return known is None


def find(connection: Connection, name: str) -> Provider | None:
    """The provider of that name, without regard to case."""
    row = connection.execute(select(provider).where(func.lower(provider.c.name) == name.lower())).mappings().first()
    return None if row is None else _provider(row)


def named(connection: Connection, name: str) -> Provider:
    """The same, where it has to be there. CallRefused says how to add it."""
    found = find(connection, name)
    if found is None:
        raise CallRefused(f"There is no provider {name}; `provider list` shows them, `provider add {name} --type …` adds it.")
    return found


def all_of_them(connection: Connection) -> list[Provider]:
    """Every configured provider, by name."""
    return [_provider(row) for row in connection.execute(select(provider).order_by(provider.c.name)).mappings()]


def _signs_in(known: Provider) -> tuple[str | None, ...]:
    return known.type, known.tenant_id, known.client_id, known.login_url


def _provider(row) -> Provider:
    values = {name: row[name] for name in Provider.__dataclass_fields__}
    return Provider(**values | {"type": ProviderType(values["type"])})
