"""Messages: what was changed of their templates, and an outbox in which each is written before it is sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "message_template",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body_text", sa.Text(), nullable=False),
        sa.Column("body_html", sa.Text(), nullable=False, server_default=""),
        sa.Column("mail_to", sa.Text(), nullable=False, server_default=""),
        sa.Column("mail_cc", sa.Text(), nullable=False, server_default=""),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("message_template_pkey")),
    )
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body_text", sa.Text(), nullable=False),
        sa.Column("body_html", sa.Text(), nullable=False, server_default=""),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("mail_to", sa.Text(), nullable=False, server_default=""),
        sa.Column("mail_cc", sa.Text(), nullable=False, server_default=""),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("said", sa.Text(), nullable=False, server_default=""),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("outbox_pkey")),
        sa.UniqueConstraint("message_id", name=op.f("outbox_message_id_key")),
        sa.UniqueConstraint("channel", "key", name=op.f("outbox_channel_key_key")),
        sa.CheckConstraint("channel in ('mail', 'webhook')", name=op.f("outbox_channel_known_check")),
        sa.CheckConstraint("state in ('waiting', 'sent', 'failed', 'withheld', 'discarded')", name=op.f("outbox_state_known_check")),
        sa.CheckConstraint("(state = 'waiting') = (next_attempt_at is not null)", name=op.f("outbox_waiting_has_moment_check")),
        sa.CheckConstraint("(state = 'sent') = (sent_at is not null)", name=op.f("outbox_sent_has_moment_check")),
    )
    op.create_index("outbox_waiting_idx", "outbox", ["next_attempt_at"], postgresql_where=sa.text("state = 'waiting'"))
