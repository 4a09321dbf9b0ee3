"""How are jobs shown? What failed first, then what runs and waits, looked at every two seconds, then what runs by itself, and the history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import streamlit as st

from pages.components import cached, done, empty, job_filters, job_steps, plain, problems, standings, tables
from pages.components.job_steps import CANCEL, CHANGE, DISMISS, RETRY, RUN, Step
from pages.components.tables import Everything
from w365core.jobs import queue
from w365core.jobs.queue import JobRun
from w365core.model import shortened
from w365core.reports import job_words, jobs as report
from w365core.reports.jobs import Jobs, Own

_SHOWN_AT_FIRST = 5
_NOBODY = "No worker is there, so nothing of this begins: `python -m w365core up` starts one with everything else, `python -m w365core worker` starts it alone."
_WIDTHS = (2.6, 4.6, 2.4)
_WIDTHS_OF_NOW = (0.9, 2.7, 4.4, 1.6)
_WIDTHS_OF_OWN = (1.9, 1.8, 3.5, 2.4)
_MOST_CHARACTERS = 150


def head(page: Jobs) -> None:
    st.title("Jobs", anchor=False)
    st.caption(
        f"What failed, what runs and waits, and what runs by itself. Times are those of {plain.label(str(page.zone))}, the setting `time_zone`."
    )
    done.draw()
    if not page.works:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("No worker", icon=":material/warning:", color="orange")
            st.markdown(_NOBODY)


# --- failed --------------------------------------------------------------------------------------------------------------------------------


def failed(page: Jobs) -> None:
    """What waits for a person, the newest first."""
    if not page.failed:
        return
    st.subheader("Failed", anchor=False)
    everything = st.session_state.get("failed_all", False)
    with st.container(border=True, gap="small"):
        for job in page.failed if everything else page.failed[:_SHOWN_AT_FIRST]:
            _failed_row(job, page.zone)
    if len(page.failed) > _SHOWN_AT_FIRST:
        st.toggle(f"Show all {len(page.failed):,}", key="failed_all")


def _failed_row(job: JobRun, zone: tzinfo) -> None:
    name, said, act = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
    with name.container(gap=None):
        st.markdown(f"**{plain.label(job_words.name(job))}**")
        begun = f" · begun {job.attempts:,} times" if job.attempts > 1 else ""
        st.caption(f"job {job.job_id} · {report.local(job.finished_at, zone)} · by {plain.label(job.actor)}{begun}")
    said.text(job.message)
    with act.container(horizontal=True, horizontal_alignment="right", gap="small"):
        for label, icon, what in (("Retry", ":material/refresh:", RETRY), ("Dismiss", ":material/done:", DISMISS)):
            st.button(label, key=f"{what}_{job.job_id}", icon=icon, on_click=job_steps.ask, args=(Step(what, job=job),))


# --- running and waiting -------------------------------------------------------------------------------------------------------------------


def now(page: Jobs) -> None:
    """What runs and waits; the whole page runs again once a job has come or gone, so that it shows what is there now."""
    st.subheader("Now", anchor=False)
    seen = [job.job_id for job in page.unfinished]
    st.fragment(run_every="2s" if seen else "10s")(_unfinished)(seen)


def _unfinished(seen: Sequence[int]) -> None:
    with problems.boundary():
        with cached.reading() as opened:
            found = [job for job in queue.unfinished(opened) if not queue.is_look(job)]
        if [job.job_id for job in found] != list(seen):
            st.rerun()
        if not found:
            return empty.nothing("Nothing runs and nothing waits.")
        running = [job for job in found if job.state == "running"]
        waiting = [job for job in found if job.state != "running"]
        with st.container(border=True, gap="small"):
            for job in running:
                _running_row(job)
            for place, job in enumerate(waiting):
                _waiting_row(job, before=len(running) + place)


def _running_row(job: JobRun) -> None:
    state, name, said, rate = st.columns(_WIDTHS_OF_NOW, gap="small", vertical_alignment="center")
    with state:
        standings.badge("Running")
    name.markdown(f"**{plain.label(job_words.name(job))}**")
    with said.container(gap=None):
        st.text(job.progress or "starting")
        if job.lines_total:
            st.progress(min(job.lines_done / job.lines_total, 1.0))
        again = f" · begun {job.attempts:,} times" if job.attempts > 1 else ""
        st.caption(f"job {job.job_id} · by {plain.label(job.actor)}{again}")
    rate.caption(job_words.rate(job), text_alignment="right")


def _waiting_row(job: JobRun, *, before: int) -> None:
    state, name, said, act = st.columns(_WIDTHS_OF_NOW, gap="small", vertical_alignment="center")
    with state:
        standings.badge("Queued")
    name.markdown(f"**{plain.label(job_words.name(job))}**")
    with said.container(gap=None):
        st.text(job.progress or job_words.waits(before))
        st.caption(f"job {job.job_id} · by {plain.label(job.actor)}")
    if act.button("Cancel", key=f"cancel_{job.job_id}", icon=":material/close:", width="stretch"):
        job_steps.ask(Step(CANCEL, job=job))
        st.rerun()  # the dialog stands on the whole page


# --- what runs by itself -------------------------------------------------------------------------------------------------------------------


def own(page: Jobs) -> None:
    """The schedule with its next runs, and what follows on something else."""
    st.subheader("Runs by itself", anchor=False)
    if page.stands_still:
        st.caption("The clock of this demo stands still, so nothing becomes due by itself; Run now works.")
    with st.container(border=True, gap="small"):
        for one in page.own:
            _own_row(one)
        for label, when, how in page.beside:
            name, rhythm, last, _ = st.columns(_WIDTHS_OF_OWN, gap="small", vertical_alignment="center")
            name.markdown(f"**{label}**")
            rhythm.caption(when)
            last.text(how)


def _own_row(one: Own) -> None:
    name, rhythm, last, act = st.columns(_WIDTHS_OF_OWN, gap="small", vertical_alignment="center")
    name.markdown(f"**{one.scheduled.of.label}**", help=one.scheduled.of.does)
    with rhythm.container(gap=None):
        st.markdown(f"**{one.next_run}**" if one.next_run != "off" else ":gray[off]")
        st.caption(one.when)
    with last.container(gap=None):
        st.text(one.last)
        for job in one.jobs:
            _ended(job)
    with act.container(horizontal=True, horizontal_alignment="right", gap="small"):
        key = one.scheduled.of.name
        st.button("Run now", key=f"run_{key}", icon=":material/play_arrow:", on_click=job_steps.ask, args=(Step(RUN, own=one),))
        st.button("Change", key=f"change_{key}", icon=":material/tune:", on_click=job_steps.ask, args=(Step(CHANGE, own=one),))


def _ended(job: JobRun) -> None:
    """How a job of the last run went; the whole sentence stands in the history."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        standings.badge(job_words.standing(job))
        st.caption(f"job {job.job_id}", width="content")
    if job.message:
        st.caption(plain.label(shortened(job.message, _MOST_CHARACTERS)))


