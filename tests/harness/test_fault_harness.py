"""Is an import whole or nothing wherever the line to the provider or the database breaks, the disk is full or fails?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.trials import Ready, Tally, run


@pytest.mark.parametrize(("fault", "least"), [("ECONNRESET", 40), ("ENOSPC", 20), ("EIO", 20)])
def test_an_import_is_whole_or_nothing_whatever_fails_at_whichever_step(
    ready: Ready, tmp_path: Path, fault: str, least: int, harness_said: list[str]
) -> None:
    tally = Tally()
    run(ready, tmp_path, tally, fault=fault)
    harness_said.append(f"{fault}: {tally}")
    assert tally.violations == []
    assert tally.points > least
