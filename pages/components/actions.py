"""What can a person do with an open invoice? A button per step that its state allows; each says before what it will do, and after what it did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from pages.components import address, asking, cached, done, plain, problems, signed_in
from pages.components.asking import ACTION, Asked
from w365core import lifecycle
from w365core.errors import CallRefused
from w365core.jobs import deciding
from w365core.model import Seen, StatusReason
from w365core.reports import consequences
from w365core.reports.consequences import Stake
from w365core.reports.provider_invoice import Invoice

_LOOKS = {
    "activate": ("Activate", ":material/check_circle:"),
    "deactivate": ("Deactivate", ":material/block:"),
    "delete": ("Delete", ":material/delete:"),
}
_TAKES_REASON = ("deactivate", "delete")
_MOST_CHARACTERS = 500


def draw(invoice: Invoice) -> None:
    """The buttons, what helps most in the strongest colour."""
    steps = [step.action for step in lifecycle.actions_from(invoice.status)]
    if "import" in steps:
        _again(invoice)
    for action in ("activate", "deactivate", "delete"):
        if action in steps:
            _button(action, invoice)


def dialog() -> None:
    """The question whether to take the step that was asked for."""
    asked = asking.what(ACTION)
    if isinstance(asked, Asked):
        title = f"{_LOOKS[asked.action][0]} {plain.label(asked.invoice.number)}?"
        st.dialog(title, width="medium", on_dismiss=asking.close)(_confirm)(asked)


def _again(invoice: Invoice) -> None:
    """Another import: from the provider, or from files."""
    is_file, is_wanted = invoice.source == "file", invoice.status != StatusReason.POPULATING
    label = "Check its files again" if is_file else "Sync again"
    kind = "primary" if is_wanted else "secondary"
    st.button(label, key="action_sync", icon=":material/sync:", type=kind, on_click=asking.for_sync, args=(invoice,))
    if is_file:
        label = "Upload files again"
        st.button(label, key="action_upload", icon=":material/upload_file:", on_click=asking.for_files, args=(invoice,))


def _button(action: str, invoice: Invoice) -> None:
    label, icon = _LOOKS[action]
    is_incomplete = action == "activate" and invoice.imported_at is None
    st.button(
        label,
        key=f"action_{action}",
        icon=icon,
        type="primary" if action == "activate" else "secondary",
        disabled=is_incomplete,
        help="Its import has not ended" if is_incomplete else None,
        on_click=asking.for_action,
        args=(action, invoice),
    )


# --- confirming --------------------------------------------------------------------------------------------------------------------------


def _confirm(asked: Asked) -> None:
    """Buttons in a dialog run no more than the dialog again: whatever closes it runs the whole page."""
    with problems.boundary():
        if asking.shows_refusal():
            return
        invoice, (label, icon) = asked.invoice, _LOOKS[asked.action]
        with cached.reading() as opened:
            now = cached.now(opened)
            stake = consequences.load(opened, invoice, now=now)
        st.text(consequences.before(asked.action, invoice, stake))
        why: dict[str, Any] = {}
        if asked.action in _TAKES_REASON:
            why["reason"] = st.text_input(
                "Why", key="action_reason", max_chars=_MOST_CHARACTERS, placeholder="Optional; kept in the audit log"
            )
        with st.container(horizontal=True, gap="small"):
            is_pressed = st.button(label, key="action_now", type="primary", icon=icon)
            is_left = st.button("Leave it", key="action_leave")
        if is_pressed:
            _take(asked, stake, now, why)
        elif is_left:
            asking.leave()


def _take(asked: Asked, stake: Stake, now: datetime, why: Mapping[str, Any]) -> None:
    """Takes the step on what the person saw, or keeps why it is refused."""
    invoice = asked.invoice
    seen = Seen(invoice.status, invoice.version, invoice.import_run_id)
    step = getattr(deciding, asked.action)
    try:
        job = step(cached.engine(), provider_invoice_id=invoice.id, seen=seen, actor=signed_in.person(), now=now, **why)
    except CallRefused as refusal:
        asking.refuse(refusal)
    done.say(consequences.after(asked.action, invoice, stake, job=job))
    if job:
        st.session_state["sync_job"] = job
    if asked.action == "delete":
        address.close_invoice()
    asking.leave()
