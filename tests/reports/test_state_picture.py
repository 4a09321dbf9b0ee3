"""Is the picture of an invoice's life the table of its steps, no more and no less?"""

from __future__ import annotations

import re

import pytest

from w365core import lifecycle
from w365core.model import StatusReason
from w365core.reports import state_picture
from w365core.reports.state_picture import ABSENT, Ink

INK = Ink(text="#111111", line="#222222", person="#333333", marked="#444444", on_marked="#555555")


def arrows(dot: str) -> dict[tuple[str, str], set[str]]:
    return {
        (before, after): set(label.split("\\n")) for before, after, label in re.findall(r'"([^"]+)" -> "([^"]+)" \[label="([^"]+)"', dot)
    }


def name(reason: StatusReason | None) -> str:
    return ABSENT if reason is None else str(reason)


def test_every_step_is_an_arrow_and_every_arrow_a_step():
    told: dict[tuple[str, str], set[str]] = {}
    for step in lifecycle.STEPS:
        for before in step.before:
            told.setdefault((name(before), name(step.after)), set()).add(step.action)
    assert arrows(state_picture.dot("Active", INK)) == told


@pytest.mark.parametrize(
    ("status", "marked"), [*((reason, str(reason)) for reason in StatusReason), ("Active Usage", "Active"), (None, ABSENT)]
)
def test_the_present_state_alone_is_marked(status: str | None, marked: str):
    assert re.findall(r'"([^"]+)" \[label="[^"]+".*fillcolor="#444444"', state_picture.dot(status, INK)) == [marked]


def test_what_only_a_job_does_is_dashed():
    dashed = {line.split(" [")[0] for line in state_picture.dot("Active", INK).splitlines() if 'style="dashed"' in line and "->" in line}
    assert dashed == {'"Populating" -> "Error"', '"Active" -> "Active"'}


def test_the_rows_say_every_guard():
    assert [row["guard"] for row in state_picture.table().rows] == [step.guard for step in lifecycle.STEPS]
