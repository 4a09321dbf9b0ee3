"""Does each listed document say what there is of it here, and what a sync by hand and the daily job would do with it?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.reports import builders as b
from w365core.reports import listings


def listed(**more: Any) -> listings.Listed:
    """A document of the latest month, with what there is of it here."""
    absent = dict.fromkeys(("provider_invoice_id", "status_reason", "failure", "first_seen_at", "imported_at", "deleted_at", "lines_total"))
    row = {
        "invoice_number": "G1", "document_type": "invoice", "invoice_type": "one_time", "amends_of": None, "invoice_date": date(2026, 11, 8),
        "currency": "EUR", "total": Decimal(100), "message": "", "source": "synced", "header_total": None, "changed_at_provider": None,
        "deleted_first_seen_at": None, **absent,
    }  # fmt: skip
    latest = row | {"invoice_number": "G9"}
    return listings.build("csp", [row | more, latest], at=b.NOW, now=b.NOW).rows[0]


def here(status: str, **more: Any) -> listings.Listed:
    known = {"provider_invoice_id": 7, "status_reason": status, "header_total": Decimal(100), "lines_total": Decimal(100)}
    return listed(**(known | {"changed_at_provider": False, "first_seen_at": b.NOW - timedelta(days=3)} | more))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (listed(), ("Not here", "imports it", "imports it")),
        (listed(invoice_date=date(2026, 10, 8)), ("Not here", "imports it", "leaves it: not its latest month")),
        (
            listed(deleted_at=b.NOW, deleted_first_seen_at=b.NOW - timedelta(days=3)),
            ("Deleted", "imports it", "brings it back until 24 Nov 2026"),
        ),
        (
            listed(deleted_at=b.NOW, deleted_first_seen_at=b.NOW - timedelta(days=16)),
            ("Deleted", "imports it", "leaves it: its days are over"),
        ),
        (here("Active"), ("Active", "refused: deactivate it first", "compares it")),
        (here("Active Usage"), ("Active Usage", "refused: deactivate it first", "compares it")),
        (here("Active", invoice_date=date(2026, 8, 8)), ("Active", "refused: deactivate it first", "leaves it")),
        (here("Active", total=Decimal(101)), ("Changed", "refused: deactivate it first", "compares it")),
        (here("Active", message="Look."), ("Warning", "refused: deactivate it first", "compares it")),
        (here("Error"), ("Error", "tries it again", "tries until 24 Nov 2026")),
        (here("Error", first_seen_at=b.NOW - timedelta(days=16)), ("Error", "tries it again", "leaves it: its days are over")),
        (here("Deactivated"), ("Deactivated", "imports it again", "leaves it")),
        (here("Error", source="file"), ("Error", "checks its files again", "leaves it")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_a_sync_would_do_is_said_of_every_standing(one: listings.Listed, said: tuple[str, str, str]):
    assert (one.here, one.sync, one.daily) == said
    assert one.refused == said[1].startswith("refused")


def test_a_listing_of_nothing_has_no_rows():
    assert listings.build("csp", [], at=None, now=b.NOW).rows == ()
