"""What did people do about one row of a reconciliation? The events of the audit log, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from w365core.store.reconciliation_reviews import TARGET

_ACTIONS = ("accept reconciliation lines", "reopen reconciliation lines", "mark reconciliation lines")


def of_row(connection: Connection, *, provider: str, invoice_number: str, line_id: str, most: int = 50) -> list[Mapping[str, Any]]:
    """Each with when, who, what, why and its values after; `is_named` is False for an event of so many rows that the log names none."""
    query = text("""
        select at, actor, action, reason, after, jsonb_exists(after, 'line_ids') as is_named from audit_log
        where target_kind = :kind and target = :target and action = any(:actions)
            and (jsonb_exists(after -> 'line_ids', :line_id) or not jsonb_exists(after, 'line_ids'))
        order by audit_id desc limit :most
    """)
    bound = {"kind": TARGET, "target": f"{provider} {invoice_number}", "actions": list(_ACTIONS), "line_id": line_id, "most": most}
    return [dict(row) for row in connection.execute(query, bound).mappings()]
