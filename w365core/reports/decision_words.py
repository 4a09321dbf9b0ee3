"""What did a person do about a row of a reconciliation? One sentence for each event of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w365core.reports import wording

_DONE = {"accept reconciliation lines": "Accepted", "reopen reconciliation lines": "Opened again"}


def sentence(event: Mapping[str, Any]) -> str:
    """Accepted by ana on 12 Nov 2026 06:00 UTC, with 11 more rows: agreed."""
    after = event["after"] or {}
    by = f"by {event['actor']} on {wording.zoned(event['at'])}{_among(event['is_named'], after.get('rows') or 1)}"
    if event["action"] in _DONE:
        return f"{_DONE[event['action']]} {by}: {event['reason'] or 'no reason given'}"
    said = []
    if "assigned_to" in after:
        said.append(f"Assigned to {after['assigned_to'] or 'nobody'} {by}.")
    if "note" in after:
        said.append(f"Note {by}: {after['note']}" if after["note"] else f"Note taken away {by}.")
    return " ".join(said) or f"Marked {by}."


def _among(is_named: bool, rows: int) -> str:
    """An event of very many rows names none of them, so that nobody can tell whether this one was among them."""
    if not is_named:
        return f", with {rows:,} rows that the log does not name: perhaps this one"
    return "" if rows == 1 else f", with {wording.counted(rows - 1, 'more row', 'more rows')}"
