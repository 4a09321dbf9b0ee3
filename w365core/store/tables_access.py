"""The tables of signing in: who has been here, with which role, and which actions were asked for."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, DateTime, Table, Text

from w365core.store.tables import metadata

# Somebody who has signed in. `subject` is the issuer and its own name for the person; `name` is what the audit log says, and nobody else's.
person = Table(
    "person",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("email", Text),
    Column("role", Text),  # null: none (any more)
    Column("role_from", Text),  # set: by an admin or a command; claim: by the provider of identities, at each sign-in
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("set_by", Text),
    Column("set_at", DateTime(timezone=True)),
    CheckConstraint("role in ('viewer', 'analyst', 'approver', 'admin')", name="role_known"),
    CheckConstraint("role_from in ('set', 'claim')", name="role_from_known"),
)

# An action that was asked for with a key, so that asking twice does it once.
asked_action = Table(
    "asked_action",
    metadata,
    Column("key", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("asked", Text, nullable=False),  # SHA-256 of what it was asked with
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("done_at", DateTime(timezone=True)),
)
