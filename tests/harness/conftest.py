"""What every trial of the harness begins with, made once for a file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.trials import Ready, made_ready


@pytest.fixture(scope="module")
def ready(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    with made_ready(template, tmp_path_factory.mktemp("harness")) as made:
        yield made
