"""Commands for jobs and for what runs by itself; the page Jobs shows and does the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from w365core import printing
from w365core.commands.typed import Json, opened
from w365core.errors import CallRefused

commands = typer.Typer()
jobs_commands = typer.Typer(no_args_is_help=True, help="What the worker does, waits to do and has done.")
schedule_commands = typer.Typer(no_args_is_help=True, help="What runs by itself every day.")
commands.add_typer(jobs_commands, name="jobs")
commands.add_typer(schedule_commands, name="schedule")

JobId = Annotated[int, typer.Argument(metavar="JOB", help="The job's number, as `jobs list` shows it.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="sync or bill.")]
STATES = ("queued", "running", "done", "failed", "cancelled")


@jobs_commands.command("list")
def jobs_list(
    state: Annotated[list[str] | None, typer.Option("--state", help=f"{', '.join(STATES)}; may be repeated.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="sync, sync_invoice, bill …; may be repeated.")] = None,
    provider: Annotated[list[str] | None, typer.Option("--provider", help="The provider's name; may be repeated.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=10_000, help="How many, the newest.")] = 20,
    json: Json = False,
) -> None:
    """Jobs, the newest first, in the time zone that is set."""
    from w365core.reports import job_lists as report
    from w365core.store.engine import guarded

    wrong = sorted(set(state or ()) - set(STATES))
    if wrong:
        raise CallRefused(f"--state is {wrong[0]!r}; write one of {', '.join(STATES)}.")
    wanted = report.JobFilter(tuple(state or STATES), tuple(kind or ()), tuple(provider or ()))
    context = opened()
    with guarded(), context.engine.connect() as connection:
        rows = report.listed(connection, wanted, most=most)
    asked = state or kind or provider
    none = "No job is like that; without options `jobs list` shows the newest ones." if asked else "Nothing was asked of the worker yet."
    printing.table(_shown(rows, json), ("job", "what", "state", "actor", "asked_at", "took", "message"), json, empty=none)


@jobs_commands.command("retry")
def jobs_retry(job: JobId, json: Json = False) -> None:
    """Queues a job that has failed or was cancelled once more."""
    from w365core.jobs import asking_again

    context = opened()
    again = asking_again.retry(context.engine, job, actor=context.actor)
    printing.answer({"job": job, "queued_as": again}, f"Job {job} is queued again, as job {again}.", json)


@jobs_commands.command("cancel")
def jobs_cancel(job: JobId, json: Json = False) -> None:
    """Takes back a job that has not begun."""
    from w365core.jobs import queue

    context = opened()
    if not queue.cancel(context.engine, job, actor=context.actor, now=context.now):
        raise CallRefused(
            f"Job {job} does not wait: it has begun, has ended, or there is none. `jobs list` says which; nothing was changed."
        )
    printing.answer({"job": job, "cancelled": True}, f"Job {job} is cancelled; it had not begun.", json)


@jobs_commands.command("dismiss")
def jobs_dismiss(job: JobId, json: Json = False) -> None:
    """Takes a failed job off the worklist; it stays in the history."""
    from w365core.jobs import asking_again

    context = opened()
    asking_again.dismiss(context.engine, job, actor=context.actor, now=context.now)
    printing.answer({"job": job, "dismissed": True}, f"Job {job} is dismissed; it stays in the history.", json)


@schedule_commands.command("list")
def schedule_list(json: Json = False) -> None:
    """What runs by itself: when it runs next, and when it ran last."""
    from w365core.reports import job_lists as report
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        rows = report.schedule_listed(connection, now=context.settings.now)
    printing.table(
        _shown(rows, json), ("name", "on", "at", "time_zone", "next_run", "last_run", "last_ended"), json, empty="Nothing runs by itself."
    )


@schedule_commands.command("set")
def schedule_set(
    name: Name,
    at: Annotated[str | None, typer.Option("--at", help="Time of day, HH:MM, in the time zone that is set.")] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Whether it runs by itself.")] = None,
    json: Json = False,
) -> None:
    """Switches one on or off, or sets its time of day."""
    from w365core.jobs import scheduling
    from w365core.reports import jobs as report

    context = opened()
    found, changed = scheduling.change(context.engine, name, at=at, on=on, actor=context.actor, now=context.now)
    document = {
        "name": found.of.name,
        "on": found.standing.enabled,
        "at": f"{found.rhythm.at:%H:%M}",
        "next_run": found.next_run,
        "changed": changed,
    }
    printing.answer(document, f"{report.when(found)}{'' if changed else ' It was so already.'}", json)


@schedule_commands.command("run")
def schedule_run(name: Name, json: Json = False) -> None:
    """Queues one now, beside its schedule."""
    from w365core.jobs import scheduling

    context = opened()
    job_ids = scheduling.run_now(context.engine, name, actor=context.actor)
    said = f"Queued: {', '.join(f'job {job_id}' for job_id in job_ids)}. A worker runs it; `jobs list` shows how it goes."
    printing.answer({"name": scheduling.named(name).name, "jobs": list(job_ids)}, said, json)


def _shown(rows: Sequence[Mapping[str, Any]], as_json: bool) -> Sequence[Mapping[str, Any]]:
    """For people, moments to the minute."""
    from w365core.reports import wording

    if as_json:
        return rows
    return [
        {name: wording.moment(cell.replace(tzinfo=None)) if isinstance(cell, datetime) else cell for name, cell in row.items()}
        for row in rows
    ]
