"""Books that reconciliation is asked of, on a database of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.books import Books
from tests.conftest import Command


@pytest.fixture
def books(w365: Command, tmp_path: Path) -> Books:
    """Ten seats with us; nothing imported yet."""
    made = Books(w365, tmp_path)
    made.subscription(), made.log("L-1", "10")
    made.load()
    return made
