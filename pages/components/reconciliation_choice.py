"""Which invoice or month is a reconciliation about, and which rows of it? All of it stands in the URL, so that a view is a link; the URL is the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.components import problems, url_filters
from w365core.reconciliation import ReviewState
from w365core.reports import wording
from w365core.reports.reconciliation import Reconciliation, RowFilter, Wanted
from w365core.reports.reconciliation_scope import Scope

TO_DO, ALL = "To do", "All"
GROUPS = {"customer": "Customer", "product": "Product", "verdict": "Verdict"}
_FILTERS = {"customers": ("whose", "Customer", "All customers"), "products": ("product", "Product", "All products"),
            "verdicts": ("verdict", "Verdict", "Every verdict")}  # fmt: skip
_PAGE = "reconciliation_page"
WHOLE_MONTH = 0  # the choice of all invoices of the month


# --- what is chosen ----------------------------------------------------------------------------------------------------------------------


def invoice_id() -> int | None:
    named = st.query_params.get("invoice", "")
    return int(named) if named.isascii() and named.isdigit() and len(named) < 19 else None


def month() -> str | None:
    return st.query_params.get("in_month")


def wanted() -> Wanted:
    """What the URL says."""
    by = st.query_params.get("by")
    return Wanted(
        invoice_id=invoice_id(),
        month=month(),
        rows=RowFilter(
            customers=tuple(st.query_params.get_all("whose")),
            products=tuple(st.query_params.get_all("product")),
            verdicts=tuple(st.query_params.get_all("verdict")),  # of a word that is none there are no rows
            states=() if st.query_params.get("show") == ALL.lower() else (ReviewState.OPEN,),
            assigned_to=st.query_params.get("assigned"),
        ),
        by=by if by in GROUPS else None,
        page=st.session_state.get(_PAGE, 0),
    )


def row() -> tuple[int, str] | None:
    """The row that is open: (provider invoice id, line id)."""
    named, slash, line_id = st.query_params.get("row", "").partition("/")
    return (int(named), line_id) if slash and named.isascii() and named.isdigit() and len(named) < 19 else None


def is_narrowed(rows: RowFilter) -> bool:
    return bool(rows.customers or rows.products or rows.verdicts or rows.assigned_to)


# --- changing it -------------------------------------------------------------------------------------------------------------------------


@problems.callback
def narrow(*, show: str = TO_DO, by: str | None = None, **filters: Sequence[str]) -> None:
    """Called by a button: exactly these rows."""
    for name in ("whose", "product", "verdict", "assigned", "by", "row"):
        st.query_params.pop(name, None)
    for name, values in filters.items():
        st.query_params[name] = list(values)
    if by:
        st.query_params["by"] = by
    st.query_params["show"] = show.lower()
    first_page()


@problems.callback
def add(name: str, value: str) -> None:
    """Called by a button: this group alone, whatever else is chosen; the grouping ends, so that its rows are seen."""
    st.query_params[name] = [value]
    st.query_params.pop("by", None)
    first_page()


@problems.callback
def open_row(provider_invoice_id: int, line_id: str) -> None:
    """Called by a button."""
    st.query_params["row"] = f"{provider_invoice_id}/{line_id}"


@problems.callback
def close_row() -> None:
    st.query_params.pop("row", None)


@problems.callback
def turn_to(page: int) -> None:
    st.session_state[_PAGE] = page


def first_page() -> None:
    st.session_state[_PAGE] = 0


def open_invoice(provider_invoice_id: int) -> None:
    """Called by a button: this invoice alone."""
    _begin_anew()
    st.query_params["invoice"] = str(provider_invoice_id)


# --- the widgets -------------------------------------------------------------------------------------------------------------------------


def scope(chosen: Scope) -> None:
    """The month, and one of its invoices or all of them."""
    left, right = st.columns((1.2, 4), gap="small")
    months, invoices = chosen.months, _invoices(chosen)
    st.session_state["reconciliation_month"] = chosen.month
    left.selectbox(
        "Invoice month", list(months), key="reconciliation_month", format_func=lambda one: months.get(one, one), on_change=_month_chosen
    )
    asked = invoice_id()
    open_one = asked if asked in {one["provider_invoice_id"] for one in chosen.chosen} else WHOLE_MONTH
    st.session_state["reconciliation_invoice"] = open_one
    right.selectbox(
        "Provider invoice",
        list(invoices),
        key="reconciliation_invoice",
        format_func=lambda one: invoices.get(one, str(one)),
        on_change=_invoice_chosen,
    )
    url_filters.say(_not_there(chosen, asked))


def _not_there(chosen: Scope, asked: int | None) -> str:
    """What the URL asks for and there is not, so that another month is shown; blank where it shows what it asks for."""
    known = {one["provider_invoice_id"] for one in chosen.known}
    if asked is not None and asked not in known:
        return f"The address asks for an invoice that is not there; this is {wording.month(chosen.month)}."
    if asked is None and month() and month() != chosen.month:
        return f"The address asks for the month {month()}, and no invoice is of it; this is {wording.month(chosen.month)}."
    return ""


def rows(report: Reconciliation, chosen: Wanted) -> None:
    """To do or all, the three filters, whose rows where anybody has some, and what they are grouped by."""
    assignees = {name: name for name in (*report.choices.get("assignees", {}), chosen.rows.assigned_to) if name}
    widths = (1.25, 1.5, 1.5, 1.5, 1.3, 2.55) if assignees else (1.25, 1.8, 1.8, 1.8, 2.55)
    view, *three, group = st.columns(widths, gap="small")
    if assignees:
        _choose_assignee(three.pop(), list(assignees), chosen.rows.assigned_to)
    st.session_state["reconciliation_show"] = ALL if not chosen.rows.states else TO_DO
    view.segmented_control("Show", [TO_DO, ALL], key="reconciliation_show", on_change=_show_chosen)
    for column, (name, (parameter, label, placeholder)) in zip(three, _FILTERS.items(), strict=True):
        _choose(column, report.choices.get(name, {}), getattr(chosen.rows, name), parameter, label, placeholder)
    st.session_state["reconciliation_by"] = chosen.by
    group.segmented_control("Group by", list(GROUPS), format_func=GROUPS.get, key="reconciliation_by", on_change=_by_chosen)


def _choose(column, named: Mapping[str, str], values: Sequence[str], parameter: str, label: str, placeholder: str) -> None:
    key = f"reconciliation_{parameter}"
    options = [*named, *(one for one in values if one not in named)]
    st.session_state[key] = list(values)
    column.multiselect(
        label,
        options,
        key=key,
        format_func=lambda one: named.get(one, one),
        placeholder=placeholder,
        on_change=_filter_chosen,
        args=(parameter,),
    )


def _choose_assignee(column, names: Sequence[str], chosen: str | None) -> None:
    st.session_state["reconciliation_assigned"] = chosen
    column.selectbox(
        "Assigned to", names, index=None, key="reconciliation_assigned", placeholder="Anybody or nobody", on_change=_assignee_chosen
    )


def _invoices(chosen: Scope) -> dict[int, str]:
    """All of the month, and each by itself where there are several."""
    each = chosen.of_month
    return {WHOLE_MONTH: _whole_month(chosen)} | (each if len(each) > 1 or invoice_id() else {})


def _whole_month(chosen: Scope) -> str:
    many = len(chosen.of_month)
    if many == 1:
        return next(iter(chosen.of_month.values()))
    return f"All {wording.counted(many, 'invoice')} of {wording.month(chosen.month)}" if chosen.month else "No invoice"


@problems.callback
def _month_chosen() -> None:
    _begin_anew()
    st.query_params["in_month"] = st.session_state["reconciliation_month"]


@problems.callback
def _invoice_chosen() -> None:
    named, kept = st.session_state["reconciliation_invoice"], st.session_state.get("reconciliation_month")
    _begin_anew()
    if named == WHOLE_MONTH:
        st.query_params["in_month"] = kept
    else:
        st.query_params["invoice"] = str(named)


def _begin_anew() -> None:
    """Another invoice has other customers, so that nothing of the filters is kept."""
    for name in ("invoice", "in_month", "whose", "product", "verdict", "assigned", "row", "since", "until", "sold_to", "family"):
        st.query_params.pop(name, None)
    first_page()


@problems.callback
def _filter_chosen(parameter: str) -> None:
    st.query_params[parameter] = st.session_state[f"reconciliation_{parameter}"]
    first_page()


@problems.callback
def _assignee_chosen() -> None:
    if name := st.session_state["reconciliation_assigned"]:
        st.query_params["assigned"] = name
    else:
        st.query_params.pop("assigned", None)
    first_page()


@problems.callback
def _show_chosen() -> None:
    st.query_params["show"] = (st.session_state["reconciliation_show"] or TO_DO).lower()
    first_page()


@problems.callback
def _by_chosen() -> None:
    by = st.session_state["reconciliation_by"]
    if by:
        st.query_params["by"] = by
    else:
        st.query_params.pop("by", None)
    first_page()
