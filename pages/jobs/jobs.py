"""Jobs: what failed and waits for somebody, what runs now, what runs by itself and when, and how did each provider's last sync go?"""

from __future__ import annotations

from pages.components import cached, job_steps, jobs, tiles


def page() -> None:
    report = cached.jobs()
    jobs.head(report)
    tiles.draw(report.tiles)
    jobs.failed(report)
    jobs.now(report)
    jobs.own(report)
    jobs.providers(report)
    jobs.retries(report)
    jobs.history(report)


page()
job_steps.dialog()
