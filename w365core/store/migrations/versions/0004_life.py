"""What is said of invoices beside the ledger: listings, changes at the provider line by line, deleted ones, tolerance policies; and three jobs more."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_constraint("job_run_kind_known_check", "job_run")
    op.drop_constraint("job_run_invoice_named_check", "job_run")
    op.create_check_constraint(
        op.f("job_run_kind_known_check"),
        "job_run",
        "kind in ('sync', 'sync_invoice', 'sync_accounts', 'import_files', 'test_connection', 'list_invoices', 'validate', 'take_new_version')",
    )
    op.create_check_constraint(
        op.f("job_run_invoice_named_check"),
        "job_run",
        "(kind in ('sync_invoice', 'import_files', 'take_new_version')) = (invoice is not null)",
    )
    op.create_table(
        "deleted_invoice",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "invoice_number", name=op.f("deleted_invoice_pkey")),
    )
    op.create_table(
        "invoice_change",
        sa.Column("change_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider_invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("header_total_before", sa.Numeric(), nullable=True),
        sa.Column("header_total_now", sa.Numeric(), nullable=True),
        sa.Column("fingerprint_before", sa.Text(), nullable=True),
        sa.Column("fingerprint_now", sa.Text(), nullable=True),
        sa.Column("compared", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("lines_added", sa.BigInteger(), nullable=True),
        sa.Column("lines_removed", sa.BigInteger(), nullable=True),
        sa.Column("lines_changed", sa.BigInteger(), nullable=True),
        sa.Column("amount_added", sa.Numeric(), nullable=True),
        sa.Column("amount_removed", sa.Numeric(), nullable=True),
        sa.Column("amount_changed", sa.Numeric(), nullable=True),
        sa.Column("daily_lines", sa.BigInteger(), nullable=True),
        sa.Column("daily_amount", sa.Numeric(), nullable=True),
        sa.CheckConstraint("daily_amount <> 'NaN'", name=op.f("invoice_change_daily_amount_finite_check")),
        sa.CheckConstraint("amount_added <> 'NaN'", name=op.f("invoice_change_amount_added_finite_check")),
        sa.CheckConstraint("amount_changed <> 'NaN'", name=op.f("invoice_change_amount_changed_finite_check")),
        sa.CheckConstraint("amount_removed <> 'NaN'", name=op.f("invoice_change_amount_removed_finite_check")),
        sa.CheckConstraint("header_total_before <> 'NaN'", name=op.f("invoice_change_header_total_before_finite_check")),
        sa.CheckConstraint("header_total_now <> 'NaN'", name=op.f("invoice_change_header_total_now_finite_check")),
        sa.PrimaryKeyConstraint("change_id", name=op.f("invoice_change_pkey")),
    )
    op.create_index("invoice_change_invoice_idx", "invoice_change", ["provider_invoice_id", "change_id"], unique=False)
    op.create_table(
        "invoice_change_line",
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("provider_customer_id", sa.Text(), nullable=True),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("provider_subscription_id", sa.Text(), nullable=True),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("product_name", sa.Text(), nullable=True),
        sa.Column("charge_type", sa.Text(), nullable=True),
        sa.Column("charge_start", sa.Date(), nullable=True),
        sa.Column("charge_end", sa.Date(), nullable=True),
        sa.Column("quantity_before", sa.Numeric(), nullable=True),
        sa.Column("quantity_now", sa.Numeric(), nullable=True),
        sa.Column("amount_before", sa.Numeric(), nullable=True),
        sa.Column("amount_now", sa.Numeric(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_before <> 'NaN'", name=op.f("invoice_change_line_amount_before_finite_check")),
        sa.CheckConstraint("amount_now <> 'NaN'", name=op.f("invoice_change_line_amount_now_finite_check")),
        sa.CheckConstraint("quantity_before <> 'NaN'", name=op.f("invoice_change_line_quantity_before_finite_check")),
        sa.CheckConstraint("quantity_now <> 'NaN'", name=op.f("invoice_change_line_quantity_now_finite_check")),
        sa.CheckConstraint("what in ('added', 'removed', 'changed')", name=op.f("invoice_change_line_what_known_check")),
        sa.PrimaryKeyConstraint("change_id", "ordinal", name=op.f("invoice_change_line_pkey")),
    )
    op.create_table(
        "invoice_change_customer",
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("provider_customer_id", sa.Text(), nullable=True),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.CheckConstraint("amount <> 'NaN'", name=op.f("invoice_change_customer_amount_finite_check")),
        sa.PrimaryKeyConstraint("change_id", "ordinal", name=op.f("invoice_change_customer_pkey")),
    )
    op.create_table(
        "invoice_change_usage",
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("usage_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("cost_before", sa.Numeric(), nullable=True),
        sa.Column("cost_now", sa.Numeric(), nullable=True),
        sa.Column("selling_now", sa.Numeric(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.CheckConstraint("cost_before <> 'NaN'", name=op.f("invoice_change_usage_cost_before_finite_check")),
        sa.CheckConstraint("cost_now <> 'NaN'", name=op.f("invoice_change_usage_cost_now_finite_check")),
        sa.CheckConstraint("selling_now <> 'NaN'", name=op.f("invoice_change_usage_selling_now_finite_check")),
        sa.PrimaryKeyConstraint("change_id", "usage_id", name=op.f("invoice_change_usage_pkey")),
    )
    op.create_table(
        "listed_invoice",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("invoice_type", sa.Text(), nullable=True),
        sa.Column("amends_of", sa.Text(), nullable=True),
        sa.Column("invoice_date", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=True),
        sa.Column("first_listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("total <> 'NaN'", name=op.f("listed_invoice_total_finite_check")),
        sa.PrimaryKeyConstraint("provider", "invoice_number", name=op.f("listed_invoice_pkey")),
    )
    op.create_table(
        "tolerance_policy",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("one_click_amount", sa.Numeric(), server_default=sa.text("0.50"), nullable=False),
        sa.Column("one_click_percent", sa.Numeric(), nullable=True),
        sa.Column("most_amount", sa.Numeric(), nullable=True),
        sa.Column("most_percent", sa.Numeric(), nullable=True),
        sa.Column("drop_percent", sa.Numeric(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("drop_percent <> 'NaN'", name=op.f("tolerance_policy_drop_percent_finite_check")),
        sa.CheckConstraint("most_amount <> 'NaN'", name=op.f("tolerance_policy_most_amount_finite_check")),
        sa.CheckConstraint("most_percent <> 'NaN'", name=op.f("tolerance_policy_most_percent_finite_check")),
        sa.CheckConstraint("one_click_amount >= 0 and one_click_amount <> 'NaN'", name=op.f("tolerance_policy_one_click_plausible_check")),
        sa.CheckConstraint("one_click_percent <> 'NaN'", name=op.f("tolerance_policy_one_click_percent_finite_check")),
        sa.PrimaryKeyConstraint("provider", "currency", name=op.f("tolerance_policy_pkey")),
    )
    op.add_column("provider_invoice", sa.Column("fingerprint_now", sa.Text(), nullable=True))
    op.add_column("provider_invoice", sa.Column("failures", postgresql.JSONB(astext_type=Text()), nullable=True))
    op.add_column("provider_invoice", sa.Column("override_reason", sa.Text(), nullable=True))
    op.add_column("provider_invoice", sa.Column("explanation", postgresql.JSONB(astext_type=Text()), nullable=True))
    op.add_column("provider_invoice", sa.Column("proven_cause", sa.Text(), nullable=True))
    op.add_column("provider_invoice", sa.Column("customers", sa.BigInteger(), nullable=True))
    op.add_column("provider_invoice", sa.Column("usage_days", sa.BigInteger(), nullable=True))
    # From the identity of an invoice to its lines, however many they are: by kind, and the biggest tax first.
    op.create_index(
        "license_line_license_idx", "license_line", ["provider_invoice_id", "line_number"], postgresql_where=sa.text("kind = 'license'")
    )
    op.create_index(
        "license_line_taxed_idx",
        "license_line",
        ["provider_invoice_id", sa.text("abs(tax_total) desc"), "line_number"],
        postgresql_where=sa.text("tax_total <> 0"),
    )
    for printed in ("provider_customer_id", "provider_subscription_id"):
        op.create_index(f"license_line_{printed}_idx", "license_line", [sa.literal_column(f"lower(btrim({printed}))")], unique=False)
