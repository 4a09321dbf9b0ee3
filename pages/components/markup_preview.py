"""What would a correction change, what did it change, and how is it taken back? The preview with its money, the button, the receipt, those of before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.components import cached, done, plain, problems, signed_in, tables, tiles
from w365core.errors import CallRefused, W365Error
from w365core.jobs import big_files, correcting
from w365core.jobs.correcting import Applied, Edit, Preview, Rule
from w365core.reports import markup as report, markup_figure, wording
from w365core.reports.tables import Table

WORKLIST, CHANGES = "worklist", "changes"  # where a change was asked for, and so where its preview stands
_ASKED, _PLACE, _RECEIPT = "markup_asked", "markup_place", "markup_receipt"
_MOST_SHOWN = 200


@dataclass(frozen=True)
class Asked:
    """A change that was previewed: what it is in words, what it would do, and what does exactly that."""

    words: str
    preview: Preview
    apply: Callable[..., Applied]


def ask_file(name: str, content: bytes) -> None:
    """Previews an uploaded file."""
    _ask(
        f"File {name}",
        lambda: big_files.preview_file(cached.engine(), name=name, content=content, actor=signed_in.person()),
        lambda **told: big_files.apply_file(cached.engine(), name=name, content=content, **told),
    )


def ask_edits(edits: Sequence[Edit]) -> None:
    """Previews cells edited in the page."""
    _ask(
        f"{wording.counted(len(edits), 'row')} edited here",
        lambda: correcting.preview_edits(cached.engine(), edits),
        lambda **told: correcting.apply_edits(cached.engine(), edits, **told),
    )


@problems.callback
def ask_rule(rule: Rule, place: str = CHANGES) -> None:
    """Previews one markup for many rows."""
    words = rule.in_words

    def apply(**told: Any) -> Applied:
        return correcting.apply_rule(cached.engine(), rule, seen=st.session_state[_ASKED].preview.seal, **told)

    _ask(words[0].upper() + words[1:], lambda: correcting.preview_rule(cached.engine(), rule), apply, place)


def _ask(words: str, look: Callable[[], Preview], apply: Callable[..., Applied], place: str = CHANGES) -> None:
    forget()
    st.session_state[_PLACE] = place
    try:
        st.session_state[_ASKED] = Asked(words, look(), apply)
    except W365Error as error:
        st.session_state[_ASKED] = error


@problems.callback
def forget() -> None:
    """Called where what was previewed is no longer what is asked."""
    st.session_state.pop(_ASKED, None)


# --- the preview ---------------------------------------------------------------------------------------------------------------------------


def draw(place: str) -> None:
    """What was asked for in this place would do this; nothing where nothing is asked."""
    asked = st.session_state.get(_ASKED) if st.session_state.get(_PLACE) == place else None
    if isinstance(asked, W365Error):
        problems.show(asked)
    elif asked is not None:
        with st.container(border=True), problems.boundary():
            _preview(asked)


def _preview(asked: Asked) -> None:
    found = asked.preview
    ready = bool(found.changed) and not found.refused
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        words, color = (
            ("Can be applied", "green") if ready else ("Cannot be applied", "red") if found.refused else ("Nothing to change", "gray")
        )
        st.badge(words, color=color)
        st.text(f"{asked.words}. Nothing is changed yet.")
    tiles.draw(report.tiles_of(found))
    for note in found.notes:
        st.text(note)
    if found.refused:
        _refused(found)
    moved = [one for one in found.by_currency if one.rows]
    for one in moved:
        _waterfall(found, one.currency)
    if found.by_account:
        with st.expander(f"By customer: {wording.counted(len(found.by_account), 'row')}", icon=":material/groups:"):
            _table(report.by_account(found.by_account), key="markup_by_account")
    if ready:
        _apply(asked)


def _refused(found: Preview) -> None:
    st.markdown("**Refused:** mend these cells in the file, or take their rows out, and upload it again.")
    _table(report.refused(found.refused), key="markup_refused")
    if found.conflicts:
        st.markdown("**Changed by somebody since the export:** both values, so that you can agree.")
        _table(report.conflicts(found.conflicts), key="markup_conflicts")


def _table(table: Table, *, key: str) -> None:
    tables.show(table.first(_MOST_SHOWN), key=key)
    if len(table.rows) > _MOST_SHOWN:
        st.caption(f"The first {_MOST_SHOWN:,} of {len(table.rows):,}; the downloads have all.")
    tables.downloads(table, key=key)


def _waterfall(found: Preview, currency: str) -> None:
    steps = report.steps(found, currency)
    st.caption(f"What the changed rows sell for, {currency}: before, what each customer adds, after")
    told = "; ".join(f"{step.label} {step.said}" for step in steps)
    st.plotly_chart(markup_figure.by_customer_moved(steps), config={"displayModeBar": False}, key=f"markup_moved_{currency}", alt=told)


def _apply(asked: Asked) -> None:
    left, right = st.columns((5, 1.4), gap="small", vertical_alignment="bottom")
    reason = left.text_input(
        "Reason",
        key="markup_reason",
        max_chars=500,
        help="Stays with the correction",
        placeholder="Why: such as the price list of November",
    )
    label = f"Change {wording.counted(asked.preview.changed, 'row')}"
    if right.button(label, key="markup_apply", type="primary", icon=":material/check:", width="stretch"):
        if not reason.strip():
            raise CallRefused("Say why: the reason stays with the correction.")
        applied = asked.apply(actor=signed_in.person(), now=cached.installation().now, reason=reason)
        if applied.correction_id is None:
            st.session_state[_ASKED] = Asked(asked.words, applied.preview, asked.apply)
        else:
            forget()
            st.session_state.pop("markup_reason", None)
            st.session_state["markup_turn"] = st.session_state.get("markup_turn", 0) + 1  # the form begins anew
            st.session_state[_RECEIPT] = (asked.words, applied)
            st.toast(
                f"Correction {applied.correction_id}: {wording.counted(applied.preview.changed, 'row')} changed. The receipt is on top."
            )
        st.rerun()


# --- what was done -------------------------------------------------------------------------------------------------------------------------


def receipt() -> None:
    """What the last correction of this person did, with its undo, until it is dismissed."""
    words, applied = st.session_state.get(_RECEIPT, (None, None))
    if applied is None:
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(f"Correction {applied.correction_id}", icon=":material/check_circle:", color="green")
            st.text(f"{words}: {wording.counted(applied.preview.changed, 'row')} changed.")
            st.space("stretch")
            st.button("Undo", key="markup_receipt_undo", icon=":material/undo:", on_click=_undo, args=(applied.correction_id,))
            st.button("Dismiss", key="markup_receipt_dismiss", icon=":material/close:", type="tertiary", on_click=_dismiss)
        tiles.draw(report.tiles_of(applied.preview, done=True))


def past(receipts: Table) -> None:
    """The corrections of before; a click on one offers its undo where all of it stands."""
    st.caption("Click a row to undo it. A correction can be undone while all of it stands.")
    row = tables.show(receipts, key=f"markup_past_{st.session_state.setdefault('markup_turn', 0)}", selects=True)
    if row:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            can, number = row["undoable"], row["correction_id"]
            what = plain.label(row["what"])
            said = f"gives {wording.counted(row['rows'], 'row')} the values of before" if can else row["stands"]
            st.button(
                f"Undo correction {number}", key="markup_undo", icon=":material/undo:", disabled=not can, on_click=_undo, args=(number,)
            )
            st.caption(f"{what}: {said}")
    tables.downloads(receipts, key="markup_past")


@problems.callback
def _undo(correction_id: int) -> None:
    """Called by a button."""
    forget()
    try:
        undone = correcting.undo(cached.engine(), correction_id, actor=signed_in.person(), now=cached.installation().now)
    except W365Error as error:
        st.session_state.update({_ASKED: error, _PLACE: WORKLIST})
        return
    st.session_state["markup_turn"] = st.session_state.get("markup_turn", 0) + 1
    _dismiss()
    done.say(f"Correction {correction_id} is undone: {wording.counted(undone.rows, 'row')} as before.")


@problems.callback
def _dismiss() -> None:
    st.session_state.pop(_RECEIPT, None)
