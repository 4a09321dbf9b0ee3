"""The order of dates that a person says with the columns of a layout is remembered with them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("column_mapping", sa.Column("date_order", sa.Text(), nullable=True))
