"""Is an import whole or nothing wherever it is killed? And does the harness find a bug that is planted?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.struck import forks
from tests.harness.trials import Ready, Tally, run, trial


def test_an_import_is_whole_or_nothing_wherever_it_is_struck(ready: Ready, tmp_path: Path, harness_said: list[str]) -> None:
    tally = Tally()
    run(ready, tmp_path, tally, fault="kill")
    harness_said.append(f"kill: {tally}")
    assert tally.violations == []
    assert tally.points > 60


@pytest.mark.parametrize(("plant", "near"), [("commit in two", "alter table usage_line attach"), ("write in place", "write")])
def test_a_planted_bug_is_found(ready: Ready, tmp_path: Path, plant: str, near: str, harness_said: list[str]) -> None:
    with forks() as server, trial(ready, tmp_path / "steps", server) as one:
        assert one.strike(fault="kill", at=0, plant=plant) == 0
        steps = one.said("steps").splitlines()
    first = next(number for number, step in enumerate(steps, 1) if near in step)
    tally = Tally()
    run(ready, tmp_path, tally, fault="kill", plant=plant, points=range(first, first + 8))
    harness_said.append(f"planted bug, {plant}: {tally}")
    assert tally.violations
