"""How is a reconciliation shown? The rows that need somebody with their money, in groups where that is asked for, and how everything adds up."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    charts,
    empty,
    plain,
    reconciliation_choice as choice,
    reconciliation_exports,
    reconciliation_steps as steps,
    tables,
)
from w365core.reconciliation import EXPLAINED, ReviewState, Verdict
from w365core.reports import reconciliation_figures, wording
from w365core.reports.reconciliation import UNEXPLAINED, Flow, Group, Item, Part, Reconciliation, Wanted
from w365core.reports.reconciliation_scope import Scope

_WIDTHS = (2.5, 5.3, 1.7, 1.1)
LOOKS = {
    Verdict.NO_SUBSCRIPTION: (":material/link_off:", "red"),
    Verdict.NOT_RECONCILABLE: (":material/help:", "gray"),
    Verdict.SUSPENDED_BUT_BILLED: (":material/pause_circle:", "red"),
    Verdict.CONFIRMED: (":material/check_circle:", "green"),
    Verdict.CHANGE_LOG_MISMATCH: (":material/difference:", "red"),
    Verdict.PROVISIONING_GAP: (":material/hourglass_top:", "orange"),
    Verdict.EXCLUDED: (":material/archive:", "orange"),
    Verdict.EXPLAINED_NOT_INVOICED: (":material/pending_actions:", "blue"),
    Verdict.EXPLAINED_INVOICED: (":material/task_alt:", "green"),
    Verdict.PARTLY_EXPLAINED: (":material/rule:", "orange"),
    Verdict.UNEXPLAINED: (":material/error:", "red"),
    Verdict.NOT_ON_INVOICE: (":material/playlist_remove:", "orange"),
}
_VERDICTS = {"all": (), "confirmed": (Verdict.CONFIRMED,), "explained": EXPLAINED, "unexplained": UNEXPLAINED}
# What a term of the identity leads to on the invoice's own page.
_LINES = {"lines": {"lines": "license"}, "usage": {"lines": "usage"}, "tax": {"lines": "taxed"}}


def badge(verdict: str, label: str) -> None:
    icon, color = LOOKS[verdict]
    st.badge(label, icon=icon, color=color)


# --- the worklist ------------------------------------------------------------------------------------------------------------------------


def worklist(report: Reconciliation, wanted: Wanted) -> None:
    """The rows or groups that the filter leaves, with what can be done with all of them."""
    choice.rows(report, wanted)
    if not report.found:
        _nothing(report, wanted)
    else:
        _found(report, wanted)
        with st.container(border=True, gap="small"):
            for group in report.groups:
                _group(group)
            for item in report.items:
                _row(item, report)
        _turning(report, wanted)
    if report.confirmed_rows and Verdict.CONFIRMED not in wanted.rows.verdicts:
        st.button(
            f"{wording.counted(report.confirmed_rows, 'row is', 'rows are')} confirmed by rule and folded away; show them",
            key="show_confirmed",
            type="tertiary",
            icon=":material/unfold_more:",
            on_click=choice.narrow,
            kwargs={"show": choice.ALL, "verdict": (Verdict.CONFIRMED.value,)},
        )


def _found(report: Reconciliation, wanted: Wanted) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        many = wording.counted(report.found, "row")
        st.markdown(f"**{many}, {report.found_money} at risk**", width="content")
        if choice.is_narrowed(wanted.rows):
            st.button("Clear filters", key="clear_rows", icon=":material/filter_alt_off:", type="tertiary", on_click=choice.narrow)
        st.space("stretch")
        steps.bulk_buttons(report, wanted)


def _nothing(report: Reconciliation, wanted: Wanted) -> None:
    with st.container(border=True):
        if choice.is_narrowed(wanted.rows):
            st.text("No row matches these filters.")
            st.button("Clear filters", key="clear_rows", icon=":material/filter_alt_off:", on_click=choice.narrow)
        elif not report.all_rows:
            st.badge("Nothing was compared", icon=":material/help:", color="gray")
            st.text("This invoice has no license lines and we hold no license that should be on it, so there is nothing to confirm.")
        else:
            st.badge("Nothing is left to do", icon=":material/check_circle:", color="green")
            st.text(
                f"All {wording.counted(report.all_rows, 'row')} are confirmed or accepted with a reason. Sign the invoice off when you are done."
            )


def _row(item: Item, report: Reconciliation) -> None:
    invoice = report.scope.of_run(item.run)
    invoice_id, key = invoice["provider_invoice_id"], f"{item.run}_{item.line_id}"
    name, said, figures, act = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
    with name.container(gap=None):
        st.button(
            f"**{plain.label(item.customer)}**", key=f"open_{key}", type="tertiary", help="Show the evidence",
            on_click=choice.open_row, args=(invoice_id, item.line_id),
        )  # fmt: skip
        st.caption(f"{plain.label(item.product)} · {plain.label(item.window)}")
    with said.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            badge(item.verdict, item.label)
            if item.state == ReviewState.ACCEPTED:
                st.badge("Accepted", icon=":material/check:", color="green")
            if item.lapsed:
                st.badge("Open again", icon=":material/history:", color="orange")
            if item.assigned_to:
                st.caption(f":material/person: {plain.label(item.assigned_to)}", width="content")
        st.text(item.sentence)
        st.caption(f":material/arrow_forward: {item.step}" if not item.lapsed else f":material/history: {plain.label(item.lapsed)}")
    with figures.container(gap=None, horizontal_alignment="right"):
        st.markdown(f"**{item.money}**", text_alignment="right")
        st.caption(plain.label(item.small_print), text_alignment="right")
    with act:
        steps.row_button(item, invoice, report, key=key)


def _group(group: Group) -> None:
    key = f"{group.by}_{group.key}_{group.currency}"
    name, said, figures, act = st.columns((3.6, 3.4, 1.9, 1.7), gap="small", vertical_alignment="center")
    parameter = {"customer": "whose", "product": "product", "verdict": "verdict"}[group.by]
    with name:
        st.button(
            f"**{plain.label(group.name)}**", key=f"group_{key}", type="tertiary", help="Show these rows", on_click=choice.add, args=(parameter, group.key)
        )  # fmt: skip
    said.text(group.said)
    figures.markdown(f"**{wording.rounded(group.money, group.currency)}**", text_alignment="right")
    with act:
        steps.group_button(group, key=key)


def _turning(report: Reconciliation, wanted: Wanted) -> None:
    left, right = st.columns((5, 5), vertical_alignment="center")
    with left:
        if not wanted.by and report.pages > 1:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.button(
                    "Previous",
                    key="rows_previous",
                    icon=":material/chevron_left:",
                    on_click=choice.turn_to,
                    args=(report.page - 1,),
                    disabled=not report.page,
                )
                st.button("Next", key="rows_next", icon=":material/chevron_right:", on_click=choice.turn_to, args=(report.page + 1,),
                          disabled=report.page + 1 >= report.pages)  # fmt: skip
                st.caption(f"Page {report.page + 1:,} of {report.pages:,}", width="content")
    with right:
        if wanted.by:
            tables.downloads(report.groups_table, key="reconciliation_groups")
        else:
            reconciliation_exports.rows(report, wanted)


# --- how it adds up ----------------------------------------------------------------------------------------------------------------------


def sums(report: Reconciliation) -> None:
    """Both identities and the waterfall, currency by currency; every figure leads to what it is made of."""
    for flow in report.flows:
        with st.container(border=True, gap="small"):
            _identity(flow.header, report, flow)
            _identity(flow.lines, report, flow)
        with st.container(border=True, gap="xxsmall"):
            st.caption(f"From the lines that were charged to what is unexplained, before tax, {flow.currency}")
            told = "; ".join(f"{label} {wording.rounded(amount, flow.currency)}" for label, amount, _ in flow.steps)
            charts.drawn(reconciliation_figures.flow, flow, key=f"flow_{flow.currency}", alt=told)


def _identity(parts: tuple[Part, ...], report: Reconciliation, flow: Flow) -> None:
    for column, part in zip(st.columns(len(parts), gap="small"), parts, strict=True):
        with column.container(gap=None):
            st.metric(part.label, f"{part.sign} {wording.rounded(part.amount, part.currency)}".strip())
            _leading(part, report, flow)


def _leading(part: Part, report: Reconciliation, flow: Flow) -> None:
    key = f"part_{flow.currency}_{part.leads}_{part.label}"
    if part.leads in _VERDICTS:
        chosen = {"verdict": [verdict.value for verdict in _VERDICTS[part.leads]]} if _VERDICTS[part.leads] else {}
        st.button(
            f":blue[{part.note}]",
            key=key,
            type="tertiary",
            help="Show these rows",
            on_click=choice.narrow,
            kwargs={"show": choice.ALL, **chosen},
        )
        return
    mine = [one for one in report.scope.reconciled if one["currency"] == flow.currency]
    if len(mine) == 1:
        query = {"invoice": str(mine[0]["provider_invoice_id"]), **_LINES.get(part.leads, {})}
        st.page_link("invoices/status.py", label=part.note, query_params=query, help="Show it on the invoice")
    else:
        st.caption(part.note)


def findings(report: Reconciliation) -> None:
    """What is odd about single lines; nothing where there is nothing."""
    if not report.findings:
        return
    st.subheader("Odd lines", anchor=False)
    st.caption(
        "Microsoft's own arithmetic, credits that were lost, prices above list, double charges. Nothing of it blocks; each is worth a question."
    )
    with st.container(border=True, gap="small"):
        for place, one in enumerate(report.findings[: 6 if not st.session_state.get("findings_all") else None]):
            name, said, figures = st.columns((2.5, 6, 1.7), gap="small", vertical_alignment="center")
            with name.container(gap=None):
                st.badge(
                    one.label, icon=":material/check:" if one.is_closed else ":material/flag:", color="green" if one.is_closed else "orange"
                )
            with said.container(gap=None):
                st.text(one.sentence)
                invoice = report.scope.of_run(one.run) if one.run else None
                if one.line_id and invoice:
                    st.button(plain.label(one.whose), key=f"finding_{place}", type="tertiary", help="Show the evidence",
                              on_click=choice.open_row, args=(invoice["provider_invoice_id"], one.line_id))  # fmt: skip
                else:
                    st.caption(plain.label(one.whose))
            figures.markdown(f"**{one.money}**", text_alignment="right")
    left, right = st.columns((7, 3), vertical_alignment="center")
    with left:
        if len(report.findings) > 6:
            st.toggle(f"Show all {len(report.findings):,}", key="findings_all")
    with right:
        tables.downloads(report.findings_table, key="findings")


def waiting(scope: Scope) -> None:
    """Chosen invoices that nobody has reconciled yet, each with a button that queues it; and those in Error, of which nothing is kept."""
    for one in scope.waiting:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Not reconciled yet", icon=":material/hourglass_empty:", color="orange")
            total, lines = wording.amount(one["header_total"], one["currency"]), wording.counted(one["license_lines"], "license line")
            st.text(f"{one['invoice_number']} of {one['provider']}, {total}, {lines}.")
            st.space("stretch")
            steps.reconcile_button(one, key=f"reconcile_{one['provider_invoice_id']}", label="Reconcile", kind="primary")
    if scope.failed:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(f"{len(scope.failed):,} in Error", icon=":material/error:", color="red")
            st.text(
                "Left out here until it is imported:" if len(scope.failed) == 1 else "Left out here until they are imported:",
                width="content",
            )
            for one in scope.failed:
                query = {"invoice": str(one["provider_invoice_id"])}
                st.page_link("invoices/status.py", label=plain.label(one["invoice_number"]), query_params=query, help="Open the invoice")


def no_invoices() -> None:
    empty.nothing(
        "There is no provider invoice yet whose lines could be compared. Import one; its licenses are then held against our records here."
    )
