"""How does a person import files by hand from here? A dialog that has them looked at by the worker, says what the import will do, then asks for it.

Nothing is read in the page: an upload is put where the worker finds it, and its look at it comes back as a preview.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import streamlit as st

from pages.components import asking, cached, problems, signed_in, tables
from w365core import money
from w365core.dates import DateOrder
from w365core.errors import CallRefused
from w365core.jobs import queue
from w365core.jobs.queue import FilesAsked, HandedFile, JobRun
from w365core.model import Provider, ProviderType
from w365core.reports import file_checks

MOST_MEGABYTES = 200
_NOBODY = ":material/warning: No worker is there to read them, so they wait: `python -m w365core up` starts one with everything else."
_ORDERS = {"As the files say": None, "Month first": DateOrder.MONTH_FIRST, "Day first": DateOrder.DAY_FIRST}
_MARKS = {"As the files say": None, "Point": False, "Comma": True}
_MOST_SHOWN = 100


def button() -> None:
    """Opens the dialog, which stays open until somebody imports or closes it."""
    st.button(
        "Import files",
        key="import_open",
        icon=":material/upload_file:",
        help="Import files downloaded by hand",
        on_click=asking.open_,
        args=(asking.IMPORT,),
    )


def dialog() -> None:
    """The dialog, where it is open."""
    if asking.what(asking.IMPORT):
        _ask()


@st.dialog("Import files", width="large", on_dismiss=asking.close)
def _ask() -> None:
    with problems.boundary():
        with cached.reading() as opened:
            providers, works = queue.every_provider(opened), queue.someone_works(opened)
        if not providers:
            st.text("There is no provider yet, so nobody's invoice could be imported. Add one first:")
            st.code("python -m w365core provider add my-distributor --type manual", language="bash")
            return
        said = _form(providers)
        if not works:
            st.caption(_NOBODY)
        try:
            _checked(said)
        except CallRefused as refusal:
            with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
                st.badge("Not yet", icon=":material/edit:", color="orange")
                st.text(str(refusal))


def _checked(said: Said) -> None:
    """The button, and what the look at exactly these files found."""
    # Not barred while something is blank: the click that leaves a field is the one that sends it.
    is_current = st.session_state.get("import_look", (None, None))[1] == said
    if st.button("Check files", key="import_check", icon=":material/fact_check:", type="secondary" if is_current else "primary"):
        asked = _asked(said)
        job_id = queue.ask_files(cached.engine(), asked, look=True, actor=signed_in.person())
        st.session_state["import_look"] = (job_id, said, asked)
    job_id, of, asked = st.session_state.get("import_look", (None, said, None))
    if of != said:
        st.caption("Something has changed since the files were checked; check them again.")
    elif job_id is not None:
        _preview(job_id, asked)


# --- what is asked -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """The form as it stands, numbers as typed."""

    provider: str
    number: str
    day: date | None
    files: tuple[HandedFile, ...]
    total: str
    currency: str
    override: str
    order: str
    mark: str
    activate: bool


def _form(providers: list[Provider]) -> Said:
    names = {provider.name: provider for provider in providers}
    left, middle, right = st.columns([2, 2, 1.4])
    provider = names[left.selectbox("Provider", list(names), key="import_provider")]
    number = middle.text_input("Invoice number", key="import_number")
    day = right.date_input("Invoice date", value=None, key="import_date", format="YYYY-MM-DD", help="Blank: today")
    uploaded = st.file_uploader(
        "Files: CSV or JSON lines, gzip, zip or neither", accept_multiple_files=True, max_upload_size=MOST_MEGABYTES, key="import_files"
    )
    waiting = queue.inbox_files(provider.name)
    chosen = st.multiselect(
        "Files already on the server",
        waiting,
        format_func=lambda file: f"{file.name} · {_size(file.size)}",
        key="import_inbox",
        placeholder="Choose files" if waiting else "None there",
        help=f"Of any size: whoever has access to the server puts them into {queue.inbox(provider.name)}",
    )
    left, middle, right = st.columns([1.4, 1, 1.4])
    total = left.text_input("Header total, with tax", key="import_total", help="Blank: the sum of the lines")
    currency = middle.text_input("Currency", key="import_currency", max_chars=3, help="Blank: that of the first line")
    override = right.text_input("Tolerance, this time", key="import_override", help="Let a difference of this size pass")
    left, right = st.columns(2)
    order = left.segmented_control("Dates such as 3/4/2026", list(_ORDERS), default="As the files say", key="import_order", required=True)
    mark = right.segmented_control("Decimal mark", list(_MARKS), default="As the files say", key="import_mark", required=True)
    activate = provider.type is ProviderType.MANUAL and st.checkbox("Activate it where it adds up", key="import_activate")
    return Said(provider.name, number, day, (*_kept(uploaded), *chosen), total, currency, override, order, mark, activate)


def _kept(uploaded: list) -> list[HandedFile]:
    """The uploads, each written down once however often the dialog runs again."""
    known = st.session_state.setdefault("import_kept", {})
    for file in uploaded:
        if file.file_id not in known:
            known[file.file_id] = queue.keep(cached.engine(), file.name, file, actor=signed_in.person())
    return [known[file.file_id] for file in uploaded]


def _asked(said: Said) -> FilesAsked:
    """CallRefused where something is missing or cannot be read."""
    currency = said.currency.strip().upper()
    if not said.files:
        raise CallRefused("Choose at least one file.")
    if currency and not (len(currency) == 3 and currency.isalpha()):
        raise CallRefused(f"{currency} is no currency; write three letters, such as EUR.")
    return FilesAsked(
        provider=said.provider,
        invoice=said.number.strip(),
        files=said.files,
        total=_amount(said.total, "The header's total"),
        currency=currency or None,
        invoice_date=said.day,
        override=_amount(said.override, "The tolerance"),
        date_order=_ORDERS[said.order],
        decimal_comma=_MARKS[said.mark],
        activate=said.activate,
    )


def _amount(text: str, what: str) -> Decimal | None:
    if not text.strip():
        return None
    number = money.readable(text.strip())
    if number is None:
        raise CallRefused(f"{what} is {text.strip()!r}; write a number with a decimal point and without grouping, such as 1234.50.")
    return number


def _size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


# --- what was found ----------------------------------------------------------------------------------------------------------------------


@st.fragment(run_every="1s")
def _waiting(job_id: int) -> None:
    """Looks every second; the dialog runs again once the look has ended."""
    with problems.boundary():
        with cached.reading() as opened:
            job = queue.watch(opened, job_id)
        if job is None or job.ended:
            st.rerun()
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Checking", icon=":material/fact_check:", color="blue")
            st.text(job.progress or "waits for the worker", width="content")
            st.space("stretch")
            st.caption(f"{job.lines_done:,} lines" if job.lines_done else "", width="content")


def _preview(job_id: int, asked: FilesAsked) -> None:
    with cached.reading() as opened:
        job = queue.watch(opened, job_id)
    if job is None or not job.ended:
        return _waiting(job_id)
    outcome = job.outcome or {}
    ready = bool(outcome.get("ready"))
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Can be imported" if ready else "Cannot be imported", color="green" if ready else "red")
            st.text(job.message)
        sums = file_checks.sums(outcome)
        if sums.rows:
            tables.show(sums, key="import_sums")
        for sentence in file_checks.readings(outcome):
            st.caption(sentence)
        trouble(job, key="import_problems")
        if ready and st.button("Import", key="import_now", type="primary", icon=":material/upload_file:"):
            st.session_state["sync_job"] = queue.ask_files(cached.engine(), asked, look=False, actor=signed_in.person())
            asking.close()
            st.rerun()


def trouble(job: JobRun, *, key: str) -> None:
    """The cells that cannot be taken, where there are any, and a way to take them along."""
    found = file_checks.problems(job.outcome or {})
    if not found.rows:
        return
    tables.show(found.first(_MOST_SHOWN), key=key)
    bad = (job.outcome or {}).get("bad", len(found.rows))
    if bad > _MOST_SHOWN:
        st.caption(f"The first {_MOST_SHOWN:,} of {bad:,}; the downloads have {len(found.rows):,}.")
    tables.downloads(found, key=key)
