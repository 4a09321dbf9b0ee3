"""What needs a markup, and which usage is a change about? The worklist with its money, and the choice of invoices, customers, subscriptions and
products, which stands in the URL."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.components import cached, markup_preview, plain, problems, tables
from w365core.jobs.correcting import Chosen, Rule
from w365core.reports import markup as report, wording
from w365core.reports.markup import Item, MarkupWork

SHOWN_AT_FIRST = 5
KINDS = {"invoices": "Provider invoices", "customers": "Customers", "subscriptions": "Subscriptions", "products": "Products"}
_WIDTHS = (2.4, 5.2, 1.7, 1.4)


def work() -> MarkupWork:
    """As things are now."""
    with cached.reading() as opened:
        return report.load(opened)


# --- the worklist --------------------------------------------------------------------------------------------------------------------------


def worklist(found: MarkupWork) -> None:
    """The biggest money first; each row leads to what puts it right."""
    if not found.items:
        with st.container(border=True):
            st.badge("Every markup is as it should be", icon=":material/check_circle:", color="green")
            st.text("All usage that is not invoiced has a markup: that of its subscription, or one that a person has set.")
        return
    everything = st.session_state.get("markup_all", False)
    with st.container(border=True, gap="small"):
        for item in found.items if everything else found.items[:SHOWN_AT_FIRST]:
            _row(item)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if len(found.items) > SHOWN_AT_FIRST:
            st.toggle(f"Show all {len(found.items):,}", key="markup_all")
        drifted = tuple(dict.fromkeys(item.subscription_id for item in found.items if item.kind == "drift" and item.subscription_id))
        if len(drifted) > 1:
            st.button(
                f"Preview: all {len(drifted):,} as their subscriptions say",
                key="markup_all_drift",
                icon=":material/preview:",
                on_click=markup_preview.ask_rule,
                args=(Rule(to_subscription=True, subscriptions=drifted), markup_preview.WORKLIST),
            )
        st.space("stretch")
        with st.container(width="content"):
            tables.downloads(found.table, key="markup_work")


def _row(item: Item) -> None:
    name, said, figures, action = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
    with name.container(gap=None):
        st.markdown(f"**{plain.label(item.subscription)}**")
        st.caption(plain.label(item.customer))
    with said.container(gap=None, horizontal=True, vertical_alignment="center"):
        is_blank = item.kind == "blank"
        st.badge(
            "No markup" if is_blank else "Taken away" if item.kind == "removed" else "Changed",
            icon=":material/block:" if is_blank else ":material/sync_alt:",
            color="red" if is_blank else "orange",
        )
        st.text(item.sentence)
    with figures.container(gap=None, horizontal_alignment="right"):
        sign = "+" if item.kind == "drift" and item.money > 0 else ""
        st.markdown(f"**{sign}{wording.rounded(item.money, item.currency)}**", text_alignment="right")
        held = {"blank": "cost held up", "removed": "at stake"}
        st.caption(held.get(item.kind, "would be moved"), text_alignment="right")
    with action:
        if item.kind == "drift" and item.subscription_id:
            rule = Rule(to_subscription=True, subscriptions=(item.subscription_id,))
            st.button(
                "Preview",
                key=f"fix_{item.key}",
                icon=":material/preview:",
                on_click=markup_preview.ask_rule,
                args=(rule, markup_preview.WORKLIST),
                width="stretch",
            )
        else:
            st.button(
                "Edit" if item.kind == "removed" else "Set one",
                key=f"fix_{item.key}",
                icon=":material/edit:",
                on_click=_set_one,
                args=(item,),
                width="stretch",
            )


@problems.callback
def _set_one(item: Item) -> None:
    """Called by a button: exactly this usage, and the rule form."""
    chosen = (
        {"subscriptions": [item.subscription_id]} if item.subscription_id else {"customers": [item.account_id] if item.account_id else []}
    )
    for kind in KINDS:
        st.session_state[_key(kind)] = chosen.get(kind, [])
        _to_url(kind)
    st.session_state["markup_way"] = "One rule" if item.subscription_id or item.account_id else "Edit here"
    markup_preview.forget()


# --- what is chosen ------------------------------------------------------------------------------------------------------------------------


def choice() -> Chosen:
    """The four choices, and what they come to."""
    with cached.reading() as opened:
        options = report.choices(opened)
    for column, (kind, label) in zip(st.columns(len(KINDS), gap="small"), KINDS.items(), strict=True):
        with column:
            _choose(kind, label, options[kind])
    which = _chosen()
    with cached.reading() as opened:
        st.text("\n".join(report.chosen(opened, which)))
    return which


def is_narrowed(which: Chosen) -> bool:
    return bool(which.invoices or which.accounts or which.subscriptions or which.products)


def _choose(kind: str, label: str, options: Mapping[str, str]) -> None:
    key = _key(kind)
    known = st.session_state.get(key, st.query_params.get_all(kind))
    st.session_state[key] = [one for one in known if one in options]
    st.multiselect(label, list(options), key=key, format_func=lambda one: options[one], placeholder="All", on_change=_to_url, args=(kind,))


def _chosen() -> Chosen:
    invoices, customers, subscriptions, products = (tuple(st.session_state.get(_key(kind), ())) for kind in KINDS)
    return Chosen(tuple(int(one) for one in invoices), customers, subscriptions, products)


@problems.callback
def _to_url(kind: str) -> None:
    """Called by a choice: the view is a link. What was previewed is another question by now."""
    st.query_params[kind] = st.session_state[_key(kind)]
    markup_preview.forget()


def _key(kind: str) -> str:
    return f"markup_{kind}"
