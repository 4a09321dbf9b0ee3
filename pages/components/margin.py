"""How is a margin shown? What is sold below cost first, then customers, product families and lines, and how costs have drifted over a year."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import streamlit as st

from pages.components import cached, charts, empty, plain, problems, reconciliation_choice as choice, tables
from w365core.reports import margin as reporting, reconciliation_figures, wording
from w365core.reports.margin import Loss, Margin

SHOWN_AT_FIRST = 6
_FILTERS = {"customers": ("sold_to", "Customer", "All customers"), "families": ("family", "Product family", "All families")}


def report() -> Margin:
    """What the URL says, as it is now."""
    return cached.margin(
        invoice_id=choice.invoice_id(),
        month=choice.month(),
        since=_day("since"),
        until=_day("until"),
        customers=tuple(st.query_params.get_all("sold_to")),
        families=tuple(st.query_params.get_all("family")),
    )


def filters(found: Margin) -> None:
    """The days of the invoice, and whom and what of."""
    left, right, *two = st.columns((1.2, 1.2, 2.4, 2.4), gap="small")
    for column, name, label, value in ((left, "since", "Charged from", found.since), (right, "until", "Charged until", found.until)):
        key = f"margin_{name}"
        st.session_state[key] = value
        column.date_input(
            label,
            key=key,
            format="YYYY-MM-DD",
            on_change=_day_chosen,
            args=(name,),
            help="Lines whose charge window lies inside these days",
        )
    for column, (name, (parameter, label, placeholder)) in zip(two, _FILTERS.items(), strict=True):
        named, key = found.choices[name], f"margin_{parameter}"
        chosen = list(getattr(found.wanted, name))
        st.session_state[key] = chosen
        column.multiselect(
            label, [*named, *(one for one in chosen if one not in named)], key=key, format_func=lambda one, named=named: named.get(one, one),
            placeholder=placeholder, on_change=_chosen, args=(parameter,),
        )  # fmt: skip
    if found.whole != (found.since, found.until):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(
                f":orange[:material/warning: Lines of the invoice outside these days are left out; it has {_days(found.whole)}.]",
                width="content",
            )
            st.button("Take its days", key="margin_days", type="tertiary", on_click=_whole)


def losses(found: Margin) -> None:
    """What is sold below cost or at cost."""
    if not found.losses:
        with st.container(border=True):
            if found.all_lines:
                st.badge("Nothing is sold at or below cost", icon=":material/check_circle:", color="green")
                st.text(f"All {wording.counted(found.all_lines, 'line')} whose price is known sell for more than they cost.")
            else:
                st.text("No line of these days is reconciled or has usage, so there is nothing to compare.")
        return
    everything = st.session_state.get("losses_all", False)
    with st.container(border=True, gap="small"):
        for loss in found.losses if everything else found.losses[:SHOWN_AT_FIRST]:
            _loss(loss)
    if len(found.losses) > SHOWN_AT_FIRST:
        more = f" of {found.losing_lines:,}" if found.losing_lines > len(found.losses) else ""
        st.toggle(f"Show {len(found.losses):,}{more}", key="losses_all")


def _loss(loss: Loss) -> None:
    name, said, figures = st.columns((2.6, 5.6, 1.9), gap="small", vertical_alignment="center")
    with name.container(gap=None):
        st.markdown(f"**{plain.label(loss.customer)}**")
        st.caption(plain.label(loss.product))
    with said.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(
            loss.label,
            icon=":material/trending_down:" if loss.is_below else ":material/trending_flat:",
            color="red" if loss.is_below else "orange",
        )
        st.text(loss.sentence)
    with figures.container(gap=None, horizontal_alignment="right"):
        st.markdown(f"**{loss.money}**", text_alignment="right")
        st.caption(loss.small_print, text_alignment="right")


def groups(found: Margin) -> None:
    """Customers, the smallest margin first, beside the product families."""
    for title, table, key, parameter in (
        ("Customers", found.customers, "margin_customers", "sold_to"),
        ("Product families", found.families, "margin_families", "family"),
    ):
        st.subheader(title, anchor=False)
        if not table.rows:
            empty.nothing("Nothing to show for these days.")
            continue
        currency = table.rows[0]["currency"]
        mine = [row for row in table.rows if row["currency"] == currency][: reporting.SHOWN_GROUPS]
        with st.container(border=True, gap="xxsmall"):
            st.caption(f"The smallest margin on top, {currency}")
            told = "; ".join(f"{row['name']} {wording.rounded(row['margin'], currency)}" for row in mine)
            charts.drawn(reconciliation_figures.margins, mine, currency=currency, key=f"{key}_chart", alt=told)
        selected = tables.show(table, key=key, selects=True, height=300)
        tables.downloads(table, key=key)
        if selected and selected["key"] and st.query_params.get_all(parameter) != [selected["key"]]:
            st.query_params[parameter] = [selected["key"]]
            st.rerun()


def lines(found: Margin) -> None:
    st.subheader("Lines", anchor=False)
    if not found.lines.rows:
        return empty.nothing("No line of these days.")
    if found.all_lines > len(found.lines.rows):
        st.caption(f"The first {len(found.lines.rows):,} of {found.all_lines:,}, below cost first; the files hold all of them.")
    tables.show(found.lines, key="margin_lines")
    tables.downloads(found.lines, key="margin_lines", everything=tables.Everything(lambda: _all(found), count=found.all_lines))
    return None


def drift(found: Margin) -> None:
    """What seats cost over twelve months."""
    st.subheader("How costs have drifted over twelve months", anchor=False)
    if not found.drifts:
        return empty.nothing("A drift needs two reconciled months; there is one, or none.")
    for one in found.drifts:
        with st.container(border=True, gap="xxsmall"):
            if not one.series:
                st.text(f"What a seat costs a month has not changed for any product, {one.currency}.")
                continue
            st.caption(f"What a seat costs a month, the products that moved most, {one.currency}")
            charts.drawn(
                reconciliation_figures.drift, one.series, currency=one.currency, key=f"drift_{one.currency}", alt="; ".join(one.said)
            )
    return None


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _all(found: Margin):
    with cached.reading(seconds=0) as opened:
        yield from reporting.every_line(opened, found.wanted)


def _days(whole: Sequence[date | None]) -> str:
    return f"{wording.day(whole[0])} to {wording.day(whole[1])}"


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(st.query_params.get(name, ""))
    except ValueError:
        return None


@problems.callback
def _day_chosen(name: str) -> None:
    chosen = st.session_state[f"margin_{name}"]
    if chosen:
        st.query_params[name] = chosen.isoformat()
    else:
        st.query_params.pop(name, None)


@problems.callback
def _chosen(parameter: str) -> None:
    st.query_params[parameter] = st.session_state[f"margin_{parameter}"]


@problems.callback
def _whole() -> None:
    """Called by a button."""
    for name in ("since", "until"):
        st.query_params.pop(name, None)
