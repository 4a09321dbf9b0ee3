"""Books on a database of their own."""

from __future__ import annotations

import pytest

from tests.billing.books import Books
from w365core.jobs.context import Context


@pytest.fixture
def books(context: Context) -> Books:
    """One contract with one usage subscription, and nothing used yet."""
    found = Books(context)
    found.contract()
    found.subscription()
    return found
