"""The provider's view: customers, subscriptions and changes as the provider says them; tokens kept encrypted; how unpublished layouts are read.

Jobs may also be an account sync, or an import of files that were uploaded; what was asked beyond provider and invoice is in `asked`.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("job_run", sa.Column("asked", postgresql.JSONB(astext_type=Text()), nullable=True))
    op.drop_constraint("job_run_kind_known_check", "job_run")
    op.drop_constraint("job_run_invoice_named_check", "job_run")
    op.create_check_constraint(
        op.f("job_run_kind_known_check"), "job_run", "kind in ('sync', 'sync_invoice', 'sync_accounts', 'import_files', 'test_connection')"
    )
    op.create_check_constraint(
        op.f("job_run_invoice_named_check"), "job_run", "(kind in ('sync_invoice', 'import_files')) = (invoice is not null)"
    )
    op.create_table(
        "column_mapping",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "headers", name=op.f("column_mapping_pkey")),
    )
    op.create_table(
        "provider_change",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("change_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("provider_customer_id", sa.Text(), nullable=True),
        sa.Column("provider_subscription_id", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("quantity_before", sa.Numeric(), nullable=True),
        sa.Column("quantity_after", sa.Numeric(), nullable=True),
        sa.Column("state_before", sa.Text(), nullable=True),
        sa.Column("state_after", sa.Text(), nullable=True),
        sa.Column("initiated_by", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity_after <> 'NaN'", name=op.f("provider_change_quantity_after_finite_check")),
        sa.CheckConstraint("quantity_before <> 'NaN'", name=op.f("provider_change_quantity_before_finite_check")),
        sa.CheckConstraint("source in ('audit', 'order')", name=op.f("provider_change_source_known_check")),
        sa.PrimaryKeyConstraint("provider", "change_id", name=op.f("provider_change_pkey")),
    )
    op.create_index("provider_change_subscription_idx", "provider_change", ["provider", "provider_subscription_id", "at"], unique=False)
    op.create_table(
        "provider_customer",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_customer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("proposed_account_id", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Numeric(), nullable=True),
        sa.Column("proposed_because", sa.Text(), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("confidence between 0 and 1", name=op.f("provider_customer_confidence_a_share_check")),
        sa.PrimaryKeyConstraint("provider", "provider_customer_id", name=op.f("provider_customer_pkey")),
    )
    op.create_table(
        "provider_pull",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("pulled_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pulled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lost_from", sa.Date(), nullable=True),
        sa.Column("lost_to", sa.Date(), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("provider", "what", name=op.f("provider_pull_pkey")),
    )
    op.create_table(
        "provider_subscription",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_subscription_id", sa.Text(), nullable=False),
        sa.Column("provider_customer_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(), nullable=True),
        sa.Column("term", sa.Text(), nullable=True),
        sa.Column("billing_cycle", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("migrated_from_id", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("auto_renew", sa.Boolean(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("term_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancellable_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refundable", postgresql.JSONB(astext_type=Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("scheduled", postgresql.JSONB(astext_type=Text()), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('License', 'Usage')", name=op.f("provider_subscription_kind_known_check")),
        sa.CheckConstraint("quantity <> 'NaN'", name=op.f("provider_subscription_quantity_finite_check")),
        sa.PrimaryKeyConstraint("provider", "provider_subscription_id", name=op.f("provider_subscription_pkey")),
    )
    op.create_index("provider_subscription_customer_idx", "provider_subscription", ["provider", "provider_customer_id"], unique=False)
    op.create_table(
        "stored_token",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("given", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exchanging_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("provider", "purpose", name=op.f("stored_token_pkey")),
    )
