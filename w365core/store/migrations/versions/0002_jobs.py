"""The queue: procrastinate's own schema, as its package has it, and what each job was asked and did.

The package is pinned to one minor version, whose schema this is. A newer one comes with a revision of its own, made of the package's migrations.
"""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # Past SQLAlchemy, on the driver's connection: many statements at once, with signs in them that it would take for parameters.
    op.get_bind().connection.driver_connection.execute(SchemaManager.get_schema())
    op.create_table(
        "job_run",
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("invoice", sa.Text(), nullable=True),
        sa.Column("override_tolerance", sa.Numeric(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("progress", sa.Text(), server_default="", nullable=False),
        sa.Column("lines_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lines_total", sa.BigInteger(), nullable=True),
        sa.Column("lines_per_second", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", postgresql.JSONB(astext_type=Text()), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("kind in ('sync', 'sync_invoice')", name=op.f("job_run_kind_known_check")),
        sa.CheckConstraint("state in ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("job_run_state_known_check")),
        sa.CheckConstraint(
            "(finished_at is not null) = (state in ('done', 'failed', 'cancelled'))", name=op.f("job_run_ended_has_moment_check")
        ),
        sa.CheckConstraint("(kind = 'sync_invoice') = (invoice is not null)", name=op.f("job_run_invoice_named_check")),
        sa.CheckConstraint("override_tolerance <> 'NaN'", name=op.f("job_run_override_tolerance_finite_check")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("job_run_pkey")),
    )
    op.create_index("job_run_unfinished_idx", "job_run", ["job_id"], unique=False, postgresql_where=sa.text("finished_at IS NULL"))
