"""What is set in this installation, by whom and since when? Everything that nobody has set has its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from w365core.preferences import PREFERENCES, Preference
from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables import preference

_KIND = "setting"  # what the log calls one


def values(connection: Connection) -> dict[str, str]:
    """Every setting's value in force, by name."""
    kept = {row.name: row.value for row in connection.execute(select(preference.c.name, preference.c.value))}
    return {one.name: kept.get(one.name, one.default) for one in PREFERENCES}


def time_zone(connection: Connection) -> ZoneInfo:
    """The zone that times are shown in."""
    return zone(values(connection)["time_zone"])


def zone(name: str) -> ZoneInfo:
    """The zone of that name; UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return ZoneInfo("UTC")


def all_of_them(connection: Connection) -> list[dict[str, Any]]:
    """Every setting as it stands: name, value, default, does, form, set_by and set_at (None where it has its default)."""
    kept: dict[str, Mapping[str, Any]] = {row["name"]: row for row in connection.execute(select(*preference.columns)).mappings()}
    return [
        {
            "name": one.name,
            "value": kept[one.name]["value"] if one.name in kept else one.default,
            "default": one.default,
            "form": str(one.form),
            "does": one.does,
            "set_by": kept[one.name]["set_by"] if one.name in kept else None,
            "set_at": kept[one.name]["set_at"] if one.name in kept else None,
        }
        for one in PREFERENCES
    ]


def changed_by(connection: Connection, *names: str) -> str | None:
    """Who has set or cleared any of these settings last; None where nobody has."""
    return audit.last_actor(connection, target_kind=_KIND, targets=names)


def one_by_one(connection: Connection) -> None:
    """Whoever changes a setting next waits until this transaction has ended."""
    connection.execute(text("lock table preference in share row exclusive mode"))


def save(connection: Connection, of: Preference, value: str, *, who: Who) -> bool:
    """Sets a value and says so in the log; False where it is set just so already."""
    before = _kept(connection, of)
    if before == value:
        return False
    written = {"name": of.name, "value": value, "set_by": who.actor, "set_at": who.now}
    connection.execute(insert(preference).values(**written).on_conflict_do_update(index_elements=["name"], set_=written))
    _say(connection, "set setting", of, before, value, who)
    return True


def clear(connection: Connection, of: Preference, *, who: Who) -> bool:
    """Back to the default; False where nobody had set it."""
    before = _kept(connection, of)
    if before is None:
        return False
    connection.execute(delete(preference).where(preference.c.name == of.name))
    _say(connection, "clear setting", of, before, None, who)
    return True


def _kept(connection: Connection, of: Preference) -> str | None:
    return connection.execute(select(preference.c.value).where(preference.c.name == of.name)).scalar()


def _say(connection: Connection, action: str, of: Preference, before: str | None, after: str | None, who: Who) -> None:
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=action,
        target_kind=_KIND,
        target=of.name,
        before={"value": before},
        after={"value": after},
    )