# --- providers, retries, history -----------------------------------------------------------------------------------------------------------


def providers(page: Jobs) -> None:
    st.subheader("Last success of each provider", anchor=False)
    if not page.providers.rows:
        return empty.nothing("No provider has a connection yet, so there is nobody to ask by itself. Files by hand need no schedule.")
    tables.show(page.providers, key="last_syncs")


def retries(page: Jobs) -> None:
    """What the daily sync tries again, what lapses soonest first."""
    if not page.retries.rows:
        return
    st.subheader("Tried again by the daily sync", anchor=False)
    st.caption(
        "Failed invoices are fetched again with each daily sync, for 15 days from when they were first seen; afterwards only by hand."
    )
    row = tables.show(page.retries, key="retries", selects=True)
    tables.downloads(page.retries, key="retries")
    if row:
        st.switch_page("invoices/status.py", query_params={"invoice": str(row["id"])})


def history(page: Jobs) -> None:
    """What has ended, by filters."""
    st.subheader("History", anchor=False)
    job_filters.draw(page.choices)
    wanted = job_filters.chosen()
    everything = Everything(lambda: cached.every_job(wanted), cached.count_jobs(wanted))
    shown, _ = tables.pages(lambda before: cached.job_history(wanted, before), everything, key="job_history", about=repr(wanted))
    if shown.table.rows:
        return
    if not job_filters.any_chosen():
        return empty.nothing("No job has ended yet. Whatever a page queues and whatever runs by itself stands here afterwards.")
    with st.container(border=True):
        st.text("No job matches these filters.")
        st.button("Clear filters", key="clear_jobs", icon=":material/filter_alt_off:", on_click=job_filters.clear)
