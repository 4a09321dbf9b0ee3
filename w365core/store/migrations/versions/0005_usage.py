"""Usage as it is billed: the markup as stamped, corrections beside the provider's figures, the line of the customer invoice; and who corrected what."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_CORRECTED = ("stamped_markup_pct", "corrected_quantity", "corrected_cost")
_BEFORE_AND_AFTER = tuple(f"{name}_{when}" for name in ("markup", "quantity", "cost", "selling") for when in ("before", "after"))


def upgrade() -> None:
    for name in _CORRECTED:
        op.add_column("usage_summary", sa.Column(name, sa.Numeric(), nullable=True))
        op.create_check_constraint(op.f(f"usage_summary_{name}_finite_check"), "usage_summary", f"{name} <> 'NaN'")
    op.execute("update usage_summary set stamped_markup_pct = markup_pct where markup_pct is not null")
    op.add_column("usage_summary", sa.Column("invoice_line", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("usage_summary_line_has_invoice_check"), "usage_summary", "invoice_line is null or invoice_number is not null"
    )
    # Corrections and billing change most rows of an invoice at once: with room on its page a changed row touches no index.
    op.execute("alter table usage_summary set (fillfactor = 50)")
    op.create_index("usage_summary_subscription_idx", "usage_summary", ["subscription_id", "charge_end"])
    op.create_index(
        "usage_summary_customer_invoice_idx", "usage_summary", ["invoice_number"], postgresql_where=sa.text("invoice_number is not null")
    )
    op.create_table(
        "usage_correction",
        sa.Column("correction_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.CheckConstraint("source in ('file', 'page', 'rule')", name=op.f("usage_correction_source_known_check")),
        sa.CheckConstraint("(undone_at is null) = (undone_by is null)", name=op.f("usage_correction_undone_by_somebody_check")),
        sa.PrimaryKeyConstraint("correction_id", name=op.f("usage_correction_pkey")),
    )
    op.create_table(
        "usage_correction_row",
        sa.Column("correction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("usage_id", sa.Text(), nullable=False),
        sa.Column("provider_invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Numeric(), nullable=True) for name in _BEFORE_AND_AFTER),
        *(sa.CheckConstraint(f"{name} <> 'NaN'", name=op.f(f"usage_correction_row_{name}_finite_check")) for name in _BEFORE_AND_AFTER),
        sa.PrimaryKeyConstraint("correction_id", "usage_id", name=op.f("usage_correction_row_pkey")),
    )
    op.create_index("usage_correction_row_usage_idx", "usage_correction_row", ["usage_id", "correction_id"])
    op.create_table(
        "usage_invoice",
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("usage_total", sa.Numeric(), nullable=False),
        sa.Column("top_up_total", sa.Numeric(), nullable=False),
        sa.Column("next_invoice_date_before", sa.Date(), nullable=True),
        sa.Column("next_invoice_date_after", sa.Date(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.CheckConstraint("usage_total <> 'NaN'", name=op.f("usage_invoice_usage_total_finite_check")),
        sa.CheckConstraint("top_up_total <> 'NaN'", name=op.f("usage_invoice_top_up_total_finite_check")),
        sa.PrimaryKeyConstraint("invoice_number", name=op.f("usage_invoice_pkey")),
    )
    op.create_index("customer_invoice_contract_idx", "customer_invoice", ["contract_id"])
