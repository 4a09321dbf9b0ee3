"""Which jobs does the history show?"""

from __future__ import annotations

from collections.abc import Mapping

from pages.components import problems, url_filters
from pages.components.url_filters import Filter
from w365core.reports.job_lists import JobFilter

_FILTERS = (
    Filter("states", "job_state", "How it ended", "Every ending"),
    Filter("kinds", "job_kind", "Kind", "All kinds"),
    Filter("providers", "job_provider", "Provider", "All providers"),
)


def draw(choices: Mapping[str, Mapping[str, str]]) -> None:
    """The filters, with what there is to choose from."""
    url_filters.draw(_FILTERS, choices)


def chosen() -> JobFilter:
    """What is chosen now."""
    return JobFilter(**url_filters.chosen(_FILTERS))


def any_chosen() -> bool:
    return any(url_filters.chosen(_FILTERS).values())


@problems.callback
def clear() -> None:
    """Called by a button: every filter back to all."""
    url_filters.clear(_FILTERS)
