"""Is an import whole or nothing wherever it is killed? And does the harness find a bug that is planted?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness.struck import forks
from tests.harness.trials import NEW, Ready, Tally, run, trial


def test_an_import_is_whole_or_nothing_wherever_it_is_struck(ready: Ready, tmp_path: Path, harness_said: list[str]) -> None:
    tally = Tally()
    run(ready, tmp_path, tally, fault="kill")
    harness_said.append(f"kill: {tally}")
    assert tally.violations == []
    assert tally.points > 150  # it has about 204; far fewer would mean that operations are no longer seen


@pytest.mark.parametrize(
    ("plant", "near", "sentence"),
    [
        ("commit in two", "alter table usage_line attach", re.escape(f": Populating with {NEW}")),
        ("write in place", "write", ": [0-9a-f]{12} is landed by halves$"),
    ],
)
def test_a_planted_bug_is_found(ready: Ready, tmp_path: Path, plant: str, near: str, sentence: str, harness_said: list[str]) -> None:
    with forks() as server, trial(ready, tmp_path / "steps", server) as one:
        assert one.strike(fault="kill", at=0, plant=plant) == 0
        steps = one.said("steps").splitlines()
    first = next(number for number, step in enumerate(steps, 1) if near in step)
    tally = Tally()
    run(ready, tmp_path, tally, fault="kill", plant=plant, points=range(first, first + 8))
    harness_said.append(f"planted bug, {plant}: {tally}")
    assert [violation for violation in tally.violations if re.search(sentence, violation)], tally.violations
    assert tally.surprises == []  # it was found, and the harness did not just fall over
