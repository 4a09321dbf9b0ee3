"""How are the chosen rows changed? By a file that goes out and comes back, by cells edited here, or by one rule; each ends in a preview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from pages.components import cached, empty, leaving, markup, markup_preview, problems
from w365core import money
from w365core.correction import EDITABLE
from w365core.errors import CallRefused
from w365core.jobs import big_files, correcting
from w365core.jobs.correcting import Chosen, Edit, Rule

MOST_MEGABYTES = 100
MOST_ROWS_HERE = 200
FILE, HERE, RULE = "With a file", "Edit here", "One rule"
_HEADERS = {
    "account_name": "Customer", "subscription": "Subscription", "product": "Product", "markup_pct": "Markup %", "cost": "Cost", "quantity": "Quantity",
    "selling_amount": "Sells for", "currency": "Currency", "charge_start": "From", "charge_end": "To", "invoice": "Invoice", "usage_id": "Usage",
}  # fmt: skip
_NUMBERS = ("quantity", "cost", "markup_pct", "selling_amount")


def draw(which: Chosen) -> None:
    """The ways, and the one that is chosen."""
    st.session_state.setdefault("markup_way", FILE)
    way = st.segmented_control(
        "How", [FILE, HERE, RULE], key="markup_way", required=True, label_visibility="collapsed", on_change=markup_preview.forget
    )
    with st.container(border=True), problems.boundary():
        {FILE: _file, HERE: _here, RULE: _rule}[way or FILE](which)


# --- a file --------------------------------------------------------------------------------------------------------------------------------


def _file(which: Chosen) -> None:
    out, back = st.columns(2, gap="large")
    with out:
        st.markdown("**1. Download** the open rows")
        st.caption("Edit markup_pct, cost or quantity in a spreadsheet; leave the other cells, and take out what you do not need.")
        with st.container(horizontal=True, gap="small"):
            _download(which, "CSV", "csv", "text/csv", excel=False)
            _download(which, "Excel", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", excel=True)
    with back:
        st.markdown("**2. Upload** the edited file")
        big_files.keep_warm()
        turn = st.session_state.setdefault("markup_turn", 0)
        file = st.file_uploader(
            "The edited file, CSV or Excel",
            type=["csv", "xlsx", "txt"],
            key=f"markup_file_{turn}",
            max_upload_size=MOST_MEGABYTES,
            label_visibility="collapsed",
        )
        if file is not None and st.session_state.get("markup_uploaded") != file.file_id:
            st.session_state["markup_uploaded"] = file.file_id
            with st.spinner("Comparing the file with what is stored …"):
                markup_preview.ask_file(file.name, file.getvalue())


def _open(which: Chosen) -> Chosen:
    """What can be changed: a row that is invoiced would only be refused when it comes back."""
    return replace(which, open_only=True)


def _download(which: Chosen, label: str, ending: str, mime: str, *, excel: bool) -> None:
    leaving.button(
        label,
        what="usage to edit",
        data=lambda: correcting.export(cached.engine(), _open(which), excel=excel, for_people=True)[0],
        file_name=f"usage.{ending}",
        mime=mime,
        key=f"markup_{ending}",
        icon=":material/table_view:" if excel else ":material/download:",
    )


# --- here ----------------------------------------------------------------------------------------------------------------------------------


def _here(which: Chosen) -> None:
    rows = correcting.rows(cached.engine(), _open(which), most=MOST_ROWS_HERE)
    if not rows:
        return empty.nothing("None of the chosen usage is open: what is invoiced or archived cannot be edited here.")
    st.caption(
        f"The dearest {len(rows):,} open rows; choose fewer above to see others. Markup, cost and quantity can be edited; the selling amount follows."
        if len(rows) == MOST_ROWS_HERE
        else "Markup, cost and quantity can be edited; the selling amount follows."
    )
    key = f"markup_rows_{st.session_state.setdefault('markup_turn', 0)}"
    st.data_editor(
        [{name: row[name] for name in _HEADERS} for row in rows],
        key=key,
        hide_index=True,
        num_rows="fixed",
        height=min(38 + 36 * len(rows), 420),
        disabled=[name for name in _HEADERS if name not in EDITABLE],
        column_config={name: _column(name, label) for name, label in _HEADERS.items()},
        on_change=markup_preview.forget,
    )
    edits = _edits(rows, st.session_state[key]["edited_rows"])
    if st.button("Preview", key="markup_here", type="primary", icon=":material/preview:"):
        if not edits:
            raise CallRefused("No cell is edited yet: double-click one of markup, cost or quantity.")
        markup_preview.ask_edits(edits)


def _column(name: str, label: str) -> Any:
    """Text, because a number's cell would be a float."""
    edited = f"{label} ✎" if name in EDITABLE else label
    return st.column_config.TextColumn(edited, alignment="right" if name in _NUMBERS else "left")


def _edits(rows: list[dict[str, str]], edited: Mapping[int, Mapping[str, str | None]]) -> list[Edit]:
    """What was typed, in the order of the rows."""
    found = []
    for place in sorted(edited, key=int):
        row, cells = rows[int(place)], edited[place]
        typed = {name: "" if cells[name] is None else str(cells[name]) for name in EDITABLE if name in cells}
        found.append(Edit(row["usage_id"], row["row_hash"], **typed))
    return found


# --- a rule --------------------------------------------------------------------------------------------------------------------------------


def _rule(which: Chosen) -> None:
    st.caption("One markup for every chosen row that is open. What is invoiced or archived stays as it is.")
    left, right = st.columns((1, 3), gap="small", vertical_alignment="bottom")
    follows = right.checkbox("what each subscription says now", key="markup_follows")
    typed = left.text_input("Markup %", key="markup_rule", disabled=follows, placeholder="such as 12 or 17.65")
    if not st.button("Preview", key="markup_rule_preview", type="primary", icon=":material/preview:"):
        return
    markup_pct = None
    if not follows:
        markup_pct = money.readable(typed.strip().replace(",", "."))
        if markup_pct is None:
            raise CallRefused(
                f"{typed.strip()!r} is no markup; write per cent, such as 12 or 17.65." if typed.strip() else "Write a markup in per cent."
            )
        if not markup.is_narrowed(which):
            raise CallRefused("Choose above what the markup is for: an invoice, customers, subscriptions or products.")
    chosen = {"invoices": which.invoices, "accounts": which.accounts, "subscriptions": which.subscriptions, "products": which.products}
    markup_preview.ask_rule(Rule(markup_pct=markup_pct, to_subscription=follows, **{name: tuple(one) for name, one in chosen.items()}))
