"""What runs by itself every day: how far each is; and the job that makes Drafts of what is due."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.drop_constraint("job_run_kind_known_check", "job_run")
    op.create_check_constraint(
        op.f("job_run_kind_known_check"),
        "job_run",
        "kind in ('sync', 'sync_invoice', 'sync_accounts', 'import_files', 'test_connection', 'list_invoices', 'validate', 'take_new_version', "
        "'reconcile', 'bill', 'notify')",
    )
    op.add_column("job_run", sa.Column("dismissed_by", sa.Text(), nullable=True))
    op.create_index("job_run_failed_idx", "job_run", ["job_id"], postgresql_where=sa.text("state = 'failed'"))
    op.create_table(
        "schedule",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("job_ids", postgresql.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("schedule_pkey")),
    )
