"""Who has signed in, who waits for a role, and what may each role do?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from w365core.access import ACTIONS, ROUTES, Role
from w365core.frames import Kind
from w365core.reports.tables import Column, Table, moment

_COLUMNS = (
    Column("name", "Person", width=220),
    Column("role", "Role", width=90),
    Column("source", "Given by", width=170),
    moment("set_at", "Since (UTC)", width=130),
    moment("seen_at", "Last sign-in (UTC)", width=140),
    moment("first_seen_at", "First sign-in (UTC)", width=140),
    Column("email", "Address", width=200),
    Column("subject", "Subject", Kind.ID, width=260),
)


@dataclass(frozen=True)
class People:
    """`waiting` have no role, and were never given or refused one."""

    table: Table
    waiting: Sequence[Mapping[str, Any]]


def build(rows: Sequence[Mapping[str, Any]]) -> People:
    """Out of everybody who has signed in."""
    waiting = [row for row in rows if row["role"] is None and row["set_at"] is None]
    return People(Table("people", _COLUMNS, [{**row, "source": _source(row)} for row in rows]), waiting)


def roles() -> list[tuple[Role, str]]:
    """What each role may do beyond the one before it, as a sentence."""
    return [(role, f"{_may(role)[0].upper()}{_may(role)[1:]}.") for role in Role]


def _source(row: Mapping[str, Any]) -> str:
    if row["role_from"] is None:
        return ""
    return "the sign-in" if row["role_from"] == "claim" else row["set_by"]


def _may(role: Role) -> str:
    doing = [action.doing for action in ACTIONS.values() if action.role is role]
    pages = [f"the page {path}" for path, least in ROUTES.items() if least is role and role is not Role.VIEWER]
    seeing = ["every page but those below, and their tables as files"] if role is Role.VIEWER else []
    return ", ".join([*seeing, *doing, *pages])
