"""How is a table drawn? Exact text in right-aligned cells, one row to select, a page at a time, and a way out as CSV and Excel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.components import leaving, problems, standings
from w365core.frames import Kind
from w365core.reports import export, wording
from w365core.reports.invoice_detail import Page
from w365core.reports.tables import CHIPS, Column, Table, frame, heading, wide_enough

Rows = Iterable[Mapping[str, Any]]
_MOST_ROWS_AT_ONCE, _SCROLLING_HEIGHT, _ROW_HEIGHT = 12, 440, 36


def show(table: Table, *, key: str, selects: bool = False, height: int = _SCROLLING_HEIGHT) -> Mapping[str, Any] | None:
    """Draws the table; with `selects` returns the row that was clicked. A long one scrolls inside `height` pixels."""
    columns = [column for column in table.columns if column.shown]
    cells = frame(table, chip=standings.label)
    event = st.dataframe(
        cells,
        hide_index=True,
        column_config={heading(column): _config(column, width=wide_enough(column, cells)) for column in columns},
        height="content" if len(table.rows) <= min(_MOST_ROWS_AT_ONCE, height // _ROW_HEIGHT) else height,
        key=key,
        **({"on_select": "rerun", "selection_mode": "single-row"} if selects else {}),
    )
    rows = event["selection"]["rows"] if selects else []
    return table.rows[rows[0]] if rows and rows[0] < len(table.rows) else None


@dataclass(frozen=True)
class Everything:
    """All rows of a list that is shown in pages: fetched when a download is pressed. `count` is how many, where that is known."""

    rows: Callable[[], Rows]
    count: int = 0


def downloads(table: Table, *, key: str, everything: Everything | None = None, what: str = "table") -> None:
    """Two buttons: the rows of the table, or everything that it is a page of; `what` it is to who may have it."""
    take = everything.rows if everything else lambda: table.rows
    many = (everything.count if everything else len(table.rows)) > export.MOST_EXCEL_ROWS
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        leaving.button(
            "CSV",
            what=what,
            data=lambda: export.csv_bytes(table.columns, take()),
            file_name=f"{_file_name(table)}.csv",
            mime="text/csv",
            key=f"{key}_csv",
            icon=":material/download:",
        )
        leaving.button(
            "Excel",
            what=what,
            data=lambda: export.excel_bytes(table.columns, take(), title=table.name),
            file_name=f"{_file_name(table)}.xlsx",
            mime="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            key=f"{key}_xlsx",
            icon=":material/table_view:",
            disabled=many,
            help=f"Excel takes up to {export.MOST_EXCEL_ROWS:,} rows; take the CSV." if many else None,
        )


def pages(
    fetch: Callable[[Any], Page], everything: Everything, *, key: str, about: str, selects: bool = False, what: str = "table"
) -> tuple[Page, Mapping[str, Any] | None]:
    """A longer list, page by page; `about` tells the list apart from others, so that another list begins on its first page."""
    trail_key = f"{key}_trail"
    if st.session_state.get(trail_key, ("",))[0] != about:
        st.session_state[trail_key] = (about, (None,))
    trail = st.session_state[trail_key][1]
    page = fetch(trail[-1])
    if not page.table.rows:
        return page, None
    selected = show(page.table, key=f"{key}_{about}_{len(trail)}", selects=selects)
    turning, taking = st.columns(2, vertical_alignment="center")
    if len(trail) > 1 or page.next is not None:
        with turning:
            _turning(trail_key, about, trail, page, key)
    with taking:
        downloads(page.table, key=key, everything=everything, what=what)
    return page, selected


def _turning(trail_key: str, about: str, trail: tuple, page: Page, key: str) -> None:
    @problems.callback
    def go(to: tuple) -> None:
        st.session_state[trail_key] = (about, to)

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        first, back, onward = (trail[0],), trail[:-1], (*trail, page.next)
        at_start = len(trail) == 1
        st.button("First", key=f"{key}_first", icon=":material/first_page:", on_click=go, args=(first,), disabled=at_start)
        st.button("Previous", key=f"{key}_previous", icon=":material/chevron_left:", on_click=go, args=(back,), disabled=at_start)
        st.button("Next", key=f"{key}_next", icon=":material/chevron_right:", on_click=go, args=(onward,), disabled=page.next is None)
        st.caption(f"Page {len(trail):,}", width="content")


def _config(column: Column, *, width: int | None) -> Any:
    if column.name in CHIPS:
        words, colors = standings.labels()
        return st.column_config.MultiselectColumn(heading(column), width=column.width, options=words, color=colors)
    if column.kind is Kind.DAY:
        return st.column_config.DateColumn(heading(column), width=column.width, format="YYYY-MM-DD", help=column.help)
    said = column.help.replace("UTC", wording.zone()) if column.help and column.kind is Kind.MOMENT else column.help
    alignment = "right" if column.kind in (Kind.NUMBER, Kind.WHOLE) else "left"
    return st.column_config.TextColumn(heading(column), width=width, alignment=alignment, help=said)


def _file_name(table: Table) -> str:
    return "".join(character if character.isalnum() or character in "-_." else "-" for character in table.name).strip("-.")
