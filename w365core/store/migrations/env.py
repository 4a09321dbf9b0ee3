"""How Alembic runs here: on the connection that `store.schema` hands over, never on a URL of its own."""

from alembic import context

from w365core.store import tables_access  # noqa: F401  its tables are part of the metadata
from w365core.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
