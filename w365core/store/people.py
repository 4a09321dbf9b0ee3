"""Who has signed in here, and what may they do? A person is known by what the provider of identities calls them, never by a name or an address.

What the audit log says of them is `name`: nobody else's, and the same for good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from w365core.access import Role
from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables_access import person

SET, CLAIM = "set", "claim"
_LOCK = 3650011
_LONGEST = 120


def role_of(connection: Connection, subject: str) -> Role | None:
    """What they may do now; None where they have no role, or were never here."""
    found = connection.execute(select(person.c.role).where(person.c.subject == subject)).scalar()
    return Role(found) if found else None


def all_of_them(connection: Connection) -> Sequence[Mapping[str, Any]]:
    """Everybody who has signed in: those who wait for a role first, then by name."""
    order = (person.c.role.is_not(None), func.lower(person.c.name))
    return connection.execute(select(*person.columns).order_by(*order)).mappings().all()


def find(connection: Connection, named: str, *, locked: bool = False) -> Sequence[Row]:
    """Those of that subject, name or address, in any case: one, where it says enough."""
    wanted = named.strip().lower()
    rows = select(person).where(
        or_(person.c.subject == named.strip(), func.lower(person.c.name) == wanted, func.lower(person.c.email) == wanted)
    )
    return connection.execute(rows.with_for_update() if locked else rows).all()


def came(connection: Connection, *, subject: str, name: str, email: str | None, claimed: Role | None, now: datetime) -> str:
    """Notes that somebody has signed in, with the role that was claimed for them; returns what the log calls them. A role that was set here stays."""
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    known = connection.execute(select(person).where(person.c.subject == subject)).first()
    if known is None:
        called = _free_name(connection, name, subject)
        values = {"subject": subject, "name": called, "email": email, "first_seen_at": now, "seen_at": now}
        connection.execute(insert(person).values(**values))
        _say(connection, "sign in for the first time", called, Who(called, now), None, {"subject": subject, "email": email})
    else:
        called = known.name
        connection.execute(update(person).where(person.c.subject == subject).values(seen_at=now, email=email))
    stands = known.role if known else None
    may_claim = known is None or known.role_from != SET
    if may_claim and claimed != stands and (claimed is not None or stands is not None):
        _write(connection, subject, called, stands, claimed, CLAIM, Who(called, now))
    return called


def give(connection: Connection, of: Row, role: Role | None, *, who: Who) -> bool:
    """Gives the person a role, or with None takes it away; False where it is so already."""
    if of.role == role and of.role_from == SET:
        return False
    _write(connection, of.subject, of.name, of.role, role, SET, who)
    return True


def admins(connection: Connection) -> int:
    """How many there are."""
    return connection.execute(select(func.count()).select_from(person).where(person.c.role == Role.ADMIN)).scalar_one()


def _write(connection: Connection, subject: str, name: str, before: str | None, after: Role | None, source: str, who: Who) -> None:
    values = {"role": after, "role_from": source, "set_by": who.actor, "set_at": who.now}
    connection.execute(update(person).where(person.c.subject == subject).values(**values))
    _say(connection, "set role", name, who, {"role": before}, {"role": after, "from": source})


def _say(connection: Connection, action: str, name: str, who: Who, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
    audit.append(connection, at=who.now, actor=who.actor, action=action, target_kind="person", target=name, before=before, after=after)


def _free_name(connection: Connection, name: str, subject: str) -> str:
    """The name, with a mark of the subject where somebody else has it: what the log says is of one person only."""
    plain = "".join(sign for sign in " ".join(name.split()) if sign.isprintable())[:_LONGEST] or "somebody"
    taken = connection.execute(select(person.c.name).where(func.lower(person.c.name) == plain.lower())).first()
    return f"{plain} ({hashlib.sha256(subject.encode()).hexdigest()[:8]})" if taken else plain
