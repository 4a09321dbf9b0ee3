"""How is a month of usage contracts shown? What holds it up as things to do, each contract with its checks, the calendar, and how late invoices come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st

from pages.components import asking, cached, charts, empty, plain, problems, tables, url_filters, why_checks
from w365core.reports import why_figures, why_no_usage_invoice as reporting, why_rows, wording
from w365core.reports.why_no_usage_invoice import Knot, Why
from w365core.reports.why_rows import BILLED, BLOCKED, LATE, NOT_DUE, OUTCOMES, READY, ZERO, Start

Row = Mapping[str, Any]
SHOWN_AT_FIRST = 8
_MOST_NAMED = 6
_NOT_THERE, _LONGEST_SAID = "why_month_not_there", 60
_WIDTHS = (2.9, 4.9, 1.85, 1.8)
_LOOKS = {
    BLOCKED: (":material/block:", "red", "#d9534f"),
    LATE: (":material/schedule:", "orange", "#e0a13a"),
    READY: (":material/play_circle:", "blue", "#3b82c4"),
    NOT_DUE: (":material/hourglass_empty:", "gray", "#9aa5b1"),
    BILLED: (":material/check_circle:", "green", "#3a9d6e"),
    ZERO: (":material/remove_circle:", "gray", "#9aa5b1"),
}
_ICONS = {
    why_rows.SYNC: ":material/sync:",
    why_rows.INVOICE: ":material/receipt_long:",
    why_rows.REFERENCES: ":material/link_off:",
    why_rows.MARKUP: ":material/percent:",
    why_rows.BILL: ":material/request_quote:",
}


# --- what is asked ------------------------------------------------------------------------------------------------------------------------


def report() -> Why:
    """The month of the invoice date and the filters beside it, all of them in the URL; and what there is of it."""
    left, middle, right = st.columns((1.3, 4.2, 2.5))
    with left:
        found = cached.diagnosed(_month)
    with middle:
        told = {"format_func": OUTCOMES.get, "bind": "query-params", "selection_mode": "multi"}
        outcomes = st.pills("Outcome", list(OUTCOMES), key="outcome", **told)
    with right:
        known = reporting.customers(found.rows)
        if set(st.session_state.get("of_customer") or ()) - set(known):  # chosen of another month
            st.session_state["of_customer"] = [name for name in st.session_state["of_customer"] if name in known]
        customers = st.multiselect("Customer", known, key="of_customer", bind="query-params", placeholder="All customers")
    if asked := st.session_state.get(_NOT_THERE):
        months = _months(found.today)
        url_filters.say(
            f"The address asks for the month {asked[:_LONGEST_SAID]}, which is none from {wording.month(months[-1])} to {wording.month(months[0])}; "
            f"this is {wording.month(found.period)}."
        )
    return reporting.build(found, outcomes=tuple(outcomes or ()), customers=tuple(customers))


def _month(today: date) -> str:
    """The choice among the months, drawn: the one of the address, else this one."""
    months = _months(today)
    if st.session_state.get("period") not in months:  # a link says 2026-11, the address of a month that was chosen Nov 2026
        named = {**{month: month for month in months}, **{wording.month(month): month for month in months}}
        asked = st.query_params.get("period", "")
        st.session_state["period"] = named.get(asked, f"{today:%Y-%m}")
        st.session_state[_NOT_THERE] = "" if asked in named else asked  # the choice takes its place in the URL
    said = {"format_func": wording.month, "bind": "query-params"}
    return st.selectbox("Invoice month", months, key="period", on_change=_month_chosen, **said)


@problems.callback
def _month_chosen() -> None:
    st.session_state.pop(_NOT_THERE, None)


def _months(today: date) -> list[str]:
    """Next month, this one and the fourteen before, latest first."""
    number = today.year * 12 + today.month
    return [f"{one // 12}-{one % 12 + 1:02}" for one in range(number, number - 16, -1)]


# --- what to do ---------------------------------------------------------------------------------------------------------------------------


def knots(found: Why) -> None:
    """One card per thing that holds something up."""
    if not found.knots:
        with st.container(border=True):
            waits = found.counts.get(NOT_DUE, 0) + found.counts.get(READY, 0)
            st.badge(
                "Nothing holds anything up", icon=":material/check_circle:", color="green" if found.counts.get(BILLED) or waits else "gray"
            )
            st.text(
                f"{wording.counted(found.counts.get(BILLED, 0), 'subscription')} of this month billed, {waits:,} still to come or ready for their invoice date."
            )
        return
    with st.container(border=True, gap="small"):
        for knot in found.knots:
            _knot(knot)


def _knot(knot: Knot) -> None:
    name, said, figures, act = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
    with name.container(gap=None):
        _badge(knot.outcome)
        st.markdown(f"**{plain.label(knot.title)}**")
        st.caption(
            " · ".join(
                filter(
                    None,
                    [
                        plain.label(knot.document or ""),
                        f"{wording.counted(len(knot.rows), 'subscription')} of {wording.counted(knot.customers, 'customer')}",
                    ],
                )
            )
        )
    with said.container(gap=None):
        st.text(knot.sentence)
        if knot.fix:
            st.caption(f":material/arrow_forward: {plain.label(why_rows.without_commands(knot.fix))}")
        if len(knot.rows) > 1:
            st.caption(_named(knot.rows))
    with figures.container(gap=None, horizontal_alignment="right"):
        st.markdown(f"**{why_rows.sums_said(knot.sums)}**", text_alignment="right")
        if knot.at_cost:
            st.caption("at cost", text_alignment="right")
    with act:
        _button(knot.start, key=f"start_{knot.id}", is_first=True)


def _named(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row["customer"] or row["subscription_id"] for row in rows))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return plain.label(", ".join(names[:_MOST_NAMED]) + more)


# --- contracts ----------------------------------------------------------------------------------------------------------------------------


def contracts(found: Why) -> None:
    """A row per contract and subscription; opening one shows the sixteen checks."""
    if not found.rows:
        return empty.nothing("No contract of this month has that outcome. Choose others above.")
    everything = len(found.rows) <= SHOWN_AT_FIRST or st.session_state.get("why_everything", False)
    for row in found.rows if everything else found.rows[:SHOWN_AT_FIRST]:
        _contract(row)
    if len(found.rows) > SHOWN_AT_FIRST:
        st.toggle(f"Show all {len(found.rows):,}", key="why_everything")
    with st.expander("As a table", icon=":material/table_rows:"):
        tables.show(found.table, key="why_table")


def _contract(row: Row) -> None:
    key = f"{row['contract_id']}_{row['subscription_id']}_{row['cycle_start']}"
    is_open = st.session_state.get("opened") == key
    with st.container(border=True, gap="small"):
        name, said, figures, act = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
        with name.container(gap=None):
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.button(
                    f"**{plain.label(row['customer'] or 'No customer')}**",
                    key=f"open_{key}",
                    type="tertiary",
                    on_click=_open,
                    args=(None if is_open else key,),
                    help="Show every check and its evidence",
                )
                _badge(row["outcome"])
            st.caption(
                f"{plain.label(row['contract_id'] or 'no contract')} · {plain.label(row['subscription_id'])} · {why_rows.cycle_said(row)}"
            )
        with said.container(gap=None):
            st.text(why_rows.brief(row))
            st.caption(_dates(row))
        with figures.container(gap=None, horizontal_alignment="right"):
            st.markdown(f"**{why_rows.money_said(row)}**", text_alignment="right")
        with act:
            _button(why_rows.start_of(row), key=f"act_{key}")
        if is_open:
            why_checks.draw(row)


def _dates(row: Row) -> str:
    said = [f"invoice date {wording.day(row['invoice_date'])}"]
    if row["arrived_on"]:
        said.append(f"usage arrived {wording.day(row['arrived_on'])}")
    elif row["expected_on"]:
        said.append(f"usage expected by {wording.day(row['expected_on'])}")
    if row["invoice_number"]:
        said.append(f"invoice {plain.label(row['invoice_number'])}" + (f" ({row['invoice_status']})" if row["invoice_status"] else ""))
    return " · ".join(said)


# --- the calendar and lateness ------------------------------------------------------------------------------------------------------------


def calendar(found: Why) -> None:
    """What is expected, came and is invoiced on which day."""
    if not found.calendar:
        return empty.nothing("No contract to be shown.")
    with st.container(border=True, gap="xsmall"):
        st.caption("Each contract's usage and invoice by day. A red diamond right of its square came too late for that invoice.")
        charts.drawn(
            why_figures.calendar,
            found.calendar,
            today=found.today,
            color=_color,
            key="why_calendar",
            alt="; ".join(
                f"{one.label}: invoice date {one.invoice_date}, usage arrived {one.arrived_on or 'not yet'}" for one in found.calendar[:40]
            ),
        )


def lateness(found: Why) -> None:
    """The days that invoices came on, and the contracts that are invoiced too early for it, or a cycle late."""
    _behind(found)
    if not any(row["day"] for row in found.arrivals.rows):
        return empty.nothing(
            "No synced invoice with usage came in during the twelve months before; there is nothing to learn a usual day from."
        )
    for usual in found.usual:
        st.text(
            f"{usual['provider']}: {wording.counted(usual['documents'], 'invoice')} with usage in twelve months; half were here by day {usual['median']} after the month, "
            f"nine of ten by day {usual['nine_of_ten']}, the last on day {usual['latest']}. Invoice on day {usual['advised']} or later."
        )
    with st.container(border=True, gap="xsmall"):
        st.caption("On which day after the month each invoice with usage came in, over twelve months")
        charts.drawn(
            why_figures.arrivals,
            found.arrivals,
            key="why_arrivals",
            alt="; ".join(f"{row['number']} on day {row['day']}" for row in found.arrivals.rows if row["day"]),
        )
    tables.downloads(found.arrivals, key="why_arrivals_table")
    if found.early.rows:
        st.markdown(f"**{wording.counted(len(found.early.rows), 'contract')} invoiced before the usage is usually here**")
        st.caption(
            "Their usage is billed a cycle late each month, until the invoice date is moved: on the page Settings, or `contract set-invoice-date`."
        )
        tables.show(found.early, key="why_early")
        tables.downloads(found.early, key="why_early")


def _behind(found: Why) -> None:
    if not found.behind.rows:
        return
    st.markdown(f"**{wording.counted(len(found.behind.rows), 'contract')} invoiced a cycle late or more**")
    st.caption(
        "Several cycles were billed in one month, and each moves the invoice date on by one: so what comes next is billed late, until it is moved "
        "back on the page Settings, or by `contract set-invoice-date`."
    )
    tables.show(found.behind, key="why_behind")
    tables.downloads(found.behind, key="why_behind")


# --- helpers ------------------------------------------------------------------------------------------------------------------------------


def _color(outcome: str) -> str:
    return _LOOKS[outcome][2]


def _badge(outcome: str) -> None:
    icon, color, _ = _LOOKS[outcome]
    st.badge(OUTCOMES[outcome], icon=icon, color=color)


def _button(start: Start | None, *, key: str, is_first: bool = False) -> None:
    """Starts the fix: another page at the right place, or the dialog that queues a sync."""
    if start is None:
        return
    kind = "primary" if is_first else "secondary"
    if start.what == why_rows.SYNC:
        st.button(start.label, key=key, icon=_ICONS[start.what], type=kind, on_click=asking.open_, args=(asking.SYNC,), width="stretch")
        return
    to, query = _place(start)
    if st.button(start.label, key=key, icon=_ICONS[start.what], type=kind, width="stretch"):
        st.switch_page(to, query_params=query)


def _place(start: Start) -> tuple[str, dict[str, str | list[str]]]:
    """The page and what its address says."""
    if start.what == why_rows.REFERENCES:
        return "references/inbox.py", {"of": str(start.invoice_id)} if start.invoice_id else {}
    if start.what == why_rows.MARKUP:
        return "usage/markup.py", {"subscriptions": list(start.subscription_ids)}
    if start.what == why_rows.BILL:
        month = {"billed_in": wording.month(st.session_state["period"])}
        return "usage/invoices.py", {"number": start.document} if start.document else month
    return "invoices/status.py", {"invoice": str(start.invoice_id)} if start.invoice_id else {}


@problems.callback
def _open(key: str | None) -> None:
    st.session_state["opened"] = key
