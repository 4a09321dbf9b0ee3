"""What can a person do with a job, and with what runs by itself? A dialog for each step: it says before what it will do, and the page after what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from typing import Any

import streamlit as st

from pages.components import asking, cached, done, plain, problems, signed_in
from pages.components.asking import WORKING
from w365core.errors import CallRefused
from w365core.jobs import asking_again, invoicing, queue, scheduling
from w365core.jobs.queue import BILL, JobRun
from w365core.reports import job_words, jobs as report, wording
from w365core.reports.jobs import Own, Scheduled

RETRY, DISMISS, CANCEL, RUN, CHANGE = "retry", "dismiss", "cancel", "run", "change"
_TITLES = {RETRY: "Try again?", DISMISS: "Dismiss it?", CANCEL: "Cancel it?", RUN: "Run it now?", CHANGE: "When does it run?"}


@dataclass(frozen=True)
class Step:
    """A step that waits to be confirmed, of a job or of what runs by itself."""

    what: str
    job: JobRun | None = None
    own: Own | None = None


@problems.callback
def ask(step: Step) -> None:
    """Called by a button: the question whether to take this step."""
    asking.open_(WORKING, step)


def dialog() -> None:
    """The question, where one is open."""
    step = asking.what(WORKING)
    if isinstance(step, Step):
        st.dialog(_TITLES[step.what], width="medium", on_dismiss=asking.close)(_confirm)(step)


def _confirm(step: Step) -> None:
    with problems.boundary():
        if asking.shows_refusal():
            return
        if step.what == RETRY:
            _retry(step.job)
        elif step.what == DISMISS:
            _dismiss(step.job)
        elif step.what == CANCEL:
            _cancel(step.job)
        elif step.what == RUN:
            _run(step.own.scheduled)
        else:
            _change(step.own.scheduled)


def _retry(job: JobRun) -> None:
    st.text(f"{job_words.name(job)}, as it was asked for then by {job.actor}, and in your name now.")
    is_useless = False
    if job.kind in queue.KINDS and (job.provider or job.kind in queue.OF_NO_PROVIDER):
        plan = queue.plan(cached.engine(), kind=job.kind, provider=job.provider, invoice=job.invoice)
        is_useless = plan.refused
        st.caption(f":orange[:material/front_hand: {plain.label(plan.sentence)}]" if is_useless else plain.label(plan.sentence))
    _buttons("Try again", ":material/refresh:", lambda: _tried(job), disabled=is_useless)


def _tried(job: JobRun) -> str:
    again = asking_again.retry(cached.engine(), job.job_id, actor=signed_in.person())
    return f"Queued as job {again}: {job_words.name(job)}."


def _dismiss(job: JobRun) -> None:
    st.text(
        f"{job_words.name(job)} needs nobody: it leaves this list and stays in the history. Nothing is queued, and nothing else changes."
    )
    _buttons("Dismiss", ":material/done:", lambda: _dismissed(job))


def _dismissed(job: JobRun) -> str:
    asking_again.dismiss(cached.engine(), job.job_id, actor=signed_in.person(), now=cached.installation().now)
    return f"Job {job.job_id} is dismissed: {job_words.name(job)}. It stays in the history."


def _cancel(job: JobRun) -> None:
    st.text(f"{job_words.name(job)} has not begun. It is taken out of the queue; nothing else changes.")
    _buttons("Cancel the job", ":material/close:", lambda: _cancelled(job))


def _cancelled(job: JobRun) -> str:
    if not queue.cancel(cached.engine(), job.job_id, actor=signed_in.person(), now=cached.installation().now):
        raise CallRefused(f"Job {job.job_id} has begun meanwhile, so it was not cancelled.")
    return f"Job {job.job_id} is cancelled: {job_words.name(job)}."


def _run(one: Scheduled) -> None:
    st.text(one.of.does)
    if one.of.name == BILL:
        st.text(_would_bill())
    st.caption("It runs beside its schedule, which stays as it is.")
    _buttons("Run now", ":material/play_arrow:", lambda: _ran(one))


def _would_bill() -> str:
    with cached.reading() as opened:
        today = cached.now(opened).date()
        found = [draft for plan in invoicing.plans(opened, invoicing.Period.due(today), today=today) for draft in plan.drafts]
    if not found:
        return "Nothing is due now, so no Draft would be made."
    return f"Would make {wording.counted(len(found), 'Draft')} now: {wording.sums((draft.total, draft.currency) for draft in found)}."


def _ran(one: Scheduled) -> str:
    job_ids = scheduling.run_now(cached.engine(), one.of.name, actor=signed_in.person())
    return f"{one.of.label} is queued: {', '.join(f'job {job_id}' for job_id in job_ids)}."


def _change(one: Scheduled) -> None:
    st.text(f"{one.of.label}. {one.of.does}")
    on = st.toggle("Runs by itself, every day", value=one.standing.enabled, key="schedule_on")
    at = st.time_input(f"At, {plain.label(str(one.rhythm.zone))}", value=one.rhythm.at, step=300, key="schedule_at", disabled=not on)
    said = f"Will run every day at {at:%H:%M}, the first time when that comes next." if on else "Will not run by itself any more."
    st.caption(f"{said} The time zone is a setting of its own: `settings set time_zone Europe/Berlin`.")
    _buttons("Save", ":material/save:", lambda: _changed(one, on, at))


def _changed(one: Scheduled, on: bool, at: time) -> str:
    how: dict[str, Any] = {"actor": signed_in.person(), "now": cached.installation().now}
    found, changed = scheduling.change(cached.engine(), one.of.name, on=on, at=f"{at:%H:%M}", seen=one, **how)
    return report.when(found) + ("" if changed else " It was so already.")


def _buttons(label: str, icon: str, take: Callable[[], str], *, disabled: bool = False) -> None:
    with st.container(horizontal=True, gap="small"):
        is_pressed = st.button(label, key="job_now", type="primary", icon=icon, disabled=disabled)
        is_left = st.button("Leave it", key="job_leave")
    if is_left:
        asking.leave()
    if is_pressed:
        try:
            sentence = take()
        except CallRefused as refusal:
            asking.refuse(refusal)
        done.say(sentence)
        asking.leave()
