"""Reconciliation: what of the providers' invoices differs from our records, which change caused it, and how much money is it about?"""

from __future__ import annotations

import streamlit as st

from pages.components import (
    cached,
    done,
    reconciliation,
    reconciliation_choice as choice,
    reconciliation_row,
    reconciliation_steps as steps,
    sync,
    tiles,
)


def page() -> None:
    wanted = choice.wanted()
    report = cached.reconciliation(wanted)
    _head(report)
    done.draw()
    sync.progress()
    if not report.scope.known:
        return reconciliation.no_invoices()
    choice.scope(report.scope)
    reconciliation.waiting(report.scope)
    if not report.scope.runs:
        return None
    steps.standing(report)
    for row in report.tiles:
        tiles.draw(row)
    st.subheader("What to look at, the biggest money first", anchor=False)
    reconciliation.worklist(report, wanted)
    reconciliation.findings(report)
    st.subheader("How it adds up", anchor=False)
    reconciliation.sums(report)
    steps.history(report)


def opened(provider_invoice_id: int, line_id: str) -> None:
    done.draw()
    wanted = choice.wanted()
    scope, found = cached.reconciliation_row(wanted, provider_invoice_id=provider_invoice_id, line_id=line_id)
    if found is None:
        return reconciliation_row.gone(scope)
    reconciliation_row.draw(found, scope)


def _head(report) -> None:
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with row.container(gap=None, width="content"):
        st.title("Reconciliation", anchor=False)
        st.caption(
            "What the providers charged, held against our subscriptions and their change logs; and the change that caused each difference."
        )
    with row.container(horizontal=True, width="content", gap="small"):
        steps.head_buttons(report)


wanted_row = choice.row()
if wanted_row is None:
    page()
else:
    opened(*wanted_row)
steps.dialog()
