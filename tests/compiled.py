"""How often is a statement compiled in tests? Once a process, as in the product, where an engine lives as long as its process; each test has an engine of its own.

SQLAlchemy keeps compiled statements by engine, under the dialect's identity. Here engines of one process share them, under what makes their dialects
differ: the version of the server.
"""

from __future__ import annotations

from sqlalchemy import Engine, util
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from w365core.store import engine

_MOST = 4_000
_real = engine.create_engine
_COMPILED = util.LRUCache(_MOST)


def share() -> None:
    """From now on, engines that this process makes share what is compiled."""
    engine.create_engine = _sharing
    PGDialect_psycopg.__eq__ = lambda one, other: type(one) is type(other) and _differs_by(one) == _differs_by(other)
    PGDialect_psycopg.__hash__ = lambda one: hash(_differs_by(one))


def _sharing(*arguments: object, **named: object) -> Engine:
    made = _real(*arguments, **named)
    made._compiled_cache = _COMPILED
    return made


def _differs_by(dialect: PGDialect_psycopg) -> tuple:
    return getattr(dialect, "server_version_info", None), dialect.default_schema_name
