"""What invoices have settled of minimum commitments, cycle by cycle, so that usage that comes late takes its part of a top-up back."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "usage_commitment",
        sa.Column("invoice_number", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("cycle_start", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("committed", sa.Numeric(), nullable=False),
        sa.Column("top_up", sa.Numeric(), nullable=False),
        sa.CheckConstraint("committed <> 'NaN'", name=op.f("usage_commitment_committed_finite_check")),
        sa.CheckConstraint("top_up <> 'NaN'", name=op.f("usage_commitment_top_up_finite_check")),
        sa.PrimaryKeyConstraint("invoice_number", "subscription_id", "cycle_start", name=op.f("usage_commitment_pkey")),
    )
    op.create_index("usage_commitment_subscription_idx", "usage_commitment", ["subscription_id"])
    # Invoices made before had a line without usage for each top-up: the commitment is that and what the subscription used in the cycle.
    op.execute("""
        insert into usage_commitment (invoice_number, subscription_id, cycle_start, currency, committed, top_up)
        select i.invoice_number, l.subscription_id, i.cycle_start, i.currency, sum(l.amount) + coalesce((
                 select sum(u.selling_amount) from usage_summary u
                 where u.invoice_number = i.invoice_number and u.subscription_id = l.subscription_id and u.charge_end between i.cycle_start and i.cycle_end
               ), 0), sum(l.amount)
        from usage_invoice m join customer_invoice i using (invoice_number) join customer_invoice_line l using (invoice_number)
        where l.quantity is null and l.subscription_id is not null and i.cycle_start is not null and i.currency is not null
          and not exists (select from usage_summary u where u.invoice_number = l.invoice_number and u.invoice_line = l.line_number)
        group by i.invoice_number, l.subscription_id, i.cycle_start, i.currency, i.cycle_end
    """)
