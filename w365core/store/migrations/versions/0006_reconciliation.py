"""Reconciliation: runs over invoices with their rows, change logs and findings, what people decided of them, sign-offs; and its job."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

_SUMS = ("header", "lines", "usage", "tax", "rounding", "overridden", "confirmed", "explained", "unexplained")
_FINITE = ("header", "lines", "usage", "tax", "confirmed", "explained", "unexplained")


def _texts(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=True) for name in names]


def _numbers(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Numeric(), nullable=True) for name in names]


def _days(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Date(), nullable=True) for name in names]


def _run() -> sa.Column:
    return sa.Column("reconciliation_id", sa.BigInteger(), autoincrement=False, nullable=False)


def upgrade() -> None:
    op.drop_constraint("job_run_kind_known_check", "job_run")
    op.drop_constraint("job_run_invoice_named_check", "job_run")
    op.create_check_constraint(
        op.f("job_run_kind_known_check"),
        "job_run",
        "kind in ('sync', 'sync_invoice', 'sync_accounts', 'import_files', 'test_connection', 'list_invoices', 'validate', 'take_new_version', "
        "'reconcile')",
    )
    op.create_check_constraint(
        op.f("job_run_invoice_named_check"),
        "job_run",
        "(kind in ('sync_invoice', 'import_files', 'take_new_version', 'reconcile')) = (invoice is not null)",
    )
    op.create_table(
        "reconciliation",
        sa.Column("reconciliation_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        *(sa.Column(name, sa.Numeric(), nullable=False) for name in _SUMS),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("latest_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("header = lines + usage + tax + rounding + overridden", name=op.f("reconciliation_identity_check")),
        sa.CheckConstraint("lines = confirmed + explained + unexplained", name=op.f("reconciliation_conservation_check")),
        *(sa.CheckConstraint(f"{name} <> 'NaN'", name=op.f(f"reconciliation_{name}_finite_check")) for name in _FINITE),
        sa.PrimaryKeyConstraint("reconciliation_id", name=op.f("reconciliation_pkey")),
        sa.UniqueConstraint(
            "provider", "invoice_number", "fingerprint", name=op.f("reconciliation_provider_invoice_number_fingerprint_key")
        ),
    )
    op.create_table(
        "reconciliation_line",
        _run(),
        sa.Column("line_id", sa.Text(), autoincrement=False, nullable=False),
        *_texts("subscription_id", "account_id", "provider_subscription_id", "provider_customer_id", "customer_name", "product_id"),
        *_texts("product_name"),
        *_days("charge_start", "charge_end", "snapshot"),
        sa.Column("lines", sa.BigInteger(), nullable=True),
        *_numbers("provider_quantity", "our_quantity", "our_quantity_then", "provider_quantity_now", "quantity_difference", "residual"),
        sa.Column("residual_settles", sa.Boolean(), nullable=True),
        *_texts("verdict", "fit"),
        sa.Column("changed_since", sa.Boolean(), nullable=True),
        *_texts("reason"),
        *_numbers("unit_cost", "cost_price", "selling_price"),
        *_texts("price_verdict"),
        *_numbers("subtotal", "money_at_risk", "unbilled"),
        *_texts("currency"),
        sa.PrimaryKeyConstraint("reconciliation_id", "line_id", name=op.f("reconciliation_line_pkey")),
    )
    op.create_index("reconciliation_line_subscription_idx", "reconciliation_line", ["subscription_id", "reconciliation_id"])
    op.create_index(
        "reconciliation_line_risk_idx", "reconciliation_line", ["reconciliation_id", sa.text("money_at_risk desc nulls last"), "line_id"]
    )
    op.create_table(
        "reconciliation_change_log",
        _run(),
        sa.Column("line_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("change_log_id", sa.Text(), autoincrement=False, nullable=False),
        *_texts("event"),
        *_numbers("quantity"),
        *_days("effective_date", "provisioned_on"),
        *_texts("provisioning_status", "status_reason", "source", "initiated_by", "invoice_number", "billing"),
        sa.Column("outside", sa.Boolean(), nullable=True),
        *_numbers("worth"),
        *_texts("worth_currency"),
        sa.PrimaryKeyConstraint("reconciliation_id", "line_id", "change_log_id", name=op.f("reconciliation_change_log_pkey")),
    )
    op.create_table(
        "reconciliation_finding",
        _run(),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        *_texts("line_id"),
        sa.Column("line_number", sa.BigInteger(), nullable=True),
        *_texts("kind"),
        *_numbers("expected", "found", "amount"),
        *_texts("currency", "reason"),
        sa.PrimaryKeyConstraint("reconciliation_id", "ordinal", name=op.f("reconciliation_finding_pkey")),
    )
    op.create_index("reconciliation_finding_line_idx", "reconciliation_finding", ["reconciliation_id", "line_id"])
    op.create_table(
        "reconciliation_review",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("line_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        *_texts("reason", "verdict"),
        *_numbers("residual"),
        *_texts("assigned_to", "note"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint("state in ('open', 'confirmed', 'accepted')", name=op.f("reconciliation_review_state_known_check")),
        sa.CheckConstraint("state <> 'accepted' or reason <> ''", name=op.f("reconciliation_review_accepted_has_reason_check")),
        sa.PrimaryKeyConstraint("provider", "invoice_number", "line_id", name=op.f("reconciliation_review_pkey")),
    )
    op.create_table(
        "reconciliation_sign_off",
        sa.Column("sign_off_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("reconciliation_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        *_texts("note"),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True),
        *_texts("reopened_by", "reopened_because"),
        sa.CheckConstraint(
            "(reopened_at is null) = (reopened_by is null)", name=op.f("reconciliation_sign_off_reopened_by_somebody_check")
        ),
        sa.PrimaryKeyConstraint("sign_off_id", name=op.f("reconciliation_sign_off_pkey")),
    )
    op.create_index(
        "reconciliation_sign_off_standing_idx",
        "reconciliation_sign_off",
        ["provider", "invoice_number"],
        unique=True,
        postgresql_where=sa.text("reopened_at is null"),
    )
