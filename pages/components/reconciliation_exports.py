"""How does a reconciliation leave the page? As CSV, as a workbook with a sheet for each verdict, and as the lines under FOCUS' column names."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.components import cached, leaving
from w365core.reports import export, reconciliation_files
from w365core.reports.reconciliation import Reconciliation, Wanted

_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def rows(report: Reconciliation, wanted: Wanted) -> None:
    """Three buttons; nothing is read before one is pressed."""
    scope, many = report.scope, report.found > export.MOST_EXCEL_ROWS
    name = reconciliation_files.table(scope).name.replace(" ", "-")

    def made(of: Callable[..., bytes], *more: object) -> Callable[[], bytes]:
        def make() -> bytes:
            with cached.reading(seconds=0) as opened:
                return of(opened, scope, *more)

        return make

    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        _button(
            "CSV",
            made(reconciliation_files.csv, wanted.rows),
            f"{name}.csv",
            "text/csv",
            ":material/download:",
            "Every row that the filters leave",
        )
        _button(
            "Excel", made(reconciliation_files.excel, wanted.rows), f"{name}.xlsx", _EXCEL, ":material/table_view:",
            f"Excel takes up to {export.MOST_EXCEL_ROWS:,} rows; take the CSV." if many else "The same, with a sheet for each verdict", disabled=many,
        )  # fmt: skip
        _button(
            "FOCUS", made(reconciliation_files.focus), f"{name}-focus.csv", "text/csv", ":material/cloud_download:",
            "Every line of the provider's invoice, under the column names of FinOps FOCUS",
        )  # fmt: skip


def _button(label: str, data: Callable[[], bytes], file_name: str, mime: str, icon: str, help_: str, *, disabled: bool = False) -> None:
    leaving.button(
        label,
        what="reconciliation",
        data=data,
        file_name=file_name,
        mime=mime,
        key=f"reconciliation_{label.lower()}",
        icon=icon,
        help=help_,
        disabled=disabled,
    )
