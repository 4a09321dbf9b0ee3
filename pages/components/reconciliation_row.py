"""How is one row of a reconciliation opened? Its sentence, both sides in figures, the seat history, every change log, and the provider's own lines."""

from __future__ import annotations

import streamlit as st

from pages.components import charts, plain, reconciliation, reconciliation_choice as choice, reconciliation_steps as steps, tables
from w365core.reconciliation import ReviewState
from w365core.reports import reconciliation_figures, verdict_words, wording
from w365core.reports.reconciliation import window_said
from w365core.reports.reconciliation_evidence import Evidence
from w365core.reports.reconciliation_scope import Scope


def draw(found: Evidence, scope: Scope) -> None:
    """The whole of it."""
    _head(found, scope)
    with st.container(border=True, gap="xsmall"):
        st.subheader(plain.label(found.sentence), anchor=False)
        st.caption(f":material/arrow_forward: {found.step}")
        for sentence in found.more:
            st.text(sentence)
    _figures(found)
    _review(found)
    _decisions(found)
    if found.history:
        with st.container(border=True, gap="xxsmall"):
            st.caption("Seats day by day. The shaded days are the charge window; the dashed line is the day that the provider counted on.")
            charts.drawn(reconciliation_figures.seats, found.history, provider=found.provider, key="seat_history", alt=_told(found))
    st.subheader("Change logs", anchor=False)
    if found.change_logs.rows:
        st.caption("Those outside the view are what the provider's quantity does not count: they are the explanation.")
        tables.show(found.change_logs, key="row_change_logs")
        tables.downloads(found.change_logs, key="row_change_logs")
        _invoices(found)
    else:
        with st.container(border=True):
            st.text("We hold no license change log for it, so nothing says how its quantity came about.")
    _findings(found)
    st.subheader("The provider's lines", anchor=False)
    if found.lines.rows:
        tables.show(found.lines, key="row_lines")
        tables.downloads(found.lines, key="row_lines")
    else:
        with st.container(border=True):
            st.text("There is no line for it on this invoice.")
    if len(found.windows.rows) > 1:
        st.subheader("The same subscription on other invoices", anchor=False)
        st.caption(
            "Every invoice is held against what we hold today, so that a later change of ours makes earlier invoices differ too. Where both sides agreed "
            "on the day that the provider counted, the difference is explained by what was changed later, and the row says so."
        )
        tables.show(found.windows, key="row_windows")


def gone(scope: Scope) -> None:
    """The URL names a row that is not there."""
    st.button("All rows", key="back", icon=":material/arrow_back:", type="tertiary", on_click=choice.close_row)
    with st.container(border=True):
        st.text("There is no such row any more: the invoice was reconciled again since the link was made, and its lines are others.")


def _head(found: Evidence, scope: Scope) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("All rows", key="back", icon=":material/arrow_back:", type="tertiary", on_click=choice.close_row)
        if found.place:
            st.caption(f"{found.place:,} of {found.rows:,}", width="content")
        for which, neighbour, icon in (("Previous", found.before, "chevron_left"), ("Next", found.after, "chevron_right")):
            invoice = scope.of_run(neighbour[0]) if neighbour else None
            st.button(
                which, key=f"row_{which.lower()}", icon=f":material/{icon}:", type="tertiary", disabled=invoice is None,
                on_click=choice.open_row, args=(invoice["provider_invoice_id"], neighbour[1]) if invoice else (0, ""),
            )  # fmt: skip
        st.space("stretch")
        steps.evidence_buttons(found)
    row = found.row
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(plain.label(found.customer), anchor=False, width="content")
        reconciliation.badge(row["verdict"], verdict_words.LABELS[row["verdict"]])
        if row["review_state"] == ReviewState.ACCEPTED:
            st.badge("Accepted", icon=":material/check:", color="green")
        st.space("stretch")
        st.subheader(wording.rounded(row["money_at_risk"], row["currency"]), anchor=False, width="content")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f"{plain.label(found.product)} · {plain.label(row['subscription_id'] or 'no subscription of ours')} · {window_said(row)}",
            width="content",
        )
        st.page_link(
            "invoices/status.py", label=f"Invoice {plain.label(row['invoice_number'])}", icon=":material/receipt_long:",
            query_params={"invoice": str(found.invoice["provider_invoice_id"])},
        )  # fmt: skip


def _figures(found: Evidence) -> None:
    with st.container(border=True):
        for column, (label, value, note) in zip(st.columns(len(found.figures), gap="small"), found.figures, strict=True):
            with column.container(gap=None):
                st.metric(plain.label(label), value)
                st.caption(note)


def _review(found: Evidence) -> None:
    """What a person decided or wrote of it."""
    row = found.row
    if not (row["reviewed_at"] or row["assigned_to"] or row["note"]):
        return
    with st.container(border=True, gap="xsmall"):
        if row["review_state"] != ReviewState.OPEN and row["reviewed_at"]:
            st.text(
                f"{row['review_state'].capitalize()} by {row['reviewed_by']} on {wording.zoned(row['reviewed_at'])}: {row['review_reason'] or 'no reason given'}"
            )
        elif row["reviewed_at"]:
            st.text(f"Last touched by {row['reviewed_by']} on {wording.zoned(row['reviewed_at'])}.")
        if row["assigned_to"]:
            st.text(f"Assigned to {row['assigned_to']}.")
        if row["note"]:
            st.text(f"Note: {row['note']}")


def _decisions(found: Evidence) -> None:
    """Everything that people did about it, the newest first."""
    if not found.decisions:
        return
    with st.expander(f"{wording.counted(len(found.decisions), 'decision')}, the newest first", icon=":material/history:"):
        for sentence in found.decisions:
            st.text(sentence)


def _invoices(found: Evidence) -> None:
    """The customer invoices that carry its changes, each a link."""
    numbers = dict.fromkeys(row["invoice_number"] for row in found.change_logs.rows if row["invoice_number"])
    if not numbers:
        return
    with st.container(horizontal=True, gap="small"):
        for number in numbers:
            st.page_link("usage/invoices.py", label=plain.label(number), icon=":material/request_quote:", query_params={"number": number})


def _findings(found: Evidence) -> None:
    if not found.findings:
        return
    st.subheader("Odd about it", anchor=False)
    with st.container(border=True, gap="small"):
        for one in found.findings:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge(
                    one.label, icon=":material/check:" if one.is_closed else ":material/flag:", color="green" if one.is_closed else "orange"
                )
                st.text(one.sentence, width="stretch")
                st.markdown(f"**{one.money}**", width="content")


def _told(found: Evidence) -> str:
    """The chart for somebody who hears it."""
    history = found.history
    ours = "; ".join(f"from {wording.day(step.day)} {wording.digits(step.seats)}" for step in history.ours)
    theirs = "; ".join(f"from {wording.day(step.day)} {wording.digits(step.seats)}" for step in history.theirs)
    return f"Ours: {ours or 'unknown'}. {found.provider}: {theirs or 'unknown'}."
