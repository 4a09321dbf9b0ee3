"""Which invoice of a provider is to be synced? Its own list with what there is of each here, what a sync would do, and a tolerance where one helps."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import streamlit as st

from pages.components import address, asking, cached, problems, signed_in, standings, tables
from w365core import money
from w365core.errors import CallRefused
from w365core.jobs import queue
from w365core.jobs.queue import INVOICE, LIST, Plan
from w365core.reports import listings, proposals, provider_invoice, wording
from w365core.reports.listings import Listing
from w365core.reports.proposals import Proposal
from w365core.reports.provider_invoice import BILLED, Invoice

_LISTING = "sync_listing"  # the job that asks the provider: {provider: number}


def draw(provider: str, *, close: Callable[[], None]) -> None:
    """The list, the chosen one and the button. `close` ends the dialog."""
    _refreshing(provider)
    with cached.reading() as opened:
        listing = listings.load(opened, provider, now=cached.now(opened))
    _list(listing)
    number = st.text_input(
        "Invoice number", key="sync_number", placeholder="Choose one above, or type any number", help="Also one that is not listed"
    ).strip()
    if number:
        _chosen(provider, number, close)


# --- the list ----------------------------------------------------------------------------------------------------------------------------


def _refreshing(provider: str) -> None:
    """When it was listed last, and a way to ask again; while that runs, how it goes."""
    job_id = st.session_state.get(_LISTING, {}).get(provider)
    with cached.reading() as opened:
        job = None if job_id is None else queue.watch(opened, job_id)
        listed = listings.listed_last(opened, provider, now=cached.now(opened))
    if job is not None and not job.ended:
        return _going(job.job_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(listed, width="content")
        st.space("stretch")
        st.button("Refresh", key="sync_refresh", icon=":material/refresh:", type="tertiary", on_click=_ask_for_list, args=(provider,))
    if job is not None and job.state != "done":
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(job.state.capitalize(), icon=":material/error:", color="red")
            st.text(job.message)


@problems.callback
def _ask_for_list(provider: str) -> None:
    with problems.boundary():
        job_id = queue.ask(cached.engine(), kind=LIST, provider=provider, actor=signed_in.person())
        st.session_state[_LISTING] = {**st.session_state.get(_LISTING, {}), provider: job_id}


@st.fragment(run_every="1s")
def _going(job_id: int) -> None:
    """Looks every second; the dialog runs again once the list is there."""
    with problems.boundary():
        with cached.reading() as opened:
            job, works = queue.watch(opened, job_id), queue.someone_works(opened)
        if job is None or job.ended:
            st.rerun()
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Asking", icon=":material/refresh:", color="blue")
            st.text(job.progress or "waits for the worker")
        if not works:
            st.caption(":material/warning: No worker is there to do it, so it waits: `python -m w365core up` starts one.")


def _list(listing: Listing) -> None:
    """The table; a click on a row is as good as typing its number."""
    if not listing.rows:
        return
    chosen = tables.show(listing.table, key=f"sync_list_{listing.provider}", selects=True, height=268)
    if chosen and chosen["number"] != st.session_state.get("sync_picked"):
        st.session_state["sync_picked"] = st.session_state["sync_number"] = chosen["number"]


# --- the chosen one ----------------------------------------------------------------------------------------------------------------------


def _chosen(provider: str, number: str, close: Callable[[], None]) -> None:
    with cached.reading() as opened:
        known = provider_invoice.named(opened, provider=provider, number=number)
    plan = queue.plan(cached.engine(), kind=INVOICE, provider=provider, invoice=number)
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            standings.badge(known.standing if known else listings.ABSENT)
            st.text(plan.sentence)
        if plan.refused:
            _lead_to_deactivating(known)
        else:
            _ask(provider, number, known, plan, close)


def _lead_to_deactivating(known: Invoice | None) -> None:
    if known is None or known.status not in BILLED:
        return

    if st.button("Deactivate it first", key="sync_deactivate", icon=":material/block:"):
        address.open_invoice(known.id)
        asking.for_action("deactivate", known)
        st.rerun()


def _ask(provider: str, number: str, known: Invoice | None, plan: Plan, close: Callable[[], None]) -> None:
    proposal = proposals.of(known) if known else None
    typed = _tolerance(proposal, known) if proposal else ("", "")
    if st.button("Sync now", key="sync_now", type="primary", icon=":material/sync:"):
        try:
            override, reason = _said(proposal, *typed)
        except CallRefused as refusal:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge("Not yet", icon=":material/edit:", color="orange")
                st.text(str(refusal))
            return
        st.session_state["sync_job"] = queue.ask(
            cached.engine(), kind=INVOICE, provider=provider, invoice=number, override=override, reason=reason, actor=signed_in.person()
        )
        close()
        st.rerun()


def _tolerance(proposal: Proposal, known: Invoice) -> tuple[str, str]:
    """The two fields as typed. They begin anew with each attempt: another difference is another proposal."""
    key = f"sync_override_{known.id}_{known.import_run_id}"
    left, right = st.columns((1, 2.4), gap="small")
    override = left.text_input(
        f"Tolerance, this time, {known.currency}",
        value=wording.digits(proposal.amount).replace(",", "") if proposal.amount is not None else "",
        key=key,
        placeholder="Blank: none",
        help="Let a difference of this size pass, for this sync only",
    )
    reason = right.text_input(
        "Why it may pass", key=f"{key}_why", placeholder="Not needed" if proposal.is_small else "Kept with the invoice"
    )
    st.text(proposal.why)
    return override, reason


def _said(proposal: Proposal | None, override: str, reason: str) -> tuple[Decimal | None, str | None]:
    """CallRefused where it cannot be read, or where a reason is needed and missing."""
    if proposal is None or not override.strip():
        return None, reason.strip() or None
    number = money.readable(override.strip())
    if number is None or number < 0:
        raise CallRefused(f"The tolerance is {override.strip()!r}; write a number with a decimal point and without grouping, such as 1330.")
    if proposal.needs_reason(number) and not reason.strip():
        raise CallRefused("Say why this difference may pass; it is kept with the invoice.")
    return number, reason.strip() or None
