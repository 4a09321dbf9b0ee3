"""How are change logs that do not hold together shown and mended? Check by check, the biggest money first; a mending log is added with a reason."""

from __future__ import annotations

from datetime import date

import streamlit as st

from pages.components import asking, cached, done, plain, problems, signed_in, tables
from pages.components.asking import MENDING
from w365core.errors import CallRefused
from w365core.jobs import mending
from w365core.reports.change_logs import Check, Item, Proposed

SHOWN_AT_FIRST = 5
_MOST_CHARACTERS = 500
_LOOKS = {"mismatch": (":material/difference:", "red"), "archived_without_invoice": (":material/archive:", "orange"),
          "awaiting_or_failed": (":material/hourglass_top:", "orange"), "missing_data": (":material/edit_off:", "red")}  # fmt: skip


def draw(check: Check) -> None:
    """One check: its things to do, or that there is nothing."""
    st.subheader(check.title, anchor=False)
    if not check.items:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Nothing", icon=":material/check_circle:", color="green")
            st.text(check.nothing)
        return
    everything = st.session_state.get(f"{check.name}_all", False)
    with st.container(border=True, gap="small"):
        for place, item in enumerate(check.items if everything else check.items[:SHOWN_AT_FIRST]):
            _row(item, check, key=f"{check.name}_{place}")
    left, right = st.columns((7, 3), vertical_alignment="center")
    with left:
        if len(check.items) > SHOWN_AT_FIRST:
            st.toggle(f"Show all {len(check.items):,}", key=f"{check.name}_all")
    with right:
        tables.downloads(check.table, key=check.name)


def dialog() -> None:
    """The question that waits, where one does."""
    proposed = asking.what(MENDING)
    if isinstance(proposed, Proposed):
        st.dialog(f"Mend the change logs of {plain.label(proposed.subscription_id)}?", width="medium", on_dismiss=asking.close)(_confirm)(
            proposed
        )


def _row(item: Item, check: Check, *, key: str) -> None:
    icon, color = _LOOKS[check.name]
    name, said, figures, act = st.columns((2.6, 5.1, 1.6, 1.2), gap="small", vertical_alignment="center")
    with name.container(gap=None):
        st.markdown(f":{color}[{icon}] **{plain.label(item.customer)}**")
        st.caption(plain.label(item.what))
    said.text(item.sentence)
    with figures.container(gap=None, horizontal_alignment="right"):
        st.markdown(f"**{item.money}**", text_alignment="right")
        st.caption(item.small_print, text_alignment="right")
    if item.proposed:
        act.button(
            "Add the log",
            key=f"mend_{item.proposed.subscription_id}",
            on_click=asking.open_,
            args=(MENDING, item.proposed),
            width="stretch",
        )


def _confirm(proposed: Proposed) -> None:
    """Buttons in a dialog run no more than the dialog again: whatever closes it runs the whole page."""
    with problems.boundary():
        if asking.shows_refusal():
            return
        day = st.date_input("Effective", value=None, key="mending_day", format="YYYY-MM-DD", help="Blank: the proposed day")
        archived = st.checkbox("It was billed elsewhere: archive it, so that it is never billed", key="mending_archived")
        st.text(_before(proposed, day, archived))
        st.caption(
            "The log is a record of ours; `export-records` hands it on to the CRM or ERP. It stays in the books, with your name and the reason."
        )
        why = st.text_input("Why", key="mending_why", max_chars=_MOST_CHARACTERS, placeholder="Kept in the audit log")
        with st.container(horizontal=True, gap="small"):
            is_pressed = st.button("Add the log", key="mending_now", type="primary", icon=":material/add:")
            is_left = st.button("Leave it", key="mending_leave")
        if is_pressed and not why.strip():
            st.badge("Say why first", icon=":material/edit:", color="orange")
        elif is_pressed:
            _mend(proposed, why.strip(), day, archived)
        elif is_left:
            asking.leave()


def _before(proposed: Proposed, day: date | None, archived: bool) -> str:
    """What would be added, as the door itself says it."""
    try:
        return mending.mend(
            cached.engine(), proposed.subscription_id, reason=None, effective_date=day, archived=archived, dry_run=True, **_by_now()
        ).sentence
    except CallRefused as refusal:
        return str(refusal)


def _mend(proposed: Proposed, why: str, day: date | None, archived: bool) -> None:
    try:
        done.say(
            mending.mend(
                cached.engine(),
                proposed.subscription_id,
                reason=why,
                effective_date=day,
                archived=archived,
                **_by_now(),
            ).sentence
        )
    except CallRefused as refusal:
        asking.refuse(refusal)
    asking.leave()


def _by_now() -> dict:
    return {"actor": signed_in.person(), "now": cached.installation().now}
