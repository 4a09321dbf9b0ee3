"""Since when a currency's rate is what it is, and who said so; and which landed bytes were removed since nothing is made of them; their rows stay."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "currency_rate",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("rate_to_base", sa.Numeric(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("currency_rate_pkey")),
        sa.CheckConstraint("rate_to_base > 0 and rate_to_base <> 'NaN'", name=op.f("currency_rate_rate_plausible_check")),
    )
    op.create_table(
        "removed_content",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("removed_content_pkey")),
    )
