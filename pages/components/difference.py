"""How is a difference shown? What it is made of, proven first, each explanation down to its lines; by whom and what; and the override, where one is proposed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import streamlit as st

from pages.components import cached, charts, plain, problems, signed_in, tables
from w365core.jobs import queue
from w365core.reports import differences
from w365core.reports.differences import Difference, Explained, Proposal
from w365core.reports.provider_invoice import Invoice

_SHOWN_AT_FIRST = 4
_WIDTHS = (7.4, 2.6)


def draw(invoice: Invoice, *, anchor: str) -> None:
    """All of it, for an invoice that differs beyond the default tolerance."""
    with problems.boundary():
        found = cached.difference(invoice)
        if found is None:
            return
        made_of, override = st.columns((6.4, 3.6), gap="small")
        with made_of, st.container(border=True, height="stretch", gap="small"):
            _head(found, anchor)
            _explanations(invoice, found)
        with override, st.container(border=True, height="stretch"):
            _override(invoice, found)
        opened = next((one for one in found.explanations if st.session_state.get("explained_open") == (invoice.id, one.place)), None)
        if opened:
            _lines(invoice, opened)
        with st.container(border=True):
            _chart(invoice, found)


def _head(found: Difference, anchor: str) -> None:
    st.subheader("What the difference is made of", anchor=anchor)
    with st.container(horizontal=True, gap="medium"):
        for about, size in found.gaps:
            with st.container(horizontal=True, width="content", gap="xsmall", vertical_alignment="center"):
                st.caption(f"{about}:", width="content")
                st.markdown(f"**{size}**", width="content")


# --- explanations and their lines ----------------------------------------------------------------------------------------------------------


def _explanations(invoice: Invoice, found: Difference) -> None:
    if not found.explanations:
        st.text(
            "Nothing that is known explains it: no tax, no credit, no line that only one of the files has. Take differences.csv to the provider's support."
        )
        return
    everything = st.session_state.get("explanations_all", False)
    several = len(found.gaps) > 1
    for one in found.explanations if everything else found.explanations[:_SHOWN_AT_FIRST]:
        _explanation(invoice, one, several)
    if len(found.explanations) > _SHOWN_AT_FIRST:
        st.toggle(f"Show all {len(found.explanations)}", key="explanations_all")


def _explanation(invoice: Invoice, one: Explained, several: bool) -> None:
    opened = st.session_state.get("explained_open") == (invoice.id, one.place)
    said, money = st.columns(_WIDTHS, gap="small", vertical_alignment="top")
    with said.container(gap="xxsmall"):
        _mark(one, several)
        st.text(one.sentence)
        if one.lines:
            st.button(
                "Hide its lines" if opened else f"Show its {one.lines}",
                key=f"explained_{invoice.id}_{one.place}",
                type="tertiary",
                icon=":material/expand_less:" if opened else ":material/subdirectory_arrow_right:",
                on_click=_toggle,
                args=((invoice.id, one.place), opened),
            )
    with money.container(gap=None, horizontal_alignment="right"):
        st.markdown(f"**{one.amount}**", text_alignment="right")
        st.caption(one.explains if one.rest is None else f"{one.explains}, leaves {one.rest}", text_alignment="right")


def _mark(one: Explained, several: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        if one.proven:
            st.badge("Proven", icon=":material/verified:", color="green")
        elif one.is_exact:
            st.badge("Fits, not proven", icon=":material/help:", color="orange")
        else:
            st.badge("Possible", icon=":material/help:", color="gray")
        if several:
            st.caption(one.about, width="content")


@problems.callback
def _toggle(which: tuple[int, int], opened: bool) -> None:
    st.session_state["explained_open"] = None if opened else which


def _lines(invoice: Invoice, one: Explained) -> None:
    """The lines that an explanation rests on, under it in full width."""
    with cached.reading() as opened:
        table = differences.lines(opened, invoice, one.place)
    with st.container(border=True, gap="small"):
        st.caption(plain.label(one.sentence))
        if len(table.rows) >= differences.MOST_LISTED:
            st.caption(f"These are the {differences.MOST_LISTED:,} biggest of its {one.lines}; all lines are in the tabs below.")
        if table.rows:
            tables.show(table, key=f"explained_lines_{invoice.id}_{one.place}")
            tables.downloads(table, key="explained_lines")
        else:
            st.text("The lines of this explanation are not here any more.")


# --- by whom and what ----------------------------------------------------------------------------------------------------------------------


def _chart(invoice: Invoice, found: Difference) -> None:
    what = "How the two files differ" if found.of_usage else "What the lines come to"
    head, switch = st.columns((4, 6), vertical_alignment="center")
    head.caption(f"{what} by {(dimension := _dimension(switch))}, {invoice.currency}")
    bars = cached.difference_bars(invoice.id, invoice.import_run_id, invoice.standing, dimension, of_usage=found.of_usage)
    charts.by_difference(bars, currency=invoice.currency, of_usage=found.of_usage)
    tables.downloads(differences.table(invoice), key="differences", everything=tables.Everything(lambda: _all(invoice)))


def _all(invoice: Invoice) -> Iterator[Mapping[str, Any]]:
    """Every row of differences.csv, as long as the file is written."""
    with cached.reading(seconds=0) as opened:
        yield from differences.rows(opened, invoice)


def _dimension(where) -> str:
    with where.container(horizontal=True, horizontal_alignment="right"):
        chosen = st.segmented_control(
            "By",
            differences.DIMENSIONS,
            default=differences.DIMENSIONS[0],
            key="difference_by",
            label_visibility="collapsed",
            required=True,
        )
    return chosen or differences.DIMENSIONS[0]


# --- the override --------------------------------------------------------------------------------------------------------------------------


def _override(invoice: Invoice, found: Difference) -> None:
    if found.overridden:
        st.badge("Overridden", icon=":material/gavel:", color="violet")
        st.text(found.overridden)
    elif found.instead:
        st.badge("No override is proposed", icon=":material/sync:", color="blue")
        st.text(found.instead)
    elif found.proposal is None:
        st.badge("No override is proposed", icon=":material/block:", color="gray")
        st.text(
            "An override is proposed once one cause is proven, or where the difference is small. Until then wait for the provider's next data, or ask its support."
        )
    elif found.proposal.refused:
        st.badge("The policy refuses it", icon=":material/block:", color="red")
        st.text(found.proposal.refused)
    else:
        _proposed(invoice, found.proposal)


def _proposed(invoice: Invoice, proposal: Proposal) -> None:
    st.badge("An override would let it pass", icon=":material/rule:", color="blue")
    st.text(proposal.because)
    st.text(proposal.effect)
    reason = ""
    if proposal.needs_reason:
        reason = st.text_input(
            "Reason", key=f"override_reason_{invoice.id}", max_chars=300, placeholder="Why this difference is accepted"
        ).strip()
    st.button(
        f"Import with a tolerance of {plain.label(f'{proposal.override:,}')} {invoice.currency}",
        key="override_import",
        type="primary",
        icon=":material/done_all:",
        on_click=partial(_asking, True),
    )
    if st.session_state.pop("override_asked", False):
        if proposal.needs_reason and not reason:
            st.badge("Say why first: the reason stands on the invoice and in the log", icon=":material/edit:", color="orange")
        else:
            _ask(invoice, proposal, reason)


@problems.callback
def _asking(now: bool) -> None:
    st.session_state["override_asked"] = now


def _ask(invoice: Invoice, proposal: Proposal, reason: str) -> None:
    asked = {"override": proposal.override, "reason": reason or "within one click", "actor": signed_in.person()}
    st.session_state["sync_job"] = queue.ask(
        cached.engine(), kind=queue.INVOICE, provider=invoice.provider, invoice=invoice.number, **asked
    )
    st.toast("The import with the override is queued.")
    st.rerun()
