"""How does a person fetch invoices from here? A button that says before what it will do, queues it, and shows how it goes and what it did.

Nothing runs in the page: a worker does it, and goes on where the tab is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from pages.components import address, asking, cached, connections, imports, problems, signed_in, sync_invoice
from pages.components.asking import SYNC
from w365core.jobs import queue
from w365core.jobs.queue import ACCOUNTS, CONNECTED, DAILY, FILES, INVOICE, TEST, JobRun
from w365core.model import Provider
from w365core.reports import job_words, provider_invoice

_WHAT = {DAILY: "Latest invoice month", INVOICE: "One invoice"}
_NOBODY = ":material/warning: No worker is there to do it, so it waits: `python -m w365core up` starts one with everything else, `python -m w365core worker` starts it alone."
_MOST_SAID = 8


def button() -> None:
    """Opens the dialog, which stays open until somebody asks or closes it, whatever runs the page again meanwhile."""
    st.button("Sync", key="sync_open", icon=":material/sync:", help="Fetch invoices from a provider", on_click=asking.open_, args=(SYNC,))


def dialog() -> None:
    """The dialog, where it is open."""
    if asking.what(SYNC):
        _ask()


def accounts_button() -> None:
    """The same for what the providers know of our customers."""
    what = "Fetch customers, subscriptions and changes from a provider"
    st.button("Sync accounts", key="accounts_open", icon=":material/sync:", help=what, on_click=asking.open_, args=(asking.ACCOUNTS,))
    if asking.what(asking.ACCOUNTS):
        _ask_for_accounts()


def test_button() -> None:
    """The same for what a connection is able to bring."""
    what = "See what a connection can bring, and what has to be granted"
    st.button("Test connection", key="test_open", icon=":material/network_check:", help=what, on_click=asking.open_, args=(asking.TEST,))
    if asking.what(asking.TEST):
        _ask_for_test()


def progress() -> None:
    """The job that was asked for here, or the first one that anybody asked for: how it goes, and once what it did."""
    with cached.reading() as opened:
        waiting = [job for job in queue.unfinished(opened) if not queue.is_look(job)]
        watched = st.session_state.setdefault("sync_job", waiting[0].job_id) if waiting else st.session_state.get("sync_job")
        job = None if watched is None else queue.watch(opened, watched)
    if job is None:
        st.session_state.pop("sync_job", None)
    elif job.ended:
        _ended(job)
    else:
        _going(job.job_id)


# --- asking ------------------------------------------------------------------------------------------------------------------------------


@st.dialog("Sync with a provider", width="large", on_dismiss=asking.close)
def _ask() -> None:
    with problems.boundary():
        with cached.reading() as opened:
            providers, works = {known.name: known for known in queue.every_provider(opened)}, queue.someone_works(opened)
        if not any(known.type in CONNECTED for known in providers.values()):
            _say_how_to_add()
            return
        left, right = st.columns((1, 1.6), gap="medium")
        provider = providers[left.selectbox("Provider", _in_order(providers.values()), key="sync_provider")]
        if provider.type not in CONNECTED:
            return _by_files(provider)
        kind = right.radio("What", list(_WHAT), format_func=lambda one: _WHAT[one], key="sync_kind", horizontal=True)
        if not works:
            st.caption(_NOBODY)
        if kind == INVOICE:
            return sync_invoice.draw(provider.name, close=asking.close)
        st.text(queue.plan(cached.engine(), kind=DAILY, provider=provider.name).sentence)
        if st.button("Sync now", key="sync_now", type="primary", icon=":material/sync:"):
            st.session_state["sync_job"] = queue.ask(cached.engine(), kind=DAILY, provider=provider.name, actor=signed_in.person())
            asking.close()
            st.rerun()


def _in_order(providers: Iterable[Provider]) -> list[str]:
    """Those that can be asked first."""
    return [known.name for known in sorted(providers, key=lambda known: known.type not in CONNECTED)]


def _by_files(provider: Provider) -> None:
    st.text(f"{provider.name} has no connection that could be asked: its invoices come as files.")
    if st.button("Import its files", key="sync_files", icon=":material/upload_file:", type="primary"):
        asking.for_files_of(provider.name)
        st.rerun()


@st.dialog("Sync accounts with a provider", on_dismiss=asking.close)
def _ask_for_accounts() -> None:
    _ask_of_one(ACCOUNTS, "accounts", "Sync now", ":material/sync:")


@st.dialog("Test a connection", on_dismiss=asking.close)
def _ask_for_test() -> None:
    _ask_of_one(TEST, "test", "Test now", ":material/network_check:")


def _ask_of_one(kind: str, key: str, label: str, icon: str) -> None:
    """What takes no more than a provider: which one, what it will do, and the button."""
    with problems.boundary():
        names, works = _connected()
        if not names:
            return
        provider = st.selectbox("Provider", names, key=f"{key}_provider")
        st.text(queue.plan(cached.engine(), kind=kind, provider=provider).sentence)
        if not works:
            st.caption(_NOBODY)
        if st.button(label, key=f"{key}_now", type="primary", icon=icon):
            st.session_state["sync_job"] = queue.ask(cached.engine(), kind=kind, provider=provider, actor=signed_in.person())
            asking.close()
            st.rerun()


def _connected() -> tuple[Sequence[str], bool]:
    """The providers that can be asked, and whether a worker is there; says how to add one where there is none."""
    with cached.reading() as opened:
        names, works = queue.providers(opened), queue.someone_works(opened)
    if not names:
        _say_how_to_add()
    return names, works


def _say_how_to_add() -> None:
    st.text("No provider has a connection yet, so there is nobody to ask. Add one, then sync:")
    st.code("python -m w365core provider add my-csp --type partner_center --tenant-id TENANT --client-id CLIENT", language="bash")


# --- watching ----------------------------------------------------------------------------------------------------------------------------


@st.fragment(run_every="1s")
def _going(job_id: int) -> None:
    """Looks every second; the whole page runs again once the job has ended, so that it shows what is there now."""
    with problems.boundary():
        with cached.reading() as opened:
            job, works, all_waiting = queue.watch(opened, job_id), queue.someone_works(opened), queue.unfinished(opened)
        if job is None or job.ended:
            st.rerun()
        before = sum(other.job_id < job_id for other in all_waiting)
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            if job.state == "running":
                st.badge("Running", icon=":material/sync:", color="blue")
            else:
                st.badge("Queued", icon=":material/hourglass_top:", color="orange")
            st.text(f"{job_words.name(job)}: {job.progress or job_words.waits(before)}", width="content")
            st.space("stretch")
            st.caption(job_words.rate(job), width="content")
            if job.state == "queued":
                st.button("Cancel", key="sync_cancel", icon=":material/close:", type="tertiary", on_click=_cancel, args=(job_id,))
        if not works:
            st.caption(_NOBODY)


def _ended(job: JobRun) -> None:
    """What it did, until somebody has read it."""
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if job_words.left_errors(job):
                st.badge("Done, with errors", icon=":material/warning:", color="orange")
            elif job.state == "done":
                st.badge("Done", icon=":material/check_circle:", color="green")
            else:
                st.badge(job.state.capitalize(), icon=":material/error:", color="red" if job.state == "failed" else "gray")
            st.text(f"{job_words.name(job)}: {job.message}")
            st.space("stretch")
            st.caption(job_words.rate(job), width="content")
            st.button("Close", key="sync_close", icon=":material/close:", type="tertiary", on_click=_forget)
        for sentence in _said(job):
            st.text(sentence)
        for check in (job.outcome or {}).get("checks", ()):
            connections.check(check)
        if job.kind == FILES:
            imports.trouble(job, key="imported_problems")
        invoice_id = _imported(job)
        if invoice_id is not None and invoice_id != address.invoice():
            st.button(
                "Open the invoice",
                key="sync_open_invoice",
                icon=":material/receipt_long:",
                on_click=address.open_invoice,
                args=(invoice_id,),
            )


def _imported(job: JobRun) -> int | None:
    """The one invoice that the job was about, where it is here."""
    if job.kind != INVOICE or not (job.provider and job.invoice):
        return (job.outcome or {}).get("invoice_id")
    with cached.reading() as opened:
        known = provider_invoice.named(opened, provider=job.provider, number=job.invoice)
    return known.id if known else None


def _said(job: JobRun) -> Sequence[str]:
    """Invoice by invoice where there were several; those that need somebody first."""
    invoices = (job.outcome or {}).get("invoices", ())
    if len(invoices) < 2:
        return ()
    said = [
        f"{one['invoice']}: {one['status'].partition('/')[2]}. {one['message']}".strip()
        for one in sorted(invoices, key=lambda one: not one["failure"])
    ]
    more = len(said) - _MOST_SAID
    return said if more <= 0 else [*said[:_MOST_SAID], f"… and {more:,} more"]


@problems.callback
def _cancel(job_id: int) -> None:
    with problems.boundary():
        queue.cancel(cached.engine(), job_id, actor=signed_in.person(), now=cached.installation().now)


@problems.callback
def _forget() -> None:
    st.session_state.pop("sync_job", None)
