"""The schema, created or brought up to date: safe to repeat, safe when several processes start at once."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from w365core.store import database_roles
from w365core.store.engine import guarded


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "w365core.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine, *, to: str = "head") -> bool:
    """Brings the schema up to date under a lock; True if anything was done. ConfigurationMissing where the account may not create tables."""
    with guarded(), engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(3650001)"))
        before = current(engine=None, connection=connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        changed = before != current(engine=None, connection=connection)
        if to == "head" and (changed or not database_roles.are_there(connection)):
            database_roles.settle(connection)
        elif to == "head" and database_roles.owns_the_schema(connection):
            database_roles.hand_over(connection)
        return changed


def current(*, engine: Engine | None, connection=None) -> str | None:
    """The revision the database is at, or None before the first `init`."""
    if connection is None:
        with engine.connect() as opened:
            return current(engine=None, connection=opened)
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("select version_num from alembic_version")).scalar()


def newest() -> str:
    """The revision that this code expects."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def known() -> tuple[str, ...]:
    """Every revision that this code knows, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())
